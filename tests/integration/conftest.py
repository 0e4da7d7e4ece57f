"""Fixtures over a real API server; without its programs they skip, but under ``CI=true`` they fail."""

from __future__ import annotations

import os
import secrets
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from integration.apiserver import Kubectl, Missing, find_binaries, running

ROOT = Path(__file__).resolve().parents[2]


def _skip(reason: str) -> None:
    if os.environ.get("CI"):
        pytest.fail(reason)
    pytest.skip(reason)


@pytest.fixture(scope="session")
def api_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Path of an administrator's kubeconfig for an API server that lives as long as the test session."""
    if shutil.which("kubectl") is None:
        _skip("no kubectl in PATH")
    try:
        binaries = find_binaries()
    except Missing as e:
        _skip(str(e))
    with running(tmp_path_factory.mktemp("apiserver"), binaries) as kubeconfig:
        yield kubeconfig


@pytest.fixture(scope="session")
def kubectl(api_server: Path) -> Kubectl:
    """``kubectl`` as administrator."""
    return Kubectl(api_server)


@pytest.fixture(scope="session")
def crds(kubectl: Kubectl) -> Kubectl:
    """``kubectl`` on a server that has the CRDs of ``crds/``."""
    kubectl("apply", "--server-side", "-f", str(ROOT / "crds"))
    resources = {"functions", "functionversions", "functionaliases", "snapshots", "eventinvocations"}
    kubectl.await_group("thaw.dev/v1alpha1", resources)
    return kubectl


@pytest.fixture
def namespace(kubectl: Kubectl) -> str:
    """A namespace of the test's own."""
    name = f"t-{secrets.token_hex(4)}"
    kubectl("create", "namespace", name)
    return name
