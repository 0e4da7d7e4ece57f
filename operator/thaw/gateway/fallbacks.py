"""Starts that should have been restores and were cold: counted, told to people, and noted on the Snapshot.

The note is what the operator decides by whether the snapshot is to be made anew (:mod:`thaw.decide.keeping`).
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Literal

import structlog

from thaw.api.v1alpha1 import UnusableCause
from thaw.decide.plan import Event
from thaw.errors import ClusterError
from thaw.gateway.metrics import Metrics
from thaw.gateway.targets import Target
from thaw.gateway.watch import Watch
from thaw.kube.client import Kube
from thaw.kube.events import Events
from thaw.kube.kinds import FUNCTION_VERSION, SNAPSHOT

_LONGEST = 500
log = structlog.get_logger(__name__)


@dataclass(frozen=True)
class Fallback:
    """Why a start was cold."""

    cause: UnusableCause | Literal["NoSnapshot"]
    message: str


class Fallbacks:
    """Tells of them."""

    def __init__(self, kube: Kube, watch: Watch, events: Events, metrics: Metrics) -> None:
        self._kube, self._watch, self._events, self._metrics = kube, watch, events, metrics

    async def tell(self, target: Target, node: str, fallback: Fallback) -> None:
        """Of one start, on one node. Failures are logged: the request it is about has been served."""
        self._metrics.fallbacks.labels(target.namespace, target.function, target.qualifier, fallback.cause).inc()
        owner = target.owner
        message = f"Started cold, because the snapshot could not be used: {fallback.message}"
        event = Event("Warning", "ColdFallback", message)
        await self._events.write(FUNCTION_VERSION, target.namespace, owner["name"], owner["uid"], event)
        if target.snapshot_uid is not None and fallback.cause != "NoSnapshot":
            await self._note(target, node, fallback)

    async def _note(self, target: Target, node: str, fallback: Fallback) -> None:
        snapshot = self._watch.snapshot(target.namespace, target.snapshot_name)
        if snapshot is None or snapshot.metadata.uid != target.snapshot_uid:
            return
        before = snapshot.status.unusable.get(node)
        times = before.times + 1 if before is not None and before.cause == fallback.cause else 1
        note = {
            "cause": fallback.cause,
            "message": fallback.message[:_LONGEST],
            "times": times,
            "last": datetime.now(UTC).isoformat(),
        }
        body = {"metadata": {"uid": target.snapshot_uid}, "status": {"unusable": {node: note}}}
        try:
            await self._kube.patch(SNAPSHOT, target.namespace, target.snapshot_name, body, subresource="status")
        except ClusterError as e:
            log.warning("snapshot's trouble not noted", snapshot=target.snapshot_name, error=str(e))
