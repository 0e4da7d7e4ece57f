"""One test per rule that a hostile archive might break."""

from __future__ import annotations

import io
import os
import tarfile
from pathlib import Path

import pytest

from thaw.agent import archive
from thaw.errors import ArchiveError

NAME = "checkpoint-pod-1_ns-function-2026-11-23T10:00:00Z.tar"
HONEST = {
    "checkpoint/inventory.img": b"inventory",
    "checkpoint/pages-1.img": bytes(100_000),
    "rootfs-diff.tar": b"diff",
    "config.dump": b"{}",
    "spec.dump": b"{}",
    "dump.log": b"log",
}


def member(name: str, data: bytes = b"", type_: bytes = tarfile.REGTYPE, mode: int = 0o644, **more) -> tuple:
    info = tarfile.TarInfo(name)
    info.size, info.type, info.mode = len(data), type_, mode
    for key, value in more.items():
        setattr(info, key, value)
    return info, data


def honest() -> list[tuple]:
    return [member("checkpoint", type_=tarfile.DIRTYPE), *(member(name, data) for name, data in HONEST.items())]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    path = tmp_path / "checkpoints"
    path.mkdir()
    return path


def make(folder: Path, members: list[tuple], name: str = NAME, format_: int = tarfile.PAX_FORMAT) -> Path:
    path = folder / name
    with tarfile.open(path, "w", format=format_) as tar:
        for info, data in members:
            tar.addfile(info, io.BytesIO(data))
    return path


def unpack(path: Path, folder: Path, max_bytes: int = 1 << 20) -> Path:
    dest = folder.parent / "out"
    archive.unpack(path, folder, dest, max_bytes=max_bytes)
    return dest


def test_an_honest_archive(folder: Path) -> None:
    path = make(folder, honest())
    dest = folder.parent / "out"
    assert archive.unpack(path, folder, dest, max_bytes=1 << 20) == sum(len(data) for data in HONEST.values())
    assert {p.relative_to(dest).as_posix(): p.read_bytes() for p in dest.rglob("*") if p.is_file()} == HONEST
    assert {p.stat().st_mode & 0o777 for p in dest.rglob("*") if p.is_file()} == {0o600}
    assert {p.stat().st_mode & 0o777 for p in [dest, dest / "checkpoint"]} == {0o700}


def test_names_with_a_leading_dot_are_the_same_names(folder: Path) -> None:
    dest = unpack(make(folder, [member(f"./{name}", data) for name, data in HONEST.items()]), folder)
    assert (dest / "checkpoint/inventory.img").read_bytes() == b"inventory"


def test_modes_of_the_archive_mean_nothing(folder: Path) -> None:
    members = [member(name, data, mode=0o6777) for name, data in HONEST.items()]
    dest = unpack(make(folder, members), folder)
    assert {p.stat().st_mode & 0o7777 for p in dest.rglob("*") if p.is_file()} == {0o600}


@pytest.mark.parametrize(
    "extra",
    [
        "container.log",
        "secrets.txt",
        "thaw-init",
        "checkpoint/deeper/pages.img",
        "volumes/x",
        "checkpoint/.../x",
        "artifacts/a b",
    ],
)
def test_what_no_restore_needs_is_not_written(folder: Path, extra: str) -> None:
    dest = unpack(make(folder, [*honest(), member(extra, b"extra")]), folder)
    assert {p.relative_to(dest).as_posix() for p in dest.rglob("*") if p.is_file()} == set(HONEST)


@pytest.mark.parametrize(
    ("bad", "match"),
    [
        (member("/etc/passwd", b"x"), "leads out"),
        (member("../../etc/passwd", b"x"), "leads out"),
        (member("checkpoint/../../up", b"x"), "leads out"),
        (member("checkpoint/link", type_=tarfile.SYMTYPE, linkname="/etc/passwd"), "neither"),
        (member("checkpoint", type_=tarfile.SYMTYPE, linkname="/etc"), "neither"),
        (member("checkpoint/hard", type_=tarfile.LNKTYPE, linkname="config.dump"), "neither"),
        (member("checkpoint/dev", type_=tarfile.CHRTYPE, devmajor=1, devminor=1), "neither"),
        (member("checkpoint/blk", type_=tarfile.BLKTYPE, devmajor=8), "neither"),
        (member("checkpoint/fifo", type_=tarfile.FIFOTYPE), "neither"),
        (member("checkpoint/odd", b"x", type_=tarfile.CONTTYPE), "neither"),
        (member("config.dump", b"second"), "twice"),
        (member("checkpoint/big.img", bytes(2 << 20)), "greater"),
    ],
    ids=lambda value: value if isinstance(value, str) else f"{value[0].name} {value[0].type!r}",
)
def test_a_member_that_breaks_a_rule(folder: Path, bad: tuple, match: str) -> None:
    path = make(folder, [*honest(), bad])
    with pytest.raises(ArchiveError, match=match):
        unpack(path, folder)


