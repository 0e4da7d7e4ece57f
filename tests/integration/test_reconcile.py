"""The operator against a real API server: what it makes of manifests, of crashes and of deletions."""

from __future__ import annotations

import asyncio
import contextlib
import json
import secrets
import threading
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import structlog
import yaml

from chart_rendering import NAMESPACE as CHART_NAMESPACE
from chart_rendering import render
from integration.apiserver import Kubectl
from integration.fakenode import FakeAgent, FakeNode
from thaw import errors, names
from thaw.controller import uninstall
from thaw.controller.main import operate
from thaw.controller.options import OperatorSettings
from thaw.kube.client import Kube, Object
from thaw.kube.kinds import (
    CONFIG_MAP,
    CONTROLLER_REVISION,
    EVENT,
    FUNCTION,
    FUNCTION_ALIAS,
    FUNCTION_VERSION,
    NODE,
    POD,
    SECRET,
    SNAPSHOT,
    Kind,
)

pytestmark = [pytest.mark.integration, pytest.mark.timeout(120)]

ROOT = Path(__file__).resolve().parents[2]


@dataclass
class World:
    """A namespace on the real API server, a pretended node, and an operator that can be stopped and started."""

    kube: Kube
    namespace: str
    system: str
    agent: FakeAgent
    node: FakeNode
    settings: OperatorSettings
    running: asyncio.Task[None] | None = None
    stopping: threading.Event = field(default_factory=threading.Event)

    async def start(self) -> None:
        """In a thread and an event loop of its own, as in a process of its own."""
        self.stopping, ready = threading.Event(), threading.Event()
        operator = operate(self.settings, self.stopping, ready)
        self.running = asyncio.create_task(asyncio.to_thread(asyncio.run, operator))
        while not ready.is_set() and not self.running.done():
            await asyncio.sleep(0.02)
        if self.running.done():
            self.running.result()

    async def stop(self) -> None:
        self.stopping.set()
        if self.running is not None:
            await self.running
        self.running = None

    async def make(self, kind: Kind, name: str, spec: Object) -> Object:
        body = {
            "apiVersion": kind.api_version,
            "kind": kind.kind,
            "metadata": {"name": name, "namespace": self.namespace},
            "spec": spec,
        }
        return await self.kube.create(kind, body)

    async def function(self, name: str = "hello", **spec: Any) -> Object:
        whole = {
            "runtime": "python3.13",
            "handler": "app.handler",
            "code": {"inline": {"app.py": "x"}},
            "snapStart": {"applyOn": "PublishedVersions"},
        }
        return await self.make(FUNCTION, name, {k: v for k, v in (whole | spec).items() if v is not None})

    async def publish(self, name: str, function: str = "hello", **spec: Any) -> Object:
        return await self.make(FUNCTION_VERSION, name, {"functionName": function, **spec})

    async def get(self, kind: Kind, name: str) -> Object | None:
        try:
            return await self.kube.get(kind, self.namespace, name)
        except errors.NotFound:
            return None

    async def all(self, kind: Kind, labels: str = "") -> list[Object]:
        return (await self.kube.list(kind, self.namespace, labels))[0]

    async def eventually(self, what: str, check: Callable[[], Any], timeout: float = 30) -> Any:
        end = time.monotonic() + timeout
        while True:
            if found := await check():
                return found
            assert time.monotonic() < end, f"{what}: not within {timeout} s"
            await asyncio.sleep(0.05)

    async def state(self, name: str, want: str, timeout: float = 30) -> Object:
        async def reached() -> Object | None:
            found = await self.get(FUNCTION_VERSION, name)
            status: Object = (found or {}).get("status", {})
            return status if status.get("state") == want else None

        try:
            return await self.eventually(f"{name} {want}", reached, timeout)
        except AssertionError as e:
            found = await self.get(FUNCTION_VERSION, name)
            raise AssertionError(f"{e}: {json.dumps((found or {}).get('status'), indent=1)}") from e

    async def gone(self, kind: Kind, name: str, timeout: float = 30) -> None:
        async def away() -> bool:
            return await self.get(kind, name) is None

        try:
            await self.eventually(f"{kind.kind} {name} gone", away, timeout)
        except AssertionError as e:
            raise AssertionError(f"{e}: {json.dumps(await self.get(kind, name), indent=1)}") from e

    async def condition(self, kind: Kind, name: str, reason: str, timeout: float = 30) -> Object:
        async def said() -> Object | None:
            found = await self.get(kind, name)
            conditions = (found or {}).get("status", {}).get("conditions", [])
            return next((c for c in conditions if c["type"] == "Ready" and c["reason"] == reason), None)

        try:
            return await self.eventually(f"{name} {reason}", said, timeout)
        except AssertionError as e:
            found = await self.get(kind, name)
            raise AssertionError(f"{e}: {json.dumps((found or {}).get('status'), indent=1)}") from e


