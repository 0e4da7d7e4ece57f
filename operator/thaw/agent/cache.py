"""What is on this node ready for use: snapshots by digest, code by hash. Made once, whoever asks, then found."""

from __future__ import annotations

import asyncio
import os
import re
import secrets
import shutil
import time
from collections.abc import Awaitable, Callable, Collection
from pathlib import Path
from time import monotonic

from thaw.agent import packages
from thaw.agent.files import disk_usage, read_small, write_atomic
from thaw.agent.metrics import Metrics
from thaw.agent.paths import Paths
from thaw.agent.threads import in_thread
from thaw.api.node import CachedSnapshot, CacheInfo
from thaw.api.v1alpha1 import Code
from thaw.errors import SnapshotUnfit, StoreError, UserError
from thaw.store.base import SnapshotStore, StoredSnapshot, check_id
from thaw.store.snapshots import PART

_HEX = re.compile(r"[0-9a-f]{64}")
_BOOT = "proc/sys/kernel/random/boot_id"
_UNUSED = 3600.0
"""Seconds after which code that no pod is granted is removed; longer than it takes to grant what was just found."""


class SingleFlight:
    """One maker for each key; those who ask meanwhile wait for the same outcome."""

    def __init__(self) -> None:
        self._flights: dict[str, asyncio.Task[Path]] = {}

    async def do(self, key: str, make: Callable[[], Awaitable[Path]]) -> Path:
        """The outcome of ``make``. A caller who leaves does not spoil it for the others."""
        task = self._flights.get(key)
        if task is None:
            task = asyncio.ensure_future(_await(make()))
            self._flights[key] = task
            task.add_done_callback(lambda done: self._land(key, done))
        return await asyncio.shield(task)

    async def over(self, key: str) -> None:
        """Returns when nobody is making it any more, however that ended."""
        if (task := self._flights.get(key)) is not None:
            await asyncio.wait([task])

    def _land(self, key: str, task: asyncio.Task[Path]) -> None:
        self._flights.pop(key, None)
        if not task.cancelled():
            task.exception()  # looked at here, in case all who waited have left


async def _await(awaitable: Awaitable[Path]) -> Path:
    return await awaitable


