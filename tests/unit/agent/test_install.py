"""Installing on a node and taking everything off again."""

from __future__ import annotations

import json
import shutil
import signal
import socket
from pathlib import Path

import pytest

from thaw.agent.errors import Refused
from thaw.agent.host import Outcome
from thaw.agent.install import Installer, InstallError
from thaw.agent.paths import Paths

CONFIG = "# an administrator's\nversion = 3\n"


class Node:
    """A node whose containerd is restarted by something, as an init would."""

    def __init__(self, paths: Paths, *, systemd: bool) -> None:
        self.paths, self.pid, self.signals, self.commands = paths, 100, [], []
        self.comes_back = True
        for name in ("thaw-runc", "thaw-init"):
            paths.dist.mkdir(parents=True, exist_ok=True)
            (paths.dist / name).write_bytes(name.encode())
        paths.containerd_config.parent.mkdir(parents=True)
        paths.containerd_config.write_text(CONFIG)
        self.process(1, "systemd" if systemd else "init")
        self.process(100, "containerd")
        self.process(50, "containerd", "containerd --config /var/run/docker/containerd/containerd.toml")
        self.process(51, "containerd-shim")
        # The kernel allows 108 bytes for a socket's path: bound by a short one, then moved.
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.bind("s")
        self.socket.listen()
        place = paths.host / "run/containerd/containerd.sock"
        place.parent.mkdir(parents=True)
        Path("s").rename(place)

    def process(self, pid: int, comm: str, cmdline: str | None = None) -> None:
        folder = self.paths.proc / str(pid)
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "comm").write_text(f"{comm}\n")
        (folder / "cmdline").write_text(cmdline or comm)

    def again(self) -> None:
        if self.comes_back:
            shutil.rmtree(self.paths.proc / str(self.pid))
            self.pid += 1
            self.process(self.pid, "containerd")

    def kill(self, pid: int, number: int) -> None:
        self.signals.append((pid, number))
        self.again()

    async def run(self, *command: str, all_namespaces: bool = False, timeout: float = 30) -> Outcome:
        self.commands.append(" ".join(command))
        if command[0] == "systemctl":
            assert all_namespaces
            self.again()
        return Outcome(0, "/usr/sbin/runc" if command[0] == "sh" else "")

    def installer(self) -> Installer:
        return Installer(self.paths, self, kill=self.kill, patience=0.5, leaving=0.3)

    @property
    def config(self) -> str:
        return self.paths.containerd_config.read_text()


