"""Kubernetes Events: what ``kubectl describe`` shows of an object's life."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime

import structlog

from thaw.decide.plan import Event
from thaw.errors import ClusterError, Conflict
from thaw.kube.client import Kube
from thaw.kube.kinds import EVENT, Kind

log = structlog.get_logger(__name__)
_LONGEST = 1024


class Events:
    """Writes events about objects. One that cannot be written is logged, and nothing else fails for it.

    :param component: who says it, e.g. ``thaw-operator``.
    """

    def __init__(self, kube: Kube, component: str, instance: str) -> None:
        self._kube, self._component, self._instance = kube, component, instance

    async def write(self, kind: Kind, namespace: str, name: str, uid: str, event: Event) -> None:
        """Writes one; the same again only brings its time up to date."""
        now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        digest = hashlib.sha256(f"{uid} {event.reason} {event.message}".encode()).hexdigest()[:16]
        body = {
            "apiVersion": "v1",
            "kind": "Event",
            "metadata": {"name": f"{name[:200]}.{digest}", "namespace": namespace},
            "involvedObject": {
                "apiVersion": kind.api_version,
                "kind": kind.kind,
                "namespace": namespace,
                "name": name,
                "uid": uid,
            },
            "type": event.type,
            "reason": event.reason,
            "message": event.message[:_LONGEST],
            "firstTimestamp": now,
            "lastTimestamp": now,
            "count": 1,
            "reportingComponent": self._component,
            "reportingInstance": self._instance,
            "source": {"component": self._component},
        }
        try:
            try:
                await self._kube.create(EVENT, body)
            except Conflict:
                await self._kube.patch(EVENT, namespace, f"{name[:200]}.{digest}", {"lastTimestamp": now})
        except ClusterError as e:
            log.warning("event not written", reason=event.reason, message=event.message, error=str(e))