class Cache:
    """The folders below ``/var/lib/thaw``.

    :param unfit: why a snapshot cannot be restored on this node; empty if it can. Asked once for each snapshot, before
        it is brought here.
    :param now: Unix seconds.
    """

    def __init__(
        self,
        paths: Paths,
        store: SnapshotStore,
        metrics: Metrics,
        unfit: Callable[[StoredSnapshot], str],
        now: Callable[[], float] = time.time,
    ) -> None:
        self._paths, self._store, self._metrics, self._unfit, self._now = paths, store, metrics, unfit, now
        self._flights = SingleFlight()

    # ------------------------------------------------------------ snapshots

    async def snapshot(self, snapshot_id: str) -> Path:
        """The folder of a snapshot, materialised if it is not yet.

        :raises StoreError: it cannot be; ``SnapshotMissing`` and ``SnapshotCorrupt`` say why.
        """
        check_id(snapshot_id)
        found = self._find(snapshot_id)
        if found is not None:
            return found
        return await self._flights.do(f"snapshot {snapshot_id}", lambda: self._materialise(snapshot_id))

    def adopt(self, stored: StoredSnapshot, tree: Path) -> None:
        """Takes the very files that were stored, so that the first restore here downloads nothing."""
        dest = self._paths.snapshots / stored.hex
        if not dest.exists():
            tree.rename(dest)
        write_atomic(self._paths.index / stored.id, stored.hex.encode())

    async def drop_snapshot(self, snapshot_id: str) -> bool:
        """Removes a snapshot from this node, also when the store has forgotten it; tells whether it was here.

        One that is being brought here at this moment is waited for.
        """
        await self._flights.over(f"snapshot {check_id(snapshot_id)}")
        return await in_thread(self._drop_snapshot, snapshot_id)

    def _drop_snapshot(self, snapshot_id: str) -> bool:
        entry = self._paths.index / snapshot_id
        digest = _read_digest(entry)
        if digest is None:
            return False
        self._discard(self._paths.snapshots / digest)
        entry.unlink(missing_ok=True)
        return True

    def _find(self, snapshot_id: str) -> Path | None:
        digest = _read_digest(self._paths.index / snapshot_id)
        folder = self._paths.snapshots / digest if digest else None
        return folder if folder is not None and folder.is_dir() else None

    async def _materialise(self, snapshot_id: str) -> Path:
        began = monotonic()
        path = await in_thread(self._write_snapshot, snapshot_id)
        self._metrics.materialise.labels("snapshot").observe(monotonic() - began)
        return path

    def _write_snapshot(self, snapshot_id: str) -> Path:
        stored = self._store.stored(snapshot_id)
        if why := self._unfit(stored):
            raise SnapshotUnfit(f"snapshot {snapshot_id} does not fit this node: {why}")
        dest = self._paths.snapshots / stored.hex
        if not dest.is_dir():
            # The store's rename makes it appear; what a crash leaves half-made has another name and is swept.
            written = self._store.materialise(snapshot_id, dest)
            if written.digest != stored.digest:
                self._discard(dest)
                raise StoreError(f"snapshot {snapshot_id} was replaced while it was read")
        write_atomic(self._paths.index / snapshot_id, stored.hex.encode())
        return dest

    # ------------------------------------------------------------ code

    async def code(self, namespace: str, code: Code | None) -> Path | None:
        """The folder of a function's code; None for images, which bring their own.

        :param namespace: of the function: only packages that were uploaded there are for it.

        :raises UserError: the package cannot be unpacked.
        :raises StoreError: it cannot be read.
        """
        if code is None or code.image is not None:
            return None
        if code.inline is not None:
            files = code.inline
            name = packages.inline_hash(files)
            return await self._unpacked(name, lambda dest: packages.write_inline(files, dest))
        if code.zip is None:
            raise UserError("code", "names none of inline, zip and image")
        sha256 = code.zip.sha256
        return await self._unpacked(
            packages.zip_hash(namespace, sha256),
            lambda dest: packages.unzip(self._store.get_code(namespace, sha256), dest),
        )

    async def drop_code(self, namespace: str, sha256: str) -> bool:
        """Removes an unpacked package from this node; tells whether it was here."""
        name = packages.zip_hash(namespace, sha256)
        await self._flights.over(f"code {name}")
        here = (self._paths.code / name).is_dir()
        await in_thread(self._discard, self._paths.code / name)
        return here

    def snapshots_before(self, when: float) -> list[str]:
        """Ids of the snapshots that are here since before a Unix time."""
        return [entry.name for entry in self._paths.index.iterdir() if entry.stat().st_mtime < when]

    def info(self, node: str) -> CacheInfo:
        """What is here, with its sizes; reads every folder, so it belongs in a thread."""
        snapshots = []
        for entry in self._paths.index.iterdir():
            digest = _read_digest(entry)
            folder = self._paths.snapshots / digest if digest else None
            if digest and folder and folder.is_dir():
                snapshots.append(CachedSnapshot(id=entry.name, digest=digest, bytes=disk_usage(folder)))
        code = [disk_usage(folder) for folder in self._paths.code.iterdir()]
        found = tuple(sorted(snapshots, key=lambda s: s.id))
        return CacheInfo(node=node, snapshots=found, code_count=len(code), code_bytes=sum(code))

    async def sweep_code(self, in_use: Collection[str]) -> list[str]:
        """Removes code that no pod was granted for an hour; tells what. Inline code has no other end.

        :param in_use: names of the folders that pods are granted.
        """
        gone = {}
        # Looked at and taken out of sight without a pause between, in which a grant could find it.
        for folder in self._paths.code.iterdir():
            if folder.name in in_use:
                self._touch(folder)
            elif self._now() - folder.lstat().st_mtime > _UNUSED:
                gone[folder.name] = folder.rename(self._paths.tmp / f"gone-{secrets.token_hex(6)}")
        for path in gone.values():
            await in_thread(shutil.rmtree, path, ignore_errors=True)
        return sorted(gone)

    async def _unpacked(self, name: str, write: Callable[[Path], None]) -> Path:
        dest = self._paths.code / name
        if dest.is_dir():
            self._touch(dest)
            return dest
        return await self._flights.do(f"code {name}", lambda: self._unpack(dest, write))

    async def _unpack(self, dest: Path, write: Callable[[Path], None]) -> Path:
        began = monotonic()
        await in_thread(self._write_code, dest, write)
        self._metrics.materialise.labels("code").observe(monotonic() - began)
        return dest

    def _touch(self, folder: Path) -> None:
        """A code folder's time of modification is when it was last needed."""
        os.utime(folder, (self._now(), self._now()))

    def _write_code(self, dest: Path, write: Callable[[Path], None]) -> None:
        part = self._paths.tmp / f"code-{secrets.token_hex(6)}"
        try:
            write(part)
            self._touch(part)
            part.rename(dest)
        except OSError as e:
            raise StoreError(f"cannot put the code on the node: {e}") from e
        finally:
            shutil.rmtree(part, ignore_errors=True)

    # ------------------------------------------------------------ life

    @staticmethod
    def sweep(paths: Paths) -> None:
        """At the agent's start: clears half-made things, and after a boot the whole cache.

        Nothing here is synced to disk, which would cost a restore its speed. So what was written before a crash of the
        machine cannot be trusted; all of it can be had again from the store, where every byte is proved.
        """
        _empty(paths.tmp)
        for part in paths.snapshots.glob(f"{PART}*"):
            shutil.rmtree(part, ignore_errors=True)
        boot = (read_small(paths.root / _BOOT, 64) or b"").strip()
        seen = paths.lib / "boot"
        if read_small(seen, 64) != boot:
            for folder in (paths.snapshots, paths.index, paths.code):
                _empty(folder)
            write_atomic(seen, boot)

    def _discard(self, folder: Path) -> None:
        """Removes a folder in two steps: out of sight at once, then its files."""
        gone = self._paths.tmp / f"gone-{secrets.token_hex(6)}"
        try:
            folder.rename(gone)
        except FileNotFoundError:
            return
        shutil.rmtree(gone, ignore_errors=True)


def _read_digest(entry: Path) -> str | None:
    digest = (read_small(entry, 128) or b"").decode(errors="replace")
    return digest if _HEX.fullmatch(digest) else None


def _empty(folder: Path) -> None:
    for path in folder.iterdir():
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink(missing_ok=True)
