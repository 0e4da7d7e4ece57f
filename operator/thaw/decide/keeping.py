"""What becomes of a version once it has been Active: idleness, and snapshots that are made anew.

The rows are asked in this order; whatever they find, the version serves on wherever it can.

===  =====================================  ==================  ===================================================
row  what is observed                       state, code         what is done
===  =====================================  ==================  ===================================================
K1   a recycle is under way                 as before           its next step, see :func:`_under_way`
     it has made the new snapshot           Active              takes the old one's place
     its initialisation failed              Inactive, Function… the old snapshot is kept, of Java it is given up
     it failed otherwise                    Active              the old snapshot stays in use where it can be
K2   Inactive, invoked since; Java          Pending, Restoring  a recycle begins: Reactivation
     Inactive, invoked since; others        Active
K3   Inactive                               Inactive, as it is
K4   not invoked for inactiveAfter          Inactive, Idle      of Java, the snapshot is given up
K5   its snapshot must be made anew         Active              a recycle begins when it is its turn, unless one failed
                                                                just now
K6   otherwise                              Active
===  =====================================  ==================  ===================================================

Snapshots that are neither in use nor being made, and pods that make none, are deleted whenever they are seen.

A snapshot must be made anew, with the cause that is told, when

- it is gone, or could not be restored where it should have been (``SnapshotLost``; it is put in quarantine at once),
- its user asks for it by a new value of the annotation ``thaw.dev/recycle`` (``Requested``),
- the runtime's image is another one now (``RuntimeImage``),
- the node it was taken on has changed, or it fits no node that is left (``Fingerprint``),
- it is older than recycleAfter (``Scheduled``).

That Java alone loses its snapshot when idle, and refuses the first invocation afterwards, is Lambda's rule
("SnapStart … Inactive", AWS Lambda developer guide, "Activating and managing Lambda SnapStart").
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from thaw import names
from thaw.api import durations
from thaw.api.durations import shown
from thaw.api.v1alpha1 import (
    FunctionSpec,
    FunctionVersionStatus,
    Recycle,
    RecycleCause,
    RecycleOutcome,
    Snapshot,
    SnapStart,
    VersionSnapStart,
)
from thaw.decide import making
from thaw.decide import template as templates
from thaw.decide.actions import Action, Delete, WriteSnapshotStatus
from thaw.decide.finding import Check, Finding, Recycled, template_of
from thaw.decide.fingerprint import unfit
from thaw.decide.observed import ObservedVersion
from thaw.decide.plan import Event, marked

_LONGEST_PAUSE = timedelta(days=1)
_FAILED_RESTORES = 2
"""One failed restore may be a node's bad moment; as many as this are the snapshot's."""
_LONGEST_RECYCLE = timedelta(hours=1)
"""Three attempts of an initialisation that takes as long as it may; what takes longer waits for what does not come."""
_AGAIN = timedelta(minutes=1)
"""Before a new snapshot that was lost as well is made anew."""


def is_kept(seen: ObservedVersion) -> bool:
    """Whether it was Active once: from then on it is never made from nothing, and never Failed."""
    status = seen.version.status
    return status.state in ("Active", "Inactive") or status.recycle is not None


def is_settled(status: FunctionVersionStatus) -> bool:
    """Whether no snapshot is being made for it."""
    return status.state in ("Active", "Inactive") and status.recycle is None


def loses_snapshot_when_idle(spec: FunctionSpec) -> bool:
    """Lambda deletes the snapshots of idle Java versions; of all other runtimes it is kept."""
    return (spec.runtime or "").startswith("java")


# ---------------------------------------------------------------- rows


def recycling(seen: ObservedVersion) -> Finding | None:
    """K1."""
    recycle = seen.version.status.recycle
    if recycle is None:
        return None
    step = making.look(seen)
    if step.state == "Pending" and seen.now - recycle.began > _LONGEST_RECYCLE:
        step = making.given_up(seen, f"not done within {shown(_LONGEST_RECYCLE.total_seconds())}: {step.message}")
    match step.state:
        case "Active":
            return _replaced(seen, recycle, step)
        case "Failed":
            return _not_replaced(seen, recycle, step)
        case _:
            return _under_way(seen, recycle, step)


def invoked_again(seen: ObservedVersion) -> Finding | None:
    """K2."""
    status = seen.version.status
    wanted = _invoked_since(seen, status.inactive_since) or _newly_requested(seen)
    if status.state != "Inactive" or not wanted:
        return None
    if loses_snapshot_when_idle(template_of(seen).spec):
        found = Finding("Reactivating", "asked for while Inactive: a new snapshot is made", "Pending", "Restoring")
        return replace(found, changes=_begun(seen, "Reactivation"), again=0)
    return replace(_serving(seen), again=0)


def inactive(seen: ObservedVersion) -> Finding | None:
    """K3. What is said stays what was said when it became so."""
    status = seen.version.status
    if status.state != "Inactive":
        return None
    code = status.state_reason_code or "Idle"
    return Finding(
        code,
        status.state_reason.partition("\n")[0],
        "Inactive",
        code,  # type: ignore[arg-type]
        state_reason=status.state_reason,
        mood=_idle_mood(seen) if code == "Idle" else "stuck",
    )


def idle(seen: ObservedVersion) -> Finding | None:
    """K4."""
    due = _idle_at(seen)
    if due is None or seen.now < due:
        return None
    forgets = loses_snapshot_when_idle(template_of(seen).spec)
    after = durations.shown(_inactive_after(seen).total_seconds())  # type: ignore[union-attr]
    then = "the next invocation is refused and makes a new snapshot" if forgets else "the next invocation restores it"
    return _becomes_inactive(
        seen,
        Finding("Idle", f"not invoked for {after}; {then}", "Inactive", "Idle", mood=_idle_mood(seen)),
    )


def to_recycle(seen: ObservedVersion) -> Finding | None:
    """K5."""
    cause, why = _cause(seen)
    if cause is None:
        return None
    found = replace(_serving(seen), actions=_quarantine(seen, why) if cause == "SnapshotLost" else ())
    left = _pause_left(seen, cause)
    if left > 0:
        return replace(found, again=left)
    if not seen.may_recycle:
        return replace(found, waits_for_turn=True)
    text = f"a new snapshot is made ({cause}): {why}"
    return replace(
        found,
        changes=found.changes | _begun(seen, cause),
        recycled=Recycled("Unknown", cause, text),
        events=(Event("Warning" if cause == "SnapshotLost" else "Normal", "RecycleBegun", text),),
        again=0,
    )


def serves(seen: ObservedVersion) -> Finding | None:
    """K6."""
    times = [t for t in (_idle_at(seen), _recycle_at(seen)) if t is not None]
    again = max((min(times) - seen.now).total_seconds(), 1.0) if times else None
    return replace(_serving(seen), again=again)


CHAIN: tuple[Check, ...] = (recycling, invoked_again, inactive, idle, to_recycle, serves)


# ---------------------------------------------------------------- a recycle's steps and ends


def _under_way(seen: ObservedVersion, recycle: Recycle, step: Finding) -> Finding:
    """The step's work is done; the version is what it was."""
    if recycle.cause == "Reactivation":
        return replace(step, code="Restoring")
    found = _serving(seen)
    changes = found.changes | {k: v for k, v in step.changes.items() if k == "attempts"}
    return replace(
        found,
        actions=step.actions,
        cleanup=step.cleanup,
        changes=changes,
        recycled=Recycled("Unknown", recycle.cause, f"{step.reason}: {step.message}"),
        events=(*step.events, *_of_step(seen, step)),
        follow=step.follow,
        again=step.again,
    )


