"""Reserved and provisioned concurrency: what is let in, and what is kept started."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from aiohttp import ClientSession, web
from botocore.exceptions import ClientError

from thaw import names
from thaw.gateway import leases
from thaw.kube import kinds
from unit.gateway.conftest import Lambda
from unit.gateway.test_instances import head, settle
from unit.gateway.test_lambda_api import refused
from unit.gateway.world import NAMESPACE, Process, World

SNAP: dict[str, Any] = {"snapStart": {"applyOn": "PublishedVersions"}}
RESERVED = "ReservedFunctionConcurrentInvocationLimitExceeded"
ACCOUNT = "ConcurrentInvocationLimitExceeded"


async def throttled(call: Any) -> tuple[str, str]:
    """The Reason and Retry-After of a 429."""
    with pytest.raises(ClientError) as e:
        await call
    response = e.value.response
    assert response["Error"]["Code"] == "TooManyRequestsException"
    assert response["ResponseMetadata"]["HTTPStatusCode"] == 429
    return response["Reason"], response["ResponseMetadata"]["HTTPHeaders"]["retry-after"]


@asynccontextmanager
async def running(world: World, *calls: Any) -> AsyncIterator[None]:
    """While the calls are in their functions."""
    gate = asyncio.Event()

    async def held(process: Process, headers: dict[str, str], payload: bytes) -> web.StreamResponse:
        await gate.wait()
        return web.json_response(None)

    world.invoke = held
    tasks = [asyncio.create_task(call) for call in calls]
    while sum(p.busy for p in world.processes.values()) < len(tasks):
        await asyncio.sleep(0.005)
    yield
    gate.set()
    for answer in await asyncio.gather(*tasks):
        assert answer["StatusCode"] == 200


async def test_reserved_concurrency_is_of_all_versions(world: World, lam: Lambda) -> None:
    world.function(**SNAP)
    await world.publish()
    await lam.put_function_concurrency(FunctionName="fn", ReservedConcurrentExecutions=2)
    async with running(world, lam.invoke(FunctionName="fn"), lam.invoke(FunctionName="fn", Qualifier="1")):
        assert await throttled(lam.invoke(FunctionName="fn", Qualifier="1")) == (RESERVED, "1")
        assert (await lam.invoke(FunctionName="fn", InvocationType="DryRun"))["StatusCode"] == 204, "nothing runs"
    assert (await lam.invoke(FunctionName="fn", Qualifier="1"))["StatusCode"] == 200, "they are over"


async def test_those_that_wait_for_an_instance_count(world: World, lam: Lambda) -> None:
    world.schedule = False
    world.function(scaling={"reservedConcurrency": 1})
    waiting = asyncio.create_task(lam.invoke(FunctionName="fn"))
    while not world.instances():
        await asyncio.sleep(0.005)
    assert (await throttled(lam.invoke(FunctionName="fn")))[0] == RESERVED
    waiting.cancel()


async def test_plain_http_counts_as_well(world: World) -> None:
    world.http_function(scaling={"reservedConcurrency": 0})
    url = f"{world.endpoint}/default/web/"
    async with ClientSession() as http, http.get(url) as answer:
        assert (answer.status, answer.headers["Retry-After"]) == (429, "1")
        assert (await answer.json())["Reason"] == RESERVED


async def test_what_fails_gives_its_place_back(world: World, lam: Lambda) -> None:
    world.function(scaling={"reservedConcurrency": 1})
    world.init_error = {"errorType": "ValueError", "errorMessage": "no"}
    for _ in range(3):
        assert (await lam.invoke(FunctionName="fn"))["FunctionError"] == "Unhandled"
    world.init_error = None
    assert (await lam.invoke(FunctionName="fn"))["StatusCode"] == 200


@pytest.mark.parametrize("world", [{"concurrent_executions": 3}], indirect=True)
async def test_the_account_is_shared_by_those_without_reservation(world: World, lam: Lambda) -> None:
    for name in ("a", "b"):
        world.function(name)
    world.function("vip", scaling={"reservedConcurrency": 1})
    async with running(world, lam.invoke(FunctionName="a"), lam.invoke(FunctionName="b")):
        assert (await throttled(lam.invoke(FunctionName="a")))[0] == ACCOUNT
        vip = asyncio.create_task(lam.invoke(FunctionName="vip"))
        while sum(p.busy for p in world.processes.values()) < 3:
            await asyncio.sleep(0.005)
    assert (await vip)["StatusCode"] == 200, "its own part was free"


async def test_another_gateway_takes_its_part(world: World, lam: Lambda) -> None:
    world.function(scaling={"reservedConcurrency": 2})
    labels = {names.LABEL_COMPONENT: "gateway"}
    lease = {"metadata": {"name": "thaw-gateway-gw-2", "namespace": world.settings.namespace, "labels": labels}}
    world.kube.put(kinds.LEASE, {**lease, "spec": {"holderIdentity": "gw-2", "renewTime": "t1"}})
    await settle()
    assert world.gateway.leases.gateways() == ("gw-1", "gw-2")
    async with running(world, lam.invoke(FunctionName="fn")):
        assert (await throttled(lam.invoke(FunctionName="fn")))[0] == RESERVED
        world.gateway.leases._lives.observe({"gw-2": "t1"}, (), -leases.DEAD_AFTER * 1000)
        assert world.gateway.leases.gateways() == ("gw-1",), "it gives no sign of life"
        second = asyncio.create_task(lam.invoke(FunctionName="fn"))
        while sum(p.busy for p in world.processes.values()) < 2:
            await asyncio.sleep(0.005)
    assert (await second)["StatusCode"] == 200


async def test_account_settings(world: World, lam: Lambda) -> None:
    world.function("a", scaling={"reservedConcurrency": 100})
    world.function("b")
    await world.publish("b")
    found = await lam.get_account_settings()
    limit, usage = found["AccountLimit"], found["AccountUsage"]
    assert (limit["ConcurrentExecutions"], limit["UnreservedConcurrentExecutions"]) == (1000, 900)
    assert usage == {"FunctionCount": 2, "TotalCodeSize": 3}, "two functions and one version, of one byte each"


# ---------------------------------------------------------------- provisioned


async def provisioned(lam: Lambda, qualifier: str = "1") -> tuple[str, int, int, int]:
    found = await lam.get_provisioned_concurrency_config(FunctionName="fn", Qualifier=qualifier)
    counts = (found[f"{what}ProvisionedConcurrentExecutions"] for what in ("Requested", "Allocated", "Available"))
    return (found["Status"], *counts)


async def started(world: World, count: int) -> None:
    """Scales until so many instances have started and said so."""
    await world.gateway.pools.scale()
    while sum(names.ANNOTATION_START in p["metadata"].get("annotations", {}) for p in world.instances()) < count:
        await asyncio.sleep(0.005)
    await settle()


async def test_instances_are_restored_ahead(world: World, lam: Lambda) -> None:
    """Together with SnapStart, which Lambda does not have: the first call is warm."""
    world.function(**SNAP)
    await world.publish()
    put = await lam.put_provisioned_concurrency_config(
        FunctionName="fn", Qualifier="1", ProvisionedConcurrentExecutions=2
    )
    assert (put["ResponseMetadata"]["HTTPStatusCode"], put["Status"]) == (202, "IN_PROGRESS")
    assert await provisioned(lam) == ("IN_PROGRESS", 2, 0, 0)
    world.schedule = False
    await world.gateway.pools.scale()
    await settle()
    assert await provisioned(lam) == ("IN_PROGRESS", 2, 2, 0), "under way"
    for pod in world.instances():
        await world.kube.patch(kinds.POD, NAMESPACE, pod["metadata"]["name"], {"spec": {"nodeName": "n1"}})
    world.schedule = True
    await started(world, 2)
    assert await provisioned(lam) == ("READY", 2, 2, 2)
    assert all(grant.snapshot for _, grant in world.agents.grants), "restored, not initialised"
    answer = await lam.invoke(FunctionName="fn", Qualifier="1")
    assert (head(answer, "x-thaw-start"), head(answer, "x-thaw-restore-ms")) == ("warm", "0.0")
    listed = await lam.list_provisioned_concurrency_configs(FunctionName="fn")
    assert [c["FunctionArn"].split(":")[-1] for c in listed["ProvisionedConcurrencyConfigs"]] == ["1"]
    await lam.delete_provisioned_concurrency_config(FunctionName="fn", Qualifier="1")
    code, status, _ = await refused(lam.get_provisioned_concurrency_config(FunctionName="fn", Qualifier="1"))
    assert (code, status) == ("ProvisionedConcurrencyConfigNotFoundException", 404)


async def test_an_alias_is_followed(world: World, lam: Lambda) -> None:
    """To the version it names; and, when it gets weights later, to both."""
    world.function(**SNAP)
    await world.publish()
    await lam.update_function_configuration(FunctionName="fn", Timeout=9)
    await world.publish()
    await lam.create_alias(FunctionName="fn", Name="live", FunctionVersion="1")
    await lam.put_provisioned_concurrency_config(FunctionName="fn", Qualifier="live", ProvisionedConcurrentExecutions=2)
    again = lam.put_provisioned_concurrency_config(FunctionName="fn", Qualifier="1", ProvisionedConcurrentExecutions=1)
    assert (await refused(again))[0] == "ResourceConflictException", "a version has it once"
    await started(world, 2)
    assert {p["metadata"]["labels"][names.LABEL_VERSION] for p in world.instances()} == {"1"}
    weights = {"AdditionalVersionWeights": {"2": 0.5}}
    await lam.update_alias(FunctionName="fn", Name="live", RoutingConfig=weights)
    await started(world, 3)
    by_version = sorted(p["metadata"]["labels"][names.LABEL_VERSION] for p in world.instances())
    assert by_version == ["1", "1", "2"], "what is idle goes in its own time"
    assert await provisioned(lam, "live") == ("READY", 2, 2, 2)


async def test_what_does_not_start_is_failed_with_the_reason(world: World, lam: Lambda) -> None:
    world.function(**SNAP)
    await world.publish()
    world.agents.missing_secret = "Secret db does not exist"
    await lam.put_provisioned_concurrency_config(FunctionName="fn", Qualifier="1", ProvisionedConcurrentExecutions=1)
    await world.gateway.pools.scale()
    while not world.gateway.pools.trouble(NAMESPACE, "fn", "1"):
        await asyncio.sleep(0.005)
    await settle()
    found = await lam.get_provisioned_concurrency_config(FunctionName="fn", Qualifier="1")
    assert found["Status"] == "FAILED"
    assert "Secret db does not exist" in found["StatusReason"]


async def test_not_more_than_max_instances(world: World, lam: Lambda) -> None:
    world.function(scaling={"maxInstances": 2})
    await world.publish()
    many = lam.put_provisioned_concurrency_config(FunctionName="fn", Qualifier="1", ProvisionedConcurrentExecutions=3)
    code, _, message = await refused(many)
    assert code == "InvalidParameterValueException"
    assert "scaling.maxInstances, which is 2" in message


async def test_what_is_said_of_an_alias_goes_with_it(world: World, lam: Lambda) -> None:
    said = {"live": {"authType": "NONE"}, "$LATEST": {"authType": "NONE"}}
    scaling = {"provisionedConcurrency": {"live": 1, "1": 1}}
    world.function(urls=said, eventInvoke={"live": {}}, scaling=scaling)
    await world.publish()
    await lam.create_alias(FunctionName="fn", Name="live", FunctionVersion="1")
    await lam.delete_alias(FunctionName="fn", Name="live")
    spec = world.kube.objects[("Function", NAMESPACE, "fn")]["spec"]
    assert list(spec["urls"]) == ["$LATEST"]
    assert spec["eventInvoke"] == {}
    assert spec["scaling"]["provisionedConcurrency"] == {"1": 1}
    await lam.delete_function(FunctionName="fn", Qualifier="1")
    spec = world.kube.objects[("Function", NAMESPACE, "fn")]["spec"]
    assert spec["scaling"]["provisionedConcurrency"] == {}


async def test_an_entry_about_nothing_is_told_and_without_effect(world: World, lam: Lambda) -> None:
    world.function(scaling={"provisionedConcurrency": {"gone": 2}})
    await settle()
    await world.gateway.pools.scale()
    assert world.instances() == []
    found = await lam.get_provisioned_concurrency_config(FunctionName="fn", Qualifier="gone")
    assert (found["Status"], found["StatusReason"]) == (
        "FAILED",
        "gone is no alias of a published version, and no version, of fn",
    )
