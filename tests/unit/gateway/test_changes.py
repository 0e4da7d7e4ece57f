"""Changes by the API: waiters, pages, revisions, races, tags, aliases of $LATEST, and what others declare."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from botocore.exceptions import WaiterError

from thaw.kube import kinds
from unit.gateway.conftest import Lambda
from unit.gateway.test_contract import declared, prepared
from unit.gateway.test_lambda_api import arguments, refused
from unit.gateway.world import NAMESPACE, World, package

QUICK = {"Delay": 0, "MaxAttempts": 200}


@pytest.mark.parametrize("name", ["function_exists", "function_active", "function_active_v2"])
async def test_waiters_for_a_new_function(world: World, lam: Lambda, name: str) -> None:
    waiter = asyncio.to_thread(lam.client.get_waiter(name).wait, FunctionName="fn", WaiterConfig=QUICK)
    waiting = asyncio.create_task(waiter) if name == "function_exists" else None
    await lam.create_function(**arguments())
    await (waiting or waiter)


@pytest.mark.parametrize("name", ["function_updated", "function_updated_v2"])
async def test_waiters_for_a_change(world: World, lam: Lambda, name: str) -> None:
    await lam.create_function(**arguments())
    await lam.update_function_configuration(FunctionName="fn", Timeout=9)
    await asyncio.to_thread(lam.client.get_waiter(name).wait, FunctionName="fn", WaiterConfig=QUICK)
    assert (await lam.get_function_configuration(FunctionName="fn"))["LastUpdateStatus"] == "Successful"


async def test_a_change_waits_for_the_operator_to_have_seen_the_function(world: World, lam: Lambda) -> None:
    world.kube.hooks.clear()
    world.function()
    change = asyncio.create_task(lam.update_function_configuration(FunctionName="fn", Timeout=9))
    await asyncio.sleep(0.1)
    assert not change.done()
    await world.kube.patch(kinds.FUNCTION, NAMESPACE, "fn", {"status": {"state": "Active"}})
    assert (await change)["Timeout"] == 9


async def test_a_change_is_in_progress_until_the_operator_has_seen_it(world: World, lam: Lambda) -> None:
    await lam.create_function(**arguments())
    await lam.publish_version(FunctionName="fn")
    world.kube.hooks.clear()
    changed = await lam.update_function_configuration(FunctionName="fn", Timeout=9)
    assert (changed["State"], changed["LastUpdateStatus"]) == ("Active", "InProgress")
    again = await lam.update_function_configuration(FunctionName="fn", Timeout=8)
    assert again["Timeout"] == 8, "nothing is being deployed that a further change could disturb"


@pytest.mark.parametrize(("state", "comes"), [("Active", True), ("Failed", False)])
async def test_the_waiter_for_a_published_version(world: World, lam: Lambda, state: str, comes: bool) -> None:
    world.function()
    world.next_state = {"state": "Pending", "stateReasonCode": "Creating"}
    await world.publish()
    waiter = lam.client.get_waiter("published_version_active")
    wait = asyncio.create_task(asyncio.to_thread(waiter.wait, FunctionName="fn", Qualifier="1", WaiterConfig=QUICK))
    await asyncio.sleep(0.1)
    assert not wait.done()
    status = {"state": state, "stateReasonCode": "FunctionError" if state == "Failed" else ""}
    await world.kube.patch(kinds.FUNCTION_VERSION, NAMESPACE, "fn-1", {"status": status})
    if comes:
        await wait
    else:
        with pytest.raises(WaiterError, match="Failed"):
            await wait


async def publish_many(world: World, count: int) -> None:
    for number in range(count):
        await world.kube.patch(kinds.FUNCTION, NAMESPACE, "fn", {"spec": {"timeout": number + 1}})
        await world.publish()


@pytest.mark.parametrize(
    ("operation", "key", "count"),
    [
        ("list_functions", "Functions", 3),
        ("list_versions_by_function", "Versions", 12),
        ("list_aliases", "Aliases", 3),
        ("list_provisioned_concurrency_configs", "ProvisionedConcurrencyConfigs", 3),
    ],
)
async def test_paginators(world: World, lam: Lambda, operation: str, key: str, count: int) -> None:
    world.function("a")
    world.function("b")
    world.function(scaling={"provisionedConcurrency": {"1": 1, "10": 1, "a": 1}})
    await publish_many(world, 11)
    for name in ("b", "a", "c"):
        await lam.create_alias(FunctionName="fn", Name=name, FunctionVersion="1")
    given = {} if operation == "list_functions" else {"FunctionName": "fn"}
    pages = lam.client.get_paginator(operation).paginate(**given, PaginationConfig={"PageSize": 2})
    found = await asyncio.to_thread(list, pages)
    assert all(len(page[key]) <= 2 for page in found)
    everything = [item for page in found for item in page[key]]
    assert len(everything) == count
    whole = await getattr(lam, operation)(**given)
    assert [str(item) for item in everything] == [str(item) for item in whole[key]]


async def test_every_version_of_every_function_in_order(world: World, lam: Lambda) -> None:
    world.function("a")
    world.function()
    await publish_many(world, 11)
    found = (await lam.list_functions(FunctionVersion="ALL"))["Functions"]
    assert [(f["FunctionName"], f["Version"]) for f in found] == [
        ("a", "$LATEST"),
        ("fn", "$LATEST"),
        *(("fn", str(n)) for n in range(1, 12)),
    ]
    assert {f["MasterArn"].split(":")[-1] for f in found} == {"a", "fn"}


async def test_revisions(world: World, lam: Lambda) -> None:
    """Every change of the object is a new revision; what the operator writes is none; a version's never changes."""
    await prepared(world)

    async def revision(**more: Any) -> str:
        return (await lam.get_function_configuration(FunctionName="fn", **more))["RevisionId"]

    first, version = await revision(), await revision(Qualifier="1")
    await world.kube.patch(kinds.FUNCTION, NAMESPACE, "fn", {"status": {"lastVersion": 9}})
    assert await revision() == first
    sha = (await lam.get_function_configuration(FunctionName="fn"))["CodeSha256"]
    arn = (await lam.get_function_configuration(FunctionName="fn"))["FunctionArn"]
    await lam.tag_resource(Resource=arn, Tags={"x": "y"})
    second = await revision()
    assert second != first
    await lam.put_function_concurrency(FunctionName="fn", ReservedConcurrentExecutions=9)
    assert await revision() not in (first, second)
    assert await revision(Qualifier="1") == version
    assert (await lam.get_function_configuration(FunctionName="fn"))["CodeSha256"] == sha