def _of_step(seen: ObservedVersion, step: Finding) -> tuple[Event, ...]:
    """A step is told when it is another one than before, as Ready's own would be."""
    said = next((c.message for c in seen.version.status.conditions if c.type == "Recycled"), "")
    if step.quiet or said == f"{step.reason}: {step.message}":
        return ()
    return (Event("Warning" if step.warn else "Normal", step.reason, step.message),)


def _replaced(seen: ObservedVersion, recycle: Recycle, step: Finding) -> Finding:
    """The new snapshot is in use; the old one goes when no instance needs it any more."""
    text = f"Snapshot {step.changes['snapshot_ref']} replaced the one before ({recycle.cause})"
    outcome = RecycleOutcome(cause=recycle.cause, succeeded=True, ended=seen.now)
    over = {"recycle": None, "last_recycle": outcome, "attempts": 0, "inactive_since": None}
    return replace(
        step,
        changes=step.changes | over,
        again=0,
        recycled=Recycled("True", "Recycled", text),
        events=(*step.events, Event("Normal", "Recycled", text)),
    )


def _not_replaced(seen: ObservedVersion, recycle: Recycle, step: Finding) -> Finding:
    """Lambda: a version whose initialisation fails while its snapshot is made anew becomes Inactive."""
    last = seen.version.status.last_recycle
    failures = last.failures + 1 if last and not last.succeeded else 1
    outcome = RecycleOutcome(
        cause=recycle.cause, succeeded=False, ended=seen.now, message=step.message, failures=failures
    )
    over = {"recycle": None, "last_recycle": outcome, "attempts": 0}
    by_function = step.code in ("FunctionError", "Timeout")
    if by_function or recycle.cause == "Reactivation":
        code = "FunctionError" if by_function else step.code
        found = _becomes_inactive(seen, replace(step, reason=code or "FunctionError", code=code, mood="stuck"))
    else:
        found = _serving(seen)
    return replace(
        found,
        changes=found.changes | over,
        actions=step.actions,
        cleanup=step.cleanup,
        recycled=Recycled("False", "RecycleFailed", step.message),
        events=(*step.events, Event("Warning", "RecycleFailed", step.message)),
        again=0,
    )


