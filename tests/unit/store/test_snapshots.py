"""The store's promises: whole or not at all, every byte proved, shared bytes kept once, nothing left behind."""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path

import pytest
import zstandard

from thaw.errors import SnapshotCorrupt, SnapshotMissing, StoreError
from thaw.store.objects import Bucket
from thaw.store.snapshots import PART, ChunkStore

CHUNK = 1 << 20


def contents(root: Path) -> dict[str, tuple[int, bytes | None]]:
    return {
        path.relative_to(root).as_posix(): (path.stat().st_mode & 0o777, path.read_bytes() if path.is_file() else None)
        for path in root.rglob("*")
    }


def chunks(bucket: Bucket) -> list[str]:
    return [path for path, _ in bucket.list("chunks")]


def everything(bucket: Bucket) -> list[str]:
    return [path for path, _ in bucket.list("")]


def tamper(bucket: Bucket, snapshot_id: str, **changes) -> None:
    path = f"snapshots/{snapshot_id}/manifest.json"
    bucket.write(path, json.dumps(json.loads(bucket.read(path)) | changes).encode())


def test_what_comes_back_is_what_was_put(bucket: Bucket, tree: Path, tmp_path: Path) -> None:
    store = ChunkStore(bucket)
    put = store.put("s1", tree, {"initMs": 12.5})
    got = store.materialise("s1", tmp_path / "out")
    assert contents(tmp_path / "out") == contents(tree)
    assert got == put == store.stored("s1")
    assert put.size_bytes == sum(p.stat().st_size for p in tree.rglob("*") if p.is_file())
    assert put.meta == {"initMs": 12.5}
    assert put.hex == hashlib.sha256(bucket.read("snapshots/s1/manifest.json")).hexdigest()
    store.verify("s1")


def test_a_check_leaves_nothing_and_says_what_does_not_work(bucket: Bucket, monkeypatch: pytest.MonkeyPatch) -> None:
    ChunkStore(bucket).check()
    assert everything(bucket) == []
    monkeypatch.setattr(bucket, "read", lambda _path: b"other")
    with pytest.raises(StoreError, match="something else"):
        ChunkStore(bucket).check()
    assert everything(bucket) == []


def test_a_store_that_cannot_be_written_fails_its_check(tmp_path: Path) -> None:
    store = ChunkStore.open(f"file://{tmp_path}/store")
    (tmp_path / "store").rmdir()
    (tmp_path / "store").write_text("in the way")
    with pytest.raises(StoreError):
        store.check()


def test_equal_bytes_are_stored_once(bucket: Bucket, tree: Path) -> None:
    store = ChunkStore(bucket)
    first = store.put("s1", tree, {})
    before = chunks(bucket)
    second = store.put("s2", tree, {})
    assert chunks(bucket) == before
    assert second.stored_bytes == 0
    assert first.stored_bytes == sum(len(bucket.read(path)) for path in before)
    # Three chunks of random bytes (one of them short), one of zeros used three times, two small files.
    assert len(before) == 6


def test_zeros_take_no_space(bucket: Bucket, tmp_path: Path) -> None:
    tree = tmp_path / "zeros"
    tree.mkdir()
    (tree / "pages").write_bytes(bytes(8 * CHUNK))
    assert ChunkStore(bucket).put("s", tree, {}).stored_bytes < 1000


def test_delete_keeps_what_another_uses_and_removes_the_rest(bucket: Bucket, tree: Path, tmp_path: Path) -> None:
    store = ChunkStore(bucket)
    store.put("s1", tree, {})
    (tree / "only-in-2").write_bytes(b"mine alone")
    store.put("s2", tree, {})
    assert store.delete("s2") == 1
    assert store.list_ids() == ["s1"]
    store.materialise("s1", tmp_path / "out")
    assert store.delete("s1") == 6
    assert everything(bucket) == []
    assert store.delete("s1") == 0


def test_a_snapshot_that_is_not_there(bucket: Bucket, tmp_path: Path) -> None:
    store = ChunkStore(bucket)
    for call in (
        lambda: store.manifest("no"),
        lambda: store.stored("no"),
        lambda: store.verify("no"),
        lambda: store.materialise("no", tmp_path / "out"),
    ):
        with pytest.raises(SnapshotMissing):
            call()
    assert not store.exists("no")
    assert list(tmp_path.glob(f"{PART}*")) == []


