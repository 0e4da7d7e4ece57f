"""The access keys of the cluster: Secrets labelled ``thaw.dev/access-key=true`` in Thaw's own namespace."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass

import structlog

from thaw.decide.plan import Event
from thaw.errors import UserError
from thaw.gateway.auth import accesskey
from thaw.gateway.auth.accesskey import AccessKey
from thaw.kube.client import Object
from thaw.kube.events import Events
from thaw.kube.kinds import SECRET

_REASON = "AccessKeyRefused"
log = structlog.get_logger(__name__)


@dataclass(frozen=True)
class _Known:
    """A Secret, and the key that it says; None when it says none."""

    secret: Object
    key: AccessKey | None


class AccessKeys:
    """The keys by their ids, as an informer tells of the Secrets. A Secret that is not understood opens nothing.

    Nor do two Secrets with one id: which of them was meant, and with whose rights, nobody can say.
    """

    def __init__(self) -> None:
        self.on_refused: list[Callable[[Object, str], None]] = []
        """Called with a Secret that opens nothing, and why: the field and the fix."""
        self._known: dict[str, _Known] = {}
        self._keys: dict[str, AccessKey] = {}
        self._twins: set[str] = set()
        """Names of the Secrets whose id another has as well."""

    def on_event(self, type_: str, secret: Object) -> None:
        """Takes an informer's event."""
        name = secret["metadata"]["name"]
        self._known.pop(name, None)
        self._twins.discard(name)
        if type_ != "DELETED":
            self._known[name] = _Known(secret, self._read(secret))
        self._index()

    def find(self, key_id: str) -> AccessKey | None:
        """The key of that id."""
        return self._keys.get(key_id)

    def _read(self, secret: Object) -> AccessKey | None:
        try:
            return accesskey.read(secret.get("data") or {})
        except UserError as e:
            self._refuse(secret, str(e))
            return None

    def _index(self) -> None:
        by_id: dict[str, list[str]] = {}
        for name, known in self._known.items():
            if known.key is not None:
                by_id.setdefault(known.key.id, []).append(name)
        self._keys = {id_: key for id_, (name, *more) in by_id.items() if not more and (key := self._known[name].key)}
        twins = {name: names for names in by_id.values() if len(names) > 1 for name in names}
        for name in twins.keys() - self._twins:
            others = ", ".join(sorted(set(twins[name]) - {name}))
            self._refuse(
                self._known[name].secret,
                f"data.accessKeyId: {others} has the same (give each Secret its own; until then none opens anything)",
            )
        self._twins = set(twins)

    def _refuse(self, secret: Object, why: str) -> None:
        log.warning("access key refused", secret=secret["metadata"]["name"], reason=why)
        for tell in self.on_refused:
            tell(secret, why)


class Refusals:
    """Tells the authors of Secrets that open nothing, by Events, in their order."""

    def __init__(self, events: Events) -> None:
        self._events = events
        self._waiting: asyncio.Queue[tuple[Object, str]] = asyncio.Queue()

    def tell(self, secret: Object, why: str) -> None:
        """Takes one; it is written by and by."""
        self._waiting.put_nowait((secret, why))

    async def run(self) -> None:
        """Writes, for ever."""
        while True:
            secret, why = await self._waiting.get()
            meta = secret["metadata"]
            event = Event("Warning", _REASON, f"This access key opens nothing: {why}")
            await self._events.write(SECRET, meta["namespace"], meta["name"], meta["uid"], event)
