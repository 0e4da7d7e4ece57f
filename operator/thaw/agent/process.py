"""A container's first process, seen from the node: whether it lives, what it runs, whom it talks to."""

from __future__ import annotations

import ipaddress
import os
import stat
from pathlib import Path

_LISTEN, _TIME_WAIT, _CLOSE = "0A", "06", "07"
_MAX_BINARY = 256 << 20
_COPY = 1 << 20


def alive(proc: Path, pid: int) -> bool:
    """Whether the process runs; a zombie does not."""
    try:
        status = (proc / str(pid) / "stat").read_text(errors="replace")
    except OSError:
        return False
    # The command is in brackets and may hold anything, brackets included.
    return status.rpartition(")")[2].split()[:1] not in ([], ["Z"], ["X"])


def connections(proc: Path, pid: int) -> list[str]:
    """TCP connections of the process's network namespace with a peer elsewhere, as ``peer:port``.

    Loopback is not elsewhere: both its ends are in the dump. Sockets in TIME_WAIT belong to nobody and are not dumped.
    """
    found = []
    for table in ("tcp", "tcp6"):
        try:
            lines = (proc / str(pid) / "net" / table).read_text().splitlines()[1:]
        except OSError:
            continue
        for line in lines:
            fields = line.split()
            if len(fields) > 3 and fields[3] not in (_LISTEN, _TIME_WAIT, _CLOSE):
                address, port = _peer(fields[2])
                if not address.is_loopback:
                    found.append(f"{address}:{port}")
    return found


def _peer(text: str) -> tuple[ipaddress.IPv4Address | ipaddress.IPv6Address, int]:
    """The kernel prints an address as 32-bit words in the machine's byte order: little-endian wherever CRIU runs."""
    address, port = text.split(":")
    raw = bytes.fromhex(address)
    packed = b"".join(raw[i : i + 4][::-1] for i in range(0, len(raw), 4))
    if len(packed) == 4:
        return ipaddress.IPv4Address(packed), int(port, 16)
    six = ipaddress.IPv6Address(packed)
    return six.ipv4_mapped or six, int(port, 16)


def copy_executable(proc: Path, pid: int, dest: Path) -> None:
    """Copies the very file that a process runs: CRIU will want the same bytes at the restore, and what is installed on
    the node may be newer by now.

    :raises OSError: the process is gone, or its executable is no plain file of a sane size.
    """
    with (proc / str(pid) / "exe").open("rb") as source, dest.open("xb") as out:
        status = os.fstat(source.fileno())
        if not stat.S_ISREG(status.st_mode) or status.st_size > _MAX_BINARY:
            raise OSError(f"the executable of process {pid} is no plain file of at most {_MAX_BINARY >> 20} MB")
        while piece := source.read(_COPY):
            out.write(piece)
    dest.chmod(0o755)


def last_words(host: Path, pod_uid: str, container: str) -> str:
    """What a container wrote to ``/dev/termination-log``, read from the kubelet's folder of the pod: 4 KB at most."""
    folder = host / "var/lib/kubelet/pods" / pod_uid / "containers" / container
    try:
        newest = max(folder.iterdir(), key=lambda path: path.lstat().st_mtime)
        fd = os.open(newest, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    except (OSError, ValueError):
        return ""
    with os.fdopen(fd, "rb") as file:
        return file.read(4096).decode(errors="replace").strip() if stat.S_ISREG(os.fstat(fd).st_mode) else ""