@pytest.mark.parametrize("bad", ["../up", "a/b", "", ".", "..", "a\0", "x" * 200])
def test_an_id_is_one_plain_segment(bucket: Bucket, tree: Path, tmp_path: Path, bad: str) -> None:
    store = ChunkStore(bucket)
    for call in (lambda: store.put(bad, tree, {}), lambda: store.manifest(bad), lambda: store.delete(bad)):
        with pytest.raises(StoreError, match="not a snapshot id"):
            call()


def test_a_tree_with_a_link_is_not_stored(bucket: Bucket, tree: Path) -> None:
    (tree / "link").symlink_to("/etc/passwd")
    with pytest.raises(StoreError, match="neither a file nor a folder"):
        ChunkStore(bucket).put("s", tree, {})
    assert everything(bucket) == []


def test_delete_clears_away_what_a_crash_cut_off(tree: Path, tmp_path: Path) -> None:
    """obstore lists half-written files to nobody; a fresh one may be at work still."""
    root = tmp_path / "store"
    store = ChunkStore(Bucket.open(f"file://{root}"))
    store.put("s1", tree, {})
    whole = sorted(path for path in (root / "chunks").rglob("*") if path.is_file())
    old, fresh, other = (whole[0].with_name(f"{whole[0].name}{end}") for end in ("#1", "#2", "#x"))
    for path in (old, fresh, other):
        path.write_bytes(b"half")
    os.utime(old, (0, 0))
    os.utime(other, (0, 0))
    (tree / "more").write_bytes(b"more")
    store.put("s2", tree, {})
    store.delete("s2")
    assert sorted(path for path in (root / "chunks").rglob("*") if path.is_file()) == sorted([*whole, fresh])


# ---------------------------------------------------------------- failures


class Failing(Bucket):
    """Breaks at the nth write of a chunk, or of a manifest."""

    def __init__(self, inner: Bucket, prefix: str, nth: int = 1) -> None:
        super().__init__(inner._store)
        self.prefix, self.left = prefix, nth

    def write(self, path: str, data: bytes) -> None:
        if path.startswith(self.prefix):
            self.left -= 1
            if self.left <= 0:
                raise StoreError("the disk is full")
        super().write(path, data)


@pytest.mark.parametrize(("prefix", "nth"), [("chunks/", 1), ("chunks/", 4), ("snapshots/", 1)])
def test_a_put_that_fails_is_seen_by_nobody(bucket: Bucket, tree: Path, prefix: str, nth: int) -> None:
    with pytest.raises(StoreError, match="disk is full"):
        ChunkStore(Failing(bucket, prefix, nth)).put("s1", tree, {})
    store = ChunkStore(bucket)
    assert not store.exists("s1")
    assert store.list_ids() == []
    # Only chunks are left, and the next delete of anything takes them away.
    assert all(path.startswith("chunks/") for path in everything(bucket))
    store.delete("another")
    assert everything(bucket) == []


def test_a_put_again_after_one_that_failed(bucket: Bucket, tree: Path, tmp_path: Path) -> None:
    with pytest.raises(StoreError):
        ChunkStore(Failing(bucket, "chunks/", 4)).put("s1", tree, {})
    store = ChunkStore(bucket)
    store.put("s1", tree, {})
    store.materialise("s1", tmp_path / "out")
    assert contents(tmp_path / "out") == contents(tree)


def frame(data: bytes, **options) -> bytes:
    return zstandard.ZstdCompressor(**options).compress(data)


