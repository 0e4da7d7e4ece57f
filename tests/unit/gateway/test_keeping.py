"""What the gateway tells of versions: when they were invoked, and where their snapshots could not be restored."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from thaw import names
from thaw.api.v1alpha1 import FunctionVersion
from thaw.errors import NodeError, Unavailable
from thaw.gateway.usage import Usage
from thaw.kube import kinds
from unit.gateway.conftest import Lambda
from unit.gateway.test_instances import head, settle
from unit.gateway.test_lambda_api import refused
from unit.gateway.world import NAMESPACE, NODE, World

SNAP: dict[str, Any] = {"snapStart": {"applyOn": "PublishedVersions"}}
START = datetime(2026, 1, 1, tzinfo=UTC)


class Clock:
    """A time of day that a test sets."""

    def __init__(self) -> None:
        self.now = START

    def __call__(self) -> datetime:
        return self.now

    def passes(self, **how_long: float) -> None:
        self.now += timedelta(**how_long)


class Told:
    """A version in a cluster, a Usage over it, and what that wrote."""

    def __init__(self, world: World) -> None:
        self.world, self.clock = world, Clock()
        self.usage = Usage(world.kube, world.gateway.watch, world.settings, self.clock)

    @property
    def status(self) -> dict[str, Any]:
        return self.world.kube.objects[("FunctionVersion", NAMESPACE, "fn-1")]["status"]

    async def invoked(self) -> None:
        version = self.world.gateway.watch.version(NAMESPACE, "fn", "1")
        assert version is not None
        self.usage.saw(version)
        await self.usage.tell()
        await settle()

    async def set(self, **status: Any) -> None:
        await self.world.kube.patch(kinds.FUNCTION_VERSION, NAMESPACE, "fn-1", {"status": status})
        await settle()


@pytest.fixture
async def told(world: World) -> Told:
    world.function(**SNAP)
    await world.publish()
    return Told(world)


def seconds(told: Told) -> float:
    return (datetime.fromisoformat(told.status["lastInvokedTime"]) - START).total_seconds()


async def test_the_first_invocation_is_told_at_once_and_then_one_in_a_minute(told: Told) -> None:
    await told.invoked()
    assert seconds(told) == 0
    for _ in range(59):
        told.clock.passes(seconds=1)
        await told.invoked()
    assert seconds(told) == 0
    told.clock.passes(seconds=1)
    await told.usage.tell()
    assert seconds(told) == 59, "the last of them, and not the moment it was told"


async def test_a_short_idle_time_is_told_often_enough(told: Told) -> None:
    spec = {"snapStart": {"applyOn": "PublishedVersions", "inactiveAfter": "8s"}}
    await told.world.kube.patch(kinds.FUNCTION, NAMESPACE, "fn", {"spec": spec})
    await settle()
    await told.invoked()
    told.clock.passes(seconds=2)
    await told.invoked()
    assert seconds(told) == 2


async def test_an_inactive_version_is_told_of_at_once(told: Told) -> None:
    await told.invoked()
    told.clock.passes(seconds=5)
    await told.set(state="Inactive", inactiveSince=(START + timedelta(seconds=3)).isoformat())
    await told.invoked()
    assert seconds(told) == 5
    told.clock.passes(seconds=5)
    await told.invoked()
    assert seconds(told) == 5, "once"


async def test_what_could_wait_is_told_when_the_gateway_ends(told: Told) -> None:
    await told.invoked()
    told.clock.passes(seconds=5)
    await told.invoked()
    await told.usage.tell(everything=True)
    assert seconds(told) == 5


async def test_what_another_gateway_told_later_is_left_alone(told: Told) -> None:
    await told.invoked()
    told.clock.passes(seconds=61)
    await told.set(lastInvokedTime=(START + timedelta(seconds=60)).isoformat())
    await told.usage.tell(everything=True)
    assert seconds(told) == 60


async def test_a_write_that_failed_is_tried_again(told: Told, monkeypatch: pytest.MonkeyPatch) -> None:
    async def fails(*_: Any, **__: Any) -> None:
        raise Unavailable("FunctionVersion", NAMESPACE, "fn-1", "no")

    with monkeypatch.context() as patched:
        patched.setattr(told.world.kube, "patch", fails)
        await told.invoked()
    assert "lastInvokedTime" not in told.status
    await told.usage.tell()
    assert seconds(told) == 0


async def test_a_version_that_is_gone_is_forgotten(told: Told) -> None:
    version = FunctionVersion.model_validate(told.world.kube.objects[("FunctionVersion", NAMESPACE, "fn-1")])
    told.usage.saw(version)
    await told.world.kube.delete(kinds.FUNCTION_VERSION, NAMESPACE, "fn-1")
    await settle()
    await told.usage.tell(everything=True)


# ---------------------------------------------------------------- by way of a request


async def test_an_invocation_is_seen_and_a_dry_run_is_not(world: World, lam: Lambda) -> None:
    world.function(**SNAP)
    await world.publish()
    await lam.invoke(FunctionName="fn", Qualifier="1", InvocationType="DryRun")
    await world.gateway.usage.tell(everything=True)
    status = world.kube.objects[("FunctionVersion", NAMESPACE, "fn-1")]["status"]
    assert "lastInvokedTime" not in status
    await lam.invoke(FunctionName="fn", Qualifier="1")
    await world.gateway.usage.tell()
    assert "lastInvokedTime" in world.kube.objects[("FunctionVersion", NAMESPACE, "fn-1")]["status"]


async def test_an_idle_java_version_refuses_and_is_asked_for(world: World, lam: Lambda) -> None:
    """The refusal counts as an invocation: it is what makes a new snapshot begin."""
    world.function(runtime="java21", **SNAP)
    await world.publish()
    status = {"state": "Inactive", "stateReasonCode": "Idle", "inactiveSince": START.isoformat()}
    await world.kube.patch(kinds.FUNCTION_VERSION, NAMESPACE, "fn-1", {"status": status})
    await settle()
    code, answered, _ = await refused(lam.invoke(FunctionName="fn", Qualifier="1"))
    assert (code, answered) == ("SnapStartNotReadyException", 409)
    await world.gateway.usage.tell()
    assert "lastInvokedTime" in world.kube.objects[("FunctionVersion", NAMESPACE, "fn-1")]["status"]


async def test_an_idle_version_of_another_runtime_is_restored(world: World, lam: Lambda) -> None:
    world.function(**SNAP)
    await world.publish()
    status = {"state": "Inactive", "stateReasonCode": "Idle", "inactiveSince": START.isoformat()}
    await world.kube.patch(kinds.FUNCTION_VERSION, NAMESPACE, "fn-1", {"status": status})
    await settle()
    assert head(await lam.invoke(FunctionName="fn", Qualifier="1"), "x-thaw-start") == "restore"


# ---------------------------------------------------------------- snapshots that could not be used


def note(world: World) -> dict[str, Any]:
    snapshot = world.kube.objects[("Snapshot", NAMESPACE, names.snapshot("fn-1", 1))]
    found: dict[str, Any] = snapshot["status"].get("unusable", {}).get(NODE, {})
    return found


async def test_a_failed_restore_is_noted_on_the_snapshot_and_counted(world: World, lam: Lambda) -> None:
    world.agents.restore_error = "criu: (00.1) Error: no such file"
    world.function(**SNAP)
    await world.publish()
    for times in (1, 2):
        await lam.invoke(FunctionName="fn", Qualifier="1")
        await world.gateway.pools._starter.settle()
        await settle()
        assert (note(world)["cause"], note(world)["times"]) == ("RestoreFailed", times)
        for instance in world.instances():
            await world.kube.delete(kinds.POD, NAMESPACE, instance["metadata"]["name"])
        await settle()
    text = world.gateway.front.metrics.render().decode()
    assert 'cold_fallbacks_total{cause="RestoreFailed",function="fn",namespace="default",qualifier="1"} 2.0' in text


async def test_why_an_agent_refused_is_noted(world: World, lam: Lambda, monkeypatch: pytest.MonkeyPatch) -> None:
    grant = world.agents.grant

    async def refuses(base_url: str, uid: str, request: Any) -> Any:
        if request.snapshot:
            raise NodeError("SnapshotUnusable", "a chunk is corrupt", cause="Corrupt")
        return await grant(base_url, uid, request)

    monkeypatch.setattr(world.agents, "grant", refuses)
    world.function(**SNAP)
    await world.publish()
    await lam.invoke(FunctionName="fn", Qualifier="1")
    await world.gateway.pools._starter.settle()
    assert (note(world)["cause"], note(world)["message"]) == ("Corrupt", "a chunk is corrupt")


async def test_an_instance_of_a_replaced_snapshot_ends_after_what_it_serves(world: World, lam: Lambda) -> None:
    world.function(**SNAP)
    await world.publish()
    await lam.invoke(FunctionName="fn", Qualifier="1")
    old = world.instances()[0]["metadata"]["uid"]
    new = {
        "apiVersion": names.API_VERSION,
        "kind": "Snapshot",
        "metadata": {"name": "fn-1-s2", "namespace": NAMESPACE, "uid": "snap-2"},
        "spec": {"functionName": "fn", "versionName": "fn-1", "version": "1", "image": "runtime:patched"},
        "status": {"phase": "Ready", "node": NODE},
    }
    world.kube.put(kinds.SNAPSHOT, new)
    await world.kube.patch(kinds.FUNCTION_VERSION, NAMESPACE, "fn-1", {"status": {"snapshotRef": "fn-1-s2"}})
    await settle()
    assert head(await lam.invoke(FunctionName="fn", Qualifier="1"), "x-thaw-start") == "warm", "the old one still is"
    await world.kube.delete(kinds.SNAPSHOT, NAMESPACE, names.snapshot("fn-1", 1))
    await settle()
    assert head(await lam.invoke(FunctionName="fn", Qualifier="1"), "x-thaw-start") == "warm"
    await settle()
    assert head(await lam.invoke(FunctionName="fn", Qualifier="1"), "x-thaw-start") == "restore"
    instance = world.instances()[0]
    assert instance["metadata"]["uid"] != old
    assert instance["spec"]["containers"][0]["image"] == "runtime:patched"
