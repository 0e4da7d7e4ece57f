"""PURE: where a request goes. A value in, a decision out; no clock, no I/O.

===========================  =======================  =====================================  =========
an instance has room         the queue is full        a start is wanted and allowed          decision
===========================  =======================  =====================================  =========
yes                          any                      any                                    Warm
no                           yes                      any                                    Reject
no                           no                       yes                                    NewPod
no                           no                       no                                     Queue
===========================  =======================  =====================================  =========

A start is *wanted* when the ones under way will not have room for everybody who waits, and *allowed* below
``maxInstances``, counted over all gateways; but a gateway that has nothing at all may always have one instance, or
its callers would wait for ever behind another gateway's.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Candidate:
    """An instance that serves."""

    uid: str
    inflight: int
    last_used: float
    """Monotonic seconds; only compared."""


@dataclass(frozen=True)
class Situation:
    """All that a decision looks at."""

    candidates: tuple[Candidate, ...]
    starting: int
    waiting: int
    elsewhere: int
    """Instances of the same version that other gateways made."""
    max_instances: int
    concurrency: int
    queue_limit: int


@dataclass(frozen=True)
class Warm:
    """Send it to this instance now."""

    uid: str


@dataclass(frozen=True)
class NewPod:
    """Start an instance; the request waits in the queue."""


@dataclass(frozen=True)
class Queue:
    """Wait in the queue for what runs or is under way."""


@dataclass(frozen=True)
class Reject:
    """Refuse: there is no room to wait."""

    reason: str


Decision = Warm | NewPod | Queue | Reject


def decide(now: Situation) -> Decision:
    """Where the next request goes."""
    free = [c for c in now.candidates if c.inflight < now.concurrency]
    if free:
        return Warm(max(free, key=_preference).uid)
    if now.waiting >= now.queue_limit:
        return Reject(f"{now.waiting} requests wait already")
    return NewPod() if start_wanted(now, now.waiting + 1) else Queue()


def start_wanted(now: Situation, waiting: int) -> bool:
    """Whether one more instance should be started for so many waiting requests."""
    own = len(now.candidates) + now.starting
    allowed = own + now.elsewhere < now.max_instances or own == 0
    return allowed and waiting > now.starting * now.concurrency


def _preference(candidate: Candidate) -> tuple[int, float]:
    """The busiest, then the latest used: the others may become idle and go."""
    return candidate.inflight, candidate.last_used
