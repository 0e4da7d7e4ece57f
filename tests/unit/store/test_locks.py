"""Writers and the collector on different nodes: whatever the interleaving, no snapshot loses a chunk."""

from __future__ import annotations

import os
import threading
import time
from pathlib import Path

import pytest

from thaw.errors import StoreError
from thaw.store import locks
from thaw.store.objects import Bucket
from thaw.store.snapshots import ChunkStore


class Time:
    """A clock that runs only when somebody waits; ``then`` happens at the first wait."""

    def __init__(self) -> None:
        self.offset = 0.0
        self.then = lambda: None

    def clock(self) -> locks.Clock:
        return locks.Clock(now=lambda: time.time() + self.offset, sleep=self._sleep)

    def _sleep(self, seconds: float) -> None:
        self.offset += seconds
        then, self.then = self.then, lambda: None
        then()


def everything(bucket: Bucket) -> list[str]:
    return [path for path, _ in bucket.list("")]


def test_a_writer_waits_for_the_collector(bucket: Bucket, tree: Path) -> None:
    bucket.write(locks.LOCK, b"another node")
    clock = Time()
    seen: list[list[str]] = []

    def finish() -> None:
        seen.append(everything(bucket))
        bucket.remove(locks.LOCK)

    clock.then = finish
    ChunkStore(bucket, clock=clock.clock()).put("s1", tree, {})
    # While it waited it had written nothing and left no mark for the collector to wait for in turn.
    assert seen == [[locks.LOCK]]
    assert ChunkStore(bucket).exists("s1")


def test_the_collector_waits_for_writers(bucket: Bucket, tree: Path) -> None:
    store = ChunkStore(bucket)
    store.put("s1", tree, {})
    bucket.write("staging/s2-0", b"another node")
    clock = Time()
    seen: list[list[str]] = []

    def finish() -> None:
        # The manifest is gone at once, but the chunks, which the other node may rely on, are still there.
        seen.append([path for path in everything(bucket) if not path.startswith("chunks/")])
        assert len(list(bucket.list("chunks"))) == 6
        bucket.remove("staging/s2-0")

    clock.then = finish
    assert ChunkStore(bucket, clock=clock.clock()).delete("s1") == 6
    assert seen == [["staging/s2-0"]]
    assert everything(bucket) == []


@pytest.mark.parametrize("mark", [locks.LOCK, "staging/dead-0"])
def test_the_dead_are_outlived(bucket: Bucket, tree: Path, mark: str) -> None:
    bucket.write(mark, b"died")
    clock = Time()
    store = ChunkStore(bucket, clock=clock.clock())
    store.put("s1", tree, {})
    assert store.delete("s1") == 6
    assert everything(bucket) == []
    assert clock.offset >= locks.STALE - 5, "the mark grew old by real time as well"


@pytest.mark.parametrize("mark", [locks.LOCK, "staging/alive-0"])
def test_patience_ends_with_an_error(bucket: Bucket, tree: Path, mark: str) -> None:
    now = Time().clock()

    class Alive(Bucket):
        """Where the mark's owner lives for ever: it is always as young as the clock says."""

        def list(self, prefix: str) -> list[tuple[str, float]]:
            return [(path, now.now()) for path, _ in super().list(prefix)]

        def modified(self, path: str) -> float | None:
            return None if super().modified(path) is None else now.now()

    store = ChunkStore(Alive(bucket._store), clock=now)
    bucket.write(mark, b"alive")
    with pytest.raises(StoreError, match="gave up waiting"):
        store.delete("s1")
    if mark == locks.LOCK:
        with pytest.raises(StoreError, match="gave up waiting"):
            store.put("s1", tree, {})
    assert everything(bucket) == [mark]


def test_a_writer_whose_mark_was_taken_away_does_not_commit(bucket: Bucket, tree: Path) -> None:
    class Sleeper(Bucket):
        """Stands still after its last chunk for so long that another node takes it for dead."""

        def write(self, path: str, data: bytes) -> None:
            super().write(path, data)
            if path.startswith("chunks/"):
                self.remove(*(p for p, _ in self.list("staging")))

    with pytest.raises(StoreError, match="taken away"):
        ChunkStore(Sleeper(bucket._store)).put("s1", tree, {})
    assert not ChunkStore(bucket).exists("s1")


def test_a_collector_whose_lock_was_taken_away_removes_nothing(bucket: Bucket, tree: Path) -> None:
    class Sleeper(Bucket):
        def list(self, prefix: str) -> list[tuple[str, float]]:
            if prefix == "chunks":
                self.write(locks.LOCK, b"another collector's")
            return super().list(prefix)

    ChunkStore(bucket).put("s1", tree, {})
    with pytest.raises(StoreError, match="taken away"):
        ChunkStore(Sleeper(bucket._store)).delete("s1")
    assert len(bucket.list("chunks")) == 6
    # Not its own any more, so not its to remove.
    assert bucket.read(locks.LOCK) == b"another collector's"


def test_marks_are_renewed_while_work_goes_on(bucket: Bucket) -> None:
    clock = Time()
    with locks.writing(bucket, "s1", clock.clock()) as mark:
        before = bucket.modified(mark.path)
        mark.renew()
        assert bucket.modified(mark.path) == before
        clock.offset += locks.STALE / 2
        time.sleep(0.002)  # the store's own clock must show another time
        mark.renew()
        assert bucket.modified(mark.path) > before
    assert everything(bucket) == []


def test_puts_and_deletes_at_once_lose_nothing(bucket: Bucket, tmp_path: Path) -> None:
    """Three writers of overlapping snapshots against a deleter, for real: what is committed can be read."""
    shared = [os.urandom(5000) for _ in range(12)]
    failures: list[BaseException] = []

    def write(writer: int) -> None:
        try:
            store = ChunkStore(bucket)
            for round_ in range(4):
                tree = tmp_path / f"t{writer}-{round_}"
                tree.mkdir()
                for i, data in enumerate(shared[round_ : round_ + 6]):
                    (tree / str(i)).write_bytes(data)
                store.put(f"w{writer}-{round_}", tree, {})
        except BaseException as e:
            failures.append(e)

    def delete() -> None:
        try:
            store = ChunkStore(bucket)
            for round_ in range(3):
                store.delete(f"w0-{round_}")
        except BaseException as e:
            failures.append(e)

    threads = [threading.Thread(target=write, args=(i,)) for i in range(3)] + [threading.Thread(target=delete)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=120)
    assert failures == []
    store = ChunkStore(bucket)
    for snapshot_id in store.list_ids():
        store.verify(snapshot_id)
    assert {f"w{w}-{r}" for w in (1, 2) for r in range(4)} <= set(store.list_ids())
    for snapshot_id in store.list_ids():
        store.delete(snapshot_id)
    assert everything(bucket) == []