def test_a_sparse_member_is_refused(folder: Path) -> None:
    sparse = member("checkpoint/sparse.img", b"1\n0\n10\n".ljust(512, b"\0") + bytes(512))
    sparse[0].pax_headers = {"GNU.sparse.major": "1", "GNU.sparse.minor": "0", "GNU.sparse.realsize": "99999999999"}
    path = make(folder, [*honest(), sparse])
    with pytest.raises(ArchiveError, match="neither"):
        unpack(path, folder)


@pytest.mark.parametrize("kind", [tarfile.XHDTYPE, tarfile.XGLTYPE, tarfile.GNUTYPE_LONGNAME, tarfile.GNUTYPE_LONGLINK])
def test_a_great_extended_header_is_not_read_into_memory(folder: Path, kind: bytes) -> None:
    info = tarfile.TarInfo("x")
    info.type, info.size = kind, archive.MAX_HEADER + 1
    path = folder / NAME
    path.write_bytes(info.tobuf(tarfile.USTAR_FORMAT) + bytes(2 * archive.MAX_HEADER))
    with pytest.raises(ArchiveError, match="extended header"):
        unpack(path, folder, max_bytes=1 << 30)


def test_headers_on_headers_end(folder: Path) -> None:
    info = tarfile.TarInfo("x")
    info.type, info.size = tarfile.XHDTYPE, 0
    path = folder / NAME
    path.write_bytes(info.tobuf(tarfile.USTAR_FORMAT) * 5000)
    with pytest.raises(ArchiveError):
        unpack(path, folder, max_bytes=1 << 30)


def test_too_many_members(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(archive, "MAX_MEMBERS", 20)
    path = make(folder, [*honest(), *(member(f"checkpoint/{i}.img") for i in range(20))])
    with pytest.raises(ArchiveError, match="more than 20 members"):
        unpack(path, folder)


def test_the_sum_is_bounded_not_each_member(folder: Path) -> None:
    path = make(folder, [*honest(), *(member(f"other/{i}", bytes(60_000)) for i in range(20))])
    with pytest.raises(ArchiveError, match="greater than 1048576"):
        unpack(path, folder)


@pytest.mark.parametrize("lacking", archive.REQUIRED)
def test_a_required_member_is_missing(folder: Path, lacking: str) -> None:
    path = make(folder, [member(name, data) for name, data in HONEST.items() if name != lacking])
    with pytest.raises(ArchiveError, match=f"lacks {lacking}"):
        unpack(path, folder)


@pytest.mark.parametrize("cut", [100, 700, 20_000])
def test_an_archive_that_ends_too_soon(folder: Path, cut: int) -> None:
    path = make(folder, honest())
    path.write_bytes(path.read_bytes()[:cut])
    with pytest.raises(ArchiveError):
        unpack(path, folder)


def test_an_archive_that_is_none(folder: Path) -> None:
    path = folder / NAME
    path.write_bytes(os.urandom(10_000))
    with pytest.raises(ArchiveError):
        unpack(path, folder)


def test_an_archive_that_is_compressed_is_none(folder: Path) -> None:
    path = folder / NAME
    with tarfile.open(path, "w:gz") as tar:
        for info, data in honest():
            tar.addfile(info, io.BytesIO(data))
    with pytest.raises(ArchiveError):
        unpack(path, folder)


def test_an_archive_that_is_a_link(folder: Path) -> None:
    target = make(folder.parent, honest(), "elsewhere.tar")
    (folder / NAME).symlink_to(target)
    with pytest.raises(ArchiveError, match="cannot open"):
        unpack(folder / NAME, folder)


def test_an_archive_that_is_a_pipe(folder: Path) -> None:
    os.mkfifo(folder / NAME)
    with pytest.raises(ArchiveError, match="not a regular file"):
        unpack(folder / NAME, folder)


@pytest.mark.parametrize("name", ["../x.tar", "sub/" + NAME, "evil.tar", "checkpoint-.tar"])
def test_an_archive_that_lies_elsewhere(folder: Path, name: str) -> None:
    path = folder / name
    path.parent.mkdir(exist_ok=True)
    make(folder, honest()).rename(path)
    with pytest.raises(ArchiveError, match="not an archive of the kubelet"):
        unpack(path, folder)


def test_only_the_containers_own_archives_are_removed(folder: Path) -> None:
    own = ["checkpoint-p_ns-fn-2026-11-23T10:00:00Z.tar", "checkpoint-p_ns-fn-2026-11-23T10:00:01+01:00.tar"]
    others = [
        "checkpoint-p_ns-fn-2-2026-11-23T10:00:00Z.tar.part",
        "checkpoint-p_ns-fn-b-2026-11-23T10:00:00Z.tar",
        "checkpoint-p2_ns-fn-2026-11-23T10:00:00Z.tar",
        "notes.txt",
    ]
    for name in own + others:
        (folder / name).write_text("x")
    assert archive.remove_archives(folder, archive.prefix("p", "ns", "fn")) == 2
    assert sorted(path.name for path in folder.iterdir()) == sorted(others)
    assert archive.remove_archives(folder / "none", "checkpoint-") == 0
