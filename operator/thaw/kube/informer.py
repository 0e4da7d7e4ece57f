"""A local copy of a kind, kept true by list and watch."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

import structlog

from thaw import errors
from thaw.kube.client import Kube, Object
from thaw.kube.kinds import Kind

_BACKOFF_FIRST, _BACKOFF_MOST = 0.2, 10.0
log = structlog.get_logger(__name__)

OnEvent = Callable[[str, Object], None]


class Informer:
    """Lists once, then watches for ever; a lost watch is resumed, an expired one listed anew.

    :param on_event: called with ``ADDED``, ``MODIFIED`` or ``DELETED`` and the object, in order, also for what a relist
        finds to have changed; it must not block.
    """

    def __init__(
        self,
        kube: Kube,
        kind: Kind,
        *,
        namespace: str = "",
        labels: str = "",
        fields: str = "",
        on_event: OnEvent | None = None,
    ) -> None:
        self._kube, self._kind, self._namespace, self._labels, self._fields = kube, kind, namespace, labels, fields
        self._on_event = on_event or (lambda _type, _object: None)
        self._objects: dict[tuple[str, str], Object] = {}
        self._synced = asyncio.Event()
        self.last_event = time.monotonic()
        """Monotonic seconds of the latest word from the server: what a health check looks at."""

    def get(self, namespace: str, name: str) -> Object | None:
        """The object as last seen."""
        return self._objects.get((namespace, name))

    def list(self) -> list[Object]:
        """All objects as last seen."""
        return list(self._objects.values())

    async def synced(self) -> None:
        """Returns when the first list is in."""
        await self._synced.wait()

    async def run(self) -> None:
        """Runs until cancelled."""
        backoff = _BACKOFF_FIRST
        while True:
            try:
                version = await self._relist()
                backoff = _BACKOFF_FIRST
                await self._follow(version)
            except (errors.ClusterError, OSError, TimeoutError, ValueError) as e:
                log.warning("watch lost", kind=self._kind.kind, error=str(e), again_in=backoff)
                await asyncio.sleep(backoff)
                backoff = min(backoff * 2, _BACKOFF_MOST)

    async def _relist(self) -> str:
        items, version = await self._kube.list(self._kind, self._namespace, self._labels, self._fields)
        self.last_event = time.monotonic()
        gone = set(self._objects) - {_key(item) for item in items}
        for key in gone:
            self._emit("DELETED", self._objects[key])
        for item in items:
            old = self._objects.get(_key(item))
            if old is not None and old["metadata"].get("uid") != item["metadata"].get("uid"):
                # A namesake, made in the gap: what was known of the old one is over.
                self._emit("DELETED", old)
                old = None
            if old is None:
                self._emit("ADDED", item)
            elif old["metadata"]["resourceVersion"] != item["metadata"]["resourceVersion"]:
                self._emit("MODIFIED", item)
        self._synced.set()
        return version

    async def _follow(self, version: str) -> None:
        while True:
            async for type_, item in self._kube.watch(
                self._kind, self._namespace, self._labels, self._fields, resource_version=version
            ):
                self.last_event = time.monotonic()
                version = item["metadata"]["resourceVersion"]
                if type_ != "BOOKMARK":
                    self._emit(type_, item)

    def _emit(self, type_: str, item: Object) -> None:
        if type_ == "DELETED":
            self._objects.pop(_key(item), None)
        else:
            self._objects[_key(item)] = item
        self._on_event(type_, item)


def _key(item: Object) -> tuple[str, str]:
    meta = item["metadata"]
    return meta.get("namespace", ""), meta["name"]
