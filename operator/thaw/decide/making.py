"""How one snapshot is made: an init pod, the agent's job, and a restore on trial.

The rows are asked in this order, and each may take for granted what those above it have ruled out. What they find is
told as for a first snapshot: ``Pending`` while it is made, ``Active`` when it is, ``Failed`` when it cannot be;
:mod:`thaw.decide.keeping` says what that means for a version that serves already.

===  ===================================  ==================  =====================================================
row  what is observed                     state, code         what is done
===  ===================================  ==================  =====================================================
M1   Snapshot Ready                       Active              its pods go
M2   no Snapshot object                   Pending, Creating   made
M3   it was deleted                       Pending, Creating   waits until it is gone
     stored, to be tried:
M4   its node is gone                     as M19, M20         as M19, M20
M5   no trial pod                         Pending, Creating   made, on the node where the snapshot is
M6   trial not started within 5 min       as M19, M20         as M19, M20
M7   trial pod going, or without a node   Pending, Creating   waits, says what for
     or an agent
M8   restored                             Active              Snapshot Ready; its pods go
M9   not restored, or the pod ended       as M19, M20         as M19, M20
M10  not granted yet                      Pending, Creating   the agent is told to restore it
M11  granted                              Pending, Creating   followed
     to be stored:
M12  pods of earlier attempts             Pending, Creating   the agents forget them, they go
M13  no init pod; no capable node         Pending, Creating   waits for a node, says what each one lacks
M14  no init pod                          Pending, Creating   made
M15  init pod being deleted               Pending, Creating   waits until it is gone
M16  image cannot be pulled, after grace  Failed, Invalid…    its pods and the Snapshot go
M17  no node yet, or no agent there       Pending, Creating   waits, says what for
M18  job done                             Pending, Creating   Snapshot's status written; init pod goes
M19  job failed, for good or once too     Failed, its code    its pods and the Snapshot go
     often
M20  job failed, worth another try        Pending, Creating   next attempt, with a pod of its own
M21  init pod dead, and no job says so    as M19, M20         as M19, M20
M22  its code can never be unpacked       Failed, Invalid…    its pods and the Snapshot go
M23  no job                               Pending, Creating   granted, job begun
M24  job under way                        Pending, Creating   followed
===  ===================================  ==================  =====================================================
"""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import timedelta

from thaw import names
from thaw.api.durations import shown
from thaw.api.node import JobPhase, SnapshotJob, SnapshotRequest
from thaw.api.v1alpha1 import (
    FrozenTemplate,
    FunctionVersionStatus,
    Http,
    Snapshot,
    SnapshotStatus,
    StateReasonCode,
    VersionSnapStart,
    size_text,
)
from thaw.decide import template as templates
from thaw.decide.actions import (
    Action,
    CreateInitPod,
    CreateSnapshot,
    CreateTrialPod,
    Delete,
    DropJob,
    ForgetPod,
    TryRestore,
    Vouch,
    WriteSnapshotStatus,
)
from thaw.decide.finding import Check, Finding, first_of, template_of
from thaw.decide.observed import ObservedVersion, SnapshotPod
from thaw.decide.plan import Event, Follow, marked

IMAGE_GRACE = timedelta(seconds=45)
TRIAL_PATIENCE = timedelta(minutes=5)
DEAD_GRACE = timedelta(seconds=10)
"""How long the agent has to say why a pod died, before the kubelet's word is taken."""
_INIT_FLOOR, _INIT_CEILING = 130, 900
_IMAGE_HOPELESS = {"InvalidImageName"}
_IMAGE_TROUBLE = {"ImagePullBackOff", "ErrImagePull", "ErrImageNeverPull", "ImageInspectError"}
OWN_EXITS = {"Error", "Completed", "OOMKilled"}
"""How a process ends by its own fault; all else (StartError, Evicted, NodeLost, OutOfmemory, …) is the platform's."""
_LOG_LINES, _REASON_LENGTH = 10, 3000
_PHASES: dict[JobPhase, str] = {
    "init": "the function initialises",
    "checkpoint": "its process is checkpointed",
    "store": "the snapshot is stored",
    "verify": "the snapshot is read back",
}