async def test_tags_and_concurrency_are_no_reason_for_a_new_version(world: World, lam: Lambda) -> None:
    made = await lam.create_function(**arguments(Publish=True, Tags={"a": "b"}))
    await lam.tag_resource(Resource=made["FunctionArn"].removesuffix(":1"), Tags={"c": "d"})
    await lam.put_function_concurrency(FunctionName="fn", ReservedConcurrentExecutions=9)
    await lam.put_provisioned_concurrency_config(FunctionName="fn", Qualifier="1", ProvisionedConcurrentExecutions=1)
    assert (await lam.publish_version(FunctionName="fn"))["Version"] == "1"
    whole = await lam.get_function(FunctionName="fn")
    assert (whole["Tags"], whole["Concurrency"]["ReservedConcurrentExecutions"]) == ({"a": "b", "c": "d"}, 9)


async def test_tags(world: World, lam: Lambda) -> None:
    arn = (await lam.create_function(**arguments(Tags={"a": "1"})))["FunctionArn"]
    await lam.tag_resource(Resource=arn, Tags={"a": "2", "b": ""})
    assert (await lam.list_tags(Resource=arn))["Tags"] == {"a": "2", "b": ""}
    await lam.untag_resource(Resource=arn, TagKeys=["a", "never"])
    assert (await lam.list_tags(Resource=arn))["Tags"] == {"b": ""}


def between(world: World, change: Any) -> None:
    """Makes a change by somebody else just before the gateway's next write."""
    patch = world.kube.patch

    async def slowly(*given: Any, **more: Any) -> Any:
        world.kube.patch = patch  # type: ignore[method-assign]
        await change()
        return await patch(*given, **more)

    world.kube.patch = slowly  # type: ignore[method-assign]


async def test_a_change_between_look_and_write_breaks_the_precondition(world: World, lam: Lambda) -> None:
    await lam.create_function(**arguments())
    revision = (await lam.get_function_configuration(FunctionName="fn"))["RevisionId"]
    between(world, lambda: world.kube.patch(kinds.FUNCTION, NAMESPACE, "fn", {"spec": {"memorySize": 999}}))
    late = lam.update_function_configuration(FunctionName="fn", Timeout=9, RevisionId=revision)
    assert (await refused(late))[:2] == ("PreconditionFailedException", 412)
    found = await lam.get_function_configuration(FunctionName="fn")
    assert (found["Timeout"], found["MemorySize"]) == (3, 999)


async def test_without_a_precondition_both_changes_stand(world: World, lam: Lambda) -> None:
    await lam.create_function(**arguments())
    between(world, lambda: world.kube.patch(kinds.FUNCTION, NAMESPACE, "fn", {"spec": {"memorySize": 999}}))
    changed = await lam.update_function_configuration(FunctionName="fn", Timeout=9)
    assert (changed["Timeout"], changed["MemorySize"]) == (9, 999)


