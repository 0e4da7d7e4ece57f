"""What only a real API server and the real operator show: waiters, races, and objects that others declare."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest
from botocore.exceptions import ClientError

from integration.apiserver import Kubectl
from integration.test_gateway import Front, active, create, front, instance_agent  # noqa: F401
from integration.test_reconcile import World, world  # noqa: F401
from thaw.kube.client import Object
from thaw.kube.kinds import EVENT, FUNCTION, FUNCTION_ALIAS
from unit.gateway.world import package

pytestmark = [pytest.mark.integration, pytest.mark.timeout(180)]
QUICK = {"Delay": 0.1, "MaxAttempts": 300}
AT_ONCE = 4
"""boto3 blocks a thread a call, and the loop has but a few: the gateway's own look-ups need one too."""
FLUX = ("--server-side", "--field-manager=kustomize-controller")


def manifest(world: World, **spec: Any) -> Object:  # noqa: F811
    whole = {"runtime": "python3.13", "handler": "app.handler", "code": {"inline": {"app.py": "x"}}, **spec}
    meta = {"name": "fn", "namespace": world.namespace}
    return {"apiVersion": "thaw.dev/v1alpha1", "kind": "Function", "metadata": meta, "spec": whole}


def alias(world: World, version: str) -> Object:  # noqa: F811
    meta = {"name": "fn-live", "namespace": world.namespace}
    spec = {"functionName": "fn", "name": "live", "functionVersion": version}
    return {"apiVersion": "thaw.dev/v1alpha1", "kind": "FunctionAlias", "metadata": meta, "spec": spec}


async def refused(call: Any) -> tuple[str, int, str]:
    with pytest.raises(ClientError) as e:
        await call
    answer = e.value.response
    return answer["Error"]["Code"], answer["ResponseMetadata"]["HTTPStatusCode"], answer["Error"]["Message"]


async def condition(world: World, type_: str) -> str:  # noqa: F811
    """The message of a condition of the function, once there is one."""

    async def there() -> str | None:
        found = await world.get(FUNCTION, "fn") or {}
        conditions = found.get("status", {}).get("conditions", [])
        return next((c["message"] for c in conditions if c["type"] == type_), None)

    message: str = await world.eventually(type_, there)
    return message


async def test_waiters(world: World, front: Front) -> None:  # noqa: F811
    """As an SDK's user waits: for the function, its change, and its version's snapshot."""

    async def wait(name: str, **given: str) -> None:
        waiter = front.client.get_waiter(name)
        await asyncio.to_thread(waiter.wait, FunctionName="fn", WaiterConfig=QUICK, **given)

    exists = asyncio.create_task(wait("function_exists"))
    await create(front, "fn", package())
    await exists
    await wait("function_active")
    await wait("function_active_v2")
    await front("update_function_configuration", FunctionName="fn", Timeout=9)
    await wait("function_updated")
    await wait("function_updated_v2")
    assert (await front("publish_version", FunctionName="fn"))["State"] == "Pending"
    code, status, message = await refused(front("delete_function", FunctionName="fn", Qualifier="1"))
    assert (code, status) == ("ResourceConflictException", 409)
    assert "state: Pending" in message
    await wait("published_version_active", Qualifier="1")
    shape = await front("get_function_configuration", FunctionName="fn", Qualifier="1")
    assert (shape["State"], shape["SnapStart"]["OptimizationStatus"]) == ("Active", "On")


async def test_of_many_with_the_same_revision_one_is_first(world: World, front: Front) -> None:  # noqa: F811
    await create(front, "fn", package())
    await front("update_function_configuration", FunctionName="fn", Timeout=9)
    revision = (await front("get_function_configuration", FunctionName="fn"))["RevisionId"]
    calls = [
        front("update_function_configuration", FunctionName="fn", MemorySize=128 + n, RevisionId=revision)
        for n in range(AT_ONCE)
    ]
    answers = await asyncio.gather(*calls, return_exceptions=True)
    errors = [a.response["Error"]["Code"] for a in answers if isinstance(a, ClientError)]
    assert errors == ["PreconditionFailedException"] * (AT_ONCE - 1)


