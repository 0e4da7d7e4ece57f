"""A user's package: what Lambda would unpack, and what must not be."""

from __future__ import annotations

import errno
import io
import os
import stat
import struct
import zipfile
from pathlib import Path

import pytest

from thaw.agent import packages
from thaw.errors import UserError


def entry(name: str, mode: int = 0o100644) -> zipfile.ZipInfo:
    info = zipfile.ZipInfo(name)
    info.external_attr = mode << 16 or 0x20  # without a mode: as Windows writes it, its archive bit alone
    info.compress_type = zipfile.ZIP_DEFLATED
    return info


def package(*entries: tuple[zipfile.ZipInfo | str, bytes]) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as zip_:
        for info, data in entries:
            zip_.writestr(info, data)
    return out.getvalue()


def link(name: str, target: str) -> tuple[zipfile.ZipInfo, bytes]:
    return entry(name, stat.S_IFLNK | 0o777), target.encode()


def unzip(data: bytes, tmp_path: Path) -> Path:
    dest = tmp_path / "code"
    packages.unzip(data, dest)
    return dest


def test_files_folders_bits_and_links(tmp_path: Path) -> None:
    old = os.umask(0o077)
    try:
        dest = unzip(
            package(
                (entry("app.py", 0o100600), b"code"),
                (entry("bin/tool", 0o100700), b"tool"),
                (entry("plain", 0), b"no mode at all"),
                (entry("empty/", 0o40700), b""),
                link("bin/link", "../app.py"),
                link("lib", "bin"),
            ),
            tmp_path,
        )
    finally:
        os.umask(old)
    modes = {p.relative_to(dest).as_posix(): p.lstat().st_mode & 0o777 for p in dest.rglob("*") if not p.is_symlink()}
    # Whatever user a function runs as may read all of it, and write none.
    assert modes == {"app.py": 0o644, "bin": 0o755, "bin/tool": 0o755, "plain": 0o644, "empty": 0o755}
    assert dest.stat().st_mode & 0o777 == 0o755
    assert (dest / "bin/link").read_bytes() == b"code"
    assert (dest / "lib/tool").read_bytes() == b"tool"


@pytest.mark.parametrize(
    "bad",
    [
        (entry("../up"), b"x"),
        (entry("/etc/passwd"), b"x"),
        (entry("a/../../up"), b"x"),
        (entry("a\\..\\up"), b"x"),
        link("out", "/etc/passwd"),
        link("out", "../outside"),
        link("a/out", "../../outside"),
        link("empty", ""),
        link("long", "x" * 5000),
        (entry("pipe", stat.S_IFIFO | 0o644), b""),
        (entry("device", stat.S_IFCHR | 0o644), b""),
    ],
    ids=lambda bad: bad[0].filename,
)
def test_entries_that_lead_elsewhere(tmp_path: Path, bad: tuple) -> None:
    with pytest.raises(UserError):
        unzip(package((entry("app.py"), b"code"), bad), tmp_path)
    assert not (tmp_path / "up").exists()


def test_a_link_through_a_link_leads_out_as_well(tmp_path: Path) -> None:
    # By its text each stays inside; followed, the second one does not.
    data = package((entry("d/f"), b""), link("p", "d/.."), link("d/q", "../p/.."))
    with pytest.raises(UserError, match="leads out"):
        unzip(data, tmp_path)