async def test_a_status_written_meanwhile_is_no_change(world: World, lam: Lambda) -> None:
    await lam.create_function(**arguments())
    revision = (await lam.get_function_configuration(FunctionName="fn"))["RevisionId"]
    between(world, lambda: world.kube.patch(kinds.FUNCTION, NAMESPACE, "fn", {"status": {"lastVersion": 7}}))
    changed = await lam.update_function_configuration(FunctionName="fn", Timeout=9, RevisionId=revision)
    assert changed["Timeout"] == 9


async def test_deleted_between_look_and_write(world: World, lam: Lambda) -> None:
    await lam.create_function(**arguments())
    between(world, lambda: world.kube.delete(kinds.FUNCTION, NAMESPACE, "fn"))
    late = lam.update_function_configuration(FunctionName="fn", Timeout=9)
    assert (await refused(late))[:2] == ("ResourceNotFoundException", 404)


async def test_a_version_of_something_else_is_not_left_behind(world: World, lam: Lambda) -> None:
    """Somebody changes the function while it is published on condition that it is as it was."""
    await lam.create_function(**arguments())
    revision = (await lam.get_function_configuration(FunctionName="fn"))["RevisionId"]
    create = world.kube.create

    async def slowly(*given: Any) -> Any:
        await world.kube.patch(kinds.FUNCTION, NAMESPACE, "fn", {"spec": {"memorySize": 999}})
        return await create(*given)

    world.kube.create = slowly  # type: ignore[method-assign]
    late = lam.publish_version(FunctionName="fn", RevisionId=revision)
    assert (await refused(late))[:2] == ("PreconditionFailedException", 412)
    assert world.kube.all(kinds.FUNCTION_VERSION) == []


async def test_a_version_that_was_there_before_is_kept(world: World, lam: Lambda) -> None:
    """Published on condition, meanwhile set back to what a version is already: that version is somebody's."""
    await lam.create_function(**arguments())
    first = await world.publish()
    before = world.kube.objects[("Function", NAMESPACE, "fn")]["spec"].get("memorySize")
    changed = await lam.update_function_configuration(FunctionName="fn", MemorySize=999)
    create = world.kube.create

    async def slowly(*given: Any) -> Any:
        await world.kube.patch(kinds.FUNCTION, NAMESPACE, "fn", {"spec": {"memorySize": before}})
        return await create(*given)

    world.kube.create = slowly  # type: ignore[method-assign]
    late = lam.publish_version(FunctionName="fn", RevisionId=changed["RevisionId"])
    assert (await refused(late))[:2] == ("PreconditionFailedException", 412)
    assert [v["metadata"]["name"] for v in world.kube.all(kinds.FUNCTION_VERSION)] == [first["metadata"]["name"]]


async def test_an_alias_of_latest(world: World, lam: Lambda) -> None:
    world.function()
    made = await lam.create_alias(FunctionName="fn", Name="dev", FunctionVersion="$LATEST")
    assert made["FunctionVersion"] == "$LATEST"
    assert (await lam.invoke(FunctionName="fn", Qualifier="dev"))["ExecutedVersion"] == "$LATEST"
    assert (await lam.get_function_configuration(FunctionName="fn", Qualifier="dev"))["Version"] == "$LATEST"
    await world.publish()
    weights = {"AdditionalVersionWeights": {"1": 0.5}}
    bad = lam.update_alias(FunctionName="fn", Name="dev", RoutingConfig=weights)
    assert (await refused(bad))[0] == "InvalidParameterValueException", "with what it has already"
    moved = await lam.update_alias(FunctionName="fn", Name="dev", FunctionVersion="1")
    assert moved["FunctionVersion"] == "1"


async def test_what_nobody_declares_can_be_changed(world: World, lam: Lambda) -> None:
    await prepared(world)
    await declared(world)
    changed = await lam.update_function_configuration(FunctionName="fn", MemorySize=999, Description="by API")
    assert (changed["MemorySize"], changed["Description"]) == (999, "by API")
    same = await lam.update_function_configuration(FunctionName="fn", Timeout=changed["Timeout"])
    assert same["RevisionId"] == changed["RevisionId"], "what it is already is no change"


async def test_nothing_is_uploaded_for_a_change_that_is_refused(world: World, lam: Lambda) -> None:
    await lam.create_function(**arguments())
    kept = dict(world.agents.code)
    entry = {"manager": "helm", "operation": "Update", "fieldsV1": {"f:spec": {"f:code": {"f:zip": {"f:sha256": {}}}}}}
    await world.kube.patch(kinds.FUNCTION, NAMESPACE, "fn", {"metadata": {"managedFields": [entry]}})
    code, _, message = await refused(lam.update_function_code(FunctionName="fn", ZipFile=package("other = 1")))
    assert (code, message) == ("ResourceConflictException", "spec.code.zip.sha256 is managed by helm: change it there")
    assert world.agents.code == kept
