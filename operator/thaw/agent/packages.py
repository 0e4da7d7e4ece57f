"""A user's code, unpacked: files by name from a Function, or a zip that is read as if its author were an enemy."""

from __future__ import annotations

import errno
import hashlib
import io
import json
import os
import stat
import zipfile
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import IO

from thaw.api.packages import MAX_UNZIPPED, MAX_ZIPPED, check_tree, check_zip, plain_path
from thaw.errors import UserError

MAX_LINK = 4096
_COPY = 1 << 20
_OF_THE_PACKAGE = {errno.EEXIST, errno.ENOTDIR, errno.EISDIR, errno.ELOOP, errno.ENAMETOOLONG, errno.EILSEQ}
"""What a file system says of entries that cannot be; all else, such as a full disk, is the node's."""
_BOOTSTRAP = "bootstrap"
"""What runtime ``provided`` runs. Zips made on Windows hold no modes; Lambda refuses to run theirs, we need not."""


def inline_hash(files: Mapping[str, str]) -> str:
    """The name of inline code: a SHA-256 of its files, whatever order they came in."""
    canonical = json.dumps(dict(files), sort_keys=True, ensure_ascii=False, separators=(",", ":"))
    return hashlib.sha256(b"inline\0" + canonical.encode()).hexdigest()


def zip_hash(namespace: str, sha256: str) -> str:
    """The name of a namespace's unpacked package: what another namespace has unpacked is not found by its hash."""
    return hashlib.sha256(f"zip\0{namespace}\0{sha256}".encode()).hexdigest()


def write_inline(files: Mapping[str, str], dest: Path) -> None:
    """Writes inline files below ``dest``, readable by any user.

    :raises UserError: a name leads elsewhere, or is one of a file and of a folder.
    """
    check_tree([plain_path(name, "code.inline") for name in files], (), "code.inline")
    dest.mkdir(mode=0o755)
    for name, text in files.items():
        path = dest / plain_path(name, "code.inline")
        _parents(dest, path)
        _create(path, _mode(name, 0), io.BytesIO(text.encode()), MAX_UNZIPPED)
    _open_to_all(dest)


def unzip(data: bytes, dest: Path) -> None:
    """Unpacks a package below ``dest``: readable by any user, runnable if the zip says so, links that stay inside.

    :raises UserError: it is no zip, is too great, or a name or link leads elsewhere.
    :raises OSError: the node's fault, such as a full disk.
    """
    if len(data) > MAX_ZIPPED:
        raise UserError("code.zip", f"is greater than {MAX_ZIPPED >> 20} MB")
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as package:
            infos = package.infolist()
            check_zip(infos)
            dest.mkdir(mode=0o755)
            _unpack(package, infos, dest)
    except (zipfile.BadZipFile, zlib.error, NotImplementedError, RuntimeError, EOFError, ValueError) as e:
        raise UserError("code.zip", f"cannot be unpacked: {e}", "upload a .zip file") from e
    except OSError as e:
        if e.errno not in _OF_THE_PACKAGE:
            raise
        raise UserError("code.zip", f"cannot be unpacked: {e.strerror}: {Path(str(e.filename)).name}") from e
    _open_to_all(dest)


def _unpack(package: zipfile.ZipFile, infos: list[zipfile.ZipInfo], dest: Path) -> None:
    links: list[tuple[Path, zipfile.ZipInfo]] = []
    left = MAX_UNZIPPED
    for info in infos:
        path = dest / plain_path(info.filename, "code.zip")
        _parents(dest, path)
        kind = stat.S_IFMT(info.external_attr >> 16)
        if info.is_dir():
            path.mkdir(mode=0o755, exist_ok=True)
        elif stat.S_ISLNK(kind):
            links.append((path, info))
        else:
            with package.open(info) as source:
                left -= _create(path, _mode(info.filename, info.external_attr >> 16), source, left)
    # Links last, so that nothing was written through one; then each is followed, for links to links.
    for path, info in links:
        path.symlink_to(_target(package, info))
    for path, info in links:
        if not Path(os.path.realpath(path)).is_relative_to(dest.resolve()):
            raise UserError("code.zip", f"the link {info.filename[:100]!r} leads out of the package")


def _mode(name: str, unix: int) -> int:
    """Readable by all, runnable if the package says so; without any mode of Unix (0), ``bootstrap`` is meant to run."""
    return 0o755 if unix & 0o111 or (not unix and name == _BOOTSTRAP) else 0o644


def _target(package: zipfile.ZipFile, info: zipfile.ZipInfo) -> str:
    with package.open(info) as source:
        target = source.read(MAX_LINK + 1)
    text = target.decode("utf-8", "strict")
    if not text or len(target) > MAX_LINK or text.startswith("/") or "\0" in text:
        raise UserError("code.zip", f"the link {info.filename[:100]!r} leads out of the package")
    return text


def _parents(dest: Path, path: Path) -> None:
    for parent in reversed(path.relative_to(dest).parents[:-1]):
        (dest / parent).mkdir(mode=0o755, exist_ok=True)


def _create(path: Path, mode: int, source: IO[bytes], limit: int) -> int:
    """Writes a new file; tells how many bytes.

    :raises UserError: more came than the limit, whatever the zip's directory promised.
    """
    fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, mode)
    written = 0
    with os.fdopen(fd, "wb") as out:
        while piece := source.read(_COPY):
            written += len(piece)
            if written > limit:
                raise UserError("code.zip", f"unpacks to more than {MAX_UNZIPPED >> 20} MB")
            out.write(piece)
        os.fchmod(out.fileno(), mode)
    return written


def _open_to_all(dest: Path) -> None:
    """Folders 0755 whatever the umask: any user a function runs as must get in."""
    dest.chmod(0o755)
    for path in dest.rglob("*"):
        if path.is_dir() and not path.is_symlink():
            path.chmod(0o755)