def snapshot_ready(seen: ObservedVersion) -> Finding | None:
    """M1."""
    snapshot = seen.snapshot
    if snapshot is None or not usable(snapshot):
        return None
    return _made(seen, snapshot, snapshot.status)


def snapshot_absent(seen: ObservedVersion) -> Finding | None:
    """M2."""
    if seen.snapshot is not None:
        return None
    name = snapshot_name(seen)
    image = templates.image_now(template_of(seen), seen.limits.runtimes)
    return Finding(
        "SnapshotBegun", f"Snapshot {name} is made", actions=(CreateSnapshot(name, image),), again=0, quiet=True
    )


def snapshot_going(seen: ObservedVersion) -> Finding | None:
    """M3."""
    if _snapshot(seen).metadata.deletion_timestamp is None:
        return None
    text = f"Snapshot {snapshot_name(seen)} was deleted; waits until it is gone, then begins anew"
    return Finding("SnapshotDeleted", text, cleanup=pods_go(seen))


# ---------------------------------------------------------------- stored, to be tried


def trial_node_gone(seen: ObservedVersion) -> Finding | None:
    """M4. A node whose agent is only away for a moment is waited for."""
    node = _snapshot(seen).status.node
    if seen.nodes.find(node) is not None:
        return None
    return _attempt_failed(seen, "InternalError", f"node {node}, where the snapshot is, no longer exists", True)


def trial_absent(seen: ObservedVersion) -> Finding | None:
    """M5."""
    if seen.trial is not None:
        return None
    snapshot, name = _snapshot(seen), names.trial_pod(snapshot_name(seen), _attempt(seen))
    node = snapshot.status.node
    action = CreateTrialPod(name, generation(seen.version.status), snapshot.metadata.uid, _running(seen), node)
    return Finding(
        "Trying", f"pod {name} is made on node {node} to restore it on trial", actions=(action,), again=10, quiet=True
    )


def trial_late(seen: ObservedVersion) -> Finding | None:
    """M6. It is tied to one node, which may be full, or closed, or without the image."""
    pod = _trial(seen)
    if seen.now - pod.created < TRIAL_PATIENCE or seen.report is not None:
        return None
    why = pod.unschedulable or f"{pod.waiting_reason}: {pod.waiting_message}".strip(": ") or "no reason is known"
    text = f"pod {pod.name} did not start within {shown(TRIAL_PATIENCE.total_seconds())}: {why}"
    return _attempt_failed(seen, "InternalError", text, True)


def trial_waits(seen: ObservedVersion) -> Finding | None:
    """M7."""
    return _going(_trial(seen)) or _waits(seen, _trial(seen))


def trial_restored(seen: ObservedVersion) -> Finding | None:
    """M8."""
    report, snapshot = seen.report, _snapshot(seen)
    if report is None or report.state != "restored" or _trial(seen).ended:
        return None
    meta, took = snapshot.metadata, report.restore_ms
    text = f"restored on trial on node {_trial(seen).node} in {shown(took / 1000)}"
    status = snapshot.status.model_copy(
        update={
            "observed_generation": meta.generation,
            "phase": "Ready",
            "trial_restore_ms": took,
            "message": "",
            "conditions": marked(snapshot.status.conditions, "ready", "Verified", text, meta=meta, now=seen.now),
        }
    )
    write = WriteSnapshotStatus(meta.name, meta.uid, status)
    return _made(seen, snapshot, status, actions=(write,), events=(Event("Normal", "Verified", text),))


def trial_failed(seen: ObservedVersion) -> Finding | None:
    """M9."""
    report, pod = seen.report, _trial(seen)
    why = pod.refused
    if not why and report is not None and report.state in ("started", "failed"):
        why = report.restore_error or "the container was not restored"
    if not why and pod.ended:
        why = f"the restored process ended: {_last_words(pod)}"
    if not why:
        return None
    return _attempt_failed(seen, "InternalError", f"the snapshot could not be restored on trial: {why}", True)


