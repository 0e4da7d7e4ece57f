"""Small files written whole or not at all, and what folders take."""

from __future__ import annotations

import os
import secrets
from pathlib import Path


def write_atomic(path: Path, data: bytes, mode: int = 0o600) -> None:
    """Writes beside the target and renames over it: readers see the old bytes or the new, never half."""
    part = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    try:
        fd = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, mode)
        with os.fdopen(fd, "wb") as out:
            out.write(data)
            out.flush()
            os.fchmod(out.fileno(), mode)
        part.rename(path)
    except BaseException:
        part.unlink(missing_ok=True)
        raise


def read_small(path: Path, limit: int) -> bytes | None:
    """A regular file's first bytes, or None if there is none; links are not followed."""
    try:
        fd = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError:
        return None
    with os.fdopen(fd, "rb") as file:
        try:
            return file.read(limit)
        except OSError:
            return None


def disk_usage(folder: Path) -> int:
    """Bytes of the disk that the files below a folder take; what goes away meanwhile counts nothing."""
    total = 0
    for parent, _, files in os.walk(folder):
        for name in files:
            try:
                total += (Path(parent) / name).lstat().st_blocks * 512
            except FileNotFoundError:
                continue
    return total
