"""What ``thaw import`` reads and writes: the template, CDK's list of assets, code beside them, the manifests."""

from __future__ import annotations

import json
import os
import stat
import sys
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path

from thaw.api.packages import MAX_UNZIPPED
from thaw.errors import UserError
from thaw.iac.code import LocalCode, LocalFile, Reader

STDIN = Path("-")
CACHES = frozenset({"__pycache__", ".git", ".DS_Store"})
"""What no function needs, and what would make each package another one."""
_CDK = ".template.json"


def text(template: Path) -> str:
    """The template.

    :raises UserError: it cannot be read.
    """
    try:
        return sys.stdin.read() if template == STDIN else template.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise UserError("TEMPLATE", f"{template} cannot be read: {error}") from error


def write(manifests: str, out: Path | None) -> None:
    """Writes the manifests to a file, or to stdout."""
    if out is None:
        sys.stdout.write(manifests)
        return
    try:
        out.write_text(manifests, encoding="utf-8")
    except OSError as error:
        raise UserError("--out", f"{out} cannot be written: {error}") from error


def assets(template: Path) -> Mapping[str, str]:
    """What CDK wrote beside its template: the key of each package in its bucket, to the folder or file it is made of.

    :raises UserError: the list cannot be read.
    """
    if not template.name.endswith(_CDK):
        return {}
    listed = template.with_name(template.name.removesuffix(_CDK) + ".assets.json")
    if not listed.exists():
        return {}
    try:
        files = json.loads(listed.read_text(encoding="utf-8")).get("files", {}).values()
        return {at["objectKey"]: one["source"]["path"] for one in files for at in one["destinations"].values()}
    except (OSError, ValueError, KeyError, AttributeError, TypeError) as error:
        raise UserError("TEMPLATE", f"{listed} beside it is no list of CDK's assets: {error!r}", "cdk synth") from error


def reader(template: Path) -> Reader:
    """Reads folders and zip files, relative to the template."""
    base = Path() if template == STDIN else template.parent

    def read(where: str) -> LocalCode:
        path = base / where
        try:
            if path.is_dir():
                return LocalCode(dict(_folder(path)))
            if path.is_file():
                return _archive(path)
        except (OSError, zipfile.BadZipFile, RuntimeError, NotImplementedError) as error:
            raise UserError(where, f"{path} cannot be read: {error}") from error
        raise UserError(where, f"{path} is not there", "paths are relative to the template")

    return read


def _folder(root: Path) -> Iterator[tuple[str, LocalFile]]:
    for folder, inner, files in os.walk(root):
        inner[:] = sorted(name for name in inner if name not in CACHES)
        for name in [*inner, *files]:
            path = Path(folder) / name
            if path.is_symlink() and path.is_dir():
                raise UserError("code", f"{path} is a link to a folder", "put the folder there itself")
        for name in sorted(set(files) - CACHES):
            path = Path(folder) / name
            yield path.relative_to(root).as_posix(), LocalFile(path.read_bytes(), os.access(path, os.X_OK))


def _archive(path: Path) -> LocalCode:
    with zipfile.ZipFile(path) as archive:
        infos = [info for info in archive.infolist() if not info.is_dir()]
        if sum(info.file_size for info in infos) > MAX_UNZIPPED:
            raise UserError("code", f"{path} unpacks to more than {MAX_UNZIPPED >> 20} MB", "use an image instead")
        files = {info.filename: LocalFile(archive.read(info), _runs(info)) for info in infos}
    return LocalCode(files, path.read_bytes())


def _runs(info: zipfile.ZipInfo) -> bool:
    return bool(info.external_attr >> 16 & stat.S_IXUSR)
