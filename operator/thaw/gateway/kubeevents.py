"""Events for people who read ``kubectl describe``."""

from __future__ import annotations

from datetime import UTC, datetime

import structlog

from thaw.errors import ClusterError
from thaw.kube.client import Kube, Object
from thaw.kube.kinds import EVENT

log = structlog.get_logger(__name__)


class Events:
    """Writes events; a failure to do so is logged and nothing more."""

    def __init__(self, kube: Kube, instance: str) -> None:
        self._kube, self._instance = kube, instance

    async def warn(self, namespace: str, owner: Object, reason: str, message: str) -> None:
        """Writes a Warning about an object, given as an owner reference."""
        now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        regarding = {k: owner[k] for k in ("apiVersion", "kind", "name", "uid")} | {"namespace": namespace}
        body = {
            "apiVersion": "v1",
            "kind": "Event",
            "metadata": {"generateName": f"{owner['name'][:200]}.", "namespace": namespace},
            "involvedObject": regarding,
            "type": "Warning",
            "reason": reason,
            "message": message[:1024],
            "firstTimestamp": now,
            "lastTimestamp": now,
            "count": 1,
            "reportingComponent": "thaw-gateway",
            "reportingInstance": self._instance,
            "source": {"component": "thaw-gateway", "host": self._instance},
        }
        try:
            await self._kube.create(EVENT, body)
        except ClusterError as e:
            log.warning("event not written", reason=reason, message=message, error=str(e))
