"""The table of decide.py, row by row."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from thaw.gateway.events import decide
from thaw.gateway.events.decide import Again, Dropped, Over, Policy, Run, Seen

T0 = datetime(2026, 1, 1, tzinfo=UTC)
LAMBDA = Policy(delays=(60, 120), max_age=21600)


def at(seconds: float) -> datetime:
    return T0 + timedelta(seconds=seconds)


@pytest.mark.parametrize(
    ("row", "seen", "policy", "now", "step"),
    [
        ("B1", {}, Policy((60, 120), 21600, stopped=True), 1, Over("ZeroReservedConcurrency")),
        ("B1 too old as well", {}, Policy((), 60, stopped=True), 61, Over("ZeroReservedConcurrency")),
        ("B2", {}, Policy((60, 120), 60), 60, Over("EventAgeExceeded")),
        ("B2 waits, too", {"not_before": at(90)}, Policy((60, 120), 60), 60, Over("EventAgeExceeded")),
        ("B3", {"not_before": at(60)}, LAMBDA, 59, Again(at(60))),
        ("B4", {}, LAMBDA, 0, Run()),
        ("B4 its time has come", {"not_before": at(60)}, LAMBDA, 60, Run()),
        ("B4 not too old yet", {}, Policy((60, 120), 60), 59.9, Run()),
        ("B4 accepted by a clock that is ahead", {}, LAMBDA, -5, Run()),
    ],
)
def test_before(row: str, seen: dict[str, Any], policy: Policy, now: float, step: object) -> None:
    assert decide.before(Seen(T0, 0, **seen), policy, at(now)) == step


@pytest.mark.parametrize(
    ("row", "attempts", "refusals", "result", "policy", "now", "step"),
    [
        ("A1", 0, 0, "gone", LAMBDA, 1, Dropped()),
        ("A2", 0, 0, "succeeded", LAMBDA, 1, Over("Success")),
        ("A2 however old", 2, 0, "succeeded", LAMBDA, 99999, Over("Success")),
        ("A3", 2, 0, "failed", LAMBDA, 200, Over("RetriesExhausted")),
        ("A3 fewer tries", 1, 0, "failed", Policy((60,), 21600), 61, Over("RetriesExhausted")),
        ("A3 none", 0, 0, "failed", Policy((), 21600), 1, Over("RetriesExhausted")),
        ("A3 before A4", 2, 0, "failed", LAMBDA, 99999, Over("RetriesExhausted")),
        ("A4", 0, 0, "failed", Policy((60, 120), 60), 1, Over("EventAgeExceeded")),
        ("A4 at the second", 1, 0, "failed", Policy((60, 120), 120), 61, Over("EventAgeExceeded")),
        ("A5", 0, 0, "failed", LAMBDA, 1, Again(at(61), counts=True)),
        ("A5 the second", 1, 0, "failed", LAMBDA, 62, Again(at(182), counts=True)),
        ("A5 refusals do not count", 0, 9, "failed", LAMBDA, 1, Again(at(61), counts=True)),
        ("A6", 0, 0, "refused", LAMBDA, 1, Again(at(2))),
        ("A6 doubled", 1, 3, "refused", LAMBDA, 100, Again(at(108))),
        ("A6 at the most", 0, 40, "refused", LAMBDA, 1000, Again(at(1300))),
        ("A6 up to its age", 0, 6, "refused", Policy((60, 120), 60), 50, Again(at(60))),
        ("A6 past it", 0, 6, "refused", Policy((60, 120), 60), 70, Again(at(70))),
    ],
)
def test_after(row: str, attempts: int, refusals: int, result: Any, policy: Policy, now: float, step: object) -> None:
    assert decide.after(Seen(T0, attempts, refusals), result, policy, at(now)) == step