@pytest.fixture
async def world(
    crds: Kubectl, namespace: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, unused_tcp_port: int
) -> AsyncIterator[World]:
    monkeypatch.setenv("KUBECONFIG", str(crds.kubeconfig))  # for kopf; the client has read it when it was imported
    monkeypatch.setattr("kubernetes.aio.config.kube_config.KUBE_CONFIG_DEFAULT_LOCATION", str(crds.kubeconfig))
    token = tmp_path / "token"
    token.write_text("t")
    system = f"sys-{secrets.token_hex(4)}"
    crds("create", "namespace", system)
    kube = await Kube.connect()
    settings = OperatorSettings(
        namespace=system,
        agent_token_path=str(token),
        metrics_port=unused_tcp_port,
        init_attempts=2,
        default_access_key_namespace=namespace,
    )
    agent = FakeAgent()
    node = FakeNode(kube, f"node-{secrets.token_hex(4)}", system, agent)
    made = World(kube, namespace, system, agent, node, settings)
    async with node.running():
        yield made
        await sweep(made)
    await kube.close()


async def sweep(world: World) -> None:
    """Leaves nothing for the next test's operator, which sees all namespaces."""
    await world.stop()
    for kind in (FUNCTION_ALIAS, FUNCTION_VERSION, FUNCTION, SNAPSHOT):
        for thing in await world.all(kind):
            name = thing["metadata"]["name"]
            with contextlib.suppress(errors.NotFound):
                await world.kube.patch(kind, world.namespace, name, {"metadata": {"finalizers": None}})
            await world.kube.delete(kind, world.namespace, name)


async def test_a_version_is_published_by_manifest(world: World) -> None:
    await world.start()
    await world.function()
    await world.publish("hello-first")
    status = await world.state("hello-first", "Active")
    assert status["version"] == "1"
    assert status["snapStart"] == {"applyOn": "PublishedVersions", "optimizationStatus": "On"}
    assert status["snapshotSize"] == "79 MiB"
    assert status["initDurationMs"] == 2100.5
    snapshot = await world.get(SNAPSHOT, status["snapshotRef"])
    assert snapshot is not None
    assert snapshot["status"]["phase"] == "Ready"
    assert snapshot["status"]["node"] == world.node.name
    assert [id_ for id_, _ in world.agent.requests] == [snapshot["metadata"]["uid"]]
    request = world.agent.requests[0][1]
    assert request["initTimeoutSeconds"] == 130
    assert (request["function"], request["version"]) == ("hello", "1")
    revision = await world.get(CONTROLLER_REVISION, names.revision("hello-first"))
    assert revision is not None
    assert revision["data"]["image"] == world.settings.runtimes["python3.13"]
    version = await world.get(FUNCTION_VERSION, "hello-first")
    assert version is not None
    assert version["metadata"]["ownerReferences"][0]["name"] == "hello"
    assert version["metadata"]["finalizers"] == [names.FINALIZER]

    async def no_init_pod() -> bool:
        return not await world.all(POD, f"{names.LABEL_ROLE}={names.ROLE_INIT}")

    await world.eventually("the init pod goes", no_init_pod)

    async def forgotten() -> Any:
        return not world.agent.grants

    await world.eventually("the agent is told that the pods are done with", forgotten)

    async def told() -> bool:
        events = {e["reason"] for e in await world.all(EVENT) if e["involvedObject"]["name"] == "hello-first"}
        return events >= {"Numbered", "Initialising", "SnapshotReady"}

    await world.eventually("its events", told)