@pytest.mark.parametrize(
    "damage",
    [
        lambda good: good[:-1],
        lambda good: b"not zstd at all",
        lambda good: b"",
        lambda good: frame(b"x" * CHUNK),
        lambda good: frame(bytes(64 * CHUNK)),
        lambda good: frame(bytes(64 * CHUNK), write_content_size=False),
    ],
    ids=["cut short", "noise", "empty", "other bytes", "a bomb", "a bomb that hides its size"],
)
def test_a_damaged_chunk_is_found(bucket: Bucket, tree: Path, tmp_path: Path, damage) -> None:
    store = ChunkStore(bucket)
    store.put("s1", tree, {})
    name = next(f for f in store.manifest("s1").files if f.path.endswith("pages-1.img")).chunks[0]
    path = f"chunks/{name[:2]}/{name}"
    bucket.write(path, damage(bucket.read(path)))
    with pytest.raises(SnapshotCorrupt):
        store.materialise("s1", tmp_path / "out")
    with pytest.raises(SnapshotCorrupt):
        store.verify("s1")
    assert not (tmp_path / "out").exists()
    assert list(tmp_path.glob(f"{PART}*")) == []
    with pytest.raises(SnapshotMissing, match="not read back"):
        store.verified("s1")


def test_damaged_chunks_are_written_anew_by_the_next_put(bucket: Bucket, tree: Path, tmp_path: Path) -> None:
    """All of them at once, and so every snapshot that shares them is whole again."""
    store = ChunkStore(bucket)
    store.put("old", tree, {})
    for path in chunks(bucket)[:2]:
        bucket.write(path, bucket.read(path)[:-1])
    store.put("new", tree, {})
    with pytest.raises(SnapshotCorrupt):
        store.verify("new")
    store.put("new", tree, {})
    store.verify("new")
    store.verify("old")
    store.materialise("old", tmp_path / "out")
    assert contents(tmp_path / "out") == contents(tree)


def test_a_manifest_that_lies_about_a_chunk_removes_none(bucket: Bucket, tree: Path) -> None:
    store = ChunkStore(bucket)
    store.put("s1", tree, {})
    store.put("s2", tree, {})
    name = next(f for f in store.manifest("s1").files if f.path == "config.dump").chunks[0]
    tamper(bucket, "s1", files=hostile_files(size=3, chunks=[name]), sizeBytes=3)
    with pytest.raises(SnapshotCorrupt):
        store.verify("s1")
    store.verify("s2")


def test_what_was_read_back_is_known(bucket: Bucket, tree: Path) -> None:
    store = ChunkStore(bucket)
    store.put("s1", tree, {})
    with pytest.raises(SnapshotMissing, match="not read back"):
        store.verified("s1")
    store.verify("s1")
    assert ChunkStore(bucket).verified("s1") == store.stored("s1")
    (tree / "config.dump").write_bytes(b"changed")
    store.put("s1", tree, {})
    with pytest.raises(SnapshotMissing, match="not read back"):
        store.verified("s1")
    store.delete("s1")
    assert everything(bucket) == []


