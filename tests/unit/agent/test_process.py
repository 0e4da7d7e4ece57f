"""What the node's /proc says of a container."""

from __future__ import annotations

import os
import socket
import subprocess
from pathlib import Path

import pytest

from thaw.agent import process

HEAD = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid\n"


def table(proc: Path, pid: int, name: str, *rows: str) -> None:
    folder = proc / str(pid) / "net"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_text(HEAD + "".join(f"   {i}: {row} 00000000:00000000\n" for i, row in enumerate(rows)))


@pytest.mark.parametrize(
    ("row", "found"),
    [
        ("0700F40A:9C40 0100000A:01BB 01", ["10.0.0.1:443"]),
        ("0700F40A:9C40 0100000A:01BB 08", ["10.0.0.1:443"]),
        ("0700F40A:9C40 0100000A:01BB 02", ["10.0.0.1:443"]),
        ("0100007F:9C40 0100007F:1F90 01", []),
        ("0100007F:9C40 0200007F:1F90 01", []),
        ("00000000:1F90 00000000:0000 0A", []),
        ("0700F40A:9C40 0100000A:01BB 06", []),
    ],
)
def test_ipv4(tmp_path: Path, row: str, found: list[str]) -> None:
    table(tmp_path, 7, "tcp", row)
    assert process.connections(tmp_path, 7) == found


@pytest.mark.parametrize(
    ("peer", "found"),
    [
        ("B80D0120000000000000000001000000:01BB", ["2001:db8::1:443"]),
        ("00000000000000000000000001000000:01BB", []),
        ("0000000000000000FFFF00000100007F:01BB", []),
        ("0000000000000000FFFF00000100000A:01BB", ["10.0.0.1:443"]),
    ],
)
def test_ipv6(tmp_path: Path, peer: str, found: list[str]) -> None:
    table(tmp_path, 7, "tcp6", f"00000000000000000000000000000000:9C40 {peer} 01")
    assert process.connections(tmp_path, 7) == found


def test_a_real_connection_over_loopback_is_not_elsewhere() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server, socket.create_connection(server.getsockname()):
        mine = f"127.0.0.1:{server.getsockname()[1]}"
        assert mine not in process.connections(Path("/proc"), os.getpid())


def test_a_process_that_is_gone_has_none(tmp_path: Path) -> None:
    assert process.connections(tmp_path, 1) == []


def test_alive_zombie_and_gone() -> None:
    proc = Path("/proc")
    assert process.alive(proc, os.getpid())
    child = subprocess.Popen(["true"])
    os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
    assert not process.alive(proc, child.pid)
    child.wait()
    assert not process.alive(proc, child.pid)


def test_a_name_with_brackets_does_not_deceive(tmp_path: Path) -> None:
    (tmp_path / "5").mkdir()
    (tmp_path / "5/stat").write_text("5 (a) Z (b) S 1 5 5 0")
    assert process.alive(tmp_path, 5)
    (tmp_path / "5/stat").write_text("5 (a) S (b) Z 1 5 5 0")
    assert not process.alive(tmp_path, 5)


def test_the_executable_is_the_one_that_runs(tmp_path: Path) -> None:
    process.copy_executable(Path("/proc"), os.getpid(), tmp_path / "copy")
    assert (tmp_path / "copy").read_bytes() == Path("/proc/self/exe").read_bytes()
    assert (tmp_path / "copy").stat().st_mode & 0o777 == 0o755
    with pytest.raises(OSError, match="No such"):
        process.copy_executable(tmp_path, 1, tmp_path / "other")


def test_last_words(tmp_path: Path) -> None:
    folder = tmp_path / "var/lib/kubelet/pods/uid-1/containers/function"
    assert process.last_words(tmp_path, "uid-1", "function") == ""
    folder.mkdir(parents=True)
    assert process.last_words(tmp_path, "uid-1", "function") == ""
    (folder / "aaaa").write_text("first")
    os.utime(folder / "aaaa", (1, 1))
    (folder / "bbbb").write_text("second" + "x" * 10_000)
    assert process.last_words(tmp_path, "uid-1", "function").startswith("second")
    assert len(process.last_words(tmp_path, "uid-1", "function")) == 4096
    (folder / "cccc").symlink_to("/etc/passwd")
    assert "root" not in process.last_words(tmp_path, "uid-1", "function")
