"""What is asked of many agents: each, a few at a time, in an order in which nothing is left."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest

from thaw.api.node import Removal
from thaw.api.v1alpha1 import FunctionVersionStatus
from thaw.decide import actions as do
from thaw.decide.plan import Event, Plan
from thaw.errors import Conflict, NodeError
from thaw.kube.apply import Applier, Subject
from thaw.kube.client import Object
from thaw.kube.kinds import SNAPSHOT, Kind
from thaw.settings import Settings

SUBJECT = Subject(SNAPSHOT, "default", "s", "uid", "fn")


class FakeAgents:
    """Remembers who was asked for what, and how many at once."""

    def __init__(self) -> None:
        self.calls: list[tuple[str, bool]] = []
        self.code: list[str] = []
        self.at_once = self.most = 0
        self.refuses = ""

    async def delete_snapshot(self, agent: str, _uid: str, *, store: bool) -> Removal:
        await self._work(agent)
        self.calls.append((agent, store))
        return Removal(node=agent, removed=("cache", "3 chunks") if store else ())

    async def delete_code(self, agent: str, namespace: str, _sha256: str) -> Removal:
        await self._work(agent)
        assert namespace == SUBJECT.namespace
        self.code.append(agent)
        return Removal(node=agent, removed=("package",))

    async def _work(self, agent: str) -> None:
        self.at_once += 1
        self.most = max(self.most, self.at_once)
        await asyncio.sleep(0.005)
        self.at_once -= 1
        if agent == self.refuses:
            raise NodeError("Busy", "not now", retryable=True)


class FakeKube:
    """An API server with versions, by name and function."""

    def __init__(self, **versions: str) -> None:
        self.versions = {name.replace("_", "-"): function for name, function in versions.items()}

    async def create(self, kind: Kind, body: Object) -> Object:
        name = body["metadata"]["name"]
        if name in self.versions:
            raise Conflict(kind.kind, "default", name, "already exists")
        self.versions[name] = body["spec"]["functionName"]
        return body

    async def get(self, _kind: Kind, _namespace: str, name: str) -> Object:
        return {"spec": {"functionName": self.versions[name]}}


class FakeEvents:
    """Remembers what was told."""

    def __init__(self) -> None:
        self.told: list[Event] = []

    async def write(self, _kind: Kind, _namespace: str, _name: str, _uid: str, event: Event) -> None:
        self.told.append(event)


async def carry_out(
    agents: FakeAgents | None, action: do.Action, store_shared: bool = True, kube: FakeKube | None = None
) -> list[Event]:
    """Does it; what was told about it."""
    nothing: Any = None
    agents_: Any = agents
    kube_: Any = kube
    events: Any = FakeEvents()
    applier = Applier(kube_, agents_, events, Settings(store_shared=store_shared))
    await applier.apply(SUBJECT, nothing, Plan(actions=(action,)))
    told: list[Event] = events.told
    return told


@pytest.mark.parametrize("action", [do.PurgeSnapshot, do.DropJob])
async def test_a_store_of_all_is_cleared_once_and_when_nobody_writes_to_it(action: Callable[..., do.Action]) -> None:
    agents = FakeAgents()
    await carry_out(agents, action("uid", ("a", "b", "c")))
    others = [("b", False), ("c", False)]
    assert (sorted(agents.calls[:2]), agents.calls[2], sorted(agents.calls[3:])) == (others, ("a", True), others)


@pytest.mark.parametrize("action", [do.PurgeSnapshot, do.DropJob])
async def test_each_clears_a_store_of_its_own(action: Callable[..., do.Action]) -> None:
    agents = FakeAgents()
    await carry_out(agents, action("uid", ("a", "b")), store_shared=False)
    assert sorted(agents.calls) == [("a", True), ("b", True)]


class PatchedKube:
    """Remembers what was patched."""

    def __init__(self) -> None:
        self.patches: list[Object] = []

    async def patch(self, _kind: Kind, _namespace: str, _name: str, body: Object, *, subresource: str) -> None:
        assert subresource == "status"
        self.patches.append(body["status"])


async def test_a_status_is_written_by_its_changes_alone() -> None:
    """What others wrote meanwhile stays, what is no more is taken away, and the gateways' own is theirs."""
    began = {"generation": 2, "cause": "Scheduled", "began": "2026-01-01T00:00:00Z"}
    whole = {"state": "Active", "attempts": 1, "recycle": began, "observedGeneration": 1}
    before = FunctionVersionStatus.model_validate(whole)
    changes = {"attempts": 0, "recycle": None, "last_invoked_time": datetime(2026, 1, 2, tzinfo=UTC)}
    kube, nothing = PatchedKube(), None
    applier: Any = Applier(kube, nothing, nothing, Settings())  # type: ignore[arg-type]
    await applier.apply(SUBJECT, before, Plan(status=before.model_copy(update=changes)))
    assert kube.patches == [{"attempts": 0, "recycle": None}]
    await applier.apply(SUBJECT, before, Plan(status=before))
    assert len(kube.patches) == 1
    await applier.apply(SUBJECT, FunctionVersionStatus(), Plan(status=before))
    assert kube.patches[1]["duplicateOf"] == "", "the first time all of it"


async def test_a_purge_leaves_a_record_of_what_was_where() -> None:
    told = await carry_out(FakeAgents(), do.PurgeSnapshot("uid", ("b", "a")))
    assert [e.reason for e in told] == ["Purged"]
    assert told[0].message == "Snapshot s is gone from every place: node a: had nothing; node b: cache, 3 chunks"
    told = await carry_out(FakeAgents(), do.PurgeCode("a" * 64, ("a",)))
    assert told[0].message == "package aaaaaaaaaaaa is gone from every place: node a: package"


async def test_a_purge_that_one_node_refuses_leaves_no_record() -> None:
    agents = FakeAgents()
    agents.refuses = "b"
    with pytest.raises(NodeError):
        await carry_out(agents, do.PurgeSnapshot("uid", ("a", "b")))


async def test_many_agents_are_asked_a_few_at_a_time_and_each_also_when_one_refuses() -> None:
    agents = FakeAgents()
    agents.refuses = "n03"
    everybody = tuple(f"n{number:02}" for number in range(20))
    with pytest.raises(NodeError, match="not now"):
        await carry_out(agents, do.PurgeCode("a" * 64, everybody))
    assert sorted(agents.code) == sorted(set(everybody) - {"n03"})
    assert agents.most == 8


async def test_a_name_that_a_version_of_another_function_has_is_passed_over() -> None:
    kube = FakeKube(fn_2="other", fn_2_1="other")
    await carry_out(None, do.PublishVersion("fn-2", "f-uid"), kube=kube)
    assert kube.versions == {"fn-2": "other", "fn-2-1": "other", "fn-2-2": "fn"}


async def test_a_version_of_the_function_itself_is_not_published_twice() -> None:
    kube = FakeKube(fn_2="fn")
    with pytest.raises(Conflict):
        await carry_out(None, do.PublishVersion("fn-2", "f-uid"), kube=kube)
    assert kube.versions == {"fn-2": "fn"}
