"""The one implementation of :class:`thaw.store.base.SnapshotStore`, over any :class:`thaw.store.objects.Bucket`.

::

    chunks/ab/<sha256>             a zstd frame; shared by all snapshots that hold those bytes
    snapshots/<id>/manifest.json   written last: a snapshot is there when this is
    snapshots/<id>/verified        the digest of the manifest whose every byte was read back
    code/<namespace>/<sha256>.zip
    staging/…  gc/lock             who is at work: see thaw.store.locks
"""

from __future__ import annotations

import hashlib
import os
import secrets
import shutil
import stat
from collections.abc import Iterator
from contextlib import closing
from functools import partial
from math import inf
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from thaw.errors import SnapshotCorrupt, SnapshotMissing, StoreError
from thaw.store import chunks, locks
from thaw.store.base import (
    CHUNK_SIZE,
    MAX_CHUNK_SIZE,
    DirEntry,
    FileEntry,
    Manifest,
    StoredSnapshot,
    check_id,
    check_namespace,
    check_sha256,
)
from thaw.store.objects import Bucket

MAX_BYTES = 32 << 30
PART = ".part-"
"""What the folder of a materialisation under way begins with; whoever owns the parent sweeps them after a crash."""


class ChunkStore:
    """Snapshots as manifests over deduplicated chunks.

    :param level: zstd's level for new chunks; old ones stay as they are.
    :param max_bytes: a manifest that promises more is not believed: it would fill the node's disk.
    """

    def __init__(
        self, bucket: Bucket, *, level: int = 1, max_bytes: int = MAX_BYTES, clock: locks.Clock | None = None
    ) -> None:
        self._bucket, self._level, self._max_bytes = bucket, level, max_bytes
        self._clock = clock or locks.Clock()

    @classmethod
    def open(cls, url: str, *, level: int = 1, max_bytes: int = MAX_BYTES) -> ChunkStore:
        """The store at a URL; see :meth:`thaw.store.objects.Bucket.open`."""
        return cls(Bucket.open(url), level=level, max_bytes=max_bytes)

    def check(self) -> None:
        """See :meth:`SnapshotStore.check`."""
        path, data = f"checks/{secrets.token_hex(8)}", b"thaw"
        self._bucket.write(path, data)
        try:
            if self._bucket.read_if_any(path) != data:
                raise StoreError("what was just written is not there, or is something else")
        finally:
            self._bucket.remove(path)

    # ------------------------------------------------------------ snapshots

    def put(self, snapshot_id: str, tree: Path, meta: dict[str, Any]) -> StoredSnapshot:
        """See :meth:`SnapshotStore.put`."""
        check_id(snapshot_id)
        dirs, files = _scan(tree)
        with locks.writing(self._bucket, snapshot_id, self._clock) as mark:
            entries, stored = self._put_files(tree, files, mark)
            manifest = Manifest(
                id=snapshot_id,
                size_bytes=sum(entry.size for entry in entries),
                stored_bytes=stored,
                dirs=tuple(dirs),
                files=tuple(entries),
                meta=meta,
            )
            data = manifest.model_dump_json(by_alias=True).encode()
            mark.check()
            self._bucket.write(_manifest_path(snapshot_id), data)
        return _stored(manifest, data)

    def manifest(self, snapshot_id: str) -> Manifest:
        """See :meth:`SnapshotStore.manifest`."""
        return self._load(snapshot_id)[0]

    def stored(self, snapshot_id: str) -> StoredSnapshot:
        """See :meth:`SnapshotStore.stored`."""
        return _stored(*self._load(snapshot_id))

    def verified(self, snapshot_id: str) -> StoredSnapshot:
        """See :meth:`SnapshotStore.verified`."""
        stored = self.stored(snapshot_id)
        if self._bucket.read_if_any(_verified_path(snapshot_id)) != stored.digest.encode():
            raise SnapshotMissing(f"snapshot {snapshot_id} was stored, but not read back")
        return stored

    def materialise(self, snapshot_id: str, dest: Path) -> StoredSnapshot:
        """See :meth:`SnapshotStore.materialise`."""
        manifest, data = self._load(snapshot_id)
        if os.path.lexists(dest):
            raise StoreError(f"{dest} exists already")
        part = dest.parent / f"{PART}{dest.name[:64]}-{secrets.token_hex(4)}"
        try:
            part.mkdir(mode=0o700)
            self._write_tree(manifest, part)
            part.rename(dest)
        except OSError as e:
            raise StoreError(f"cannot write snapshot {snapshot_id} to {dest}: {e}") from e
        finally:
            shutil.rmtree(part, ignore_errors=True)
        return _stored(manifest, data)

    def verify(self, snapshot_id: str) -> None:
        """See :meth:`SnapshotStore.verify`."""
        manifest, data = self._load(snapshot_id)
        wanted = {name: length for file in manifest.files for name, length in manifest.lengths(file)}
        # All of them, not up to the first: each damaged one that stayed would cost another attempt.
        trouble = [e for e in chunks.in_order(self._trouble, wanted.items()) if e is not None]
        if trouble:
            raise trouble[0]
        self._bucket.write(_verified_path(snapshot_id), _stored(manifest, data).digest.encode())

    def exists(self, snapshot_id: str) -> bool:
        """See :meth:`SnapshotStore.exists`."""
        return self._bucket.modified(_manifest_path(check_id(snapshot_id))) is not None

    def list_ids(self, before: float = inf) -> list[str]:
        """See :meth:`SnapshotStore.list_ids`."""
        paths = (path for path, written in self._bucket.list("snapshots") if written < before)
        return sorted(path.split("/")[1] for path in paths if path.endswith("/manifest.json"))

    def delete(self, snapshot_id: str) -> int:
        """See :meth:`SnapshotStore.delete`.

        The manifest goes first, so that nobody begins to use what is being removed; then every chunk that is in no
        manifest, whoever left it: so a failed put is cleared away by the next delete, and what a crash cut off as well.
        """
        self._bucket.remove(_manifest_path(check_id(snapshot_id)), _verified_path(snapshot_id))
        with locks.collecting(self._bucket, self._clock) as mark:
            used = self._used(mark)
            unused = [path for path, _ in self._bucket.list("chunks") if path.rsplit("/", 1)[-1] not in used]
            for start in range(0, len(unused), 500):
                # A lock that was taken for a dead one's protects nothing any more: look again before each batch.
                mark.renew()
                mark.check()
                self._bucket.remove(*unused[start : start + 500])
            self._bucket.remove_unfinished(self._clock.now() - locks.STALE)
        return len(unused)

    # ------------------------------------------------------------ code

    def put_code(self, namespace: str, sha256: str, data: bytes) -> None:
        """See :meth:`SnapshotStore.put_code`."""
        path = _code_path(namespace, sha256)
        if hashlib.sha256(data).hexdigest() != sha256:
            raise SnapshotCorrupt(f"the package's bytes do not hash to {sha256}")
        self._bucket.write(path, data)

    def get_code(self, namespace: str, sha256: str) -> bytes:
        """See :meth:`SnapshotStore.get_code`."""
        try:
            data = self._bucket.read(_code_path(namespace, sha256))
        except FileNotFoundError as e:
            raise SnapshotMissing(f"no code package {sha256} was uploaded in namespace {namespace}") from e
        if hashlib.sha256(data).hexdigest() != sha256:
            raise SnapshotCorrupt(f"the stored package {sha256} does not hash to its name")
        return data

    def delete_code(self, namespace: str, sha256: str) -> bool:
        """See :meth:`SnapshotStore.delete_code`."""
        path = _code_path(namespace, sha256)
        there = self._bucket.modified(path) is not None
        self._bucket.remove(path)
        return there

    def list_code(self, before: float) -> list[tuple[str, str]]:
        """See :meth:`SnapshotStore.list_code`."""
        found = (path.removeprefix("code/").split("/") for path, put in self._bucket.list("code") if put < before)
        return [(parts[0], parts[1].removesuffix(".zip")) for parts in found if len(parts) == 2]

    # ------------------------------------------------------------ pieces

    def _load(self, snapshot_id: str) -> tuple[Manifest, bytes]:
        try:
            data = self._bucket.read(_manifest_path(check_id(snapshot_id)))
        except FileNotFoundError as e:
            raise SnapshotMissing(f"no snapshot {snapshot_id} in the store") from e
        try:
            manifest = Manifest.model_validate_json(data)
        except ValidationError as e:
            raise SnapshotCorrupt(f"the manifest of {snapshot_id} is not to be trusted: {e}") from e
        if manifest.id != snapshot_id:
            raise SnapshotCorrupt(f"the manifest of {snapshot_id} is of {manifest.id[:80]!r}")
        if manifest.size_bytes > self._max_bytes:
            raise SnapshotCorrupt(f"the manifest of {snapshot_id} promises {manifest.size_bytes} bytes")
        return manifest, data

    def _put_files(self, tree: Path, files: list[tuple[str, int]], mark: locks.Mark) -> tuple[list[FileEntry], int]:
        names: list[list[str]] = [[] for _ in files]
        sizes = [0] * len(files)
        stored = 0
        seen: set[str] = set()
        put = partial(self._put_chunk, seen)
        for index, name, length, added in chunks.in_order(put, _pieces(tree, files)):
            names[index].append(name)
            sizes[index] += length
            stored += added
            mark.renew()
        entries = [
            FileEntry(path=path, mode=mode, size=sizes[i], chunks=tuple(names[i]))
            for i, (path, mode) in enumerate(files)
        ]
        return entries, stored

    def _put_chunk(self, seen: set[str], piece: tuple[int, bytes]) -> tuple[int, str, int, int]:
        """Stores one piece unless it is there: index of its file, name, length, and the bytes that it added."""
        index, data = piece
        name = chunks.name_of(data)
        path = _chunk_path(name)
        # ``seen`` first: a page of zeros comes a hundred times, and once is enough to ask for or to send.
        if name in seen:
            return index, name, len(data), 0
        seen.add(name)
        if self._bucket.modified(path) is not None:
            return index, name, len(data), 0
        packed = chunks.pack(data, self._level)
        self._bucket.write(path, packed)
        return index, name, len(data), len(packed)

    def _fetch(self, chunk: tuple[str, int]) -> bytes:
        name, length = chunk
        try:
            stored = self._bucket.read(_chunk_path(name))
        except FileNotFoundError as e:
            raise SnapshotMissing(f"chunk {name[:12]} is gone from the store") from e
        return chunks.unpack(name, stored, length)

    def _trouble(self, chunk: tuple[str, int]) -> StoreError | None:
        """What is wrong with a chunk. A damaged one is removed: as long as it lies there, a put takes it for stored."""
        try:
            self._fetch(chunk)
        except SnapshotCorrupt as e:
            self._remove_damaged(chunk[0])
            return e
        except SnapshotMissing as e:
            return e
        return None

    def _remove_damaged(self, name: str) -> None:
        """Removes a chunk that is damaged at a second look as well, and not only other than a manifest says."""
        stored = self._bucket.read_if_any(_chunk_path(name))
        if stored is not None and not chunks.is_sound(name, stored, MAX_CHUNK_SIZE):
            self._bucket.remove(_chunk_path(name))

    def _write_tree(self, manifest: Manifest, root: Path) -> None:
        for entry in sorted(manifest.dirs, key=lambda entry: entry.path):
            (root / entry.path).mkdir(parents=True, mode=0o700, exist_ok=True)
        # One pipeline for all files, so that hundreds of small ones keep both threads busy.
        wanted = (chunk for file in manifest.files for chunk in manifest.lengths(file))
        with closing(chunks.in_order(self._fetch, wanted)) as pieces:
            for file in manifest.files:
                path = root / file.path
                path.parent.mkdir(parents=True, mode=0o700, exist_ok=True)
                with path.open("xb") as out:
                    for _ in file.chunks:
                        out.write(next(pieces))
                path.chmod(file.mode)
        for entry in manifest.dirs:
            (root / entry.path).chmod(entry.mode)

    def _used(self, mark: locks.Mark) -> set[str]:
        """Names of all chunks that a manifest names.

        :raises StoreError: a manifest cannot be read: then nothing may be collected, for its chunks are not known.
        """
        used: set[str] = set()
        for snapshot_id in self.list_ids():
            mark.renew()
            try:
                manifest = self.manifest(snapshot_id)
            except SnapshotMissing:
                continue  # deleted meanwhile, by somebody who waits for our lock
            used.update(name for file in manifest.files for name in file.chunks)
        return used