async def test_nothing_confidential_is_near_an_initialisation(world: World) -> None:
    """The init pod has the places of credentials and Secrets, empty, and its agent is told to give none."""
    await world.start()
    secrets = [{"secretName": "db", "mountPath": "/etc/secrets/db"}]
    await world.function(role="arn:aws:iam::123456789012:role/reader", secrets=secrets)
    world.agent.gate.clear()
    await world.publish("hello-first")

    async def granted() -> Object | None:
        return next(iter(world.agent.grants.values()), None)

    grant = await world.eventually("the init pod is granted", granted)
    assert (grant["credentials"]["source"], grant["secrets"]) == ("later", [])
    (pod,) = await world.all(POD, f"{names.LABEL_ROLE}={names.ROLE_INIT}")
    assert [volume["emptyDir"] for volume in pod["spec"]["volumes"]] == [{"medium": "Memory"}]
    world.agent.gate.set()


async def test_without_snapstart_a_version_is_active_at_once(world: World) -> None:
    await world.start()
    await world.function(snapStart=None)
    await world.publish("hello-1")
    status = await world.state("hello-1", "Active")
    assert status["snapStart"] == {"applyOn": "None", "optimizationStatus": "Off"}
    assert await world.all(SNAPSHOT) == []


async def test_nothing_changed_gives_no_number(world: World) -> None:
    await world.start()
    await world.function()
    await world.publish("a")
    await world.state("a", "Active")
    await world.publish("b")
    status = await world.state("b", "Active")
    assert (status["duplicateOf"], status["version"]) == ("a", "1")
    await world.kube.patch(FUNCTION, world.namespace, "hello", {"spec": {"memorySize": 512}})
    await world.publish("c")
    assert (await world.state("c", "Active"))["version"] == "2"


async def test_versions_applied_together_get_one_number_each_or_the_same(world: World) -> None:
    await world.function()
    await world.function("other")
    for name in ("a", "b", "c"):
        await world.publish(name)
    await world.publish("o", "other")
    await world.start()
    statuses = [await world.state(name, "Active") for name in ("a", "b", "c")]
    assert [s["version"] for s in statuses] == ["1", "1", "1"]
    assert len({s["duplicateOf"] for s in statuses}) == 2
    assert (await world.state("o", "Active"))["version"] == "1"
    numbers = await world.get(CONFIG_MAP, names.VERSION_NUMBERS)
    assert numbers is not None
    assert numbers["data"] == {"hello": "1", "other": "1"}


async def test_a_number_is_never_given_again(world: World) -> None:
    await world.start()
    await world.function()
    await world.publish("hello-1")
    await world.state("hello-1", "Active")
    await world.kube.delete(FUNCTION, world.namespace, "hello")
    await world.gone(FUNCTION, "hello")
    assert await world.get(FUNCTION_VERSION, "hello-1") is None
    await world.function()
    await world.publish("hello-1")
    assert (await world.state("hello-1", "Active"))["version"] == "2"


async def test_a_version_waits_for_its_function(world: World) -> None:
    await world.start()
    await world.publish("hello-1")
    said = await world.condition(FUNCTION_VERSION, "hello-1", "FunctionMissing")
    assert "hello" in said["message"]
    await world.function()
    await world.state("hello-1", "Active")


async def test_a_wrong_code_sha_is_refused(world: World) -> None:
    await world.start()
    await world.function()
    await world.publish("hello-1", codeSha256="nope")
    status = await world.state("hello-1", "Failed")
    assert status["stateReasonCode"] == "InvalidConfiguration"
    assert "version" not in status or status["version"] == ""


@pytest.mark.parametrize("when", ["as soon as there is an init pod", "while the job runs", "as soon as it is numbered"])
async def test_a_restart_midway_makes_no_duplicate(world: World, when: str) -> None:
    world.agent.gate.clear()
    await world.start()
    await world.function()
    await world.publish("hello-1")

    async def reached() -> Any:
        if when == "as soon as there is an init pod":
            return await world.all(POD)
        if when == "while the job runs":
            return world.agent.requests
        return ((await world.get(FUNCTION_VERSION, "hello-1")) or {}).get("status", {}).get("version")

    await world.eventually(when, reached)
    await world.stop()
    world.agent.gate.set()
    await asyncio.sleep(0.2)
    await world.start()
    status = await world.state("hello-1", "Active")
    assert status["version"] == "1"
    assert status["attempts"] == 1
    assert len(await world.all(SNAPSHOT)) == 1
    assert len({id_ for id_, _ in world.agent.requests}) == 1
    assert len({body["podUID"] for _, body in world.agent.requests}) == 1