def trial_to_grant(seen: ObservedVersion) -> Finding | None:
    """M10."""
    pod = _trial(seen)
    if pod.granted:
        return None
    action = TryRestore(seen.nodes.agents[pod.node], pod.name, pod.uid, _running(seen), _uid(seen))
    return Finding("Trying", f"pod {pod.name} restores it on trial", actions=(action,), again=0, quiet=True)


def trial_under_way(seen: ObservedVersion) -> Finding | None:
    """M11."""
    pod = _trial(seen)
    follow = Follow(seen.nodes.agents[pod.node], pod_uid=pod.uid)
    return Finding("Trying", f"pod {pod.name} restores it on trial", follow=follow, again=30, quiet=True)


TRIAL: tuple[Check, ...] = (
    trial_node_gone,
    trial_absent,
    trial_late,
    trial_waits,
    trial_restored,
    trial_failed,
    trial_to_grant,
    trial_under_way,
)


def stored(seen: ObservedVersion) -> Finding | None:
    """M4 to M11, once every byte is in the store."""
    return first_of(TRIAL, seen) if _snapshot(seen).status.digest else None


# ---------------------------------------------------------------- to be stored


def earlier_attempts(seen: ObservedVersion) -> Finding | None:
    """M12. As long as one of their pods exists, what the agents know of the snapshot may be theirs."""
    if not seen.earlier_pods:
        return None
    going = tuple(Delete("Pod", p.name, p.uid) for p in seen.earlier_pods if not p.deleting)
    drop: tuple[Action, ...] = (DropJob(_uid(seen), seen.nodes.urls),) if going else ()
    forget = tuple(_forget(seen, p) for p in seen.earlier_pods if not p.deleting and p.node in seen.nodes.agents)
    text = f"an earlier attempt is cleared away before attempt {_attempt(seen)}"
    return Finding("ClearingAttempt", text, actions=(*drop, *forget, *going), again=1)


def no_capable_node(seen: ObservedVersion) -> Finding | None:
    """M13."""
    if seen.pod is not None or any(n.capable for n in seen.nodes.nodes):
        return None
    why = "; ".join(f"node {n.name}: {n.reason or 'unknown'}" for n in seen.nodes.nodes)
    text = f"no node can checkpoint: {why}" if why else "no node can checkpoint: no agent has reported from any node"
    return Finding("NoCapableNode", text, warn=True, again=15)


def pod_absent(seen: ObservedVersion) -> Finding | None:
    """M14. Whatever an agent may know of the snapshot belongs to a pod that is no more."""
    if seen.pod is not None:
        return None
    attempt = _attempt(seen)
    name = names.init_pod(snapshot_name(seen), attempt)
    drop: tuple[Action, ...] = (DropJob(_uid(seen), seen.nodes.urls),) if seen.version.status.attempts else ()
    return Finding(
        "Initialising",
        f"pod {name} is made to initialise the function" + (f", attempt {attempt}" if attempt > 1 else ""),
        actions=(*drop, CreateInitPod(name, generation(seen.version.status), _uid(seen), _running(seen))),
        changes={"attempts": attempt},
        again=10,
        quiet=True,
    )


def pod_going(seen: ObservedVersion) -> Finding | None:
    """M15. Somebody deleted the pod: another one of that name is made."""
    return _going(_pod(seen))


def image_trouble(seen: ObservedVersion) -> Finding | None:
    """M16."""
    pod = _pod(seen)
    if pod.waiting_reason not in _IMAGE_HOPELESS | _IMAGE_TROUBLE:
        return None
    text = f"image {_running(seen).image}: {pod.waiting_reason}: {pod.waiting_message}".rstrip(": ")
    left = (pod.created + IMAGE_GRACE - seen.now).total_seconds()
    if left > 0 and pod.waiting_reason not in _IMAGE_HOPELESS:
        return Finding("ImagePull", text, again=left, warn=True)
    return _failed(seen, "InvalidImage", text)


def pod_waits(seen: ObservedVersion) -> Finding | None:
    """M17."""
    return _waits(seen, _pod(seen))


