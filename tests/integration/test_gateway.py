"""The gateway against a real API server and the real operator, as the chart's service account, through real boto3."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import boto3
import pytest
import yaml
from aiohttp import web
from botocore.config import Config
from botocore.exceptions import ClientError

from chart_rendering import NAMESPACE as CHART_NAMESPACE
from chart_rendering import render
from integration.apiserver import Kubectl
from integration.fakenode import FakeAgent
from integration.test_reconcile import World, world  # noqa: F401
from thaw import names
from thaw.build.instance_pod import instance_pod
from thaw.gateway import server
from thaw.gateway.assembly import Gateway, assemble
from thaw.gateway.functioncontrol import FunctionControl
from thaw.gateway.options import GatewaySettings
from thaw.gateway.watch import informers
from thaw.kube.agents import Agents
from thaw.kube.client import Kube
from thaw.kube.kinds import EVENT, FUNCTION, FUNCTION_VERSION, LEASE, POD, SECRET
from unit.gateway.world import package

pytestmark = [pytest.mark.integration, pytest.mark.timeout(180)]


@dataclass
class InstanceAgent(FakeAgent):
    """The operator's pretended agent, which also keeps packages and starts instances: all on one thaw-init."""

    control_port: int = 0
    code: dict[str, bytes] = field(default_factory=dict)
    restorable: bool = True

    def application(self) -> web.Application:
        app = super().application()
        app.add_routes([web.put("/v1/code/{namespace}/{sha}", self.put_code), web.get("/v1/pods/{uid}", self.report)])
        return app

    async def grant(self, request: web.Request) -> web.Response:
        if (await request.json()).get("snapshot") and not self.restorable:
            return web.json_response({"code": "SnapshotUnusable", "message": "another processor"}, status=409)
        return await super().grant(request)

    async def put_code(self, request: web.Request) -> web.Response:
        self.code[request.match_info["sha"]] = await request.read()
        return web.Response(status=201)

    async def report(self, request: web.Request) -> web.Response:
        uid = request.match_info["uid"]
        restored = bool(self.grants[uid]["snapshot"])
        told = {"podUID": uid, "containerID": "c", "ip": "127.0.0.1", "restoreMs": 100.0 if restored else 0}
        return web.json_response({**told, "state": "restored" if restored else "started"})

    def thaw_init(self) -> web.Application:
        async def state(_request: web.Request) -> web.Response:
            return web.json_response({"phase": "ready", "initMs": 1.0, "error": None})

        async def restore(_request: web.Request) -> web.Response:
            return web.json_response({"hooksMs": 1.0})

        async def invoke(request: web.Request) -> web.Response:
            return web.json_response(json.loads(await request.read()))

        app = web.Application()
        app.add_routes([web.get("/v1/state", state), web.post("/v1/restore", restore), web.post("/v1/invoke", invoke)])
        return app


@dataclass
class Front:
    """A gateway that serves, and a client of it."""

    gateway: Gateway
    client: Any

    async def __call__(self, operation: str, **arguments: Any) -> Any:
        return await asyncio.to_thread(getattr(self.client, operation), **arguments)


@pytest.fixture
async def front(
    world: World,  # noqa: F811
    crds: Kubectl,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    unused_tcp_port_factory: Any,
) -> AsyncIterator[Front]:
    api_port, control_port = unused_tcp_port_factory(), unused_tcp_port_factory()
    with monkeypatch.context() as only_here:
        as_gateway(world, crds, tmp_path, only_here)
        kube = await Kube.connect()
    token = tmp_path / "token"
    settings = GatewaySettings(namespace=world.system, agent_token_path=str(token), pod_name="gw-1")
    gateway = assemble(
        kube, Agents(str(token)), informers(kube), settings, build=instance_pod, control=FunctionControl(control_port)
    )
    tasks = [asyncio.ensure_future(run) for run in gateway.watch.runs()]
    runners = []
    thaw_init = InstanceAgent().thaw_init()
    for app, port in ((server.application(gateway.front), api_port), (thaw_init, control_port)):
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=1)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", port).start()
        runners.append(runner)
    await gateway.watch.synced()
    await world.start()
    tasks += [asyncio.ensure_future(run) for run in gateway.runs()]
    yield Front(gateway, await client(world, api_port))
    await gateway.close(1)
    for task in tasks:
        task.cancel()
    for runner in runners:
        await runner.cleanup()


