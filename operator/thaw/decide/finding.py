"""What a check says: what is the case with a version, and what follows."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Literal

from thaw.api.v1alpha1 import FrozenTemplate, State, StateReasonCode
from thaw.decide.actions import Action
from thaw.decide.observed import ObservedVersion
from thaw.decide.plan import Event, Follow, Mood


@dataclass(frozen=True)
class Recycled:
    """The condition of that name, beside Ready."""

    status: Literal["True", "False", "Unknown"]
    reason: str
    message: str


@dataclass(frozen=True)
class Finding:
    """What is the case, and what follows."""

    reason: str
    message: str
    state: State = "Pending"
    code: StateReasonCode | None = "Creating"
    state_reason: str = ""
    """Longer than the message, where there is more to tell."""
    actions: tuple[Action, ...] = ()
    cleanup: tuple[Action, ...] = ()
    changes: dict[str, Any] = field(default_factory=dict)
    """Further fields of the status."""
    events: tuple[Event, ...] = ()
    """Told beside the condition's own, before it."""
    recycled: Recycled | None = None
    """None leaves that condition as it is."""
    mood: Mood | None = None
    """How Ready stands, where the state alone does not say."""
    again: float | None = None
    follow: Follow | None = None
    warn: bool = False
    waits_for_turn: bool = False
    """It would recycle, if it were its turn."""
    quiet: bool = False
    """A step that is over in a moment: the condition says it, no event does."""


Check = Callable[[ObservedVersion], Finding | None]


def first_of(chain: tuple[Check, ...], seen: ObservedVersion) -> Finding | None:
    """What the first check says that has something to say; those after it may take for granted what it ruled out."""
    return next((found for check in chain if (found := check(seen)) is not None), None)


def template_of(seen: ObservedVersion) -> FrozenTemplate:
    """The frozen template, for checks behind the one that rules out its absence."""
    if seen.template is None:
        raise AssertionError("ruled out by template_gone")
    return seen.template