def _pieces(tree: Path, files: list[tuple[str, int]]) -> Iterator[tuple[int, bytes]]:
    for index, (path, _) in enumerate(files):
        for data in chunks.read(tree / path, CHUNK_SIZE):
            yield index, data


def _scan(tree: Path) -> tuple[list[DirEntry], list[tuple[str, int]]]:
    """Folders, and files with their modes, in a fixed order.

    :raises StoreError: the tree holds something else, such as a link.
    """
    dirs: list[DirEntry] = []
    files: list[tuple[str, int]] = []
    for path in sorted(tree.rglob("*")):
        status = path.lstat()
        name = path.relative_to(tree).as_posix()
        if stat.S_ISDIR(status.st_mode):
            dirs.append(DirEntry(path=name, mode=stat.S_IMODE(status.st_mode) & 0o777))
        elif stat.S_ISREG(status.st_mode):
            files.append((name, stat.S_IMODE(status.st_mode) & 0o777))
        else:
            raise StoreError(f"{name} is neither a file nor a folder")
    return dirs, files


def _stored(manifest: Manifest, data: bytes) -> StoredSnapshot:
    return StoredSnapshot(
        id=manifest.id,
        digest=f"sha256:{hashlib.sha256(data).hexdigest()}",
        size_bytes=manifest.size_bytes,
        stored_bytes=manifest.stored_bytes,
        meta=manifest.meta,
    )


def _manifest_path(snapshot_id: str) -> str:
    return f"snapshots/{snapshot_id}/manifest.json"


def _verified_path(snapshot_id: str) -> str:
    return f"snapshots/{snapshot_id}/verified"


def _chunk_path(name: str) -> str:
    return f"chunks/{name[:2]}/{name}"


def _code_path(namespace: str, sha256: str) -> str:
    return f"code/{check_namespace(namespace)}/{check_sha256(sha256)}.zip"
