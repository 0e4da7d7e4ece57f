"""PURE: how many events the cluster holds, and how large they are. More are refused."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from thaw import names
from thaw.gateway import answers
from thaw.kube.client import Object

Key = tuple[str, str]
"""Namespace and name."""
SHARE = 4
"""One function may hold the fourth part of what there is room for, so that it does not silence the others."""


@dataclass(frozen=True)
class Held:
    """An event that exists, as far as metadata tell."""

    owner: Key
    """Its function."""
    size: int
    gateway: str = ""
    version: str = ""
    """Its resource version; empty while it is being made."""


@dataclass
class Backlog:
    """Every event of the cluster, whichever gateway has it: as watched, and those this gateway is making.

    :param limit: how many there may be.
    :param max_bytes: of payloads, as they are kept.
    """

    limit: int
    max_bytes: int
    held: dict[Key, Held] = field(default_factory=dict)
    _count: Counter[Key] = field(default_factory=Counter)
    _bytes: Counter[Key] = field(default_factory=Counter)

    def reserve(self, key: Key, owner: Key, size: int) -> None:
        """Makes room for one.

        :raises InvokeError: 429, there is none.
        """
        every = len(self.held), self._bytes.total()
        own = self._count[owner], self._bytes[owner]
        for (count, total), share, what in ((every, 1, "events"), (own, SHARE, f"events of {owner[1]}")):
            if count >= max(self.limit // share, 1) or total + size > self.max_bytes // share:
                raise answers.throttled(f"{count} {what} wait already.")
        self.add(key, Held(owner, size))

    def add(self, key: Key, held: Held) -> None:
        """There is such a one."""
        self.forget(key)
        self.held[key] = held
        self._count[held.owner] += 1
        self._bytes[held.owner] += held.size

    def forget(self, key: Key) -> None:
        """It is no more."""
        found = self.held.pop(key, None)
        if found is None:
            return
        self._count[found.owner] -= 1
        self._bytes[found.owner] -= found.size
        if not self._count[found.owner]:
            del self._count[found.owner], self._bytes[found.owner]


def of_item(item: Object) -> tuple[Key, Held]:
    """What the metadata of an EventInvocation say."""
    meta = item["metadata"]
    labels = meta.get("labels", {})
    size = meta.get("annotations", {}).get(names.ANNOTATION_PAYLOAD_BYTES, "")
    return (meta["namespace"], meta["name"]), Held(
        owner=(meta["namespace"], labels.get(names.LABEL_FUNCTION, "")),
        size=int(size) if size.isdigit() else 0,
        gateway=labels.get(names.LABEL_GATEWAY, ""),
        version=meta["resourceVersion"],
    )
