"""The node's cache: made once, whoever asks; whole or not there."""

from __future__ import annotations

import asyncio
import hashlib
import io
import os
import threading
import zipfile
from pathlib import Path

import pytest

from thaw.agent.cache import Cache
from thaw.agent.metrics import Metrics
from thaw.agent.packages import zip_hash
from thaw.agent.paths import Paths
from thaw.api.v1alpha1 import Code, ZipCode
from thaw.errors import SnapshotCorrupt, SnapshotMissing, StoreError, UserError
from thaw.store.objects import Bucket
from thaw.store.snapshots import PART, ChunkStore


class Counting(ChunkStore):
    """Counts what is brought here, and can be made to wait."""

    def __init__(self, bucket: Bucket) -> None:
        super().__init__(bucket)
        self.materialised, self.fetched, self.go = 0, 0, threading.Event()
        self.go.set()

    def materialise(self, snapshot_id: str, dest: Path):
        self.materialised += 1
        self.go.wait(20)
        return super().materialise(snapshot_id, dest)

    def get_code(self, namespace: str, sha256: str) -> bytes:
        self.fetched += 1
        self.go.wait(20)
        return super().get_code(namespace, sha256)


@pytest.fixture
def bucket() -> Bucket:
    return Bucket.open("memory:///")


@pytest.fixture
def store(bucket: Bucket) -> Counting:
    return Counting(bucket)


@pytest.fixture
def cache(paths: Paths, store: Counting, metrics: Metrics) -> Cache:
    return Cache(paths, store, metrics, lambda stored: stored.meta.get("unfit", ""))


def put(store: ChunkStore, tmp_path: Path, snapshot_id: str = "s1", **meta):
    tree = tmp_path / f"tree-{snapshot_id}"
    tree.mkdir()
    (tree / "config.dump").write_bytes(snapshot_id.encode())
    return store.put(snapshot_id, tree, meta), tree


def zipped(**files: str) -> tuple[str, bytes]:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as package:
        for name, text in files.items():
            package.writestr(name.replace("_", "."), text)
    return hashlib.sha256(out.getvalue()).hexdigest(), out.getvalue()


def leftovers(paths: Paths) -> list[Path]:
    return [*paths.tmp.iterdir(), *paths.snapshots.glob(f"{PART}*")]


async def test_many_ask_one_brings(cache: Cache, store: Counting, paths: Paths, tmp_path: Path) -> None:
    stored, _ = put(store, tmp_path)
    store.go.clear()
    asking = [asyncio.create_task(cache.snapshot("s1")) for _ in range(5)]
    await asyncio.sleep(0.05)
    store.go.set()
    assert set(await asyncio.gather(*asking)) == {paths.snapshots / stored.hex}
    assert store.materialised == 1
    assert (paths.snapshots / stored.hex / "config.dump").read_bytes() == b"s1"
    await cache.snapshot("s1")
    assert store.materialised == 1


async def test_one_who_leaves_does_not_spoil_it_for_the_others(cache: Cache, store: Counting, tmp_path: Path) -> None:
    put(store, tmp_path)
    store.go.clear()
    first, second = (asyncio.create_task(cache.snapshot("s1")) for _ in range(2))
    await asyncio.sleep(0.05)
    first.cancel()
    store.go.set()
    assert (await second).is_dir()
    assert store.materialised == 1


async def test_a_failure_is_everybodys_and_not_for_ever(cache: Cache, store: Counting, tmp_path: Path) -> None:
    results = await asyncio.gather(*(cache.snapshot("s1") for _ in range(3)), return_exceptions=True)
    assert [type(result) for result in results] == [SnapshotMissing] * 3
    put(store, tmp_path)
    assert (await cache.snapshot("s1")).is_dir()


async def test_a_corrupt_one_leaves_nothing(cache: Cache, store, bucket: Bucket, paths: Paths, tmp_path: Path) -> None:
    put(store, tmp_path)
    bucket.write(bucket.list("chunks")[0][0], b"damage")
    with pytest.raises(SnapshotCorrupt):
        await cache.snapshot("s1")
    assert leftovers(paths) == []
    assert list(paths.snapshots.iterdir()) == list(paths.index.iterdir()) == []


async def test_one_that_does_not_fit_is_not_brought(cache: Cache, store: Counting, tmp_path: Path) -> None:
    put(store, tmp_path, unfit="another processor")
    with pytest.raises(StoreError, match="another processor"):
        await cache.snapshot("s1")
    assert store.materialised == 0


async def test_what_was_taken_here_need_not_be_brought(cache, store: Counting, paths: Paths, tmp_path: Path) -> None:
    stored, tree = put(store, tmp_path)
    moved = paths.tmp / "tree"
    tree.rename(moved)
    cache.adopt(stored, moved)
    assert await cache.snapshot("s1") == paths.snapshots / stored.hex
    assert store.materialised == 0
    assert leftovers(paths) == []


async def test_it_tells_what_is_here_and_what_that_takes(cache: Cache, store, paths: Paths, tmp_path: Path) -> None:
    put(store, tmp_path, "s1")
    folder = await cache.snapshot("s1")
    (folder / "pages").write_bytes(os.urandom(100_000))
    (paths.index / "stale").write_text("0" * 64)
    await cache.code("ns", Code(inline={"app.py": "x = 1"}))
    found = cache.info("n1")
    assert [(s.id, s.digest) for s in found.snapshots] == [("s1", folder.name)], "not what has no folder"
    assert 100_000 <= found.snapshots[0].bytes < 200_000
    assert (found.node, found.code_count) == ("n1", 1)
    assert 0 < found.code_bytes < 10_000


