"""Putting Thaw's runtime on the node, and taking it off again. Every step may be repeated."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import socket
from collections.abc import Callable
from pathlib import Path
from time import monotonic

import structlog

from thaw.agent import containerd
from thaw.agent.errors import Refused
from thaw.agent.files import read_small, write_atomic
from thaw.agent.host import Host
from thaw.agent.paths import Paths
from thaw.agent.threads import in_thread
from thaw.errors import ThawError

BINARIES = ("thaw-runc", "thaw-init")
CRIU_CONF = """\
# Options of CRIU for Thaw's containers, by the annotation org.criu.config; written by Thaw's agent.
# No packet filter around dump and restore: a function's connections are ended before, and seven processes of iptables
# cost 60 ms. The method is recorded in the image, so it must be chosen when that is made.
network-lock skip
# A connection that is just being opened is dropped, not an error: its peer tries again.
skip-in-flight
"""
_SOCKET = "run/containerd/containerd.sock"
_TASKS = "run/containerd/io.containerd.runtime.v2.task/k8s.io"
_BACKUP = ".thaw-backup"
_BACK = 60.0
"""Seconds that containerd may take to come back."""
_LEAVING = 10.0
"""Seconds that function pods may take to go before an uninstall is refused. Short: who asks deletes pods as well, and
must have its turn again when new ones have come meanwhile."""

log = structlog.get_logger("thaw.agent.install")


class InstallError(ThawError):
    """The runtime could not be put on the node."""


class Installer:
    """Installs and uninstalls.

    :param kill: sends a signal; tests have their own.
    """

    def __init__(
        self,
        paths: Paths,
        host: Host,
        *,
        kill: Callable[[int, int], None] = os.kill,
        patience: float = _BACK,
        leaving: float = _LEAVING,
    ) -> None:
        self._paths, self._host, self._kill = paths, host, kill
        self._patience, self._leaving = patience, leaving

    async def install(self) -> bool:
        """Binaries, CRIU's options, containerd's runtime; tells whether containerd had to be restarted.

        :raises ThawError: the node is not one that Thaw can be installed on; the message says why.
        """
        try:
            await in_thread(self._copy_files)
            before, after = await in_thread(self._edit)
            await self._note_runc(after)
        except (OSError, UnicodeDecodeError) as e:
            raise InstallError(f"cannot install the runtime: {e}") from e
        if before == after and not self._pending.exists():
            return False
        log.info("install.containerd_configured", path=str(self._paths.containerd_config))
        await self._restart()
        self._pending.unlink(missing_ok=True)
        return True

    async def uninstall(self) -> None:
        """Undoes exactly that, and removes what Thaw keeps on the node, except the store.

        :raises Refused: 409 while containers of our runtime are there. Without thaw-runc containerd could neither stop
            nor delete them, and their pods would be Terminating for ever.
        """
        await self._unused()
        if await in_thread(self._revert):
            await self._restart()
        # From here on no more can come; one may have while we did that.
        await self._unused()
        paths = self._paths
        for folder in (paths.snapshots, paths.index, paths.code, paths.tmp, paths.archives):
            await in_thread(shutil.rmtree, folder, True)
        (paths.lib / "boot").unlink(missing_ok=True)
        for mount in (paths.opt, paths.run):
            await in_thread(_empty, mount)
        # Mounted here, so only the node itself can remove them; not empty (the store is below it) means: leave it.
        mounts = [paths.told(path) for path in (paths.opt, paths.run, paths.lib)]
        await self._host.run("rmdir", "--ignore-fail-on-non-empty", *mounts)

    async def _unused(self) -> None:
        deadline = monotonic() + self._leaving
        while left := await in_thread(users, self._paths):
            if monotonic() >= deadline:
                message = f"{len(left)} containers of function pods are still here: delete the pods first"
                raise Refused(409, "Busy", message, retryable=True)
            await asyncio.sleep(0.2)

    # ------------------------------------------------------------ files

    @property
    def _pending(self) -> Path:
        """There while containerd has not read what we wrote: a crash between the two must not be forgotten."""
        return self._paths.criu_conf.with_name("restart-pending")

    def _copy_files(self) -> None:
        paths = self._paths
        missing = [name for name in BINARIES if not (paths.dist / name).is_file()]
        if missing:
            raise InstallError(f"the agent's image lacks {', '.join(missing)} in {paths.dist}")
        for folder in (paths.bin, paths.criu_conf.parent):
            folder.mkdir(mode=0o755, parents=True, exist_ok=True)
        for name in BINARIES:
            # By rename: the old file goes on living in the processes that run it.
            _replace(paths.bin / name, (paths.dist / name).read_bytes(), 0o755)
        _replace(paths.criu_conf, CRIU_CONF.encode(), 0o644)

    def _edit(self) -> tuple[str, str]:
        """containerd's configuration before and after."""
        path = self._paths.containerd_config
        before = path.read_bytes().decode() if path.exists() else ""
        after = containerd.install(before)
        if before != after:
            backup = path.with_name(path.name + _BACKUP)
            if path.exists() and not backup.exists():
                write_atomic(backup, path.read_bytes(), path.stat().st_mode & 0o777)
            path.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
            write_atomic(self._pending, b"")
            write_atomic(path, after.encode(), path.stat().st_mode & 0o777 if path.exists() else 0o644)
        return before, after

    def _revert(self) -> bool:
        """Takes our runtime out of containerd's configuration; tells whether it was in."""
        path = self._paths.containerd_config
        backup = path.with_name(path.name + _BACKUP)
        if not path.exists():
            return False
        before = path.read_bytes().decode()
        after = containerd.uninstall(before)
        if before != after and not after.strip() and not backup.exists():
            path.unlink()  # there was none before us
        elif before != after:
            write_atomic(path, after.encode(), path.stat().st_mode & 0o777)
        backup.unlink(missing_ok=True)
        return before != after

    async def _note_runc(self, config: str) -> None:
        """Tells thaw-runc which runc containerd would have used: another version might lay out its state otherwise."""
        runc = containerd.facts(config).runc
        if not runc.startswith("/"):
            found = await self._host.run(
                "sh", "-c", f"command -v {runc or 'runc'}" if runc.isalnum() else "command -v runc"
            )
            runc = found.output.strip() if found.status == 0 else ""
        if runc.startswith("/") and "\n" not in runc:
            _replace(self._paths.criu_conf.with_name("runc"), f"{runc}\n".encode(), 0o644)

    # ------------------------------------------------------------ containerd

    async def _restart(self) -> None:
        """Restarts containerd and waits until it answers. Containers go on running: their shims are not its children.

        :raises InstallError: it did not come back.
        """
        if (self._paths.proc / "1/comm").read_text().strip() == "systemd":
            outcome = await self._host.run("systemctl", "restart", "containerd", all_namespaces=True, timeout=90)
            if outcome.status != 0:
                raise InstallError(f"systemctl restart containerd: {outcome.output[:300]}")
            await self._answers(set())
            return
        # Without systemd something else keeps it running. That one must start it: a containerd started from here would
        # live in the agent's cgroup, and every restore would fail on a path above its root.
        old = set(_processes(self._paths.proc, "containerd"))
        if not old:
            raise InstallError("containerd does not run on this node")
        for pid in old:
            self._kill(pid, signal.SIGTERM)
        await self._answers(old)

    async def _answers(self, old: set[int]) -> None:
        deadline = monotonic() + self._patience
        while monotonic() < deadline:
            new = set(_processes(self._paths.proc, "containerd"))
            if new and not (new & old) and await in_thread(_listens, self._paths.host / _SOCKET):
                return
            await asyncio.sleep(0.1)
        raise InstallError(f"containerd did not come back within {self._patience:g} s of its restart")


