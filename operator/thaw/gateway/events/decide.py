"""PURE: what becomes of an event, before it is tried and after.

The rules are AWS's ("How Lambda handles errors and retries with asynchronous invocation"). Before a try:

=== ==================================================== ===================================================
B1  the function's reserved concurrency is 0             over, ZeroReservedConcurrency: "without any retries"
B2  it is as old as it may become                        over, EventAgeExceeded
B3  its time has not come                                wait until then
B4  else                                                 run it
=== ==================================================== ===================================================

After it:

=== ==================================================== ===================================================
A1  the function, version or alias is gone               dropped
A2  it succeeded                                         over, Success
A3  it failed, and no further try is allowed             over, RetriesExhausted
A4  it failed, and would be too old at the next try      over, EventAgeExceeded
A5  it failed                                            again after the next delay; the try counts
A6  it was refused: throttled, or the platform's fault   again after 1 s, doubled each time up to 5 minutes, and at the
                                                         latest when it is too old; the try does not count
=== ==================================================== ===================================================
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

Condition = Literal["Success", "RetriesExhausted", "EventAgeExceeded", "ZeroReservedConcurrency"]
Result = Literal["succeeded", "failed", "refused", "gone"]
_BACKOFF_FIRST, _BACKOFF_MOST = 1.0, 300.0


@dataclass(frozen=True)
class Policy:
    """What an event may cost."""

    delays: Sequence[float]
    """Seconds before each further try of one that failed; as many as there are may follow."""
    max_age: float
    """Seconds after which it is given up."""
    stopped: bool = False
    """Nothing may run at all: reserved concurrency 0."""


@dataclass(frozen=True)
class Seen:
    """An event as it stands."""

    accepted_at: datetime
    attempts: int
    """Tries that counted."""
    refusals: int = 0
    """Tries in a row that did not."""
    not_before: datetime | None = None

    def age(self, now: datetime) -> float:
        """Seconds since it was accepted."""
        return (now - self.accepted_at).total_seconds()


@dataclass(frozen=True)
class Run:
    """Try it now."""


@dataclass(frozen=True)
class Again:
    """Try it then."""

    at: datetime
    counts: bool = False
    """Whether the try that was made counts."""


@dataclass(frozen=True)
class Over:
    """Done with: its destination is told, if it has one, and it is deleted."""

    condition: Condition


@dataclass(frozen=True)
class Dropped:
    """There is nobody to run it, nor to tell."""


def before(seen: Seen, policy: Policy, now: datetime) -> Run | Again | Over:
    """Whether to try it now (rows B)."""
    if policy.stopped:
        return Over("ZeroReservedConcurrency")
    if seen.age(now) >= policy.max_age:
        return Over("EventAgeExceeded")
    if seen.not_before is not None and seen.not_before > now:
        return Again(seen.not_before)
    return Run()


def after(seen: Seen, result: Result, policy: Policy, now: datetime) -> Again | Over | Dropped:
    """What follows from a try (rows A)."""
    match result:
        case "gone":
            return Dropped()
        case "succeeded":
            return Over("Success")
        case "failed":
            return _after_failure(seen, policy, now)
        case "refused":
            left = max(policy.max_age - seen.age(now), 0)
            return Again(now + timedelta(seconds=min(backoff(seen.refusals), left)))


def backoff(refusals: int) -> float:
    """Seconds until what was refused so often in a row is tried again."""
    return min(_BACKOFF_FIRST * 2.0 ** min(refusals, 30), _BACKOFF_MOST)


def _after_failure(seen: Seen, policy: Policy, now: datetime) -> Again | Over:
    if seen.attempts >= len(policy.delays):
        return Over("RetriesExhausted")
    delay = policy.delays[seen.attempts]
    if seen.age(now) + delay >= policy.max_age:
        return Over("EventAgeExceeded")
    return Again(now + timedelta(seconds=delay), counts=True)
