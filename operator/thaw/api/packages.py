"""What a function's code may be: Lambda's limits, and names that stay below ``/var/task``. Pure.

The gateway asks when a package is uploaded, so that its author hears at once; the agent asks again before it unpacks
one, and then trusts nothing that it says.
"""

from __future__ import annotations

import stat
import zipfile
from collections.abc import Collection, Iterable
from pathlib import PurePosixPath

from thaw.errors import UserError

MAX_ZIPPED = 50 << 20
MAX_UNZIPPED = 250 << 20
"""Lambda's own two limits."""
MAX_FILES = 50_000
_MAX_PART = 255
"""Bytes of one part of a path, on the file systems that nodes have."""


def check_zip(infos: list[zipfile.ZipInfo]) -> None:
    """Looks at a package's directory, and at none of its bytes.

    :raises UserError: it is too great, or has an entry that is not unpacked.
    """
    if len(infos) > MAX_FILES:
        raise UserError("code.zip", f"holds more than {MAX_FILES} files")
    if sum(info.file_size for info in infos) > MAX_UNZIPPED:
        raise UserError("code.zip", f"unpacks to more than {MAX_UNZIPPED >> 20} MB")
    for info in infos:
        shown = repr(info.filename[:100])
        if info.flag_bits & 0x1:
            raise UserError("code.zip", f"{shown} is encrypted")
        if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            raise UserError("code.zip", f"{shown} is compressed by neither store nor deflate")
        if not info.is_dir() and stat.S_IFMT(info.external_attr >> 16) not in (0, stat.S_IFREG, stat.S_IFLNK):
            raise UserError("code.zip", f"{shown} is neither a file, a folder nor a link")
    folders = {plain_path(info.filename, "code.zip") for info in infos if info.is_dir()}
    check_tree((plain_path(info.filename, "code.zip") for info in infos if not info.is_dir()), folders, "code.zip")


def check_tree(files: Iterable[PurePosixPath], folders: Collection[PurePosixPath], field: str) -> None:
    """Makes sure that the paths can be in one tree.

    :raises UserError: one comes twice, or is a file and a folder.
    """
    known: set[PurePosixPath] = set()
    for path in files:
        if path in known:
            raise UserError(field, f"{str(path)[:100]!r} comes twice", "leave one of them out")
        known.add(path)
    needed = {parent for path in (*known, *folders) for parent in path.parents}.union(folders)
    if both := sorted(needed & known):
        raise UserError(field, f"{str(both[0])[:100]!r} is both a file and a folder", "rename one of them")


def plain_path(name: str, field: str) -> PurePosixPath:
    """The path of an entry, below wherever it is unpacked.

    :raises UserError: it leads elsewhere, or no file system takes it.
    """
    path = PurePosixPath(name)
    if not path.parts or name.startswith("/") or ".." in path.parts or "\\" in name or "\0" in name:
        raise UserError(field, f"{name[:100]!r} is not a plain relative path")
    if any(len(part.encode(errors="replace")) > _MAX_PART for part in path.parts):
        raise UserError(field, f"{name[:100]!r} has a part of more than {_MAX_PART} bytes")
    return path
