"""Kubernetes Events: what ``kubectl describe`` shows of an object's life.

``kubectl`` sorts them by a time in whole seconds, and what is equal by name. So a name ends with its nanoseconds, as
client-go's do, and what happens within one second is told in its order.
"""

from __future__ import annotations

import time
from collections import OrderedDict
from datetime import UTC, datetime

import structlog

from thaw.decide.plan import Event
from thaw.errors import ClusterError, NotFound
from thaw.kube.client import Kube
from thaw.kube.kinds import EVENT, Kind

log = structlog.get_logger(__name__)
_LONGEST = 1024
_REMEMBERED = 1000
_Key = tuple[str, str, str]


class Events:
    """Writes events about objects. One that cannot be written is logged, and nothing else fails for it.

    :param component: who says it, e.g. ``thaw-operator``.
    """

    def __init__(self, kube: Kube, component: str, instance: str) -> None:
        self._kube, self._component, self._instance = kube, component, instance
        self._written: OrderedDict[tuple[str, str, str], tuple[str, int]] = OrderedDict()
        """(UID, reason, message) → the event's name and count."""

    async def write(self, kind: Kind, namespace: str, name: str, uid: str, event: Event) -> None:
        """Writes one; the same again only brings its time and count up to date."""
        now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        key = (uid, event.reason, event.message)
        try:
            if not await self._again(namespace, key, now):
                await self._first(kind, namespace, name, key, event, now)
        except ClusterError as e:
            log.warning("event not written", reason=event.reason, message=event.message, error=str(e))

    async def _again(self, namespace: str, key: _Key, now: str) -> bool:
        known = self._written.get(key)
        if known is None:
            return False
        event, count = known
        try:
            await self._kube.patch(EVENT, namespace, event, {"lastTimestamp": now, "count": count + 1})
        except NotFound:  # they expire
            return False
        self._remember(key, event, count + 1)
        return True

    async def _first(self, kind: Kind, namespace: str, name: str, key: _Key, event: Event, now: str) -> None:  # noqa: PLR0917
        chosen = f"{name[:200]}.{time.time_ns():x}"
        body = {
            "apiVersion": "v1",
            "kind": "Event",
            "metadata": {"name": chosen, "namespace": namespace},
            "involvedObject": {
                "apiVersion": kind.api_version,
                "kind": kind.kind,
                "namespace": namespace,
                "name": name,
                "uid": key[0],
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
        await self._kube.create(EVENT, body)
        self._remember(key, chosen, 1)

    def _remember(self, key: _Key, event: str, count: int) -> None:
        self._written[key] = event, count
        self._written.move_to_end(key)
        while len(self._written) > _REMEMBERED:
            self._written.popitem(last=False)