async def test_changes_of_different_things_at_once_all_stand(world: World, front: Front) -> None:  # noqa: F811
    arn = (await create(front, "fn", package()))["FunctionArn"]
    await asyncio.gather(
        *(front("tag_resource", Resource=arn, Tags={f"k{n}": str(n)}) for n in range(AT_ONCE - 2)),
        front("update_function_configuration", FunctionName="fn", Timeout=9),
        front("put_function_concurrency", FunctionName="fn", ReservedConcurrentExecutions=7),
    )
    found = await front("get_function", FunctionName="fn")
    assert found["Tags"] == {f"k{n}": str(n) for n in range(AT_ONCE - 2)}
    assert found["Configuration"]["Timeout"] == 9
    assert found["Concurrency"] == {"ReservedConcurrentExecutions": 7}


async def test_what_a_deployer_declares_is_its_own(world: World, front: Front, crds: Kubectl) -> None:  # noqa: F811
    """Flux applies server-side: what it wrote is refused, what it did not write is the API's to change, and stays."""
    declared = manifest(world, memorySize=256, tags={"team": "a"})
    crds("apply", *FLUX, "-f", "-", stdin=declared)
    arn = "arn:aws:lambda:us-east-1:000000000000:function:fn"
    code, status, message = await refused(front("update_function_configuration", FunctionName="fn", MemorySize=512))
    assert (code, status) == ("ResourceConflictException", 409)
    assert message == "spec.memorySize is managed by kustomize-controller: change it there"
    assert "spec.tags.team" in (await refused(front("tag_resource", Resource=arn, Tags={"team": "b"})))[2]
    assert "delete it there" in (await refused(front("delete_function", FunctionName="fn")))[2]
    await front("update_function_configuration", FunctionName="fn", Timeout=9)
    await front("tag_resource", Resource=arn, Tags={"cost": "1"})
    await front("put_function_concurrency", FunctionName="fn", ReservedConcurrentExecutions=7)
    crds("apply", *FLUX, "-f", "-", stdin=declared)
    found = await front("get_function", FunctionName="fn")
    assert (found["Configuration"]["Timeout"], found["Tags"]) == (9, {"team": "a", "cost": "1"})
    assert found["Concurrency"] == {"ReservedConcurrentExecutions": 7}


async def test_argo_cd_by_client_side_apply(world: World, front: Front, crds: Kubectl) -> None:  # noqa: F811
    """An update owns the schema's defaults too; what was really written is in the annotation."""
    marked = manifest(world, memorySize=512)
    marked["metadata"]["annotations"] = {"argocd.argoproj.io/tracking-id": "app:thaw.dev/Function:x/fn"}
    crds("apply", "--field-manager=argocd-controller", "-f", "-", stdin=marked)
    _, _, message = await refused(front("update_function_configuration", FunctionName="fn", MemorySize=999))
    assert message == "spec.memorySize is managed by argocd-controller: change it there"
    changed = await front("update_function_configuration", FunctionName="fn", Timeout=9)
    assert changed["Timeout"] == 9, "a default, which nobody wrote"


async def test_a_person_with_kubectl_and_the_api_take_turns(world: World, front: Front, crds: Kubectl) -> None:  # noqa: F811
    crds("apply", "-f", "-", stdin=manifest(world, memorySize=256))
    assert (await front("get_function_configuration", FunctionName="fn"))["MemorySize"] == 256
    await front("update_function_configuration", FunctionName="fn", MemorySize=512)
    where = ("fn", "fn", "-n", world.namespace)
    crds("patch", *where, "--type=merge", "-p", '{"spec": {"memorySize": 600}}')
    changed = await front("update_function_configuration", FunctionName="fn", Timeout=9)
    assert (changed["MemorySize"], changed["Timeout"]) == (600, 9)
    crds("apply", "-f", "-", stdin=manifest(world, memorySize=256))
    assert (await front("get_function_configuration", FunctionName="fn"))["MemorySize"] == 256