def _begun(seen: ObservedVersion, cause: RecycleCause) -> dict[str, Any]:
    status = seen.version.status
    return {
        "recycle": Recycle(generation=status.snapshot_generation + 1, cause=cause, began=seen.now),
        "recycle_requested": _requested(seen),
        "attempts": 0,
    }


# ---------------------------------------------------------------- how it serves meanwhile


def _serving(seen: ObservedVersion) -> Finding:
    current = seen.current
    if current is not None and making.usable(current) and not _broken(seen):
        found = making.in_use(current, current.status)
        cold = [f"{node} ({u.cause})" for node, u in sorted(current.status.unusable.items())]
        message = found.message + (f"; cold on {', '.join(cold)}" if cold else "")
        return replace(found, message=message, changes=found.changes | {"inactive_since": None})
    changes = {
        "snap_start": VersionSnapStart(apply_on="PublishedVersions"),
        "snapshot_ref": current.metadata.name if current is not None else "",
        "inactive_since": None,
    }
    text = f"starts are cold until it is made anew: {_broken(seen)}"
    return Finding("SnapshotLost", text, "Active", None, changes=changes, warn=True)


def _becomes_inactive(seen: ObservedVersion, found: Finding) -> Finding:
    changes = found.changes | {"inactive_since": seen.now}
    forgets = loses_snapshot_when_idle(template_of(seen).spec)
    if forgets:
        changes |= {"snapshot_ref": "", "snap_start": VersionSnapStart(apply_on="PublishedVersions")}
    elif seen.current is not None:
        changes |= {"snapshot_ref": seen.current.metadata.name}
    return replace(found, state="Inactive", changes=changes, again=0)


def left_behind(seen: ObservedVersion) -> tuple[Action, ...]:
    """What a version that nothing is made for has no use for: replaced and failed snapshots, and their pods.

    Looked for at every pass, so that it goes whenever the pass that gave it up was cut short.
    """
    if seen.version.status.recycle is not None:
        return ()
    going = tuple(Delete("Snapshot", s.name, s.uid) for s in seen.earlier_snapshots if not s.deleting)
    return (*making.pods_go(seen), *going)


def _idle_mood(seen: ObservedVersion) -> Any:
    """Idle is as good as Ready where the next invocation is served; of Java somebody has to ask for a snapshot."""
    return "stuck" if loses_snapshot_when_idle(template_of(seen).spec) else "ready"


# ---------------------------------------------------------------- idleness


def _inactive_after(seen: ObservedVersion) -> timedelta | None:
    own = _snap_start(seen).inactive_after
    return durations.parse(own) if own else seen.limits.inactive_after


def _idle_at(seen: ObservedVersion) -> datetime | None:
    """When it becomes Inactive if nobody calls; None while instances are kept running for it on purpose."""
    after, status = _inactive_after(seen), seen.version.status
    live = seen.function.spec if seen.function else template_of(seen).spec
    kept = live.scaling.min_instances > 0 or live.scaling.provisioned_concurrency
    if after is None or (kept and seen.instances.ready > 0):
        return None
    ready = next((c.last_transition_time for c in status.conditions if c.type == "Ready" and c.status == "True"), None)
    known = [t for t in (status.last_invoked_time, ready) if t is not None]
    return max(known) + after if known else None


def _invoked_since(seen: ObservedVersion, when: datetime | None) -> bool:
    last = seen.version.status.last_invoked_time
    return last is not None and when is not None and last > when


# ---------------------------------------------------------------- causes


def _cause(seen: ObservedVersion) -> tuple[RecycleCause | None, str]:
    """Why a new snapshot is needed now; the first that holds."""
    if why := _broken(seen):
        return "SnapshotLost", why
    current = seen.current
    if current is None:
        raise AssertionError("ruled out by _broken")
    if _newly_requested(seen):
        return "Requested", f"annotation {names.ANNOTATION_RECYCLE} is {_requested(seen)}"
    template = template_of(seen)
    before, now = current.spec.image or template.image, templates.image_now(template, seen.limits.runtimes)
    if before != now:
        return "RuntimeImage", f"runtime {template.spec.runtime} is {now}, the snapshot was taken of {before}"
    if why := _nodes_changed(seen, current):
        return "Fingerprint", why
    due = _recycle_at(seen)
    if due is not None and seen.now >= due:
        return "Scheduled", f"the snapshot is {shown(_age(seen, current))} old"
    return None, ""


