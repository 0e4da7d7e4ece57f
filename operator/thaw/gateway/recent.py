"""The latest requests that this gateway served, by how their instance was started: in memory, and only so many."""

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime

from thaw.gateway.targets import Target

_OF_EACH = 200
_RINGS = 4000
_Key = tuple[str, str, str, str]
"""Namespace, function, version, kind of start: so that warm requests do not drive out the rare restores."""


@dataclass(frozen=True)
class Served:
    """One request that an instance answered."""

    function: str
    version: str
    start: str
    total_ms: float
    """From the request's arrival to its answer."""
    restore_ms: float
    """What a restore took of it, with after-restore hooks; 0 when there was none."""
    at: datetime


class RecentStarts:
    """Remembers the last 200 requests of each version and kind of start.

    :param now: the time, with its zone.
    """

    def __init__(self, now: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        self._now = now
        self._since = now()
        """Since when no version was forgotten altogether."""
        self._rings: OrderedDict[_Key, deque[Served]] = OrderedDict()

    def saw(self, target: Target, start: str, seconds: float, restore_ms: float) -> None:
        """Takes a request that was answered just now."""
        key = (target.namespace, target.function, target.qualifier, start)
        ring = self._rings.setdefault(key, deque(maxlen=_OF_EACH))
        ring.append(Served(target.function, target.qualifier, start, seconds * 1000, restore_ms, self._now()))
        self._rings.move_to_end(key)
        if len(self._rings) > _RINGS:
            _, forgotten = self._rings.popitem(last=False)
            self._since = forgotten[-1].at

    def of(self, namespace: str, function: str = "") -> tuple[datetime, list[Served]]:
        """What is remembered of a namespace, or of one function there, oldest first.

        The time is the one from which on nothing is missing; of rare kinds older ones are there as well.
        """
        rings = [
            ring for (ns, fn, *_), ring in self._rings.items() if ns == namespace and (not function or fn == function)
        ]
        since = max([self._since, *(ring[0].at for ring in rings if len(ring) == _OF_EACH)])
        return since, sorted((served for ring in rings for served in ring), key=lambda served: served.at)