async def test_what_the_api_makes_is_an_ordinary_manifest(world: World, front: Front, crds: Kubectl) -> None:  # noqa: F811
    await create(front, "fn", package())
    await front("publish_version", FunctionName="fn")
    await active(front, "fn", "1")
    await front("create_alias", FunctionName="fn", Name="live", FunctionVersion="1")
    await front("create_alias", FunctionName="fn", Name="dev", FunctionVersion="$LATEST")

    async def settled() -> bool:
        """The operator has written all statuses, so that none changes between the export and the apply."""
        aliases = await world.all(FUNCTION_ALIAS)
        return all(a.get("status", {}).get("observedGeneration") == a["metadata"]["generation"] for a in aliases)

    await world.eventually("all is settled", settled)
    everything = crds("get", "fn,fna,fnv", "-n", world.namespace, "-o", "json")
    crds("apply", "-f", "-", stdin=everything)
    spec = (await world.get(FUNCTION, "fn") or {})["spec"]
    crds("delete", "fna", "fn-live", "-n", world.namespace)
    kept = next(i for i in json.loads(everything)["items"] if i["metadata"]["name"] == "fn-live")
    clean = {k: v for k, v in kept["metadata"].items() if k in ("name", "namespace")}
    crds("apply", "-f", "-", stdin={**kept, "metadata": clean})

    async def listed() -> list[str] | None:
        found = [a["Name"] for a in (await front("list_aliases", FunctionName="fn"))["Aliases"]]
        return found if len(found) == 2 else None

    assert await world.eventually("the alias by API", listed) == ["dev", "live"]
    assert (await world.get(FUNCTION, "fn") or {})["spec"] == spec


async def test_an_alias_that_git_holds_is_not_moved(world: World, front: Front, crds: Kubectl) -> None:  # noqa: F811
    """autoPublishAlias publishes, leaves the alias, and says so; until Git moves it."""
    await world.function("fn")
    await front("publish_version", FunctionName="fn")
    await active(front, "fn", "1")
    crds("apply", *FLUX, "-f", "-", stdin=alias(world, "1"))
    change = {"spec": {"autoPublishAlias": "live", "timeout": 9}}
    await world.kube.patch(FUNCTION, world.namespace, "fn", change)
    held = (
        "version 2 is not given to FunctionAlias fn-live: its spec.functionVersion is managed by kustomize-controller"
    )
    assert await condition(world, "AliasHeld") == held
    (found,) = await world.all(FUNCTION_ALIAS)
    assert found["spec"]["functionVersion"] == "1"
    events = await world.all(EVENT)
    assert [e["message"] for e in events if e["reason"] == "ManagedElsewhere"] == [held]
    moved = front("update_alias", FunctionName="fn", Name="live", FunctionVersion="2")
    assert "spec.functionVersion is managed by kustomize-controller" in (await refused(moved))[2]
    crds("apply", *FLUX, "-f", "-", stdin=alias(world, "2"))

    async def content() -> bool:
        found = await world.get(FUNCTION, "fn") or {}
        return all(c["type"] != "AliasHeld" for c in found["status"]["conditions"])

    await world.eventually("it is where it should be", content)


async def test_provisioned_instances_and_what_is_left_of_an_alias(world: World, front: Front, crds: Kubectl) -> None:  # noqa: F811
    await create(front, "fn", package())
    await front("publish_version", FunctionName="fn")
    await active(front, "fn", "1")
    await front("create_alias", FunctionName="fn", Name="live", FunctionVersion="1")
    config = {"FunctionName": "fn", "Qualifier": "live"}
    await front("put_provisioned_concurrency_config", **config, ProvisionedConcurrentExecutions=2)

    async def ready() -> Any:
        found = await front("get_provisioned_concurrency_config", **config)
        return found if found["Status"] == "READY" else None

    found = await world.eventually("READY", ready)
    assert found["AvailableProvisionedConcurrentExecutions"] == 2
    answer = await front("invoke", **config)
    assert answer["ResponseMetadata"]["HTTPHeaders"]["x-thaw-start"] == "warm"
    crds("delete", "fna", "--all", "-n", world.namespace)
    assert await condition(world, "Dangling") == (
        "without effect, for there is no such version or alias: spec.scaling.provisionedConcurrency.live"
    )
    await front("delete_provisioned_concurrency_config", **config)
    spec = (await world.get(FUNCTION, "fn") or {})["spec"]
    assert spec["scaling"]["provisionedConcurrency"] == {}
