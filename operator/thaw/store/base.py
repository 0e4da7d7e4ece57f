"""What a snapshot store does, and the manifest it keeps of each snapshot.

A manifest is treated as hostile, like everything that comes back from a store: :class:`Manifest` cannot be made of
one whose paths lead elsewhere, whose sizes do not add up or whose modes mean more than reading, writing, running.
"""

from __future__ import annotations

import re
from math import inf
from pathlib import Path, PurePosixPath
from typing import Any, Protocol

from pydantic import Field, field_validator, model_validator

from thaw import names
from thaw.api.base import Model
from thaw.errors import StoreError

CHUNK_SIZE = 1 << 20
"""Bytes of plaintext in every chunk but a file's last."""
MAX_CHUNK_SIZE = 16 << 20
"""A manifest that claims greater chunks is refused: a chunk is held in memory whole."""
MAX_ENTRIES = 20_000
_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}")
_SHA256 = re.compile(r"[0-9a-f]{64}")


def check_id(snapshot_id: str) -> str:
    """A snapshot's id as it may appear in a path.

    :raises StoreError: for anything that could be more than one path segment.
    """
    if not _ID.fullmatch(snapshot_id):
        raise StoreError(f"not a snapshot id: {snapshot_id[:80]!r}")
    return snapshot_id


def check_sha256(sha256: str) -> str:
    """A SHA-256 in hexadecimal, as it may appear in a path.

    :raises StoreError: for anything else.
    """
    if not _SHA256.fullmatch(sha256):
        raise StoreError(f"not a SHA-256 in hexadecimal: {sha256[:80]!r}")
    return sha256


def check_namespace(namespace: str) -> str:
    """A Kubernetes namespace, as it may appear in a path.

    :raises StoreError: for anything else.
    """
    if not names.NAMESPACE.fullmatch(namespace):
        raise StoreError(f"not a namespace: {namespace[:80]!r}")
    return namespace


def _safe_path(path: str) -> str:
    parts = PurePosixPath(path).parts
    if not parts or path != "/".join(parts) or ".." in parts or path.startswith("/") or "\0" in path:
        raise ValueError(f"not a plain relative path: {path[:80]!r}")
    return path


def _safe_mode(mode: int) -> int:
    if mode & ~0o777:
        raise ValueError(f"mode {mode:o} has more than permission bits")
    return mode


class FileEntry(Model):
    """A regular file: where it goes, and the chunks it is made of."""

    path: str
    mode: int
    size: int = Field(ge=0)
    chunks: tuple[str, ...] = ()

    _path = field_validator("path")(_safe_path)
    _mode = field_validator("mode")(_safe_mode)

    @field_validator("chunks")
    @classmethod
    def _names(cls, chunks: tuple[str, ...]) -> tuple[str, ...]:
        for name in chunks:
            if not _SHA256.fullmatch(name):
                raise ValueError(f"not a chunk's name: {name[:80]!r}")
        return chunks


class DirEntry(Model):
    """A folder."""

    path: str
    mode: int

    _path = field_validator("path")(_safe_path)
    _mode = field_validator("mode")(_safe_mode)


