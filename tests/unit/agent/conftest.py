from __future__ import annotations

from pathlib import Path

import aiohttp
import pytest

from thaw.agent.metrics import Metrics
from thaw.agent.paths import Paths
from unit.agent.world import World


@pytest.fixture
def paths(tmp_path: Path) -> Paths:
    """A node in a temporary folder: prepared, with a first process and a boot."""
    found = Paths(tmp_path / "node")
    found.prepare()
    found.checkpoints.mkdir(parents=True)
    boot = found.proc / "sys/kernel/random"
    boot.mkdir(parents=True)
    (boot / "boot_id").write_text("boot-1\n")
    return found


@pytest.fixture
def metrics() -> Metrics:
    return Metrics()


@pytest.fixture
async def world(paths: Paths):
    connector = aiohttp.TCPConnector(force_close=True)
    async with aiohttp.ClientSession(connector=connector) as session:
        found = World(paths, session)
        await found.pod.serve()
        found.restart()
        yield found
        await found.jobs.close()
        await found.pod.runner.cleanup()