def as_gateway(world: World, crds: Kubectl, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:  # noqa: F811
    """What connects from here on has the rights that the chart gives, for this test's own namespace."""
    crds("create", "serviceaccount", "thaw-gateway", "-n", world.system)
    for document in render():
        if "Role" in document["kind"] and document["metadata"]["name"] == "thaw-gateway":
            text = yaml.safe_dump(document).replace(CHART_NAMESPACE, world.system)
            crds("apply", "--server-side", "-f", "-", stdin=yaml.safe_load(text))
    config = yaml.safe_load(crds.kubeconfig.read_text())
    config["users"][0]["user"] = {"token": crds("create", "token", "thaw-gateway", "-n", world.system).strip()}
    kubeconfig = tmp_path / "gateway.kubeconfig"
    kubeconfig.write_text(yaml.safe_dump(config))
    monkeypatch.setattr("kubernetes.aio.config.kube_config.KUBE_CONFIG_DEFAULT_LOCATION", str(kubeconfig))


async def client(world: World, port: int) -> Any:  # noqa: F811
    """boto3 with the access key that the operator made."""

    async def key() -> dict[str, str] | None:
        found, _ = await world.kube.list(SECRET, world.system, "thaw.dev/access-key=true")
        return found[0]["data"] if found else None

    data = await world.eventually("the access key", key)
    decoded = {k: base64.b64decode(v).decode() for k, v in data.items()}
    return boto3.client(
        "lambda",
        endpoint_url=f"http://127.0.0.1:{port}",
        region_name="us-east-1",
        aws_access_key_id=decoded["accessKeyId"],
        aws_secret_access_key=decoded["secretAccessKey"],
        config=Config(retries={"max_attempts": 0}),
    )


@pytest.fixture(autouse=True)
def instance_agent(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("integration.test_reconcile.FakeAgent", InstanceAgent)


async def active(front: Front, name: str, qualifier: str) -> Any:
    while True:
        shape = await front("get_function_configuration", FunctionName=name, Qualifier=qualifier)
        if shape["State"] != "Pending":
            return shape
        await asyncio.sleep(0.1)


def create(front: Front, name: str, data: bytes) -> Any:
    return front(
        "create_function",
        FunctionName=name,
        Runtime="python3.13",
        Handler="app.handler",
        Role="arn:aws:iam::111122223333:role/x",
        Code={"ZipFile": data},
        SnapStart={"ApplyOn": "PublishedVersions"},
    )


async def test_the_walk_through(world: World, front: Front) -> None:  # noqa: F811
    """Create, publish, invoke, alias, change, publish again, delete: every object real."""
    data = package()
    await create(front, "fn", data)
    assert world.agent.code == {hashlib.sha256(data).hexdigest(): data}  # type: ignore[attr-defined]
    assert (await front("publish_version", FunctionName="fn"))["Version"] == "1"
    shape = await active(front, "fn", "1")
    assert (shape["State"], shape["SnapStart"]["OptimizationStatus"]) == ("Active", "On")
    answer = await front("invoke", FunctionName="fn", Qualifier="1", Payload=b'{"a": 1}')
    assert answer["Payload"].read() == b'{"a": 1}'
    headers = answer["ResponseMetadata"]["HTTPHeaders"]
    assert headers["x-thaw-start"] == "restore"
    assert float(headers["x-thaw-restore-ms"]) >= 100
    assert (await front("publish_version", FunctionName="fn"))["Version"] == "1", "nothing changed"
    await front("create_alias", FunctionName="fn", Name="live", FunctionVersion="1")
    await front("update_function_configuration", FunctionName="fn", Timeout=9, Environment={"Variables": {"A": "b"}})
    assert (await front("publish_version", FunctionName="fn"))["Version"] == "2"
    assert (await active(front, "fn", "2"))["Timeout"] == 9
    assert (await front("invoke", FunctionName="fn", Qualifier="live"))["ExecutedVersion"] == "1"
    listed = await front("list_versions_by_function", FunctionName="fn")
    assert [v["Version"] for v in listed["Versions"]] == ["$LATEST", "1", "2"]

    async def annotated() -> Any:
        pods = await world.all(POD, f"{names.LABEL_ROLE}={names.ROLE_INSTANCE}")
        return [p for p in pods if p["metadata"]["annotations"].get(names.ANNOTATION_START) == "restore"]

    await world.eventually("the start is told on the pod", annotated)
    with pytest.raises(ClientError, match="live"):
        await front("delete_function", FunctionName="fn", Qualifier="1")
    await front("delete_function", FunctionName="fn", Qualifier="2")
    with pytest.raises(ClientError) as e:
        await front("invoke", FunctionName="fn", Qualifier="2")
    assert e.value.response["Error"]["Code"] == "ResourceNotFoundException"
    await front("delete_function", FunctionName="fn")
    await world.gone(FUNCTION, "fn")
    assert await world.all(POD) == []
    await create(front, "fn", data)
    assert (await front("publish_version", FunctionName="fn"))["Version"] == "3", "numbers are never given again"


async def test_the_schemas_own_refusals(front: Front) -> None:
    """What only the API server knows is wrong comes back as Lambda's error, with its words."""
    for name, word in (("Upper_Case", "metadata.name"), ("x" * 64, "63")):
        with pytest.raises(ClientError) as e:
            await create(front, name, package())
        assert e.value.response["Error"]["Code"] == "InvalidParameterValueException"
        assert word in e.value.response["Error"]["Message"]
    with pytest.raises(ClientError, match="AWS_REGION"):
        await front(
            "create_function",
            FunctionName="fn",
            Runtime="python3.13",
            Handler="a.b",
            Role="arn:aws:iam::111122223333:role/x",
            Code={"ZipFile": package()},
            Environment={"Variables": {"AWS_REGION": "x"}},
        )


async def test_cold_fallback_is_an_event(world: World, front: Front) -> None:  # noqa: F811
    await create(front, "fn", package())
    await front("publish_version", FunctionName="fn")
    await active(front, "fn", "1")
    world.agent.restorable = False  # type: ignore[attr-defined]
    answer = await front("invoke", FunctionName="fn", Qualifier="1")
    headers = answer["ResponseMetadata"]["HTTPHeaders"]
    assert (headers["x-thaw-start"], headers["x-thaw-fallback"]) == ("cold", "another processor")

    async def event() -> Any:
        return [e for e in await world.all(EVENT) if e["reason"] == "ColdFallback"]

    event_ = (await world.eventually("the event", event))[0]
    assert event_["involvedObject"]["kind"] == "FunctionVersion"


async def test_lease(world: World, front: Front) -> None:  # noqa: F811
    async def lease() -> Any:
        return (await world.kube.list(LEASE, world.system, "app.kubernetes.io/component=gateway"))[0]

    found = (await world.eventually("the lease", lease))[0]
    assert found["spec"]["holderIdentity"] == "gw-1"
    await front.gateway.leases.renew()
    assert front.gateway.leases.healthy()
    pods, _ = await world.kube.list(FUNCTION_VERSION, world.namespace)
    assert pods == []
