"""How writers and the collector of unused chunks stay out of each other's way, with nothing but the store itself.

A writer relies on chunks that are there already; the collector removes chunks that no manifest names *yet*. So each
leaves a mark before it looks, and looks for the other's mark after:

==========  =====================  =====================================  ==========================
who         its mark               then looks for                         and if it finds that
==========  =====================  =====================================  ==========================
writer      ``staging/<id>-<n>``   ``gc/lock``                            takes its mark away, waits
collector   ``gc/lock`` (create)   ``staging/*``                          takes its lock away, waits
==========  =====================  =====================================  ==========================

Whatever the interleaving, one of the two sees the other. Marks are renewed while work goes on; one whose last renewal
is :data:`STALE` seconds old belongs to a process that died, and is removed by whoever finds it. This assumes that
the nodes' clocks and the store's agree to well within that time.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from thaw.errors import StoreError
from thaw.store.objects import Bucket

LOCK = "gc/lock"
STAGING = "staging"
STALE = 120.0
"""Seconds without renewal after which a mark's owner counts as dead."""
PATIENCE = 180.0
"""Seconds to wait for the other side: more than STALE, so that a dead one is outlived."""


@dataclass(frozen=True)
class Clock:
    """Time, so that tests need not wait for it."""

    now: Callable[[], float] = time.time
    sleep: Callable[[float], None] = time.sleep


class Mark:
    """A marker object that its owner renews as it works."""

    def __init__(self, bucket: Bucket, path: str, clock: Clock) -> None:
        self._bucket, self.path, self._clock = bucket, path, clock
        self._word = secrets.token_hex(8).encode()
        self._renewed = 0.0

    def create(self) -> bool:
        """Sets the mark; False if somebody else's is there."""
        self._renewed = self._clock.now()
        return self._bucket.create(self.path, self._word)

    def renew(self) -> None:
        """Says that the owner is alive; cheap to call often.

        :raises StoreError: somebody took the mark for a dead one's and removed it: what it protected is not safe.
        """
        if self._clock.now() - self._renewed < STALE / 6:
            return
        self.check()
        self._bucket.write(self.path, self._word)
        self._renewed = self._clock.now()

    def check(self) -> None:
        """Makes sure that the mark is still there and ours.

        :raises StoreError: it is not.
        """
        if self._bucket.read_if_any(self.path) != self._word:
            raise StoreError(f"{self.path} was taken away: this node stood still for too long, try again")

    def remove(self) -> None:
        """Takes the mark away, if it is still ours."""
        if self._bucket.read_if_any(self.path) == self._word:
            self._bucket.remove(self.path)


@contextmanager
def writing(bucket: Bucket, snapshot_id: str, clock: Clock) -> Iterator[Mark]:
    """Holds a staging mark, with no collection under way.

    :raises StoreError: a collection went on for too long.
    """
    mark = Mark(bucket, f"{STAGING}/{snapshot_id}-{secrets.token_hex(4)}", clock)
    for _ in _attempts(clock, "a collection of unused chunks"):
        mark.create()
        try:
            if not _locked(bucket, clock):
                yield mark
                return
        finally:
            mark.remove()


@contextmanager
def collecting(bucket: Bucket, clock: Clock) -> Iterator[Mark]:
    """Holds the collector's lock, with no writer at work.

    :raises StoreError: there was always one.
    """
    mark = Mark(bucket, LOCK, clock)
    for _ in _attempts(clock, "snapshots being written"):
        if _locked(bucket, clock) or not mark.create():
            continue
        try:
            if not writers(bucket, clock):
                yield mark
                return
        finally:
            mark.remove()


def writers(bucket: Bucket, clock: Clock) -> bool:
    """Whether anyone is writing; removes the marks of the dead."""
    alive = False
    for path, modified in bucket.list(STAGING):
        if clock.now() - modified > STALE:
            bucket.remove(path)
        else:
            alive = True
    return alive


def _locked(bucket: Bucket, clock: Clock) -> bool:
    modified = bucket.modified(LOCK)
    if modified is None:
        return False
    if clock.now() - modified > STALE:
        bucket.remove(LOCK)
        return False
    return True


def _attempts(clock: Clock, obstacle: str) -> Iterator[None]:
    """Yields until the caller leaves the loop; between tries it waits, longer each time.

    :raises StoreError: patience is at its end.
    """
    began, pause = clock.now(), 0.05
    while True:
        yield
        if clock.now() - began > PATIENCE:
            raise StoreError(f"gave up waiting for {obstacle}")
        # Not the same for all, lest writer and collector back off from each other for ever.
        clock.sleep(pause * (0.5 + secrets.randbelow(1000) / 1000))
        pause = min(pause * 2, 2.0)