def test_a_chunk_that_is_gone(bucket: Bucket, tree: Path, tmp_path: Path) -> None:
    store = ChunkStore(bucket)
    store.put("s1", tree, {})
    bucket.remove(chunks(bucket)[0])
    with pytest.raises(SnapshotMissing, match="is gone"):
        store.verify("s1")
    with pytest.raises(SnapshotMissing):
        store.materialise("s1", tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_an_existing_folder_is_not_written_into(bucket: Bucket, tree: Path, tmp_path: Path) -> None:
    store = ChunkStore(bucket)
    store.put("s1", tree, {})
    (tmp_path / "out").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(StoreError, match="exists already"):
        store.materialise("s1", tmp_path / "out")


def test_a_store_that_cannot_be_reached_is_a_store_error(tmp_path: Path, tree: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(StoreError) as e:
        Bucket.open(f"file://{tmp_path}/file/store").write("a", b"")
    assert e.value.__cause__ is not None
    with pytest.raises(StoreError):
        Bucket.open("gopher://example.test/")


# ---------------------------------------------------------------- a manifest is hostile too


def hostile_files(path: str = "a", mode: int = 0o600, size: int = 0, chunks=()) -> list[dict]:
    return [{"path": path, "mode": mode, "size": size, "chunks": list(chunks)}]


@pytest.mark.parametrize(
    "changes",
    [
        {"files": hostile_files("../out"), "sizeBytes": 0},
        {"files": hostile_files("/etc/passwd"), "sizeBytes": 0},
        {"files": hostile_files("a//b"), "sizeBytes": 0},
        {"files": hostile_files("./a"), "sizeBytes": 0},
        {"files": hostile_files("."), "sizeBytes": 0},
        {"files": hostile_files(""), "sizeBytes": 0},
        {"files": hostile_files("a\0b"), "sizeBytes": 0},
        {"files": hostile_files(mode=0o4755), "sizeBytes": 0},
        {"files": hostile_files(mode=-1), "sizeBytes": 0},
        {"files": hostile_files() * 2, "sizeBytes": 0},
        {"files": hostile_files("a") + hostile_files("a/b"), "sizeBytes": 0},
        {"files": hostile_files("checkpoint"), "sizeBytes": 0},
        {"files": hostile_files(size=10), "sizeBytes": 10},
        {"files": hostile_files(size=0, chunks=["a" * 64]), "sizeBytes": 0},
        {"files": hostile_files(size=10, chunks=["../../secret"]), "sizeBytes": 10},
        {"files": hostile_files(size=10, chunks=["a" * 64]), "sizeBytes": 11},
        {"files": hostile_files(size=-1), "sizeBytes": -1},
        {"dirs": [{"path": "../up", "mode": 0o755}]},
        {"dirs": [{"path": "config.dump", "mode": 0o755}]},
        {"chunkSize": 1 << 40},
        {"chunkSize": 0},
        {"format": 2},
        {"id": "s2"},
        {"files": "none"},
    ],
    ids=lambda changes: str(changes)[:60].replace("\0", "NUL"),
)
def test_a_hostile_manifest_is_not_followed(bucket: Bucket, tree: Path, tmp_path: Path, changes) -> None:
    store = ChunkStore(bucket)
    store.put("s1", tree, {})
    tamper(bucket, "s1", **changes)
    with pytest.raises(SnapshotCorrupt):
        store.materialise("s1", tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_manifest_that_would_fill_the_disk_is_not_followed(bucket: Bucket, tree: Path, tmp_path: Path) -> None:
    ChunkStore(bucket).put("s1", tree, {})
    small = ChunkStore(bucket, max_bytes=1000)
    with pytest.raises(SnapshotCorrupt, match="promises"):
        small.materialise("s1", tmp_path / "out")


def test_a_manifest_that_is_no_json(bucket: Bucket, tree: Path) -> None:
    store = ChunkStore(bucket)
    store.put("s1", tree, {})
    bucket.write("snapshots/s1/manifest.json", b"\xff{")
    with pytest.raises(SnapshotCorrupt):
        store.manifest("s1")


def test_nothing_is_collected_while_a_manifest_cannot_be_read(bucket: Bucket, tree: Path) -> None:
    store = ChunkStore(bucket)
    store.put("s1", tree, {})
    store.put("s2", tree, {})
    bucket.write("snapshots/s2/manifest.json", b"{}")
    before = chunks(bucket)
    with pytest.raises(SnapshotCorrupt):
        store.delete("s1")
    assert chunks(bucket) == before
    store.delete("s2")
    assert everything(bucket) == []


# ---------------------------------------------------------------- code


def test_code_is_proved_on_both_ways(bucket: Bucket) -> None:
    store = ChunkStore(bucket)
    data = b"PK\x05\x06" + bytes(18)
    name = hashlib.sha256(data).hexdigest()
    with pytest.raises(SnapshotCorrupt):
        store.put_code("ns", name, data + b"!")
    with pytest.raises(SnapshotMissing):
        store.get_code("ns", name)
    store.put_code("ns", name, data)
    assert store.get_code("ns", name) == data
    bucket.write(f"code/ns/{name}.zip", b"changed")
    with pytest.raises(SnapshotCorrupt):
        store.get_code("ns", name)
    store.put_code("other", name, data)
    for namespace in ("ns", "ns", "other"):
        store.delete_code(namespace, name)
    assert everything(bucket) == []
    with pytest.raises(StoreError, match="not a SHA-256"):
        store.get_code("ns", "../../etc/passwd")
    with pytest.raises(StoreError, match="not a namespace"):
        store.get_code("../ns", name)
