"""The kubelet's checkpoint archive, read as if its author were an enemy.

What is in it was shaped by a process that belongs to a user, and every engine that trusted one had its CVE. So: a
regular file that lies where the kubelet puts them, opened without following links; of its members only regular files
and folders with plain names; bounded in number and in bytes; and of those only the ones that a restore needs are
written, into an empty private folder.
"""

from __future__ import annotations

import os
import re
import stat
import tarfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import IO

from thaw.errors import ArchiveError

MAX_MEMBERS = 10_000
MAX_HEADER = 1 << 20
"""Bytes of a member's extended header (PAX, GNU long name), which tarfile reads into memory whole."""
REQUIRED = ("checkpoint/inventory.img", "config.dump", "spec.dump")
_KEPT = re.compile(
    r"checkpoint/[A-Za-z0-9._-]+|rootfs-diff\.tar|config\.dump|spec\.dump|bind\.mounts|deleted\.files|dump\.log"
    r"|stats-dump|status|network\.status|io\.kubernetes\.cri-o\.[A-Za-z0-9._-]+"
)
"""What a restore or a person after a failed one needs. All else, such as the container's log, is passed over: a later
containerd may add files, and bytes that nobody reads are bytes that need not be kept of a user."""
_EXTENDED = (
    tarfile.XHDTYPE,
    tarfile.XGLTYPE,
    tarfile.SOLARIS_XHDTYPE,
    tarfile.GNUTYPE_LONGNAME,
    tarfile.GNUTYPE_LONGLINK,
)
_NAME = re.compile(r"checkpoint-[A-Za-z0-9._-]+_[A-Za-z0-9.-]+-[A-Za-z0-9.-]+-[0-9TZ:.+-]+\.tar")
_COPY = 1 << 20


class _Member(tarfile.TarInfo):
    """A member whose extended header cannot eat the memory."""

    def _proc_member(self, tar: tarfile.TarFile) -> tarfile.TarInfo:
        # tarfile's documented hook for subclasses: called with each raw header, before its payload is read.
        if self.type in _EXTENDED and self.size > MAX_HEADER:
            raise ArchiveError(f"an extended header of {self.size} bytes")
        parsed: tarfile.TarInfo = super()._proc_member(tar)  # type: ignore[misc]
        return parsed


def prefix(pod: str, namespace: str, container: str) -> str:
    """What the names of a container's archives begin with."""
    return f"checkpoint-{pod}_{namespace}-{container}-"


def remove_archives(folder: Path, name_prefix: str) -> int:
    """Removes a container's archives, whoever asked for them; tells how many."""
    removed = 0
    if not folder.is_dir():
        return removed
    for path in sorted(folder.iterdir()):
        # The rest must be a time, lest ``fn`` take the archives of ``fn-2``.
        if path.name.startswith(name_prefix) and re.fullmatch(r"[0-9TZ:.+-]+\.tar", path.name[len(name_prefix) :]):
            path.unlink(missing_ok=True)
            removed += 1
    return removed


def unpack(archive: Path, folder: Path, dest: Path, *, max_bytes: int) -> int:
    """Writes what a restore needs to ``dest``, which must not exist; tells how many bytes.

    :param folder: the kubelet's checkpoint folder: the archive must lie directly in it.
    :raises ArchiveError: it breaks a rule; what was written so far is left for the caller to remove.
    """
    with _open(archive, folder) as raw:
        if os.fstat(raw.fileno()).st_size > max_bytes + (MAX_MEMBERS * 1024):
            raise ArchiveError(f"the archive is greater than {max_bytes} bytes")
        dest.mkdir(mode=0o700)
        try:
            with tarfile.open(fileobj=raw, mode="r|", tarinfo=_Member) as tar:
                written, names = _extract(tar, dest, max_bytes)
        except (tarfile.TarError, RecursionError, UnicodeError, ValueError, EOFError) as e:
            raise ArchiveError(f"not a tar archive: {e!r}") from e
    missing = [name for name in REQUIRED if name not in names]
    if missing:
        raise ArchiveError(f"the archive lacks {', '.join(missing)}")
    return written


@contextmanager
def _open(archive: Path, folder: Path) -> Iterator[IO[bytes]]:
    if archive.parent != folder or not _NAME.fullmatch(archive.name):
        raise ArchiveError(f"not an archive of the kubelet: {str(archive)[:200]}")
    try:
        fd = os.open(archive, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError as e:
        raise ArchiveError(f"cannot open {archive.name}: {e.strerror}") from e
    with os.fdopen(fd, "rb") as raw:
        if not stat.S_ISREG(os.fstat(raw.fileno()).st_mode):
            raise ArchiveError(f"{archive.name} is not a regular file")
        yield raw


def _extract(tar: tarfile.TarFile, dest: Path, max_bytes: int) -> tuple[int, set[str]]:
    names: set[str] = set()
    total = 0
    for count, member in enumerate(tar, start=1):
        if count > MAX_MEMBERS:
            raise ArchiveError(f"more than {MAX_MEMBERS} members")
        name = _checked_name(member)
        if name in names:
            raise ArchiveError(f"{name} comes twice")
        names.add(name)
        total += member.size
        if total > max_bytes:
            raise ArchiveError(f"the members are greater than {max_bytes} bytes")
        if member.isreg() and _KEPT.fullmatch(name):
            _write(tar, member, dest / name)
    return total, names


def _checked_name(member: tarfile.TarInfo) -> str:
    """A member's name, without the leading ``./`` that some writers put.

    :raises ArchiveError: its type or its name is not allowed.
    """
    shown = repr(member.name[:100])
    # Not isreg(): that is also true of GNU sparse files, whose maps are another way to lie about sizes.
    if member.type not in (tarfile.REGTYPE, tarfile.AREGTYPE, tarfile.DIRTYPE) or member.issparse():
        raise ArchiveError(f"{shown} is neither a regular file nor a folder")
    path = PurePosixPath(member.name)
    if path.is_absolute() or ".." in path.parts or "\0" in member.name:
        raise ArchiveError(f"{shown} leads out of the archive")
    return str(path)


def _write(tar: tarfile.TarFile, member: tarfile.TarInfo, path: Path) -> None:
    source = tar.extractfile(member)
    if source is None:  # pragma: no cover - only for links, refused before
        raise ArchiveError(f"{member.name[:100]!r} has no content")
    path.parent.mkdir(mode=0o700, exist_ok=True)
    fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
    with os.fdopen(fd, "wb") as out:
        left = member.size
        while left:
            piece = source.read(min(_COPY, left))
            if not piece:
                raise ArchiveError(f"{member.name[:100]!r} ends too soon")
            out.write(piece)
            left -= len(piece)