async def test_drop_also_when_the_store_has_forgotten(
    cache: Cache, store: Counting, paths: Paths, tmp_path: Path
) -> None:
    put(store, tmp_path)
    put(store, tmp_path, "s2")
    await cache.snapshot("s1")
    kept = await cache.snapshot("s2")
    store.delete("s1")
    assert await cache.drop_snapshot("s1")
    assert not await cache.drop_snapshot("s1")
    assert list(paths.snapshots.iterdir()) == [kept]
    assert [path.name for path in paths.index.iterdir()] == ["s2"]
    assert leftovers(paths) == []
    with pytest.raises(SnapshotMissing):
        await cache.snapshot("s1")


async def test_what_is_being_brought_while_it_is_dropped_does_not_stay(
    cache: Cache, store: Counting, paths: Paths, tmp_path: Path
) -> None:
    put(store, tmp_path)
    sha256, data = zipped(app_py="1")
    store.put_code("ns", sha256, data)
    store.go.clear()
    bringing = [
        asyncio.create_task(cache.snapshot("s1")),
        asyncio.create_task(cache.code("ns", Code(zip=ZipCode(sha256=sha256)))),
    ]
    async with asyncio.timeout(20):
        while not (store.materialised and store.fetched):
            await asyncio.sleep(0.005)
    dropping = [asyncio.create_task(cache.drop_snapshot("s1")), asyncio.create_task(cache.drop_code("ns", sha256))]
    await asyncio.sleep(0.05)
    store.go.set()
    assert await asyncio.gather(*dropping) == [True, True]
    await asyncio.gather(*bringing)
    assert [list(folder.iterdir()) for folder in (paths.snapshots, paths.index, paths.code)] == [[], [], []]
    assert leftovers(paths) == []


@pytest.mark.parametrize("bad", ["../up", "a/b", ""])
async def test_a_hostile_id_or_index(cache: Cache, store: Counting, paths: Paths, tmp_path: Path, bad: str) -> None:
    with pytest.raises(StoreError):
        await cache.snapshot(bad)
    stored, _ = put(store, tmp_path)
    (paths.index / "s1").write_text("../../../etc")
    assert await cache.snapshot("s1") == paths.snapshots / stored.hex


async def test_code_of_each_kind(cache: Cache, store: Counting, paths: Paths) -> None:
    assert await cache.code("ns", None) is None
    assert await cache.code("ns", Code(image="registry/app@sha256:0")) is None
    inline = await cache.code("ns", Code(inline={"app.py": "1"}))
    assert inline is not None
    assert inline.parent == paths.code
    assert (inline / "app.py").read_text() == "1"
    assert await cache.code("ns", Code(inline={"app.py": "1"})) == inline
    assert await cache.code("ns", Code(inline={"app.py": "2"})) != inline
    sha256, data = zipped(app_py="zip")
    store.put_code("ns", sha256, data)
    store.go.clear()
    asking = [asyncio.create_task(cache.code("ns", Code(zip=ZipCode(sha256=sha256)))) for _ in range(4)]
    await asyncio.sleep(0.05)
    store.go.set()
    assert set(await asyncio.gather(*asking)) == {paths.code / zip_hash("ns", sha256)}
    assert (paths.code / zip_hash("ns", sha256) / "app.py").read_text() == "zip"
    assert store.fetched == 1
    await cache.drop_code("ns", sha256)
    await cache.drop_code("ns", sha256)
    assert not (paths.code / zip_hash("ns", sha256)).exists()
    assert leftovers(paths) == []


async def test_code_that_cannot_be_unpacked_leaves_nothing(cache: Cache, store: Counting, paths: Paths) -> None:
    data = b"no zip"
    sha256 = hashlib.sha256(data).hexdigest()
    store.put_code("ns", sha256, data)
    with pytest.raises(UserError):
        await cache.code("ns", Code(zip=ZipCode(sha256=sha256)))
    with pytest.raises(UserError):
        await cache.code("ns", Code(inline={"a": "1", "../b": "2"}))
    assert list(paths.code.iterdir()) == leftovers(paths) == []


async def test_a_restart_keeps_the_cache_and_a_boot_does_not(cache, store, paths: Paths, tmp_path: Path) -> None:
    Cache.sweep(paths)
    put(store, tmp_path)
    snapshot, code = await cache.snapshot("s1"), await cache.code("ns", Code(inline={"app.py": "1"}))
    (paths.tmp / "half").mkdir()
    (paths.snapshots / f"{PART}x").mkdir()
    Cache.sweep(paths)
    assert leftovers(paths) == []
    assert snapshot.is_dir()
    assert code.is_dir()
    (paths.proc / "sys/kernel/random/boot_id").write_text("boot-2\n")
    Cache.sweep(paths)
    assert [list(folder.iterdir()) for folder in (paths.snapshots, paths.index, paths.code)] == [[], [], []]
    assert (await cache.snapshot("s1")).is_dir()


async def test_code_goes_an_hour_after_the_last_pod_that_had_it(
    paths: Paths, store: Counting, metrics: Metrics
) -> None:
    now = 10_000.0
    cache = Cache(paths, store, metrics, lambda _: "", now=lambda: now)
    used, asked, forgotten = [
        await cache.code("ns", Code(inline={"app.py": text})) for text in ("used", "asked", "old")
    ]
    assert used is not None
    assert asked is not None
    assert forgotten is not None
    now += 3599
    await cache.code("ns", Code(inline={"app.py": "asked"}))
    assert await cache.sweep_code({used.name}) == []
    now += 2
    assert await cache.sweep_code({used.name}) == [forgotten.name]
    assert sorted(paths.code.iterdir()) == sorted([used, asked])
    now += 3599
    assert await cache.sweep_code(set()) == [asked.name], "the other had a pod until an hour ago"
    assert leftovers(paths) == []
    assert await cache.code("ns", Code(inline={"app.py": "old"})) == forgotten