async def test_failed_init_says_why(world: World) -> None:
    world.agent.errors = [{"code": "FunctionError", "message": "RuntimeError: no database today", "retryable": False}]
    await world.start()
    await world.function()
    await world.publish("hello-1")
    status = await world.state("hello-1", "Failed")
    assert status["stateReasonCode"] == "FunctionError"
    assert "no database today" in status["stateReason"]
    assert [c["type"] for c in status["conditions"] if c["status"] == "True"] == ["Stalled"]

    async def nothing_left() -> bool:
        return not await world.all(POD) and not await world.all(SNAPSHOT)

    await world.eventually("pod and snapshot go", nothing_left)
    await world.publish("hello-again")
    assert (await world.state("hello-again", "Active"))["version"] == "2", "a failed version is no reason not to try"


async def test_what_may_pass_is_tried_again_with_a_new_pod(world: World) -> None:
    trouble = {"code": "InternalError", "message": "Error (criu/net.c:42): no", "retryable": True}
    world.agent.errors = [trouble]
    await world.start()
    await world.function()
    await world.publish("hello-1")
    status = await world.state("hello-1", "Active")
    assert status["attempts"] == 2
    assert len({body["podUID"] for _, body in world.agent.requests}) == 2
    world.agent.errors = [trouble, trouble]
    await world.kube.patch(FUNCTION, world.namespace, "hello", {"spec": {"memorySize": 300}})
    await world.publish("hello-2")
    status = await world.state("hello-2", "Failed")
    assert "criu/net.c:42" in status["stateReason"]
    assert status["stateReasonCode"] == "InternalError"


async def test_deletion_waits_for_every_byte(world: World) -> None:
    await world.start()
    await world.function()
    await world.publish("hello-1")
    uid = (await world.get(SNAPSHOT, (await world.state("hello-1", "Active"))["snapshotRef"]))["metadata"]["uid"]
    world.agent.refuse_deletes = True
    await world.kube.delete(FUNCTION, world.namespace, "hello")
    said = await world.condition(SNAPSHOT, "hello-1-s1", "DeletionBlocked")
    assert "the disk is away" in said["message"]
    assert uid in world.agent.stored
    for kind, name in ((FUNCTION, "hello"), (FUNCTION_VERSION, "hello-1"), (SNAPSHOT, "hello-1-s1")):
        assert await world.get(kind, name) is not None, f"{kind.kind} let go too early"
    world.agent.refuse_deletes = False
    await world.gone(FUNCTION, "hello")
    assert await world.get(FUNCTION_VERSION, "hello-1") is None
    assert await world.get(SNAPSHOT, "hello-1-s1") is None
    assert uid not in world.agent.stored
    assert await world.all(CONTROLLER_REVISION) == []


async def test_deletion_names_the_node_whose_agent_is_away(world: World) -> None:
    await world.start()
    await world.function()
    await world.publish("hello-1")
    await world.state("hello-1", "Active")
    await world.node.set_agent_ready(False)
    await asyncio.sleep(0.3)
    await world.kube.delete(FUNCTION_VERSION, world.namespace, "hello-1")
    said = await world.condition(SNAPSHOT, "hello-1-s1", "DeletionBlocked")
    assert world.node.name in said["message"]
    await world.node.set_agent_ready(True)
    await world.gone(FUNCTION_VERSION, "hello-1")


