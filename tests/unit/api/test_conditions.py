"""Conditions by kstatus: who is there when, and when times move."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from thaw.api.conditions import Condition, is_ready, mark_ready, mark_reconciling, mark_stalled

T0 = datetime(2026, 1, 1, tzinfo=UTC)
T1 = T0 + timedelta(minutes=1)
MARKS = {"ready": mark_ready, "reconciling": mark_reconciling, "stalled": mark_stalled}


def mark(name: str, *conditions: Condition, reason: str = "R", at: datetime = T0) -> tuple[Condition, ...]:
    return MARKS[name](conditions, reason, "m", generation=1, now=at)


def shape(conditions: tuple[Condition, ...]) -> dict[str, str]:
    return {c.type: c.status for c in conditions}


@pytest.mark.parametrize("before", ["", *MARKS])
@pytest.mark.parametrize(
    ("after", "expected"),
    [
        ("ready", {"Ready": "True"}),
        ("reconciling", {"Ready": "False", "Reconciling": "True"}),
        ("stalled", {"Ready": "False", "Stalled": "True"}),
    ],
)
def test_whatever_was_before_only_what_is_true_remains(before: str, after: str, expected: dict[str, str]) -> None:
    start = mark(before) if before else ()
    assert shape(mark(after, *start)) == expected


def test_a_transition_time_moves_only_with_the_status() -> None:
    first = mark("reconciling", reason="Creating", at=T0)
    second = mark("reconciling", *first, reason="Restoring", at=T1)
    assert {c.last_transition_time for c in second} == {T0}
    assert {c.reason for c in second} == {"Restoring"}
    ready = mark("ready", *second, at=T1)
    assert ready[0].last_transition_time == T1


def test_foreign_conditions_are_left_alone() -> None:
    foreign = Condition(type="Billed", status="True", reason="R", last_transition_time=T0)
    assert foreign in mark("ready", foreign)


@pytest.mark.parametrize(("generation", "expected"), [(1, True), (2, False)])
def test_ready_counts_for_the_generation_it_was_seen_at(generation: int, expected: bool) -> None:
    assert is_ready(mark("ready"), generation) is expected
    assert not is_ready(mark("stalled"), generation)
