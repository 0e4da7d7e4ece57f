"""Asynchronous invocations on a real API server: durable, as large as they may be, and taken over when gateways end."""

from __future__ import annotations

import asyncio
import contextlib
import json
import random
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from integration.apiserver import Kubectl
from integration.test_gateway import InstanceAgent, as_gateway, client
from integration.test_reconcile import World, world  # noqa: F401
from thaw import names
from thaw.build.instance_pod import instance_pod
from thaw.errors import ClusterError
from thaw.gateway import leases, server
from thaw.gateway.assembly import Gateway, assemble
from thaw.gateway.events import envelope, own
from thaw.gateway.functioncontrol import FunctionControl
from thaw.gateway.options import GatewaySettings
from thaw.gateway.watch import informers
from thaw.kube.agents import Agents
from thaw.kube.client import Kube
from thaw.kube.kinds import ENDPOINT_SLICE, EVENT_INVOCATION, FUNCTION, LEASE, SERVICE

pytestmark = [pytest.mark.integration, pytest.mark.timeout(180)]
ARN = "arn:aws:lambda:us-east-1:000000000000:function:"


@pytest.fixture(autouse=True)
def instance_agent(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("integration.test_reconcile.FakeAgent", InstanceAgent)


@dataclass
class Functions:
    """What every instance of this test answers: one thaw-init for all, so that functions tell apart by their ARN."""

    port: int
    failing: set[str] = field(default_factory=set)
    calls: list[tuple[str, Any]] = field(default_factory=list)
    gate: asyncio.Event = field(default_factory=asyncio.Event)

    async def invoke(self, request: web.Request) -> web.Response:
        function = request.headers["Thaw-Function-Arn"].split(":")[6]
        self.calls.append((function, json.loads(await request.read())))
        await self.gate.wait()
        if function in self.failing:
            return web.json_response({"errorType": "Oops"}, headers={"Thaw-Function-Error": "Unhandled"})
        return web.json_response("fine")

    def of(self, function: str) -> list[Any]:
        return [payload for name, payload in self.calls if name == function]


@dataclass
class Running:
    """A gateway that serves."""

    gateway: Gateway
    tasks: list[asyncio.Future[Any]]
    runner: web.AppRunner
    client: Any

    async def __call__(self, operation: str, **arguments: Any) -> Any:
        return await asyncio.to_thread(getattr(self.client, operation), **arguments)

    async def send(self, payload: Any, **more: Any) -> str:
        body = json.dumps(payload).encode()
        answer = await self("invoke", FunctionName="fn", InvocationType="Event", Payload=body, **more)
        assert answer["StatusCode"] == 202
        return str(answer["ResponseMetadata"]["RequestId"])

    async def kill(self) -> None:
        """As SIGKILL: nothing is finished, nothing given back."""
        for task in (*self.tasks, *self.gateway.events.drain._tasks):
            task.cancel()
        await asyncio.gather(*self.tasks, return_exceptions=True)
        await self.runner.cleanup()

    async def end(self) -> None:
        """As SIGTERM."""
        await self.gateway.close(5)
        await self.kill()


Start = Callable[..., Awaitable[Running]]


@pytest.fixture
async def functions(unused_tcp_port_factory: Any) -> AsyncIterator[Functions]:
    made = Functions(unused_tcp_port_factory())
    made.gate.set()

    async def state(_request: web.Request) -> web.Response:
        return web.json_response({"phase": "ready", "initMs": 1.0, "error": None})

    app = web.Application(client_max_size=8 << 20)
    app.add_routes([web.get("/v1/state", state), web.post("/v1/invoke", made.invoke)])
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", made.port).start()
    yield made
    made.gate.set()
    await runner.cleanup()


@pytest.fixture
async def start(
    world: World,  # noqa: F811
    crds: Kubectl,
    functions: Functions,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    unused_tcp_port_factory: Any,
) -> AsyncIterator[Start]:
    """Starts gateways with the chart's rights; they notice within a second or two that another one was killed."""
    monkeypatch.setattr(leases, "DEAD_AFTER", 1.0)
    monkeypatch.setattr(leases, "RENEW_EVERY", 0.2)
    running: list[Running] = []
    await world.start()
    access = pytest.MonkeyPatch()
    as_gateway(world, crds, tmp_path, access)

    async def begin(name: str, **settings: Any) -> Running:
        kube = await Kube.connect()
        chosen = GatewaySettings(
            namespace=world.system, agent_token_path=str(tmp_path / "token"), pod_name=name, **settings
        )
        control = FunctionControl(functions.port)
        agents = Agents(str(tmp_path / "token"))
        gateway = assemble(kube, agents, informers(kube), chosen, build=instance_pod, control=control)
        tasks = [asyncio.ensure_future(run) for run in gateway.watch.runs()]
        await gateway.watch.synced()
        await gateway.leases.renew()
        runs = (gateway.leases.run(), gateway.pools.run(), *gateway.events.runs())
        tasks += [asyncio.ensure_future(run) for run in runs]
        port = unused_tcp_port_factory()
        runner = web.AppRunner(server.application(gateway.front), access_log=None, shutdown_timeout=1)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", port).start()
        running.append(Running(gateway, tasks, runner, await client(world, port)))
        return running[-1]

    yield begin
    functions.gate.set()
    for each in running:
        with contextlib.suppress(ClusterError, RuntimeError):
            await each.end()
    access.undo()


async def events(world: World) -> list[Any]:  # noqa: F811
    return await world.all(EVENT_INVOCATION)


async def none_left(world: World) -> None:  # noqa: F811
    async def empty() -> bool:
        return not await events(world)

    await world.eventually("all events are done with", empty)


async def ready(world: World, *names_: str, **spec: Any) -> None:  # noqa: F811
    """Functions that can be invoked."""
    for name in names_:
        await world.function(name, snapStart=None, **spec)

    async def active() -> bool:
        found = await world.all(FUNCTION)
        return all(f.get("status", {}).get("state") == "Active" for f in found)

    await world.eventually("the functions are Active", active)


async def test_a_megabyte_is_kept_and_comes_as_it_was_sent(
    world: World,  # noqa: F811
    start: Start,
    functions: Functions,
    crds: Kubectl,
) -> None:
    """What compresses worst, as large as an event may be, beside the API server's and etcd's own limits."""
    gateway = await start("gw-1")
    await ready(world, "fn")
    functions.gate.clear()
    text = "".join(random.Random(1).choices("<>&" + "".join(map(chr, range(32, 127))), k=1_020_000))
    text += "x" * (envelope.MAX_PAYLOAD - len(json.dumps(text)))
    assert len(json.dumps(text)) == envelope.MAX_PAYLOAD
    name = await gateway.send(text)
    whole = await world.kube.get(EVENT_INVOCATION, world.namespace, name)
    assert len(whole["spec"]["payload"]) > 1_000_000
    (listed,) = await events(world)
    assert "spec" not in listed, "watched are metadata alone"
    (owner,) = whole["metadata"]["ownerReferences"]
    function = await world.kube.get(FUNCTION, world.namespace, "fn")
    assert (owner["kind"], owner["uid"]) == ("Function", function["metadata"]["uid"])
    row = crds("get", "eventinvocations", "-n", world.namespace).splitlines()[1].split()
    assert row[:4] == [name, "fn", "Accepted", "0"]
    functions.gate.set()
    await none_left(world)
    assert functions.of("fn") == [text]


async def test_the_next_gateway_goes_on_where_one_was_told_to_end(
    world: World,  # noqa: F811
    start: Start,
    functions: Functions,
) -> None:
    """Between two tries, with no gateway at all in between: the third runs it when its time has come, and once."""
    functions.failing = {"fn"}
    first = await start("gw-1", event_retry_delays=(2, 2))
    await ready(world, "fn", "sink", eventInvoke={"$LATEST": {"onFailure": {"destination": ARN + "sink"}}})
    name = await first.send({"a": 1})

    async def retrying() -> bool:
        found = await world.kube.get(EVENT_INVOCATION, world.namespace, name)
        return found["status"]["state"] == "Retrying"

    await world.eventually("the first try is noted", retrying)
    await first.end()
    assert (await world.kube.list(LEASE, world.system, f"{names.LABEL_COMPONENT}=gateway"))[0] == []
    assert len(functions.of("fn")) == 1
    await start("gw-2", event_retry_delays=(2, 2))

    async def told() -> bool:
        return bool(functions.of("sink"))

    await world.eventually("the destination is told", told)
    await none_left(world)
    (record,) = functions.of("sink")
    assert record["requestContext"]["requestId"] == name
    assert record["requestContext"]["condition"] == "RetriesExhausted"
    assert record["requestContext"]["approximateInvokeCount"] == len(functions.of("fn")) == 3
    assert record["requestPayload"] == {"a": 1}


async def test_events_of_a_gateway_that_was_killed_are_run(
    world: World,  # noqa: F811
    start: Start,
    functions: Functions,
) -> None:
    """Killed with one under way and others waiting for room; two others share what it had."""
    first = await start("gw-1", events_at_once=1)
    await ready(world, "fn")
    functions.gate.clear()
    for number in range(5):
        await first.send(number)
    await world.eventually("the first is run", lambda: asyncio.sleep(0, functions.calls))
    await first.kill()
    functions.gate.set()
    functions.calls.clear()
    await start("gw-2")
    await start("gw-3")
    await none_left(world)
    assert sorted(functions.of("fn")) == [0, 1, 2, 3, 4], "the one under way again, all the others once"


async def test_the_configuration_is_the_function_s_spec(
    world: World,  # noqa: F811
    start: Start,
    crds: Kubectl,
) -> None:
    gateway = await start("gw-1")
    await ready(world, "fn", "sink")
    put = await gateway(
        "put_function_event_invoke_config",
        FunctionName="fn",
        MaximumRetryAttempts=1,
        DestinationConfig={"OnFailure": {"Destination": ARN + "sink"}},
    )
    function = await world.kube.get(FUNCTION, world.namespace, "fn")
    assert function["spec"]["eventInvoke"] == {
        "$LATEST": {
            "maximumRetryAttempts": 1,
            "maximumEventAgeSeconds": 21600,
            "onFailure": {"destination": ARN + "sink"},
        }
    }
    await gateway("update_function_configuration", FunctionName="fn", Description="something else, later")
    got = await gateway("get_function_event_invoke_config", FunctionName="fn")
    assert got["LastModified"] == put["LastModified"]
    change = {"spec": {"eventInvoke": {"$LATEST": {"maximumRetryAttempts": 0, "onFailure": None}}}}
    crds("patch", "fn", "fn", "-n", world.namespace, "--type=merge", "-p", json.dumps(change))
    got = await gateway("get_function_event_invoke_config", FunctionName="fn")
    assert (got["MaximumRetryAttempts"], got["DestinationConfig"]["OnFailure"]) == (0, {})
    await gateway("delete_function_event_invoke_config", FunctionName="fn")
    assert (await gateway("list_function_event_invoke_configs", FunctionName="fn"))["FunctionEventInvokeConfigs"] == []


async def test_the_chart_s_rights_find_the_api_server_s_addresses(
    world: World,  # noqa: F811
    start: Start,
) -> None:
    gateway = await start("gw-1")
    (service_ip,) = (await world.kube.get(SERVICE, "default", "kubernetes"))["spec"]["clusterIPs"]
    assert await own.addresses(gateway.gateway.kube, world.system) == {service_ip, "127.0.0.1"}, "and the agent's"
    metadata = {"name": "kubernetes", "namespace": "default"}
    slice_ = {"metadata": metadata, "addressType": "IPv4", "endpoints": [{"addresses": ["192.0.2.7"]}], "ports": []}
    whole = {"apiVersion": ENDPOINT_SLICE.api_version, "kind": ENDPOINT_SLICE.kind, **slice_}
    await world.kube.create(ENDPOINT_SLICE, whole)
    try:
        assert "192.0.2.7" in await own.addresses(gateway.gateway.kube, world.system)
    finally:
        await world.kube.delete(ENDPOINT_SLICE, "default", "kubernetes")