def job_done(seen: ObservedVersion) -> Finding | None:
    """M18. The Snapshot's status is written before its pod goes: from then on it is stored, whoever asks."""
    job, snapshot, pod = seen.job, _snapshot(seen), _pod(seen)
    if job is None or job.phase != "done":
        return None
    meta = snapshot.metadata
    text = "stored and read back; to be restored on trial"
    status = snapshot.status.model_copy(
        update={
            "observed_generation": meta.generation,
            "phase": "Creating",
            "digest": job.digest,
            "size_bytes": job.size_bytes,
            "stored_bytes": job.stored_bytes,
            "fingerprint": job.fingerprint,
            "node": pod.node,
            "init_duration_ms": job.init_ms,
            "checkpoint_ms": job.checkpoint_ms,
            "store_ms": job.store_ms,
            "created_at": seen.now,
            "message": text,
            "conditions": marked(snapshot.status.conditions, "working", "Trying", text, meta=meta, now=seen.now),
        }
    )
    write = WriteSnapshotStatus(meta.name, meta.uid, status)
    cleanup, events = pods_go(seen), _story(job, pod.node)
    return Finding("Trying", text, actions=(write,), cleanup=cleanup, events=events, again=0, quiet=True)


def job_failed(seen: ObservedVersion) -> Finding | None:
    """M19 and M20."""
    if seen.job is None or seen.job.phase != "failed":
        return None
    error = seen.job.error
    if error is None:
        return _attempt_failed(seen, "InternalError", "the snapshot failed, and its agent gave no reason", True)
    return _attempt_failed(seen, error.code, error.message, error.retryable)


def pod_died(seen: ObservedVersion) -> Finding | None:
    """M21. The agent's word is better, for it saw the process; but it may never come."""
    pod = _pod(seen)
    if not pod.ended or (seen.job is not None and seen.job.phase in ("store", "verify")):
        return None
    left = ((pod.ended_at or pod.created) + DEAD_GRACE - seen.now).total_seconds()
    if left > 0 and seen.job is not None:
        return Finding("InitPodEnded", f"pod {pod.name} has ended: {_last_words(pod)}", again=left)
    platform = pod.exit_reason not in OWN_EXITS
    return _attempt_failed(seen, "InternalError" if platform else "FunctionError", _last_words(pod), platform)


def code_refused(seen: ObservedVersion) -> Finding | None:
    """M22. It is the same code on every node."""
    pod = _pod(seen)
    return _failed(seen, "InvalidConfiguration", pod.refused) if pod.refused else None


def job_absent(seen: ObservedVersion) -> Finding | None:
    """M23."""
    if seen.job is not None:
        return None
    pod, template, meta = _pod(seen), _running(seen), seen.version.metadata
    spec = template.spec
    request = SnapshotRequest(
        pod_uid=pod.uid,
        namespace=meta.namespace,
        name=pod.name,
        container=names.FUNCTION_CONTAINER,
        protocol=spec.protocol,
        http=(spec.http or Http()) if spec.protocol == "http" else None,
        token="",
        init_timeout_seconds=min(max(spec.timeout, _INIT_FLOOR), _INIT_CEILING),
        function=seen.version.spec.function_name,
        version=seen.version.status.version,
        image=template.image,
    )
    return Finding(
        "Initialising",
        f"pod {pod.name} is on node {pod.node}: the function initialises",
        actions=(Vouch(seen.nodes.agents[pod.node], template, request, _uid(seen)),),
        again=0,
    )


def job_under_way(seen: ObservedVersion) -> Finding | None:
    """M24."""
    pod, job = _pod(seen), seen.job
    phase = job.phase if job is not None else "init"
    text = f"pod {pod.name} is on node {pod.node}: {_PHASES.get(phase, phase)}"
    reason = "Initialising" if phase == "init" else "Snapshotting"
    return Finding(reason, text, follow=Follow(seen.nodes.agents[pod.node], _uid(seen)), again=30)


CHAIN: tuple[Check, ...] = (
    snapshot_ready,
    snapshot_absent,
    snapshot_going,
    stored,
    earlier_attempts,
    no_capable_node,
    pod_absent,
    pod_going,
    image_trouble,
    pod_waits,
    job_done,
    job_failed,
    pod_died,
    code_refused,
    job_absent,
    job_under_way,
)