def test_nothing_is_written_through_a_link(tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    with pytest.raises(UserError):
        unzip(package(link("dir", str(outside)), (entry("dir/file"), b"x")), tmp_path)
    assert list(outside.iterdir()) == []


def test_the_same_name_twice(tmp_path: Path) -> None:
    with pytest.warns(UserWarning, match="Duplicate"):
        data = package((entry("a"), b"1"), (entry("a"), b"2"))
    with pytest.raises(UserError):
        unzip(data, tmp_path)


@pytest.mark.parametrize(
    "entries",
    [
        ((entry("a"), b"1"), (entry("a/b"), b"2")),
        ((entry("a/b"), b"2"), (entry("a"), b"1")),
        ((entry("a/"), b""), (entry("a"), b"1")),
        ((entry("a/b/c"), b"2"), link("a", "x")),
    ],
)
def test_a_file_that_is_a_folder(tmp_path: Path, entries: tuple) -> None:
    with pytest.raises(UserError, match=r"code\.zip: 'a' is both a file and a folder"):
        unzip(package(*entries), tmp_path)


def test_a_name_that_no_disk_takes(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="more than 255 bytes"):
        unzip(package((entry("ä" * 128), b"")), tmp_path)
    with pytest.raises(UserError, match=r"code\.inline: .*more than 255 bytes"):
        packages.write_inline({"a" * 256: ""}, tmp_path / "inline")


def test_bytes_that_do_not_inflate(tmp_path: Path) -> None:
    data = bytearray(package((entry("a"), b"some text, some text")))
    data[31:41] = b"\xff" * 10
    with pytest.raises(UserError, match="cannot be unpacked"):
        unzip(bytes(data), tmp_path)


def test_a_full_disk_is_not_the_packages_fault(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> int:
        raise OSError(errno.ENOSPC, "No space left on device", "a")

    monkeypatch.setattr(packages, "_create", full)
    with pytest.raises(OSError, match="No space left"):
        unzip(package((entry("a"), b"1")), tmp_path)


def test_too_great_when_zipped(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="50 MB"):
        unzip(bytes(packages.MAX_ZIPPED + 1), tmp_path)


def test_a_bomb_is_known_by_its_directory(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="250 MB"):
        unzip(package((entry("zeros"), bytes(packages.MAX_UNZIPPED + 1))), tmp_path)
    assert not (tmp_path / "code").exists()


def test_a_bomb_that_lies_about_its_size(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(packages, "MAX_UNZIPPED", 10_000)
    data = bytearray(package((entry("zeros"), bytes(1_000_000))))
    central = data.index(b"PK\x01\x02")
    data[central + 24 : central + 28] = struct.pack("<I", 100)
    with pytest.raises(UserError):
        unzip(bytes(data), tmp_path)
    written = sum(path.stat().st_size for path in tmp_path.rglob("*") if path.is_file())
    assert written <= 10_000


def test_bombs_that_share_their_bytes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The bound is on the sum: no file is too great alone."""
    monkeypatch.setattr(packages, "MAX_UNZIPPED", 10_000)
    with pytest.raises(UserError, match="unpacks to more"):
        unzip(package(*((entry(str(i)), bytes(3000)) for i in range(4))), tmp_path)


def test_too_many_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("thaw.api.packages.MAX_FILES", 3)
    with pytest.raises(UserError, match="more than 3 files"):
        unzip(package(*((entry(str(i)), b"") for i in range(4))), tmp_path)


def test_odd_compression_and_encryption(tmp_path: Path) -> None:
    lzma = entry("a")
    lzma.compress_type = zipfile.ZIP_LZMA
    with pytest.raises(UserError, match="store nor deflate"):
        unzip(package((lzma, b"x")), tmp_path)
    locked = bytearray(package((entry("a"), b"x")))
    locked[locked.index(b"PK\x01\x02") + 8] |= 1
    with pytest.raises(UserError, match="encrypted"):
        unzip(bytes(locked), tmp_path)


@pytest.mark.parametrize("data", [b"", b"not a zip", b"PK\x03\x04" + bytes(100)])
def test_no_zip_at_all(tmp_path: Path, data: bytes) -> None:
    with pytest.raises(UserError, match="cannot be unpacked"):
        unzip(data, tmp_path)


@pytest.mark.parametrize(("mode", "runs"), [(0o100755, True), (0o100644, False), (0, True)])
def test_bootstrap_runs_if_the_zip_says_so_or_nothing(tmp_path: Path, mode: int, runs: bool) -> None:
    dest = unzip(package((entry("bootstrap", mode), b"ELF"), (entry("lib/bootstrap", 0), b"")), tmp_path)
    assert bool((dest / "bootstrap").stat().st_mode & 0o111) is runs
    assert (dest / "lib/bootstrap").stat().st_mode & 0o777 == 0o644


def test_bits_beyond_read_write_and_run_are_not_taken_over(tmp_path: Path) -> None:
    dest = unzip(package((entry("tool", 0o107777), b"x")), tmp_path)
    assert (dest / "tool").stat().st_mode & 0o7777 == 0o755


def test_inline_files_and_their_name(tmp_path: Path) -> None:
    packages.write_inline({"app.py": "x = 'ä'", "lib/util.py": ""}, tmp_path / "code")
    assert (tmp_path / "code/app.py").read_text() == "x = 'ä'"
    assert (tmp_path / "code/lib/util.py").stat().st_mode & 0o777 == 0o644
    packages.write_inline({"bootstrap": "#!/bin/sh"}, tmp_path / "script")
    assert (tmp_path / "script/bootstrap").stat().st_mode & 0o777 == 0o755
    one, same = {"a": "1", "b": "2"}, {"b": "2", "a": "1"}
    assert packages.inline_hash(one) == packages.inline_hash(same)
    assert (
        len({packages.inline_hash(files) for files in (one, {"a": "1"}, {"a": "1", "b": "3"}, {"a1": "", "b": "2"})})
        == 4
    )
    with pytest.raises(UserError, match=r"code\.inline: 'lib' is both a file and a folder"):
        packages.write_inline({"lib/util.py": "", "lib": ""}, tmp_path / "both")
    for name in ("../up", "/abs", "", "a\0"):
        with pytest.raises(UserError):
            packages.write_inline({name: "x"}, tmp_path / f"bad{len(name)}{name[-1:] == 's'}")
