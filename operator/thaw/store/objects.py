"""Named bytes on a disk or in a bucket: the few calls that the store makes of obstore, with our own errors."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import obstore
from obstore.exceptions import AlreadyExistsError, BaseError
from obstore.store import LocalStore, MemoryStore, ObjectStore, from_url

from thaw.errors import StoreError

_BATCH = 500
_UNFINISHED = re.compile(r".+#\d+")


@contextmanager
def _translated(what: str) -> Iterator[None]:
    try:
        yield
    except FileNotFoundError:
        raise  # each caller says what it means that something is not there
    except (BaseError, OSError, ValueError) as e:
        # The first line says it; obstore adds its own debug output below.
        raise StoreError(f"{what}: {str(e).splitlines()[0] if str(e) else e!r}") from e


class Bucket:
    """A place for named bytes, whatever is behind it."""

    def __init__(self, store: ObjectStore) -> None:
        self._store = store

    @classmethod
    def open(cls, url: str) -> Bucket:
        """The place that a URL names: ``file:///…``, ``memory:///``, ``s3://bucket/prefix``, ``gs://…``, ``az://…``.

        Credentials come from the environment, by the names that each cloud's own tools use.

        :raises StoreError: the URL is of no known kind.
        """
        with _translated(f"store {url}"):
            if url.startswith("file:"):
                return cls(LocalStore.from_url(url, automatic_cleanup=True, mkdir=True))
            if url.startswith("memory:"):
                return cls(MemoryStore())
            return cls(from_url(url))

    def read(self, path: str) -> bytes:
        """An object's bytes.

        :raises FileNotFoundError: there is none of that name.
        """
        with _translated(f"read {path}"):
            return obstore.get(self._store, path).bytes().to_bytes()

    def read_if_any(self, path: str) -> bytes | None:
        """An object's bytes, or None."""
        try:
            return self.read(path)
        except FileNotFoundError:
            return None

    def write(self, path: str, data: bytes) -> None:
        """Sets an object, whole or not at all."""
        with _translated(f"write {path}"):
            obstore.put(self._store, path, data)

    def create(self, path: str, data: bytes) -> bool:
        """Sets an object that must not be there; False if it is."""
        try:
            with _translated(f"create {path}"):
                obstore.put(self._store, path, data, mode="create")
        except StoreError as e:
            if isinstance(e.__cause__, AlreadyExistsError):
                return False
            raise
        return True

    def modified(self, path: str) -> float | None:
        """When an object was last written, in Unix seconds; None if it is not there."""
        try:
            with _translated(f"look at {path}"):
                return obstore.head(self._store, path)["last_modified"].timestamp()
        except FileNotFoundError:
            return None

    def remove(self, *paths: str) -> None:
        """Removes objects; those that are gone already are as good."""
        with _translated("remove"):
            for start in range(0, len(paths), _BATCH):
                self._remove(list(paths[start : start + _BATCH]))

    def _remove(self, batch: list[str]) -> None:
        try:
            obstore.delete(self._store, batch)
        except FileNotFoundError:
            # A disk, unlike a bucket, stops at the first that is missing.
            for path in batch:
                try:
                    obstore.delete(self._store, path)
                except FileNotFoundError:
                    continue

    def remove_unfinished(self, before: float) -> int:
        """Removes what writers that crashed left of their objects, if it is older than a Unix time; tells how many.

        Only a disk has such: obstore writes to ``name#1`` and renames, and never lists those.
        """
        removed = 0
        if isinstance(self._store, LocalStore) and self._store.prefix is not None:
            with _translated("clear"):
                for path in Path(self._store.prefix).rglob("*#*"):
                    if _UNFINISHED.fullmatch(path.name) and path.lstat().st_mtime < before:
                        path.unlink(missing_ok=True)
                        removed += 1
        return removed

    def list(self, prefix: str) -> list[tuple[str, float]]:
        """Path and Unix time of everything below a prefix."""
        with _translated(f"list {prefix}"):
            return [
                (item["path"], item["last_modified"].timestamp())
                for batch in obstore.list(self._store, prefix)
                for item in batch
            ]