def users(paths: Paths) -> list[str]:
    """Containers, sandboxes included, that need our runtime to be deleted, by their ids.

    Asked of containerd's own folders: a shim notes its runtime there. Reports would not do, for they go when a caller
    drops its pod, and that comes before the pod's end. Where containerd keeps its state elsewhere, thaw-runc's records
    stand in.
    """
    tasks = paths.host / _TASKS
    if not tasks.is_dir():
        return sorted(record.name for record in (paths.work / "by-container").glob("*"))
    found = (note.parent.name for note in tasks.glob("*/options.json") if _names_us(note))
    return sorted(found)


def _names_us(note: Path) -> bool:
    return containerd.RUNTIME_PATH.encode() in (read_small(note, 64 << 10) or b"")


def _processes(proc: Path, command: str) -> list[int]:
    """Processes of that name; Docker's own containerd is not the kubelet's."""
    found = []
    for folder in proc.glob("[0-9]*"):
        try:
            if (folder / "comm").read_text().strip() != command:
                continue
            arguments = (folder / "cmdline").read_bytes()
        except OSError:
            continue
        if arguments and b"docker" not in arguments:
            found.append(int(folder.name))
    return found


def _listens(path: Path) -> bool:
    with socket.socket(socket.AF_UNIX) as client:
        client.settimeout(1)
        try:
            client.connect(str(path))
        except OSError:
            return False
    return True


def _replace(path: Path, data: bytes, mode: int) -> None:
    """Writes a file only if it differs: a binary that is replaced is no longer the one that a snapshot maps."""
    if path.is_file() and not path.is_symlink() and path.read_bytes() == data and path.stat().st_mode & 0o777 == mode:
        return
    write_atomic(path, data, mode)


def _empty(folder: Path) -> None:
    for path in folder.iterdir() if folder.is_dir() else ():
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink(missing_ok=True)