async def test_an_uploaded_package_goes_with_its_last_user(world: World) -> None:
    first, second = "a" * 64, "b" * 64
    await world.start()
    await world.function(code={"zip": {"sha256": first}})
    await world.condition(FUNCTION, "hello", "Valid")
    await world.publish("hello-1")
    await world.state("hello-1", "Active")
    await world.kube.patch(FUNCTION, world.namespace, "hello", {"spec": {"code": {"zip": {"sha256": second}}}})
    await asyncio.sleep(0.5)
    assert world.agent.code_deleted == [], "version 1 still has it"
    await world.kube.delete(FUNCTION_VERSION, world.namespace, "hello-1")
    await world.gone(FUNCTION_VERSION, "hello-1")
    assert first in world.agent.code_deleted
    assert second not in world.agent.code_deleted
    await world.kube.delete(FUNCTION, world.namespace, "hello")
    await world.gone(FUNCTION, "hello")
    assert second in world.agent.code_deleted


async def test_auto_publish_alias(world: World) -> None:
    await world.start()
    await world.function(autoPublishAlias="live")

    async def alias_at(number: str) -> bool:
        return any(a["spec"]["functionVersion"] == number for a in await world.all(FUNCTION_ALIAS))

    await world.eventually("live at 1", lambda: alias_at("1"))
    await world.condition(FUNCTION_ALIAS, "hello-live", "Resolved")
    await world.kube.patch(FUNCTION, world.namespace, "hello", {"spec": {"code": {"inline": {"app.py": "two"}}}})
    await world.eventually("live at 2", lambda: alias_at("2"))
    assert [v["status"]["version"] for v in await world.all(FUNCTION_VERSION)] == ["1", "2"]
    await world.kube.patch(FUNCTION, world.namespace, "hello", {"spec": {"scaling": {"maxInstances": 3}}})
    await asyncio.sleep(0.5)
    assert len(await world.all(FUNCTION_VERSION)) == 2, "scaling is of the function, not of a version"
    await world.kube.delete(FUNCTION, world.namespace, "hello")
    await world.gone(FUNCTION, "hello")
    assert not await world.all(FUNCTION_ALIAS)
    assert not await world.all(FUNCTION_VERSION)


async def test_an_alias_to_nothing_is_not_ready(world: World) -> None:
    await world.start()
    await world.function(snapStart=None)
    await world.make(FUNCTION_ALIAS, "hello-x", {"functionName": "hello", "name": "x", "functionVersion": "1"})
    await world.condition(FUNCTION_ALIAS, "hello-x", "VersionMissing")
    await world.publish("hello-1")
    await world.condition(FUNCTION_ALIAS, "hello-x", "Resolved")


async def test_nodes_are_labelled_and_incapable_ones_explained(world: World) -> None:
    world.agent.checkpoint, world.agent.reason = False, "no CRIU"
    await world.start()
    await world.function()
    await world.publish("hello-1")
    await world.condition(FUNCTION_VERSION, "hello-1", "NoCapableNode")

    async def labelled() -> bool:
        return await _label(world) == "unsupported"

    await world.eventually("label", labelled)
    said = await world.eventually("reason", lambda: _message(world, "no CRIU"))
    assert f"node {world.node.name}: no CRIU" in said


async def _message(world: World, part: str) -> str:
    found = await world.get(FUNCTION_VERSION, "hello-1")
    reason: str = (found or {}).get("status", {}).get("stateReason", "")
    return reason if part in reason else ""


@pytest.mark.parametrize("name", ["init-python", "init-http", "instance-python", "instance-http", "instance-latest"])
async def test_a_real_server_takes_our_pods(world: World, crds: Kubectl, name: str) -> None:
    golden = ROOT / "tests" / "data" / "build" / f"{name}.yaml"
    crds("create", "--dry-run=server", "-f", str(golden))


async def test_uninstall_asks_every_agent_and_leaves_no_label(world: World) -> None:
    await world.start()
    await world.eventually("label", lambda: _label(world))
    world.agent.gate.clear()
    await world.function()
    await world.publish("hello-1")
    await world.eventually("a function pod", lambda: world.all(POD))
    await world.stop()
    assert await uninstall.run(world.settings) == 0
    assert not [p for p in await world.all(POD) if "deletionTimestamp" not in p["metadata"]]
    assert world.agent.uninstalled == 1
    assert await _label(world) is None


