"""PURE: token buckets, by whom they are for; the clock is given."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True)
class Rate:
    """So many requests a second in the long run, and so many at once."""

    per_second: float
    burst: int


@dataclass
class _Bucket:
    tokens: float
    at: float


class Buckets:
    """One bucket for each name, full at first. The least recently used are forgotten, and so full again.

    :param clock: monotonic seconds.
    :param size: how many are remembered.
    """

    def __init__(self, clock: Callable[[], float], size: int = 10_000) -> None:
        self._clock, self._size = clock, size
        self._buckets: OrderedDict[str, _Bucket] = OrderedDict()

    def wait(self, name: str, rate: Rate) -> float:
        """Seconds until a token can be taken; 0 when one can be now."""
        bucket = self._filled(name, rate)
        return 0.0 if bucket.tokens >= 1 else (1 - bucket.tokens) / rate.per_second

    def take(self, name: str, rate: Rate) -> float:
        """Takes a token when there is one; gives the seconds to wait for one otherwise."""
        wait = self.wait(name, rate)
        if not wait:
            self._buckets[name].tokens -= 1
        return wait

    def __len__(self) -> int:
        return len(self._buckets)

    def _filled(self, name: str, rate: Rate) -> _Bucket:
        now = self._clock()
        bucket = self._buckets.setdefault(name, _Bucket(rate.burst, now))
        bucket.tokens = min(bucket.tokens + (now - bucket.at) * rate.per_second, rate.burst)
        bucket.at = now
        self._buckets.move_to_end(name)
        while len(self._buckets) > self._size:
            self._buckets.popitem(last=False)
        return bucket