@pytest.fixture
def paths(paths: Paths, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Paths:
    monkeypatch.chdir(tmp_path)
    # Short enough for a socket's path below it.
    return Paths(Path("node"))


@pytest.fixture
def bare(paths: Paths) -> Node:
    return Node(paths, systemd=False)


async def test_what_is_installed(bare: Node, paths: Paths) -> None:
    assert await bare.installer().install()
    for name in ("thaw-runc", "thaw-init"):
        assert (paths.bin / name).read_bytes() == name.encode()
        assert (paths.bin / name).stat().st_mode & 0o777 == 0o755
    assert "network-lock skip" in paths.criu_conf.read_text()
    assert "skip-in-flight" in paths.criu_conf.read_text()
    assert "tcp-established" not in paths.criu_conf.read_text()
    assert (paths.opt / "etc/runc").read_text() == "/usr/sbin/runc\n"
    assert 'BinaryName = "/opt/thaw/bin/thaw-runc"' in bare.config
    assert paths.containerd_config.with_name("config.toml.thaw-backup").read_text() == CONFIG


async def test_containerd_alone_is_restarted_and_only_for_a_change(bare: Node) -> None:
    assert await bare.installer().install()
    # Neither Docker's nor a shim.
    assert bare.signals == [(100, signal.SIGTERM)]
    assert not await bare.installer().install()
    assert len(bare.signals) == 1


async def test_with_systemd(paths: Paths) -> None:
    node = Node(paths, systemd=True)
    assert await node.installer().install()
    assert "systemctl restart containerd" in node.commands
    assert node.signals == []


async def test_a_containerd_that_does_not_come_back_is_an_error_and_not_forgotten(bare: Node) -> None:
    bare.comes_back = False
    with pytest.raises(InstallError, match="did not come back"):
        await bare.installer().install()
    bare.comes_back = True
    assert await bare.installer().install()
    assert len(bare.signals) == 2
    assert not await bare.installer().install()


async def test_a_running_binary_is_replaced_beside_itself(bare: Node, paths: Paths) -> None:
    await bare.installer().install()
    old = (paths.bin / "thaw-init").open("rb")
    inode = (paths.bin / "thaw-runc").stat().st_ino
    (paths.dist / "thaw-init").write_bytes(b"newer")
    await bare.installer().install()
    assert old.read() == b"thaw-init"
    assert (paths.bin / "thaw-init").read_bytes() == b"newer"
    assert (paths.bin / "thaw-runc").stat().st_ino == inode
    assert sorted(p.name for p in paths.bin.iterdir()) == ["thaw-init", "thaw-runc"]


async def test_an_image_without_the_binaries(bare: Node, paths: Paths) -> None:
    (paths.dist / "thaw-init").unlink()
    with pytest.raises(InstallError, match="lacks thaw-init"):
        await bare.installer().install()
    assert bare.config == CONFIG


async def test_uninstall_gives_back_every_byte(bare: Node, paths: Paths) -> None:
    await bare.installer().install()
    (paths.lib / "store").mkdir()
    (paths.lib / "store/chunk").write_text("kept")
    (paths.grants / "x.json").write_text("{}")
    (paths.snapshots / "a").mkdir()
    await bare.installer().uninstall()
    assert bare.config == CONFIG
    assert [p.name for p in paths.containerd_config.parent.iterdir()] == ["config.toml"]
    assert list(paths.opt.iterdir()) == list(paths.run.iterdir()) == []
    assert [p.name for p in paths.lib.iterdir()] == ["store"]
    assert (paths.lib / "store/chunk").read_text() == "kept"
    assert bare.commands[-1] == "rmdir --ignore-fail-on-non-empty /opt/thaw /run/thaw /var/lib/thaw"
    assert len(bare.signals) == 2
    await bare.installer().uninstall()
    assert len(bare.signals) == 2


async def test_a_configuration_that_was_not_there_is_removed_again(bare: Node, paths: Paths) -> None:
    paths.containerd_config.unlink()
    await bare.installer().install()
    assert paths.containerd_config.exists()
    await bare.installer().uninstall()
    assert list(paths.containerd_config.parent.iterdir()) == []


async def test_line_ends_of_another_world_survive(bare: Node, paths: Paths) -> None:
    before = b"# x\r\nversion = 3\r\n"
    paths.containerd_config.write_bytes(before)
    await bare.installer().install()
    await bare.installer().uninstall()
    assert paths.containerd_config.read_bytes() == before


def task(paths: Paths, name: str, runtime: str) -> Path:
    folder = paths.host / "run/containerd/io.containerd.runtime.v2.task/k8s.io" / name
    folder.mkdir(parents=True)
    (folder / "options.json").write_text(json.dumps({"binary_name": runtime}))
    return folder


async def test_no_uninstall_while_containers_need_the_runtime(bare: Node, paths: Paths) -> None:
    """Seen on a real node: the pod's report was gone, its container was not, and hung in Terminating."""
    await bare.installer().install()
    installed = bare.config
    ours = task(paths, "sandbox-1", "/opt/thaw/bin/thaw-runc")
    task(paths, "of-others", "")
    assert list(paths.reports.iterdir()) == []
    with pytest.raises(Refused, match="1 containers") as e:
        await bare.installer().uninstall()
    assert (e.value.status, e.value.code, e.value.retryable) == (409, "Busy", True)
    assert bare.config == installed
    assert (paths.bin / "thaw-runc").exists()
    shutil.rmtree(ours)
    await bare.installer().uninstall()
    assert bare.config == CONFIG
    assert list(paths.opt.iterdir()) == []


async def test_a_container_that_slips_in_keeps_its_runtime(bare: Node, paths: Paths) -> None:
    await bare.installer().install()
    tasks = paths.host / "run/containerd/io.containerd.runtime.v2.task/k8s.io"
    tasks.mkdir(parents=True)
    kill = bare.kill

    def late(pid: int, number: int) -> None:
        task(paths, "late", "/opt/thaw/bin/thaw-runc")
        kill(pid, number)

    bare.kill = late
    with pytest.raises(Refused, match="1 containers"):
        await bare.installer().uninstall()
    # No more can come, and this one can still be deleted.
    assert bare.config == CONFIG
    assert (paths.bin / "thaw-runc").exists()
    shutil.rmtree(tasks / "late")
    await bare.installer().uninstall()
    assert list(paths.opt.iterdir()) == []


async def test_where_containerd_keeps_its_state_elsewhere_the_runtimes_records_tell(bare: Node, paths: Paths) -> None:
    await bare.installer().install()
    record = paths.work / "by-container/c1"
    record.parent.mkdir()
    record.write_text("{}")
    with pytest.raises(Refused, match="1 containers"):
        await bare.installer().uninstall()
    record.unlink()
    await bare.installer().uninstall()
    assert bare.config == CONFIG