def look(seen: ObservedVersion) -> Finding:
    """Where the making of ``seen.snapshot`` is, and what comes next."""
    found = first_of(CHAIN, seen)
    if found is None:
        raise AssertionError("job_under_way always speaks")
    return found


# ---------------------------------------------------------------- also for those who keep snapshots


def usable(snapshot: Snapshot) -> bool:
    """Whether new instances may be restored from it."""
    return snapshot.metadata.deletion_timestamp is None and snapshot.status.phase == "Ready"


def generation(status: FunctionVersionStatus) -> int:
    """Which snapshot of the version is being made, counted from 1."""
    return status.recycle.generation if status.recycle else status.snapshot_generation


def snapshot_name(seen: ObservedVersion) -> str:
    """The Snapshot that is being made."""
    return names.snapshot(seen.version.metadata.name, generation(seen.version.status))


def in_use(snapshot: Snapshot, status: SnapshotStatus) -> Finding:
    """The version's starts are restores of this snapshot."""
    return Finding(
        "SnapshotReady",
        f"starts are restores of Snapshot {snapshot.metadata.name}",
        "Active",
        None,
        changes={
            "snap_start": VersionSnapStart(apply_on="PublishedVersions", optimization_status="On"),
            "snapshot_ref": snapshot.metadata.name,
            "init_duration_ms": status.init_duration_ms,
            "snapshot_bytes": status.size_bytes,
        },
    )


def leave_nothing(seen: ObservedVersion) -> tuple[Action, ...]:
    """Clears away what a making left that came to nothing."""
    snapshot = seen.snapshot
    if snapshot is None or snapshot.metadata.deletion_timestamp is not None:
        return pods_go(seen)
    meta = snapshot.metadata
    return (*pods_go(seen), Delete("Snapshot", meta.name, meta.uid))


def pods_go(seen: ObservedVersion) -> tuple[Action, ...]:
    """Deletes the pods that make its snapshots, and has their agents forget them."""
    pods = [p for p in (seen.pod, seen.trial, *seen.earlier_pods) if p is not None and not p.deleting]
    forget = tuple(_forget(seen, p) for p in pods if p.node in seen.nodes.agents)
    return (*(Delete("Pod", p.name, p.uid) for p in pods), *forget)


def given_up(seen: ObservedVersion, message: str) -> Finding:
    """It takes too long: as if the last attempt had failed by the platform's fault."""
    return _failed(seen, "InternalError", message)


# ---------------------------------------------------------------- pieces


def _made(
    seen: ObservedVersion,
    snapshot: Snapshot,
    status: SnapshotStatus,
    actions: tuple[Action, ...] = (),
    events: tuple[Event, ...] = (),
) -> Finding:
    found = in_use(snapshot, status)
    changes = found.changes | {"snapshot_generation": generation(seen.version.status)}
    return replace(found, actions=actions, cleanup=pods_go(seen), changes=changes, events=events)


def _story(job: SnapshotJob, node: str) -> tuple[Event, ...]:
    """What ``kubectl describe`` tells of a job that went well, in order."""
    told = []
    if job.init_ms is not None:
        told.append(("Initialised", f"initialised in {shown(job.init_ms / 1000)} on node {node}"))
    if job.checkpoint_ms is not None:
        told.append(("Checkpointed", f"checkpointed in {shown(job.checkpoint_ms / 1000)}"))
    if job.closed_connections:
        text = (
            "connections that the initialisation opened were ended for the snapshot, as a restored function has"
            f" another address: {', '.join(job.closed_connections)}. Their next use fails: open them anew in an"
            " after-restore hook"
        )
        told.append(("ConnectionsClosed", text))
    size, new = size_text(job.size_bytes), size_text(job.stored_bytes)
    took = f" in {shown(job.store_ms / 1000)}" if job.store_ms is not None else ""
    told.append(("Stored", f"stored {new} of {size}{took}, and read back"))
    return tuple(Event("Normal", reason, text) for reason, text in told)


