"""The loop: looks again when woken or told to, survives failures, stops when released."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import pytest

from thaw import errors
from thaw.controller.context import Context
from thaw.controller.health import Health
from thaw.controller.loop import Reconciler, run
from thaw.controller.metrics import Metrics
from thaw.controller.turns import Turns
from thaw.controller.wakes import Listener, Wakes, own
from thaw.decide.plan import Plan
from thaw.kube.apply import Subject
from thaw.kube.kinds import FUNCTION_VERSION
from unit.decide import seen

TOPIC = own("FunctionVersion", "default", "hello-1")


@dataclass
class FakeContext:
    """What the loop uses of a Context."""

    wakes: Wakes = field(default_factory=Wakes)
    metrics: Metrics = field(default_factory=Metrics)
    applied: list[Plan] = field(default_factory=list)
    locks: dict[Any, asyncio.Lock] = field(default_factory=dict)
    befores: list[Any] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.turns = Turns(2, self.wakes)

    @property
    def applier(self) -> FakeContext:
        return self

    async def apply(self, subject: Subject, before: Any, plan: Plan) -> None:
        self.befores.append(before)
        self.applied.append(plan)

    def lock(self, topic: Any) -> asyncio.Lock:
        return self.locks.setdefault(topic, asyncio.Lock())


async def look(context: FakeContext, decide: Callable[[Any], Plan], uid: str = "v-uid", **more: Any) -> None:
    async def observe(_namespace: str, _name: str) -> Any:
        return seen.version()

    reconciler: Reconciler[Any] = Reconciler(
        kind=FUNCTION_VERSION,
        observe=more.pop("observe", observe),
        decide=decide,
        object_of=lambda version: version,
        subject_of=lambda _: Subject(FUNCTION_VERSION, "default", "hello-1", "v-uid", "hello"),
        topics_of=lambda _: [TOPIC],
        **more,
    )
    context_: Any = context
    await asyncio.wait_for(run(context_, reconciler, "default", "hello-1", uid), 5)


def in_turn(*plans: Plan) -> Callable[[Any], Plan]:
    left = list(plans)
    return lambda _: left.pop(0)


async def test_trouble_says_nothing_of_a_state_that_was_written_since_it_was_seen() -> None:
    """A good pass made the version Active; then it cannot be looked at twice: what is told then must not undo it."""
    context, looks = FakeContext(), 0

    async def observe(_namespace: str, _name: str) -> Any:
        nonlocal looks
        looks += 1
        if looks in (2, 3):
            raise errors.Unavailable("FunctionVersion", "default", "hello-1", "429")
        return seen.version(state="Pending")

    active = seen.version(version="1", state="Active").status
    await look(context, in_turn(Plan(status=active, requeue_after=0.01), Plan(released=True)), observe=observe)
    told = [(before.state, plan.status.state) for before, plan in zip(context.befores, context.applied, strict=True)
            if plan.status is not None]  # fmt: skip
    assert told == [("Pending", "Active"), ("Active", "Active")]


async def test_ends_when_released() -> None:
    context = FakeContext()
    await look(context, in_turn(Plan(requeue_after=0), Plan(requeue_after=0.01), Plan(released=True)))
    assert [p.released for p in context.applied] == [False, False, True]


async def test_ends_when_gone_or_replaced() -> None:
    async def nothing(_namespace: str, _name: str) -> None:
        return None

    await look(FakeContext(), in_turn(), observe=nothing)
    await look(FakeContext(), in_turn(), uid="of an earlier namesake")


async def test_is_woken() -> None:
    context = FakeContext()
    asyncio.get_running_loop().call_later(0.05, context.wakes.notify, TOPIC)
    await look(context, in_turn(Plan(), Plan(released=True)))


async def test_an_event_during_a_pass_is_not_lost() -> None:
    context = FakeContext()

    def decide(_: Any) -> Plan:
        if context.applied:
            return Plan(released=True)
        context.wakes.notify(TOPIC)
        return Plan()

    await look(context, decide)


@pytest.mark.parametrize("error", [errors.Unavailable("Pod", "d", "x", "later"), KeyError("a bug")])
async def test_a_failure_is_tried_again(error: Exception, monkeypatch: pytest.MonkeyPatch) -> None:
    context = FakeContext()
    left = [error, error, None]

    def decide(_: Any) -> Plan:
        if (e := left.pop(0)) is not None:
            raise e
        return Plan(released=True)

    await look(context, decide)
    told = context.applied[0]
    assert told.status is not None, "the second failure in a row is told where a user looks"
    assert [e.reason for e in told.events] == ["Retrying"]
    sample = {"kind": "FunctionVersion", "error": type(error).__name__}
    assert context.metrics.registry.get_sample_value("thaw_operator_reconcile_errors_total", sample) == 2


async def test_a_conflict_is_looked_at_again_at_once_and_not_told() -> None:
    context = FakeContext()
    left = [errors.Conflict("ConfigMap", "d", "x", "changed"), None]

    def decide(_: Any) -> Plan:
        if (e := left.pop(0)) is not None:
            raise e
        return Plan(released=True)

    await look(context, decide)
    assert len(context.applied) == 1


async def test_passes_under_one_lock_do_not_overlap() -> None:
    context, inside = FakeContext(), 0

    async def observe(_namespace: str, _name: str) -> Any:
        nonlocal inside
        inside += 1
        assert inside == 1
        await asyncio.sleep(0.01)
        inside -= 1
        return seen.version()

    def released(_: Any) -> Plan:
        return Plan(released=True)

    alone = {"alone": lambda _: ("numbers", "default", "hello")}
    await asyncio.gather(*(look(context, released, observe=observe, **alone) for _ in range(3)))


async def test_a_plan_that_never_rests_is_slowed() -> None:
    context = FakeContext()
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(look(context, lambda _: Plan(requeue_after=0)), 0.5)
    assert len(context.applied) < 40


async def test_topics_are_forgotten_with_their_listeners() -> None:
    wakes = Wakes()
    listener = Listener(wakes)
    listener.listen([TOPIC])
    wakes.notify(TOPIC)
    assert listener.event.is_set()
    listener.close()
    assert not wakes._listeners


async def test_many_events_soon_are_one() -> None:
    wakes = Wakes()
    listener = Listener(wakes)
    listener.listen([TOPIC])
    for _ in range(5):
        wakes.notify_soon(TOPIC, 0.02)
    assert not listener.event.is_set()
    await asyncio.wait_for(listener.event.wait(), 1)


def test_versions_are_counted_by_state() -> None:
    metrics = Metrics()

    def count(state: str) -> float | None:
        return metrics.registry.get_sample_value("thaw_versions", {"state": state})

    metrics.saw("a", Plan(status=seen.version(state="Pending").status))
    metrics.saw("a", Plan(status=seen.version(state="Active").status, published_in=2.0))
    metrics.saw("b", Plan(status=seen.version(state="Failed").status))
    assert (count("Pending"), count("Active"), count("Failed")) == (0, 1, 1)
    metrics.saw("a", Plan(released=True))
    assert count("Active") == 0
    assert b"thaw_snapshot_publish_duration_seconds_count 1.0" in metrics.text()


def test_a_silent_watch_is_told() -> None:
    now = 0.0
    health = Health(lambda: now)
    now = 89.0
    assert health.alive
    now = 90.0
    assert not health.alive
    health.seen()
    assert health.alive


async def test_locks_are_one_per_name() -> None:
    class Bare(Context):
        def __init__(self) -> None:
            from weakref import WeakValueDictionary

            self._locks = WeakValueDictionary()

    context = Bare()
    lock = context.lock(TOPIC)
    assert context.lock(TOPIC) is lock
