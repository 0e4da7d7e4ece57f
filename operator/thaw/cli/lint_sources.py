"""Which files ``thaw lint`` reads: a function's own code, not what was installed beside it."""

from __future__ import annotations

import csv
import os
import re
import zipfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from fnmatch import fnmatch
from pathlib import Path, PurePosixPath

from thaw.errors import UserError

FOREIGN = frozenset({"site-packages", "dist-packages", "node_modules", "__pycache__"})
TESTS = ("test_*.py", "*_test.py", "conftest.py")
RECORD = re.compile(r"(?:(?P<folder>.*)/)?[^/]+\.dist-info/RECORD")


def read(paths: Iterable[Path], *, everything: bool) -> dict[str, bytes]:
    """The Python files of some files, folders and packages.

    :param everything: also those of installed packages (which a ``*.dist-info/RECORD`` lists), virtual environments and
        tests. A file that is named itself is always read.
    :returns: contents by path, with forward slashes; a file ``app.py`` of ``code.zip`` is ``code.zip/app.py``.
    :raises UserError: for a path that cannot be read or holds no Python file.
    """
    found: dict[str, bytes] = {}
    for path in paths:
        with _readable(path):
            if path.is_dir():
                files = dict(_folder(path, everything=everything))
            elif zipfile.is_zipfile(path):
                files = dict(_package(path, everything=everything))
            elif path.suffix == ".zip":
                raise UserError("PATH", f"{path} is not a zip file", "make it anew, e.g. with zip -r")
            else:
                files = {path.as_posix(): path.read_bytes()}
        if not files:
            raise UserError("PATH", f"{path} holds no Python file of yours", "name another, or add --all")
        found.update(files)
    return found


@contextmanager
def _readable(path: Path) -> Iterator[None]:
    try:
        yield
    except FileNotFoundError:
        raise UserError("PATH", f"{path} does not exist", "name a file, a folder or a .zip package") from None
    except (OSError, zipfile.BadZipFile, RuntimeError) as error:
        # zipfile's RuntimeError: the member is encrypted.
        raise UserError("PATH", f"{path} cannot be read: {error}") from None


def _folder(root: Path, *, everything: bool) -> Iterator[tuple[str, bytes]]:
    names: list[str] = []
    for folder, inner, files in os.walk(root):
        here = Path(folder)
        inner[:] = sorted(name for name in inner if everything or not _foreign(here / name))
        names += [(here / name).relative_to(root).as_posix() for name in files]
    for name in _own(names, lambda record: (root / record).read_text(), everything=everything):
        yield (root / name).as_posix(), (root / name).read_bytes()


def _package(path: Path, *, everything: bool) -> Iterator[tuple[str, bytes]]:
    with zipfile.ZipFile(path) as package:
        for name in _own(package.namelist(), lambda record: package.read(record).decode(), everything=everything):
            yield f"{path.as_posix()}/{name}", package.read(name)


def _own(names: list[str], text: Callable[[str], str], *, everything: bool) -> list[str]:
    """Of a tree's files, the Python files to check.

    :param text: reads one of the files.
    """
    python = sorted(name for name in names if name.endswith(".py"))
    if everything:
        return python
    installed: set[str] = set()
    for name in names:
        if match := RECORD.fullmatch(name):
            base = PurePosixPath(match["folder"] or ".")
            installed.update(str(base / row[0]) for row in csv.reader(text(name).splitlines()) if row)
    return [name for name in python if name not in installed and not _is_test(name) and not _in_foreign(name)]


def _foreign(folder: Path) -> bool:
    return folder.name in FOREIGN or folder.name.startswith(".") or (folder / "pyvenv.cfg").exists()


def _in_foreign(name: str) -> bool:
    return any(part in FOREIGN or part.startswith(".") for part in PurePosixPath(name).parts[:-1])


def _is_test(name: str) -> bool:
    return any(fnmatch(PurePosixPath(name).name, pattern) for pattern in TESTS)