def _going(pod: SnapshotPod) -> Finding | None:
    if not pod.deleting:
        return None
    return Finding("PodDeleted", f"pod {pod.name} is being deleted; waits until it is gone", again=2, warn=True)


def _waits(seen: ObservedVersion, pod: SnapshotPod) -> Finding | None:
    """What a pod lacks before its node's agent can be asked; None when it has all."""
    if not pod.node and pod.unschedulable:
        return Finding("Unschedulable", f"pod {pod.name} has no node: {pod.unschedulable}", again=15, warn=True)
    if not pod.node:
        return Finding("Initialising", f"pod {pod.name} waits for a node", again=10, quiet=True)
    if pod.node not in seen.nodes.agents:
        return Finding("AgentNotReady", f"the agent on node {pod.node} is not ready", again=5, warn=True)
    return None


def _attempt_failed(seen: ObservedVersion, code: StateReasonCode, message: str, retryable: bool) -> Finding:
    attempt, limit = _attempt(seen), seen.limits.init_attempts
    if not retryable or attempt >= limit:
        return _failed(seen, code, message if attempt == 1 else f"{message} (attempt {attempt} of {limit})")
    return Finding(
        "AttemptFailed",
        f"attempt {attempt} of {limit} failed, another follows: {message}",
        actions=_unstored(seen),
        changes={"attempts": attempt + 1},
        again=0,
        warn=True,
    )


def _unstored(seen: ObservedVersion) -> tuple[Action, ...]:
    """What was stored and could not be restored is no snapshot: its status says so again, its bytes go."""
    snapshot = _snapshot(seen)
    if not snapshot.status.digest:
        return ()
    meta = snapshot.metadata
    status = snapshot.status.model_copy(update={"digest": "", "message": "the next attempt begins"})
    return (DropJob(meta.uid, seen.nodes.urls), WriteSnapshotStatus(meta.name, meta.uid, status))


def _failed(seen: ObservedVersion, code: StateReasonCode, message: str) -> Finding:
    lines = [line for line in seen.log.splitlines() if line.strip()][-_LOG_LINES:]
    told = message + ("\nlast lines of its log:\n" + "\n".join(lines) if lines else "")
    return Finding(
        code,
        message,
        "Failed",
        code,
        state_reason=told[:_REASON_LENGTH],
        changes={"snapshot_ref": ""},
        cleanup=leave_nothing(seen),
    )


def _last_words(pod: SnapshotPod) -> str:
    """What a dead container left: pid 1's JSON, or what the runtime said, or at least how it ended."""
    try:
        error = json.loads(pod.exit_message)
        return f"{error['errorType']}: {error['errorMessage']}"
    except (ValueError, KeyError, TypeError):
        pass
    if pod.exit_reason == "OOMKilled":
        return "the initialisation was killed for want of memory: raise memorySize"
    return pod.exit_message.strip() or f"the initialisation ended: {pod.exit_reason or 'no reason given'}"


def _forget(seen: ObservedVersion, pod: SnapshotPod) -> ForgetPod:
    return ForgetPod(seen.nodes.agents[pod.node], pod.uid)


def _attempt(seen: ObservedVersion) -> int:
    return max(seen.version.status.attempts, 1)


def _uid(seen: ObservedVersion) -> str:
    return _snapshot(seen).metadata.uid


def _running(seen: ObservedVersion) -> FrozenTemplate:
    """The version's template with the image that this snapshot is taken of."""
    template = template_of(seen)
    return template.model_copy(update={"image": _snapshot(seen).spec.image or template.image})


def _snapshot(seen: ObservedVersion) -> Snapshot:
    if seen.snapshot is None:
        raise AssertionError("ruled out by snapshot_absent")
    return seen.snapshot


def _pod(seen: ObservedVersion) -> SnapshotPod:
    if seen.pod is None:
        raise AssertionError("ruled out by pod_absent")
    return seen.pod


def _trial(seen: ObservedVersion) -> SnapshotPod:
    if seen.trial is None:
        raise AssertionError("ruled out by trial_absent")
    return seen.trial
