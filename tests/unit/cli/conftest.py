from __future__ import annotations

import io
import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import structlog

from thaw.cli.main import main
from unit.cli.world import Cluster, kubeconfig, served

Thaw = Callable[..., tuple[int, str, str]]


@pytest.fixture(autouse=True)
def logs() -> Iterator[None]:
    """The command turns logs down for its whole process, which here is that of all tests."""
    before = structlog.get_config()
    yield
    structlog.configure(**before)


@pytest.fixture
def thaw(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> Thaw:
    """Runs the command in an empty folder; gives exit code, output, and what went to stderr."""
    monkeypatch.chdir(tmp_path)
    for name in list(os.environ):
        if name.startswith(("AWS_", "THAW_")) or name == "KUBECONFIG":
            monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")

    def run(*arguments: str, program: str = "thaw", stdin: bytes = b"") -> tuple[int, str, str]:
        monkeypatch.setattr("sys.argv", [program, *arguments])
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(stdin)))
        with pytest.raises(SystemExit) as exit:
            main()
        captured = capfd.readouterr()
        return int(exit.value.code or 0), captured.out, captured.err

    return run


@pytest.fixture
def cluster(thaw: Thaw, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Cluster]:
    """A cluster with Thaw, which the kubeconfig leads to."""
    made = Cluster()
    made.install()
    with served(made) as (server, _):
        monkeypatch.setenv("KUBECONFIG", str(kubeconfig(tmp_path / "config", server)))
        yield made


@pytest.fixture
def endpoint(cluster: Cluster) -> str:
    """The gateway's URL."""
    return f"http://127.0.0.1:{cluster.gateway_port}"
