"""Putting the agent together."""

from __future__ import annotations

import asyncio
import json
import os
from pathlib import Path
from time import monotonic

import pytest

from thaw.agent import main
from thaw.agent.install import InstallError
from thaw.agent.options import AgentSettings
from thaw.agent.paths import Paths
from thaw.agent.server import Node
from thaw.api.node import GrantRequest, NodeInfo
from thaw.api.v1alpha1 import Code
from thaw.errors import StoreError
from thaw.store.snapshots import ChunkStore
from unit.agent.world import HERE, UID


class FakeInstaller:
    def __init__(self, error: Exception | None = None) -> None:
        self.error = error

    async def install(self) -> bool:
        if self.error:
            raise self.error
        return True

    async def uninstall(self) -> None:
        pass


def current() -> Node:
    return Node(NodeInfo(node="n1", checkpoint=True, fingerprint=HERE), monotonic())


async def test_a_node_that_cannot_be_installed_on_is_served_with_the_reason() -> None:
    assert await main.installed(FakeInstaller()) == ""
    assert await main.installed(FakeInstaller(InstallError("no containerd"))) == "no containerd"


async def test_a_snapshot_of_another_processor_is_refused_by_the_built_agent(paths: Paths, tmp_path: Path) -> None:
    settings = AgentSettings(store_url=f"file://{tmp_path}/store")
    tree = tmp_path / "tree"
    tree.mkdir()
    async with main.build(settings, paths, current(), FakeInstaller()) as api:
        for name, cpu in (("here", HERE.cpu), ("elsewhere", "xyz")):
            fingerprint = HERE.model_copy(update={"cpu": cpu}).to_json()
            api.store.put(name, tree, {"fingerprint": fingerprint})
        assert (await api.cache.snapshot("here")).is_dir()
        with pytest.raises(StoreError, match="another processor"):
            await api.cache.snapshot("elsewhere")


async def test_after_an_uninstall_the_node_cannot(paths: Paths, tmp_path: Path) -> None:
    node = current()
    async with main.build(AgentSettings(store_url="memory:///"), paths, node, FakeInstaller()) as api:
        await api.uninstall()
    assert (node.info.checkpoint, node.info.reason) == (False, "Thaw was taken off this node")


async def test_a_store_of_no_known_kind_is_said_at_the_start(paths: Paths) -> None:
    with pytest.raises(StoreError, match="gopher"):
        async with main.build(AgentSettings(store_url="gopher://x"), paths, current(), FakeInstaller()):
            pass


async def test_a_store_that_does_not_work_is_said_of_a_node_that_can_checkpoint(
    paths: Paths, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def inspect(_host: object, name: str, _proc: Path, *, trouble: str = "") -> NodeInfo:
        return NodeInfo(node=name, checkpoint=not trouble, reason=trouble, fingerprint=HERE)

    async def preflight(_: object) -> str:
        return kubelet

    monkeypatch.setattr(main.node, "inspect", inspect)
    monkeypatch.setattr(main.Kubelet, "preflight", preflight)
    kubelet, settings = "", AgentSettings(node_name="n1")
    store = ChunkStore.open("memory:///")
    assert (await main.look(settings, paths, None, store)).store == ""
    monkeypatch.setattr(store, "check", lambda: store.stored("none"))
    found = await main.look(settings, paths, None, store)
    assert (found.checkpoint, "none" in found.store) == (True, True)
    kubelet = "its checkpoint API is off"
    found = await main.look(settings, paths, None, store)
    assert (found.checkpoint, found.reason) == (False, kubelet)
    assert (await main.look(settings, paths, None, store, trouble="no containerd")).reason == "no containerd"


async def test_the_sweeper_survives_what_it_meets(paths: Paths, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(main, "_SWEEP_EVERY", 0.01)
    settings, node = AgentSettings(store_url="memory:///"), current()
    async with main.build(settings, paths, node, FakeInstaller()) as api:
        calls = []

        def sweep() -> list[str]:
            calls.append(node.beat)
            raise OSError("the disk is full")

        monkeypatch.setattr(api.instances, "sweep", sweep)
        watch = asyncio.create_task(main._watch(api, settings, paths, None, ""))
        async with asyncio.timeout(20):
            while len(calls) < 3:
                await asyncio.sleep(0.01)
        watch.cancel()
        assert calls == sorted(set(calls)), "each round beats anew"


async def test_code_is_cleared_away_but_not_from_pods(paths: Paths, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(main, "_SWEEP_EVERY", 0.01)
    monkeypatch.setattr(main, "_TIDY_EVERY", 0.01)
    settings, node = AgentSettings(store_url="memory:///"), current()
    async with main.build(settings, paths, node, FakeInstaller()) as api:
        used, unused = [await api.cache.code("ns", Code(inline={"app.py": text})) for text in ("used", "unused")]
        assert used is not None
        assert unused is not None
        request = GrantRequest(namespace="ns", name="pod-1", role="instance", token="t" * 32)
        api.instances.grant(UID, request, code=used, snapshot=None)
        for folder in (used, unused):
            os.utime(folder, (0, 0))
        watch = asyncio.create_task(main._watch(api, settings, paths, None, ""))
        async with asyncio.timeout(20):
            while unused.exists():
                await asyncio.sleep(0.01)
        watch.cancel()
        assert used.is_dir()


def test_logs_are_one_json_object_a_line(capsys: pytest.CaptureFixture[str]) -> None:
    import structlog

    before = structlog.get_config()
    try:
        main.configure_logs("warning")
        logger = structlog.get_logger("x")
        logger.info("quiet")
        logger.warning("loud", snapshot="s1")
    finally:
        structlog.configure(**before)
    [line] = capsys.readouterr().out.splitlines()
    assert {"event": "loud", "snapshot": "s1", "level": "warning"}.items() <= json.loads(line).items()
