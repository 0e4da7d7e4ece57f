"""Into the queue: an event is an object of the cluster before anybody is told that it was accepted."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from thaw import names
from thaw.errors import Conflict
from thaw.gateway.events import envelope
from thaw.gateway.events.backlog import Backlog, Held, Key
from thaw.gateway.events.envelope import Event
from thaw.gateway.metrics import Metrics
from thaw.kube.client import Kube, Object
from thaw.kube.kinds import EVENT_INVOCATION

_LARGE = 128 * 1024


class Queue:
    """Keeps events; this gateway has those that it keeps.

    :param gateway: its name.
    """

    def __init__(self, kube: Kube, backlog: Backlog, metrics: Metrics, gateway: str) -> None:
        self._kube, self._backlog, self._metrics, self._gateway = kube, backlog, metrics, gateway
        self.on_kept: list[Callable[[Key, Key], None]] = []
        """Called with the event's key and its function's, once it is kept."""

    async def accept(self, event: Event) -> None:
        """Takes a caller's event; it is durable when this returns.

        :raises InvokeError: too many are held, or too large ones.
        :raises ClusterError: it could not be kept.
        """
        item = await self._packed(event)
        key, owner = (event.namespace, event.request_id), (event.namespace, event.function)
        self._backlog.reserve(key, owner, _size(item))
        try:
            await self._create(key, owner, item)
        except BaseException:
            self._backlog.forget(key)
            raise
        self._metrics.events.labels(event.namespace, event.function, event.qualifier or names.LATEST).inc()

    async def keep(self, event: Event) -> None:
        """Takes what follows from another event, whose room it has; one that is kept already is fine.

        :raises ClusterError: it could not be kept.
        """
        try:
            key, owner = (event.namespace, event.request_id), (event.namespace, event.function)
            await self._create(key, owner, await self._packed(event))
        except Conflict:
            return

    async def _packed(self, event: Event) -> Object:
        """Off the loop when it takes long."""
        if len(event.payload) < _LARGE:
            return envelope.manifest(event, self._gateway)
        return await asyncio.to_thread(envelope.manifest, event, self._gateway)

    async def _create(self, key: Key, owner: Key, item: Object) -> None:
        made = await self._kube.create(EVENT_INVOCATION, item)
        self._backlog.add(key, Held(owner, _size(item), self._gateway, made["metadata"]["resourceVersion"]))
        for tell in self.on_kept:
            tell(key, owner)


def _size(item: Object) -> int:
    return int(item["metadata"]["annotations"][names.ANNOTATION_PAYLOAD_BYTES])
