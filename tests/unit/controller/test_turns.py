"""Whose turn it is to recycle."""

from __future__ import annotations

from typing import Any

from thaw.controller.turns import Turns
from thaw.decide.plan import Plan
from unit.decide import seen

RECYCLING = seen.active(recycle={"generation": 2, "cause": "Scheduled", "began": seen.NOW.isoformat()}).status
SETTLED = seen.active().status


class FakeWakes:
    """Remembers who was woken."""

    def __init__(self) -> None:
        self.woken: list[str] = []

    def notify(self, *topics: tuple[str, str, str]) -> None:
        self.woken += [name for _, _, name in topics]


class Cluster:
    """Versions that ask."""

    def __init__(self, most: int) -> None:
        self.wakes: Any = FakeWakes()
        self.turns = Turns(most, self.wakes)

    def saw(self, name: str, plan: Plan | None) -> None:
        self.turns.saw(name, ("FunctionVersion", "ns", name), plan)

    def waits(self, name: str) -> None:
        self.saw(name, Plan(status=SETTLED, waits_for_turn=True))


def test_in_the_order_they_asked_and_woken_when_it_is_their_turn() -> None:
    cluster = Cluster(2)
    for name in ("a", "b", "c", "d"):
        assert not cluster.turns.has(name)
        cluster.waits(name)
    assert cluster.wakes.woken == ["a", "b"]
    for name in ("a", "b"):
        cluster.saw(name, Plan(status=RECYCLING))
    cluster.waits("d")
    cluster.waits("c")
    cluster.saw("a", Plan(status=SETTLED))
    assert cluster.wakes.woken == ["a", "b", "c"]
    assert not cluster.turns.has("a")
    cluster.saw("b", None)
    assert cluster.wakes.woken[-1] == "d"


def test_a_turn_that_is_not_taken_goes_on() -> None:
    cluster = Cluster(1)
    cluster.waits("a")
    cluster.waits("b")
    cluster.saw("a", Plan(status=SETTLED))
    assert cluster.wakes.woken == ["a", "b"]


def test_one_under_way_keeps_its_turn_through_a_failed_pass_and_after_a_restart() -> None:
    cluster = Cluster(1)
    cluster.saw("a", Plan(status=RECYCLING))
    cluster.waits("b")
    cluster.saw("a", Plan(requeue_after=1))
    assert cluster.wakes.woken == []
    cluster.saw("a", Plan(released=True))
    assert cluster.wakes.woken == ["b"]