async def test_uninstall_names_the_nodes_it_could_not_reach(world: World) -> None:
    await world.node.set_agent_ready(False)
    assert await uninstall.run(world.settings.model_copy(update={"uninstall_timeout": 0.0})) == 1
    assert world.agent.uninstalled == 0


async def _label(world: World) -> str | None:
    node = await world.kube.get(NODE, "", world.node.name)
    label: str | None = node["metadata"].get("labels", {}).get(names.LABEL_CHECKPOINT)
    return label


async def test_the_default_access_key_is_made_once(world: World) -> None:
    await world.start()
    secret = await world.kube.get(SECRET, world.system, "thaw-access-key-default")
    await world.stop()
    await world.start()
    again = await world.kube.get(SECRET, world.system, "thaw-access-key-default")
    assert secret["data"] == again["data"]
    assert secret["metadata"]["labels"]["thaw.dev/access-key"] == "true"


async def test_metrics_and_health(world: World) -> None:
    await world.start()
    await world.function()
    await world.publish("hello-1")
    await world.state("hello-1", "Active")
    async with aiohttp.ClientSession(f"http://127.0.0.1:{world.settings.metrics_port}") as session:
        async with session.get("/healthz") as answer:
            assert answer.status == 200

        async def counted() -> bool:
            async with session.get("/metrics") as answer:
                text = await answer.text()
            return (
                'thaw_versions{state="Active"} 1.0' in text and "thaw_snapshot_publish_duration_seconds_count 1" in text
            )

        await world.eventually("metrics", counted)


async def test_the_chart_s_rights_suffice(
    world: World, crds: Kubectl, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Publishing and deleting as the chart's service account: nothing is forbidden."""
    account = "thaw-operator"
    crds("create", "serviceaccount", account, "-n", world.system)
    for rights in rendered_rights(world.system):
        crds("apply", "-f", "-", stdin=rights)
    token = crds("create", "token", account, "-n", world.system).strip()
    config = yaml.safe_load(crds.kubeconfig.read_text())
    config["users"][0]["user"] = {"token": token}
    kubeconfig = tmp_path / "operator.kubeconfig"
    kubeconfig.write_text(yaml.safe_dump(config))
    monkeypatch.setenv("KUBECONFIG", str(kubeconfig))
    monkeypatch.setattr("kubernetes.aio.config.kube_config.KUBE_CONFIG_DEFAULT_LOCATION", str(kubeconfig))
    with structlog.testing.capture_logs() as logs:
        await world.start()
        await world.function(autoPublishAlias="live", code={"zip": {"sha256": "a" * 64}})
        await world.state("hello-1", "Active")
        await world.condition(FUNCTION_ALIAS, "hello-live", "Resolved")
        world.agent.errors = [{"code": "FunctionError", "message": "no", "retryable": False}]
        await world.kube.patch(FUNCTION, world.namespace, "hello", {"spec": {"timeout": 4}})
        await world.state("hello-2", "Failed")
        await world.kube.delete(FUNCTION, world.namespace, "hello")
        await world.gone(FUNCTION, "hello")
        await world.eventually("own event", lambda: _own_event_seen(world))
        await world.stop()
        assert await uninstall.run(world.settings) == 0
    assert [entry for entry in logs if "forbidden" in str(entry)] == []


async def _own_event_seen(world: World) -> bool:
    async with (
        aiohttp.ClientSession(f"http://127.0.0.1:{world.settings.metrics_port}") as session,
        session.get("/metrics") as answer,
    ):
        return "thaw_operator_own_events_total 0.0" not in await answer.text()


def rendered_rights(namespace: str) -> list[Object]:
    """The chart's roles and bindings of the operator, for another namespace."""
    found = []
    for document in render():
        if "Role" in document["kind"] and document["metadata"]["name"] == "thaw-operator":
            text = yaml.safe_dump(document).replace(CHART_NAMESPACE, namespace)
            if document["kind"].startswith("Cluster"):
                text = text.replace("name: thaw-operator", f"name: thaw-operator-{namespace}")
                text = text.replace(f"kind: ServiceAccount\n  name: thaw-operator-{namespace}", SUBJECT)
            found.append(yaml.safe_load(text))
    return found


SUBJECT = "kind: ServiceAccount\n  name: thaw-operator"
