"""Conditions by kstatus: ``Ready`` always, ``Reconciling`` and ``Stalled`` only while true.

Source: sigs.k8s.io/cli-utils/pkg/kstatus, "The Ready condition and the abnormal-true conditions".
Conditions change only through the ``mark_*`` functions; times are given by the caller, so all of it is pure.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Literal

from pydantic import Field

from thaw.api.base import Model

READY = "Ready"
RECONCILING = "Reconciling"
STALLED = "Stalled"
RECYCLED = "Recycled"
"""Beside kstatus: how the latest attempt went to make a version's snapshot anew; Unknown while it is under way."""

DANGLING = "Dangling"
"""Beside kstatus, of a Function: its spec speaks of versions or aliases that do not exist. Only while true."""
ALIAS_HELD = "AliasHeld"
"""Beside kstatus, of a Function: somebody else declares where the alias of autoPublishAlias is. Only while true."""


class Condition(Model):
    """One observation of one aspect, as ``metav1.Condition``."""

    type: str = Field(description="Which aspect: Ready, Reconciling, Stalled, Recycled, Dangling or AliasHeld.")
    status: Literal["True", "False", "Unknown"] = Field(description="Whether it holds.")
    reason: str = Field(description="A word for programs: why it holds or not.")
    message: str = Field(default="", description="A sentence for people.")
    last_transition_time: datetime = Field(description="When status last changed.")
    observed_generation: int = Field(default=0, description="The metadata.generation this was seen at.")


def _with(conditions: Sequence[Condition], new: Condition) -> tuple[Condition, ...]:
    """Replaces the condition of that type, keeping its transition time while its status is the same."""
    old = next((c for c in conditions if c.type == new.type), None)
    if old is not None and old.status == new.status:
        new = new.model_copy(update={"last_transition_time": old.last_transition_time})
    return (*(c for c in conditions if c.type != new.type), new)


def _without(conditions: Sequence[Condition], *types: str) -> tuple[Condition, ...]:
    return tuple(c for c in conditions if c.type not in types)


def mark_ready(
    conditions: Sequence[Condition], reason: str, message: str, *, generation: int, now: datetime
) -> tuple[Condition, ...]:
    """Ready is true; nothing is under way and nothing is stuck."""
    ready = Condition(
        type=READY,
        status="True",
        reason=reason,
        message=message,
        last_transition_time=now,
        observed_generation=generation,
    )
    return _with(_without(conditions, RECONCILING, STALLED), ready)


def mark_reconciling(
    conditions: Sequence[Condition], reason: str, message: str, *, generation: int, now: datetime
) -> tuple[Condition, ...]:
    """Work is under way: Ready is false, Reconciling true, with the same reason."""
    return _pair(_without(conditions, STALLED), RECONCILING, reason, message, generation=generation, now=now)


def mark_stalled(
    conditions: Sequence[Condition], reason: str, message: str, *, generation: int, now: datetime
) -> tuple[Condition, ...]:
    """Nothing more will happen until somebody acts: Ready is false, Stalled true, with the same reason."""
    return _pair(_without(conditions, RECONCILING), STALLED, reason, message, generation=generation, now=now)


def mark_recycled(
    conditions: Sequence[Condition],
    status: Literal["True", "False", "Unknown"],
    reason: str,
    message: str,
    *,
    generation: int,
    now: datetime,
) -> tuple[Condition, ...]:
    """How the latest recycle went; the other conditions stay as they are, for the version serves throughout."""
    recycled = Condition(
        type=RECYCLED,
        status=status,
        reason=reason,
        message=message,
        last_transition_time=now,
        observed_generation=generation,
    )
    return _with(conditions, recycled)


def mark_while(
    conditions: Sequence[Condition], type_: str, reason: str, message: str, *, generation: int, now: datetime
) -> tuple[Condition, ...]:
    """An aspect that is there only while it is true: an empty message takes it away."""
    if not message:
        return _without(conditions, type_)
    true = Condition(
        type=type_,
        status="True",
        reason=reason,
        message=message,
        last_transition_time=now,
        observed_generation=generation,
    )
    return _with(conditions, true)


def _pair(
    conditions: Sequence[Condition], type_: str, reason: str, message: str, *, generation: int, now: datetime
) -> tuple[Condition, ...]:
    true = Condition(
        type=type_,
        status="True",
        reason=reason,
        message=message,
        last_transition_time=now,
        observed_generation=generation,
    )
    not_ready = true.model_copy(update={"type": READY, "status": "False"})
    return _with(_with(conditions, not_ready), true)


def is_ready(conditions: Sequence[Condition], generation: int) -> bool:
    """Whether Ready is true *for this generation*; an older observation does not count."""
    return any(c.type == READY and c.status == "True" and c.observed_generation == generation for c in conditions)
