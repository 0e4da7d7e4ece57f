"""A FunctionVersion: from its observation to a Plan."""

from __future__ import annotations

from thaw.api.conditions import mark_recycled
from thaw.api.v1alpha1 import FunctionVersionStatus
from thaw.decide import checks, purge
from thaw.decide import template as templates
from thaw.decide.actions import Action, Delete, PurgeCode
from thaw.decide.finding import Finding
from thaw.decide.observed import ObservedVersion
from thaw.decide.plan import Event, Mood, Plan, marked, told

_MOOD: dict[str, Mood] = {"Active": "ready", "Inactive": "stuck", "Pending": "working", "Failed": "stuck"}


def decide(seen: ObservedVersion) -> Plan:
    """What to do about a version; the states are the table in :mod:`thaw.decide.checks`."""
    meta, before = seen.version.metadata, seen.version.status
    if meta.deletion_timestamp is not None:
        return _purge(seen)
    found = checks.first(seen)
    mood = found.mood or _MOOD[found.state]
    conditions = marked(before.conditions, mood, found.reason, found.message, meta=meta, now=seen.now)
    if found.recycled is not None:
        said = found.recycled
        conditions = mark_recycled(
            conditions, said.status, said.reason, said.message, generation=meta.generation, now=seen.now
        )
    status = before.model_copy(
        update={
            "observed_generation": meta.generation,
            "state": found.state,
            "state_reason": found.state_reason or found.message,
            "state_reason_code": found.code or "",
            "instances": seen.instances,
            "last_restore_ms": seen.last_restore_ms or before.last_restore_ms,
            **found.changes,
            "conditions": conditions,
        }
    )
    return Plan(
        actions=found.actions,
        status=status,
        cleanup=found.cleanup,
        events=(*found.events, *_own_event(seen, found, mood)),
        requeue_after=found.again,
        follow=found.follow,
        published_in=_published_in(seen, status),
        waits_for_turn=found.waits_for_turn,
        recycled=status.last_recycle if status.last_recycle != before.last_recycle else None,
    )


def _own_event(seen: ObservedVersion, found: Finding, mood: Mood) -> tuple[Event, ...]:
    if found.quiet:
        return ()
    return told(seen.version.status.conditions, mood, found.reason, found.message, warn=found.warn)


def _published_in(seen: ObservedVersion, status: FunctionVersionStatus) -> float | None:
    """Seconds from the object's creation to Active, at the moment it becomes so with a snapshot."""
    created, was = seen.version.metadata.creation_timestamp, seen.version.status.state
    first = was in (None, "Pending") and status.last_recycle is None and not status.duplicate_of
    became = status.state == "Active" and first and status.snapshot_ref
    return (seen.now - created).total_seconds() if became and created is not None else None


def _purge(seen: ObservedVersion) -> Plan:
    """Deletes a version, in this order; each row waits until the one above is empty.

    ================  ======================================================================
    what is left      what is done
    ================  ======================================================================
    pods              deleted; waits until they are gone
    snapshots         deleted; each has a finalizer of its own, waits until they are gone
    package           removed if nothing else uses it: every agent answers
    frozen template   deleted, and the version is released
    ================  ======================================================================
    """
    meta, before = seen.version.metadata, seen.version.status
    if seen.pods:
        return purge.waiting(before, meta, purge.pods(seen.pods), purge.text("pods", seen.pods), now=seen.now)
    if seen.snapshots:
        going = tuple(Delete("Snapshot", s.name, s.uid) for s in seen.snapshots if not s.deleting)
        return purge.waiting(before, meta, going, purge.text("snapshots", seen.snapshots), now=seen.now)
    last: tuple[Action, ...] = ()
    package = templates.package(seen.template.spec) if seen.template else ""
    if package and not seen.package_shared:
        if seen.nodes.silent:
            return purge.blocked(before, meta, seen.nodes, f"package {package[:12]}", now=seen.now)
        last = (PurgeCode(package, seen.nodes.urls),)
    if seen.revision is not None:
        last = (*last, Delete("ControllerRevision", seen.revision.name, seen.revision.uid))
    return Plan(actions=last, released=True)
