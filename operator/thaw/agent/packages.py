"""A user's code, unpacked: files by name from a Function, or a zip that is read as if its author were an enemy."""

from __future__ import annotations

import hashlib
import io
import json
import os
import stat
import zipfile
from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from typing import IO

from thaw.errors import UserError

MAX_ZIPPED = 50 << 20
MAX_UNZIPPED = 250 << 20
"""Lambda's own two limits."""
MAX_FILES = 50_000
MAX_LINK = 4096
_COPY = 1 << 20


def inline_hash(files: Mapping[str, str]) -> str:
    """The name of inline code: a SHA-256 of its files, whatever order they came in."""
    canonical = json.dumps(dict(files), sort_keys=True, ensure_ascii=False, separators=(",", ":"))
    return hashlib.sha256(b"inline\0" + canonical.encode()).hexdigest()


def zip_hash(namespace: str, sha256: str) -> str:
    """The name of a namespace's unpacked package: what another namespace has unpacked is not found by its hash."""
    return hashlib.sha256(f"zip\0{namespace}\0{sha256}".encode()).hexdigest()


def write_inline(files: Mapping[str, str], dest: Path) -> None:
    """Writes inline files below ``dest``, readable by any user.

    :raises UserError: a name leads elsewhere.
    """
    dest.mkdir(mode=0o755)
    for name, text in files.items():
        path = _inside(dest, name, "code.inline")
        _parents(dest, path)
        _create(path, 0o644, io.BytesIO(text.encode()), MAX_UNZIPPED)
    _open_to_all(dest)


def unzip(data: bytes, dest: Path) -> None:
    """Unpacks a package below ``dest``: readable by any user, runnable if the zip says so, links that stay inside.

    :raises UserError: it is no zip, is too great, or a name or link leads elsewhere.
    """
    if len(data) > MAX_ZIPPED:
        raise UserError("code.zip", f"is greater than {MAX_ZIPPED >> 20} MB")
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as package:
            infos = package.infolist()
            _check(infos)
            dest.mkdir(mode=0o755)
            _unpack(package, infos, dest)
    except (zipfile.BadZipFile, NotImplementedError, RuntimeError, EOFError, ValueError) as e:
        raise UserError("code.zip", f"cannot be unpacked: {e}", "upload a .zip file") from e
    except OSError as e:
        # Such as one name for a file and for a folder; a full disk comes here as well, and says so.
        raise UserError("code.zip", f"cannot be unpacked: {e.strerror}: {Path(str(e.filename)).name}") from e
    _open_to_all(dest)


def _check(infos: list[zipfile.ZipInfo]) -> None:
    if len(infos) > MAX_FILES:
        raise UserError("code.zip", f"holds more than {MAX_FILES} files")
    if sum(info.file_size for info in infos) > MAX_UNZIPPED:
        raise UserError("code.zip", f"unpacks to more than {MAX_UNZIPPED >> 20} MB")
    for info in infos:
        if info.flag_bits & 0x1:
            raise UserError("code.zip", f"{info.filename[:100]!r} is encrypted")
        if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            raise UserError("code.zip", f"{info.filename[:100]!r} is compressed by neither store nor deflate")


def _unpack(package: zipfile.ZipFile, infos: list[zipfile.ZipInfo], dest: Path) -> None:
    links: list[tuple[Path, zipfile.ZipInfo]] = []
    left = MAX_UNZIPPED
    for info in infos:
        path = _inside(dest, info.filename, "code.zip")
        _parents(dest, path)
        kind = stat.S_IFMT(info.external_attr >> 16)
        if info.is_dir():
            path.mkdir(mode=0o755, exist_ok=True)
        elif stat.S_ISLNK(kind):
            links.append((path, info))
        elif kind in (0, stat.S_IFREG):
            mode = 0o755 if (info.external_attr >> 16) & 0o111 else 0o644
            with package.open(info) as source:
                left -= _create(path, mode, source, left)
        else:
            raise UserError("code.zip", f"{info.filename[:100]!r} is neither a file, a folder nor a link")
    # Links last, so that nothing was written through one; then each is followed, for links to links.
    for path, info in links:
        path.symlink_to(_target(package, info))
    for path, info in links:
        if not Path(os.path.realpath(path)).is_relative_to(dest.resolve()):
            raise UserError("code.zip", f"the link {info.filename[:100]!r} leads out of the package")


def _target(package: zipfile.ZipFile, info: zipfile.ZipInfo) -> str:
    with package.open(info) as source:
        target = source.read(MAX_LINK + 1)
    text = target.decode("utf-8", "strict")
    if not text or len(target) > MAX_LINK or text.startswith("/") or "\0" in text:
        raise UserError("code.zip", f"the link {info.filename[:100]!r} leads out of the package")
    return text


def _inside(dest: Path, name: str, field: str) -> Path:
    parts = PurePosixPath(name).parts
    if not parts or name.startswith("/") or ".." in parts or "\\" in name or "\0" in name:
        raise UserError(field, f"{name[:100]!r} is not a plain relative path")
    return dest.joinpath(*parts)


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
