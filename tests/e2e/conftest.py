"""A real cluster with Thaw installed by its own chart, as ``hack/test`` (or ``hack/demo``) leaves it."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import uuid
from collections.abc import Callable, Iterator
from typing import Any

import boto3
import pytest
from botocore.config import Config

from e2e.support import Cluster, connect, eventually


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if "tests/e2e" in str(item.path):
            item.add_marker(pytest.mark.e2e)


def cannot(reason: str) -> None:
    """Users without root or a capable kernel see why; CI may not skip."""
    (pytest.fail if os.environ.get("CI") else pytest.skip)(reason)


@pytest.fixture(scope="session")
def cluster() -> Cluster:
    if reason := os.environ.get("THAW_E2E_UNAVAILABLE"):
        cannot(reason)
    if not os.environ.get("THAW_ENDPOINT"):
        cannot('no cluster: run hack/test, or hack/demo and then  eval "$(hack/cluster env)"')
    return connect()


@pytest.fixture(scope="session")
def lam(cluster: Cluster) -> Any:
    no_retries = Config(retries={"max_attempts": 0}, read_timeout=120, connect_timeout=5)
    return boto3.client("lambda", endpoint_url=cluster.endpoint, region_name="us-east-1", config=no_retries)


@pytest.fixture(scope="session")
def aws(cluster: Cluster) -> Callable[..., dict[str, Any]]:
    """The real ``aws`` command, answering parsed JSON."""
    program = shutil.which("aws") or pytest.fail("the aws command is not installed")

    def run(*arguments: str) -> dict[str, Any]:
        command = [program, "--endpoint-url", cluster.endpoint, "--output", "json", "lambda", *arguments]
        done = subprocess.run(command, check=False, capture_output=True, text=True, timeout=200)
        assert done.returncode == 0, f"{' '.join(command)}\n{done.stdout}{done.stderr}"
        return json.loads(done.stdout) if done.stdout.strip() else {}

    return run


@pytest.fixture
def name(cluster: Cluster, lam: Any) -> Iterator[str]:
    """A function name of the test's own; what it names is gone afterwards."""
    chosen = f"e2e-{uuid.uuid4().hex[:8]}"
    yield chosen
    cluster.delete("functions", chosen)
    eventually(f"deletion of {chosen}", lambda: cluster.get("functions", chosen) is None)
