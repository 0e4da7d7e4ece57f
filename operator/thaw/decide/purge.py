"""What deletions have in common: what is waited for, and what is said about it."""

from __future__ import annotations

from datetime import datetime

from thaw.api.v1alpha1 import Meta
from thaw.decide.actions import Action, Delete
from thaw.decide.observed import Nodes, Ref
from thaw.decide.plan import Plan, Status, marked, told

LOOK_AGAIN = 5.0
"""Everything that is waited for wakes the deletion; this is for a lost word."""


def pods(found: tuple[Ref, ...]) -> tuple[Action, ...]:
    """Deletes those that are not going yet."""
    return tuple(Delete("Pod", p.name, p.uid) for p in found if not p.deleting)


def text(what: str, found: tuple[Ref, ...]) -> str:
    """What is waited for, by name."""
    shown = ", ".join(sorted(f.name for f in found)[:5])
    return f"waits until its {what} are gone: {shown}" + (", …" if len(found) > 5 else "")


def waiting(status: Status, meta: Meta, actions: tuple[Action, ...], message: str, *, now: datetime) -> Plan:
    """Something is still there."""
    return _held(status, meta, "Deleting", message, actions, now=now, warn=False)


def blocked(status: Status, meta: Meta, nodes: Nodes, what: str, *, now: datetime) -> Plan:
    """Bytes may be left where nobody can be asked. A node that no longer exists does not count."""
    silent = ", ".join(nodes.silent)
    message = f"{what} may be left on node {silent}, whose agent is not ready; a node that is gone for good: delete it"
    return _held(status, meta, "DeletionBlocked", message, (), now=now, warn=True)


def _held(
    status: Status, meta: Meta, reason: str, message: str, actions: tuple[Action, ...], *, now: datetime, warn: bool
) -> Plan:
    held = status.model_copy(
        update={"conditions": marked(status.conditions, "working", reason, message, meta=meta, now=now)}
    )
    events = told(status.conditions, "working", reason, message, warn=warn)
    return Plan(actions=actions, status=held, events=events, requeue_after=LOOK_AGAIN)