class Manifest(Model):
    """Everything needed to put a snapshot's files back, and to know that they are the ones that were stored."""

    format: int = Field(default=1, ge=1, le=1)
    id: str
    chunk_size: int = Field(default=CHUNK_SIZE, ge=1, le=MAX_CHUNK_SIZE)
    size_bytes: int = Field(ge=0)
    stored_bytes: int = Field(ge=0)
    """Compressed bytes that this snapshot added to the store: chunks it shares were there before."""
    dirs: tuple[DirEntry, ...] = Field(default=(), max_length=MAX_ENTRIES)
    files: tuple[FileEntry, ...] = Field(default=(), max_length=MAX_ENTRIES)
    meta: dict[str, Any] = Field(default_factory=dict)
    """The agent's own facts of it: where it was taken, on what, how long it took."""

    @model_validator(mode="after")
    def _adds_up(self) -> Manifest:
        for file in self.files:
            if len(file.chunks) != -(-file.size // self.chunk_size):
                raise ValueError(f"{file.path}: {len(file.chunks)} chunks cannot hold {file.size} bytes")
        if sum(file.size for file in self.files) != self.size_bytes:
            raise ValueError("the files' sizes do not add up to sizeBytes")
        paths = [entry.path for entry in self.dirs] + [entry.path for entry in self.files]
        if len(set(paths)) != len(paths):
            raise ValueError("a path appears twice")
        files = {file.path for file in self.files}
        for path in paths:
            if any(str(parent) in files for parent in PurePosixPath(path).parents):
                raise ValueError(f"{path}: a file is used as a folder")
        return self

    def lengths(self, file: FileEntry) -> list[tuple[str, int]]:
        """Each chunk of a file with the number of bytes it must have."""
        size = self.chunk_size
        return [(name, min(size, file.size - i * size)) for i, name in enumerate(file.chunks)]


class StoredSnapshot(Model):
    """What came of storing a snapshot."""

    id: str
    digest: str
    """``sha256:`` and the hash of the manifest's bytes: it stands for every byte of the snapshot."""
    size_bytes: int
    stored_bytes: int
    meta: dict[str, Any] = Field(default_factory=dict)

    @property
    def hex(self) -> str:
        """The digest without its algorithm, as folders are named."""
        return self.digest.removeprefix("sha256:")


class SnapshotStore(Protocol):
    """Keeps snapshots and code packages. Its calls block: an event loop puts them in threads.

    All raise :class:`thaw.errors.StoreError`; ``SnapshotMissing`` and ``SnapshotCorrupt`` where they say so.
    """

    def check(self) -> None:
        """Writes a few bytes, reads them back and removes them: raises when the store does not work."""
        ...

    def put(self, snapshot_id: str, tree: Path, meta: dict[str, Any]) -> StoredSnapshot:
        """Stores a tree of regular files and folders. Nobody sees the snapshot before all of it is there."""
        ...

    def manifest(self, snapshot_id: str) -> Manifest:
        """The manifest of a stored snapshot.

        :raises SnapshotMissing: there is none.
        :raises SnapshotCorrupt: it is not one that can be trusted.
        """
        ...

    def stored(self, snapshot_id: str) -> StoredSnapshot:
        """What :meth:`put` answered for it, also after a restart; raises as :meth:`manifest` does."""
        ...

    def verified(self, snapshot_id: str) -> StoredSnapshot:
        """As :meth:`stored`, of a snapshot that :meth:`verify` has found whole.

        :raises SnapshotMissing: there is none, or its writer did not come so far.
        """
        ...

    def materialise(self, snapshot_id: str, dest: Path) -> StoredSnapshot:
        """Writes a snapshot's files to ``dest``, which must not exist, and appears only when all is there and proved.

        :raises SnapshotMissing: no manifest, or a chunk is gone.
        :raises SnapshotCorrupt: a chunk's bytes do not hash to its name.
        """
        ...

    def verify(self, snapshot_id: str) -> None:
        """Reads every chunk back, and notes that all is well; raises as :meth:`materialise` does.

        Damaged chunks are removed, so that the next :meth:`put` of those bytes writes them again.
        """
        ...

    def exists(self, snapshot_id: str) -> bool:
        """Whether a snapshot is committed."""
        ...

    def list_ids(self, before: float = inf) -> list[str]:
        """The ids of all snapshots that were committed before a Unix time."""
        ...

    def delete(self, snapshot_id: str) -> int:
        """Removes a snapshot and every chunk that no snapshot uses; tells how many chunks. May be repeated."""
        ...

    def put_code(self, namespace: str, sha256: str, data: bytes) -> None:
        """Keeps a code package for the functions of one namespace: a hash is no secret, so knowing it proves nothing.

        :raises SnapshotCorrupt: the bytes do not hash to that name.
        """
        ...

    def get_code(self, namespace: str, sha256: str) -> bytes:
        """A code package's bytes, proved to be what the name says.

        :raises SnapshotMissing: nobody uploaded it in that namespace.
        :raises SnapshotCorrupt: they are not.
        """
        ...

    def delete_code(self, namespace: str, sha256: str) -> bool:
        """Removes a namespace's code package; tells whether there was one."""
        ...

    def list_code(self, before: float) -> list[tuple[str, str]]:
        """Namespace and hash of all code packages that were put before a Unix time."""
        ...
