"""PURE: whose turn it is. Bounded over all and for each function, and fair: who runs least is next."""

from __future__ import annotations

import heapq
import itertools
from collections import Counter
from dataclasses import dataclass, field
from datetime import datetime

Key = tuple[str, str]
Owner = tuple[str, str]
"""An event's function."""


@dataclass
class Schedule:
    """Events that wait for their time or for room, and how many run.

    :param room: how many may run.
    :param share: how many of one function.
    """

    room: int
    share: int
    _waiting: dict[Owner, list[tuple[datetime, int, Key]]] = field(default_factory=dict)
    _tickets: dict[Key, int] = field(default_factory=dict)
    """Of those that wait; what a heap holds with another ticket is void."""
    _running: dict[Key, Owner] = field(default_factory=dict)
    _busy: Counter[Owner] = field(default_factory=Counter)
    _numbers: itertools.count[int] = field(default_factory=itertools.count)

    def __contains__(self, key: Key) -> bool:
        return key in self._tickets or key in self._running

    def add(self, key: Key, owner: Owner, at: datetime) -> None:
        """Lets it wait until then; one that waits already is moved, one that runs is let run."""
        if key in self._running:
            return
        ticket = next(self._numbers)
        self._tickets[key] = ticket
        heapq.heappush(self._waiting.setdefault(owner, []), (at, ticket, key))

    def remove(self, key: Key) -> None:
        """Forgets one that waits."""
        self._tickets.pop(key, None)

    def done(self, key: Key) -> Owner:
        """It runs no more; gives its function."""
        owner = self._running.pop(key)
        self._busy[owner] -= 1
        if not self._busy[owner]:
            del self._busy[owner]
        return owner

    def take(self, now: datetime) -> list[Key]:
        """Those that run from now on."""
        taken: list[Key] = []
        while len(self._running) < self.room and (owner := self._next(now)) is not None:
            _, _, key = heapq.heappop(self._waiting[owner])
            del self._tickets[key]
            self._running[key] = owner
            self._busy[owner] += 1
            taken.append(key)
        return taken

    def next_at(self) -> datetime | None:
        """When the next one's time comes; those that wait for room alone are not in it."""
        if len(self._running) >= self.room:
            return None
        heads = [self._head(owner) for owner in tuple(self._waiting) if self._busy[owner] < self.share]
        return min((head for head in heads if head is not None), default=None)

    def _next(self, now: datetime) -> Owner | None:
        due = []
        for owner in tuple(self._waiting):
            head = self._head(owner)
            if head is not None and head <= now and self._busy[owner] < self.share:
                due.append((self._busy[owner], head, owner))
        return min(due, key=lambda found: found[:2])[2] if due else None

    def _head(self, owner: Owner) -> datetime | None:
        """The earliest time of a function's events; what was moved or removed is taken off."""
        heap = self._waiting[owner]
        while heap and self._tickets.get(heap[0][2]) != heap[0][1]:
            heapq.heappop(heap)
        if not heap:
            del self._waiting[owner]
            return None
        return heap[0][0]
