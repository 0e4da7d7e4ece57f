"""The answer of every decision: what to do, what to write, what to tell, when to look again."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from thaw.api import conditions
from thaw.api.conditions import READY, Condition
from thaw.api.v1alpha1 import (
    FunctionAliasStatus,
    FunctionStatus,
    FunctionVersionStatus,
    Meta,
    RecycleOutcome,
    SnapshotStatus,
)
from thaw.decide.actions import Action

Status = FunctionStatus | FunctionVersionStatus | FunctionAliasStatus | SnapshotStatus


@dataclass(frozen=True)
class Event:
    """A Kubernetes Event about the object."""

    type: Literal["Normal", "Warning"]
    reason: str
    message: str


@dataclass(frozen=True)
class Follow:
    """What an agent does that is worth waiting on: a snapshot's job, or a pod's restore."""

    agent: str
    snapshot_uid: str = ""
    pod_uid: str = ""


@dataclass(frozen=True)
class Plan:
    """What to do about one object.

    ``actions`` come first, then ``status`` is written, then ``cleanup`` is done: whatever must be remembered before it
    is done away with goes by way of the status.
    """

    actions: tuple[Action, ...] = ()
    status: Status | None = None
    """None leaves it alone."""
    cleanup: tuple[Action, ...] = ()
    events: tuple[Event, ...] = ()
    requeue_after: float | None = None
    """Seconds until it is looked at even if nothing wakes it; None: only when woken."""
    follow: Follow | None = None
    released: bool = False
    """A deletion is complete: the finalizer may go."""
    published_in: float | None = None
    """Seconds it took to publish, told once."""
    waits_for_turn: bool = False
    """It would recycle, if it were its turn."""
    recycled: RecycleOutcome | None = None
    """A recycle has ended, told once."""


Mood = Literal["ready", "working", "stuck"]
_MARK = {"ready": conditions.mark_ready, "working": conditions.mark_reconciling, "stuck": conditions.mark_stalled}


def marked(
    before: Sequence[Condition], mood: Mood, reason: str, message: str, *, meta: Meta, now: datetime
) -> tuple[Condition, ...]:
    """The conditions after an observation."""
    return _MARK[mood](before, reason, message, generation=meta.generation, now=now)


def told(
    before: Sequence[Condition], mood: Mood, reason: str, message: str, *, warn: bool = False
) -> tuple[Event, ...]:
    """One event when what there is to say differs from what was said last; nothing otherwise."""
    last = next((c for c in before if c.type == READY), None)
    if last is not None and (last.reason, last.message) == (reason, message):
        return ()
    return (Event("Warning" if warn or mood == "stuck" else "Normal", reason, message),)


def trouble(status: Status, meta: Meta, error: str, *, now: datetime, attempt: int, deleting: bool = False) -> Plan:
    """What is written when observing or acting failed: the condition says what, and it is tried again.

    What is ready stays ready: a hiccup of the API server takes nothing away from those who call it. What has failed
    keeps its own reason.

    :param attempt: how often in a row, from 1; the pauses double up to 30 s.
    """
    reason = "DeletionBlocked" if deleting else "Retrying"
    told_why = getattr(status, "state", None) in ("Failed", "Inactive")
    if not deleting and (told_why or any(c.type == READY and c.status == "True" for c in status.conditions)):
        return Plan(requeue_after=min(0.5 * 2**attempt, 30.0))
    return Plan(
        status=status.model_copy(
            update={"conditions": marked(status.conditions, "working", reason, error, meta=meta, now=now)}
        ),
        events=told(status.conditions, "working", reason, error, warn=True),
        requeue_after=min(0.5 * 2**attempt, 30.0),
    )
