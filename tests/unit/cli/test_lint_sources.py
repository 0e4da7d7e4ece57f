"""Which files are read."""

from __future__ import annotations

import zipfile
from pathlib import Path

import pytest

from thaw.cli.lint_sources import read
from thaw.errors import UserError

TREE = {
    "app.py": "a",
    "lib/tools.py": "b",
    "notes.txt": "",
    "test_app.py": "",
    "tests/conftest.py": "",
    ".git/hook.py": "",
    "node_modules/x.py": "",
    "__pycache__/y.py": "",
    "site-packages/z.py": "",
    "requests/__init__.py": "",
    "requests-2.0.dist-info/RECORD": "requests/__init__.py,sha256=x,1\nrequests-2.0.dist-info/RECORD,,\n",
    "vendor/six.py": "",
    "vendor/six-1.0.dist-info/RECORD": "six.py,,\n",
}


def write(root: Path, files: dict[str, str]) -> None:
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)


def pack(path: Path, files: dict[str, str]) -> Path:
    with zipfile.ZipFile(path, "w") as package:
        for name, text in files.items():
            package.writestr(name, text)
    return path


def test_of_a_folder_only_the_functions_own_code(tmp_path: Path) -> None:
    write(tmp_path, TREE)
    write(tmp_path, {"env/pyvenv.cfg": "", "env/lib/a.py": ""})
    found = read([tmp_path], everything=False)
    assert found == {f"{tmp_path.as_posix()}/app.py": b"a", f"{tmp_path.as_posix()}/lib/tools.py": b"b"}


def test_everything_is_everything(tmp_path: Path) -> None:
    write(tmp_path, {**TREE, "env/pyvenv.cfg": "", "env/lib/a.py": ""})
    names = {Path(name).relative_to(tmp_path).as_posix() for name in read([tmp_path], everything=True)}
    assert names == {name for name in TREE if name.endswith(".py")} | {"env/lib/a.py"}


def test_a_package_is_read_as_a_folder_is(tmp_path: Path) -> None:
    package = pack(tmp_path / "code.zip", TREE)
    assert read([package], everything=False) == {
        f"{package.as_posix()}/app.py": b"a",
        f"{package.as_posix()}/lib/tools.py": b"b",
    }
    assert len(read([package], everything=True)) == len([name for name in TREE if name.endswith(".py")])


def test_a_file_that_is_named_is_read_whatever_it_is_called(tmp_path: Path) -> None:
    write(tmp_path, {"test_x.py": "1", "handler": "2"})
    assert list(read([tmp_path / "test_x.py", tmp_path / "handler"], everything=False).values()) == [b"1", b"2"]


def test_a_zip_that_is_none_is_refused(tmp_path: Path) -> None:
    write(tmp_path, {"code.zip": "no"})
    with pytest.raises(UserError, match=r"code\.zip is not a zip file"):
        read([tmp_path / "code.zip"], everything=False)


def test_a_damaged_package_is_refused(tmp_path: Path) -> None:
    package = pack(tmp_path / "code.zip", {"app.py": "print('hello')"})
    package.write_bytes(package.read_bytes().replace(b"hello", b"jello"))
    with pytest.raises(UserError, match=r"code\.zip cannot be read: Bad CRC-32"):
        read([package], everything=False)