def _broken(seen: ObservedVersion) -> str:
    """Why the snapshot can be used no more, anywhere it should be; empty if it can."""
    name, current = seen.version.status.snapshot_ref or "of the version", seen.current
    if current is None:
        return f"Snapshot {name} is gone"
    if current.metadata.deletion_timestamp is not None:
        return f"Snapshot {name} is being deleted"
    status = current.status
    if status.phase != "Ready":
        return f"Snapshot {name} is {status.phase or 'not ready'}: {status.message}".rstrip(": ")
    for node, found in sorted(status.unusable.items()):
        here = seen.limits.store_shared or node == status.node
        if found.cause in ("Missing", "Corrupt") and here:
            return f"on node {node} it is {found.cause.lower()}: {found.message}"
    failed = {n: u for n, u in status.unusable.items() if u.cause == "RestoreFailed"}
    if sum(u.times for u in failed.values()) >= _FAILED_RESTORES:
        node = sorted(failed)[0]
        return f"it could not be restored on node {', '.join(sorted(failed))}: {failed[node].message}"
    return ""


def _quarantine(seen: ObservedVersion, why: str) -> tuple[Action, ...]:
    """From now on nobody restores it."""
    current = seen.current
    if current is None or not making.usable(current):
        return ()
    meta = current.metadata
    status = current.status.model_copy(
        update={
            "phase": "Quarantined",
            "message": why,
            "conditions": marked(current.status.conditions, "stuck", "Quarantined", why, meta=meta, now=seen.now),
        }
    )
    return (WriteSnapshotStatus(meta.name, meta.uid, status),)


def _nodes_changed(seen: ObservedVersion, current: Snapshot) -> str:
    taken_on = current.status.fingerprint
    if taken_on is None:
        return ""
    home = seen.nodes.find(current.status.node)
    if home is not None and home.capable and home.fingerprint not in (None, taken_on):
        before, now = taken_on.to_json(), home.fingerprint.to_json() if home.fingerprint else {}
        changed = ", ".join(f"{key} {before.get(key)} → {now.get(key)}" for key in now if now[key] != before.get(key))
        return f"node {home.name} has changed: {changed}"
    left = [n for n in seen.nodes.nodes if n.capable and n.fingerprint is not None]
    reasons = {n.name: unfit(taken_on, n.fingerprint) for n in left if n.fingerprint is not None}
    if reasons and all(reasons.values()):
        node = sorted(reasons)[0]
        return f"it fits no node: on {node}, {reasons[node]}"
    return ""


def _recycle_at(seen: ObservedVersion) -> datetime | None:
    own = _snap_start(seen).recycle_after
    after = durations.parse(own) if own else seen.limits.recycle_after
    made = seen.current.status.created_at if seen.current is not None else None
    return made + after if made is not None and after is not None else None


def _pause_left(seen: ObservedVersion, cause: RecycleCause) -> float:
    """Seconds until a recycle may begin, after one that failed or that did not do away with its cause.

    The latter is for what nodes and administrators do: a node whose word of itself changes all the time, a disk that
    eats every snapshot. A user who asks does not wait.
    """
    last = seen.version.status.last_recycle
    if last is None or _newly_requested(seen):
        return 0.0
    if last.succeeded:
        pause = _AGAIN if cause == "SnapshotLost" else seen.limits.recycle_retry
        again = last.cause == cause != "Scheduled"
        return (last.ended + pause - seen.now).total_seconds() if again else 0.0
    doubled: int = 2 ** min(last.failures - 1, 16)
    pause = min(seen.limits.recycle_retry * doubled, _LONGEST_PAUSE)
    return (last.ended + pause - seen.now).total_seconds()


def _requested(seen: ObservedVersion) -> str:
    return seen.version.metadata.annotations.get(names.ANNOTATION_RECYCLE, "")[:256]


def _newly_requested(seen: ObservedVersion) -> bool:
    return _requested(seen) not in ("", seen.version.status.recycle_requested)


def _age(seen: ObservedVersion, current: Snapshot) -> float:
    made = current.status.created_at
    return (seen.now - made).total_seconds() if made is not None else 0.0


def _snap_start(seen: ObservedVersion) -> SnapStart:
    """As it is now: how long snapshots are kept is not frozen."""
    return (seen.function.spec if seen.function else template_of(seen).spec).snap_start
