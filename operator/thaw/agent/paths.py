"""Every path of the node contract, below one root, so that a test's node is a temporary folder."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

CHECKPOINTS = Path("/var/lib/kubelet/checkpoints")


@dataclass(frozen=True)
class Paths:
    """The node as the agent's container sees it. Absolute paths that are told to others have no root before them."""

    root: Path = Path("/")

    def _at(self, path: str) -> Path:
        return self.root / path

    @property
    def dist(self) -> Path:
        """The runtime's binaries, in the agent's image."""
        return self._at("opt/thaw-dist")

    @property
    def opt(self) -> Path:
        """What is installed on the node."""
        return self._at("opt/thaw")

    @property
    def bin(self) -> Path:
        """The installed binaries."""
        return self.opt / "bin"

    @property
    def criu_conf(self) -> Path:
        """CRIU's options for our containers."""
        return self.opt / "etc/criu.conf"

    @property
    def run(self) -> Path:
        """Gone with the next boot: grants, reports, tokens."""
        return self._at("run/thaw")

    @property
    def grants(self) -> Path:
        """The agent's word for pods."""
        return self.run / "grants"

    @property
    def reports(self) -> Path:
        """thaw-runc's word of containers."""
        return self.run / "reports"

    @property
    def pods(self) -> Path:
        """What is mounted into pods: their token, and where their credentials come from."""
        return self.run / "pods"

    @property
    def work(self) -> Path:
        """CRIU's logs."""
        return self.run / "work"

    @property
    def lib(self) -> Path:
        """What outlives a boot."""
        return self._at("var/lib/thaw")

    @property
    def snapshots(self) -> Path:
        """Materialised snapshots by digest."""
        return self.lib / "snapshots"

    @property
    def index(self) -> Path:
        """Snapshot id → digest of what is materialised."""
        return self.lib / "index"

    @property
    def code(self) -> Path:
        """Unpacked code packages by hash."""
        return self.lib / "code"

    @property
    def tmp(self) -> Path:
        """Half-made things."""
        return self.lib / "tmp"

    @property
    def archives(self) -> Path:
        """Notes of the kubelet's archives that were asked for, until they are known to be gone."""
        return self.lib / "archives"

    @property
    def checkpoints(self) -> Path:
        """Where the kubelet writes archives."""
        return self._at(str(CHECKPOINTS).lstrip("/"))

    @property
    def containerd_config(self) -> Path:
        """containerd's configuration."""
        return self._at("etc/containerd/config.toml")

    @property
    def proc(self) -> Path:
        """The node's processes (hostPID)."""
        return self._at("proc")

    @property
    def host(self) -> Path:
        """The node's own file system, through its first process."""
        return self.proc / "1/root"

    def told(self, path: Path) -> str:
        """A path as the node's own programs know it: without the test's root."""
        return "/" + str(path.relative_to(self.root))

    def prepare(self) -> None:
        """Makes the folders, root's alone but for what functions must read."""
        for folder in (self.run, self.grants, self.reports, self.pods, self.work):
            _private(folder)
        for folder in (self.lib, self.snapshots, self.index, self.code, self.tmp, self.archives):
            _private(folder)


def _private(folder: Path) -> None:
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    folder.chmod(0o700)
