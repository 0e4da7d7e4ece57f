"""The chain of checks that says what is the case with a FunctionVersion.

Each check looks at one :class:`ObservedVersion` and either has nothing to say (None) or gives the :class:`Finding`; the
first that speaks is right. So a check may take for granted what all before it have ruled out.

===  ===================================  ==================  =====================================================
row  what is observed                     state, code         what is done
===  ===================================  ==================  =====================================================
 1   Failed before                        Failed              init pods and the Snapshot go
 2   equals an earlier version            the earlier one's   mirrored
 3   no number; function missing          Pending, Creating   waits for it
 4   no number; runtime without image     Pending, Creating   waits for an administrator
 5   no number; codeSha256 differs        Failed, Invalid…    nothing more
 6   no number; nothing changed           the earlier one's   duplicateOf
 7   no number                            Pending, Creating   number, frozen template, owner
 8   frozen template gone                 Failed, Internal…   nothing more
 9   applyOn None                         Active, Off
10   Snapshot Ready                       Active, On          init pods go
11   Active, its Snapshot is not usable   Active, Off         cold starts
12   no Snapshot object                   Pending, Creating   made
13   init pods of earlier attempts        Pending, Creating   the agents forget them, they go
14   no init pod; no capable node         Pending, Creating   waits for a node, says what each one lacks
15   no init pod                          Pending, Creating   made
16   init pod being deleted               Pending, Creating   waits until it is gone
17   image cannot be pulled, after grace  Failed, Invalid…    init pod, Snapshot go
18   no node yet                          Pending, Creating   waits, says the scheduler's reason
19   agent of its node not ready          Pending, Creating   waits for it
20   job done                             Active, On          Snapshot Ready; init pod goes
21   job failed, for good or once too     Failed, its code    init pod, Snapshot go
     often
22   job failed, worth another try        Pending, Creating   next attempt, with a pod of its own
23   init pod dead, and no job says so    as 21, 22           as 21, 22
24   no job                               Pending, Creating   granted, job begun
25   job under way                        Pending, Creating   followed
===  ===================================  ==================  =====================================================
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from thaw import names
from thaw.api.node import SnapshotRequest
from thaw.api.v1alpha1 import FrozenTemplate, Http, Snapshot, SnapshotStatus, State, StateReasonCode, VersionSnapStart
from thaw.decide import template as templates
from thaw.decide.actions import (
    Action,
    AdoptVersion,
    CreateInitPod,
    CreateSnapshot,
    Delete,
    DropJob,
    ForgetPod,
    FreezeTemplate,
    GiveNumber,
    Vouch,
    WriteSnapshotStatus,
)
from thaw.decide.observed import InitPod, ObservedVersion, Sibling
from thaw.decide.plan import Follow, marked

GENERATION = 1
"""Which snapshot of the version: 1 until versions are recycled."""
IMAGE_GRACE = timedelta(seconds=45)
DEAD_GRACE = timedelta(seconds=10)
"""How long the agent has to say why a pod died, before the kubelet's word is taken."""
_INIT_FLOOR, _INIT_CEILING = 130, 900
_IMAGE_HOPELESS = {"InvalidImageName"}
_IMAGE_TROUBLE = {"ImagePullBackOff", "ErrImagePull", "ErrImageNeverPull", "ImageInspectError"}
_OWN_EXITS = {"Error", "Completed", "OOMKilled"}
"""How a process ends by its own fault; all else (StartError, Evicted, NodeLost, OutOfmemory, …) is the platform's."""
_LOG_LINES, _REASON_LENGTH = 10, 3000
_PHASES = {
    "init": "the function initialises",
    "checkpoint": "its process is checkpointed",
    "store": "the snapshot is stored",
    "verify": "the snapshot is read back",
}


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
    again: float | None = None
    follow: Follow | None = None
    warn: bool = False


Check = Callable[[ObservedVersion], Finding | None]


def already_failed(seen: ObservedVersion) -> Finding | None:
    """Row 1. A failed version stays failed; only what it left behind is cleared away."""
    status = seen.version.status
    if status.state != "Failed":
        return None
    code, reason = status.state_reason_code, status.state_reason
    known = next((c for c in status.conditions if c.type == "Ready"), None)
    return Finding(
        reason=known.reason if known else code,
        message=known.message if known else reason,
        state="Failed",
        code=code,  # type: ignore[arg-type]
        state_reason=reason,
        cleanup=_leave_nothing(seen),
    )


def duplicate(seen: ObservedVersion) -> Finding | None:
    """Row 2. A version that equals an earlier one says what that one says."""
    if not seen.version.status.duplicate_of:
        return None
    original = next((s for s in seen.siblings if s.name == seen.version.status.duplicate_of), None)
    if original is None or original.deleting:
        text = f"the version it equals, {seen.version.status.duplicate_of}, was deleted: publish again"
        return Finding("OriginalDeleted", text, "Failed", "InvalidConfiguration")
    return _mirror(original)


def function_missing(seen: ObservedVersion) -> Finding | None:
    """Row 3."""
    function = seen.version.spec.function_name
    if seen.version.status.version:
        return None
    if seen.function is None:
        return Finding("FunctionMissing", f"waits for Function {function}, which does not exist", warn=True)
    if seen.function.metadata.deletion_timestamp is not None:
        return Finding("FunctionMissing", f"Function {function} is being deleted", warn=True)
    return None


def runtime_unknown(seen: ObservedVersion) -> Finding | None:
    """Row 4."""
    if seen.version.status.version or seen.function is None:
        return None
    spec = seen.function.spec
    if templates.image(spec, seen.limits.runtimes):
        return None
    return Finding("RuntimeUnknown", no_image(spec.runtime or "", seen.limits.runtimes), warn=True, again=60)


def package_differs(seen: ObservedVersion) -> Finding | None:
    """Row 5. Lambda's CodeSha256 of PublishVersion: publish only what was looked at."""
    wanted = seen.version.spec.code_sha256
    if seen.version.status.version or seen.function is None or not wanted:
        return None
    current = templates.code_sha256(seen.function.spec.code)
    if wanted == current:
        return None
    text = f"spec.codeSha256 is {wanted}, but the function's code has {current}"
    return Finding("CodeSha256Differs", text, "Failed", "InvalidConfiguration")


def unchanged(seen: ObservedVersion) -> Finding | None:
    """Row 6. Compared with the latest version that exists; one that failed does not count, it is to be tried again."""
    if seen.version.status.version or seen.function is None:
        return None
    latest = latest_of(seen.siblings)
    if latest is None or latest.status.state == "Failed":
        return None
    if latest.template_hash != templates.template_hash(seen.function.spec):
        return None
    return _mirror(latest)


def unnumbered(seen: ObservedVersion) -> Finding | None:
    """Row 7. A number once claimed, and a template once frozen, are found again; else the next after all ever given."""
    meta, status = seen.version.metadata, seen.version.status
    if status.version or seen.function is None:
        return None
    function = seen.function.metadata
    claimed = seen.numbers.claim == meta.uid
    number = max([seen.numbers.last, *(s.number for s in seen.siblings)]) + 1
    number = seen.numbers.last if claimed else number
    template = seen.template or templates.freeze(seen.function.spec, seen.limits.runtimes)
    actions: tuple[Action, ...] = (FreezeTemplate(number, template),)
    if not seen.owned:
        actions = (*actions, AdoptVersion(function.name, function.uid))
    if not claimed:
        actions = (GiveNumber(function.name, number, meta.uid, seen.numbers.resource_version), *actions)
    return Finding(
        "Numbered",
        f"is version {number} of {function.name}; its template is frozen",
        actions=actions,
        changes={
            "version": str(number),
            "code_sha256": template.code_sha256,
            "snap_start": VersionSnapStart(apply_on=template.spec.snap_start.apply_on),
        },
        again=0,
    )


def template_gone(seen: ObservedVersion) -> Finding | None:
    """Row 8."""
    if seen.template is not None:
        return None
    revision = names.revision(seen.version.metadata.name)
    text = f"its frozen template, ControllerRevision {revision}, is gone: publish again"
    return Finding("TemplateGone", text, "Failed", "InternalError", cleanup=_leave_nothing(seen))


def snapstart_off(seen: ObservedVersion) -> Finding | None:
    """Row 9."""
    if _template(seen).spec.snap_start.apply_on != "None":
        return None
    return Finding(
        "Published",
        "published without SnapStart: every cold start runs the initialisation",
        "Active",
        None,
        changes={"snap_start": VersionSnapStart(apply_on="None")},
    )


def snapshot_ready(seen: ObservedVersion) -> Finding | None:
    """Row 10."""
    snapshot = seen.snapshot
    if snapshot is None or snapshot.metadata.deletion_timestamp is not None or snapshot.status.phase != "Ready":
        return None
    return _active(snapshot, snapshot.status, cleanup=_init_pods_go(seen))


def snapshot_lost(seen: ObservedVersion) -> Finding | None:
    """Row 11. An Active version serves on, cold."""
    if seen.version.status.state != "Active":
        return None
    snapshot = seen.snapshot
    what = "is gone" if snapshot is None else f"is {snapshot.status.phase or 'not usable'}"
    if snapshot is not None and snapshot.metadata.deletion_timestamp is not None:
        what = "is being deleted"
    name = seen.version.status.snapshot_ref or _snapshot_name(seen)
    return Finding(
        "SnapshotLost",
        f"Snapshot {name} {what}: starts are cold until a new version is published",
        "Active",
        None,
        changes={"snap_start": VersionSnapStart(apply_on="PublishedVersions"), "snapshot_ref": ""},
        cleanup=_init_pods_go(seen),
        warn=True,
    )


def snapshot_absent(seen: ObservedVersion) -> Finding | None:
    """Row 12."""
    name = _snapshot_name(seen)
    if seen.snapshot is None:
        return Finding("SnapshotBegun", f"Snapshot {name} is made", actions=(CreateSnapshot(name),), again=0)
    if seen.snapshot.metadata.deletion_timestamp is not None:
        return Finding("SnapshotDeleted", f"Snapshot {name} was deleted; waits until it is gone, then begins anew")
    return None


def earlier_attempts(seen: ObservedVersion) -> Finding | None:
    """Row 13. As long as one of their pods exists, what the agents know of the snapshot may be theirs."""
    if not seen.other_init_pods:
        return None
    going = tuple(Delete("Pod", p.name, p.uid) for p in seen.other_init_pods if not p.deleting)
    drop: tuple[Action, ...] = (DropJob(_uid(seen), seen.nodes.urls),) if going else ()
    forget = tuple(_forget(seen, p) for p in seen.other_init_pods if not p.deleting and p.node in seen.nodes.agents)
    text = f"an earlier attempt is cleared away before attempt {_attempt(seen)}"
    return Finding("ClearingAttempt", text, actions=(*drop, *forget, *going), again=1)


def no_capable_node(seen: ObservedVersion) -> Finding | None:
    """Row 14."""
    if seen.pod is not None or any(n.capable for n in seen.nodes.nodes):
        return None
    why = "; ".join(f"node {n.name}: {n.reason or 'unknown'}" for n in seen.nodes.nodes)
    text = f"no node can checkpoint: {why}" if why else "no node can checkpoint: no agent has reported from any node"
    return Finding("NoCapableNode", text, warn=True, again=15)


def pod_absent(seen: ObservedVersion) -> Finding | None:
    """Row 15. Whatever an agent may know of the snapshot belongs to a pod that is no more."""
    if seen.pod is not None:
        return None
    attempt = _attempt(seen)
    name = names.init_pod(_snapshot_name(seen), attempt)
    drop: tuple[Action, ...] = (DropJob(_uid(seen), seen.nodes.urls),) if seen.version.status.attempts else ()
    return Finding(
        "Initialising",
        f"pod {name} is made to initialise the function" + (f", attempt {attempt}" if attempt > 1 else ""),
        actions=(*drop, CreateInitPod(name, _snapshot_name(seen), _uid(seen), _template(seen))),
        changes={"attempts": attempt},
        again=10,
    )


def pod_going(seen: ObservedVersion) -> Finding | None:
    """Row 16. Somebody deleted the pod: another one of that name is made."""
    pod = _pod(seen)
    if not pod.deleting:
        return None
    return Finding("InitPodDeleted", f"pod {pod.name} is being deleted; waits until it is gone", again=2, warn=True)


def image_trouble(seen: ObservedVersion) -> Finding | None:
    """Row 17."""
    pod = _pod(seen)
    if pod.waiting_reason not in _IMAGE_HOPELESS | _IMAGE_TROUBLE:
        return None
    text = f"image {_template(seen).image}: {pod.waiting_reason}: {pod.waiting_message}".rstrip(": ")
    left = (pod.created + IMAGE_GRACE - seen.now).total_seconds()
    if left > 0 and pod.waiting_reason not in _IMAGE_HOPELESS:
        return Finding("ImagePull", text, again=left, warn=True)
    return _failed(seen, "InvalidImage", text)


def pod_unscheduled(seen: ObservedVersion) -> Finding | None:
    """Row 18."""
    pod = _pod(seen)
    if pod.node:
        return None
    if pod.unschedulable:
        return Finding("Unschedulable", f"pod {pod.name} has no node: {pod.unschedulable}", again=15, warn=True)
    return Finding("Initialising", f"pod {pod.name} waits for a node", again=10)


def agent_absent(seen: ObservedVersion) -> Finding | None:
    """Row 19."""
    pod = _pod(seen)
    if pod.node in seen.nodes.agents:
        return None
    return Finding("AgentNotReady", f"the agent on node {pod.node} is not ready", again=5, warn=True)


def job_done(seen: ObservedVersion) -> Finding | None:
    """Row 20. The Snapshot's status is written before the version's, and the pod goes last."""
    job, snapshot = seen.job, seen.snapshot
    if job is None or snapshot is None or job.phase != "done":
        return None
    meta, pod = snapshot.metadata, _pod(seen)
    text = "stored and read back"
    status = snapshot.status.model_copy(
        update={
            "observed_generation": meta.generation,
            "phase": "Ready",
            "digest": job.digest,
            "size_bytes": job.size_bytes,
            "stored_bytes": job.stored_bytes,
            "fingerprint": job.fingerprint,
            "node": pod.node,
            "init_duration_ms": job.init_ms,
            "checkpoint_ms": job.checkpoint_ms,
            "created_at": seen.now,
            "message": "",
            "conditions": marked(snapshot.status.conditions, "ready", "Stored", text, meta=meta, now=seen.now),
        }
    )
    write = WriteSnapshotStatus(meta.name, meta.uid, status)
    return _active(snapshot, status, actions=(write,), cleanup=_init_pods_go(seen))


def job_failed(seen: ObservedVersion) -> Finding | None:
    """Rows 21 and 22."""
    if seen.job is None or seen.job.phase != "failed":
        return None
    error = seen.job.error
    if error is None:
        return _attempt_failed(seen, "InternalError", "the snapshot failed, and its agent gave no reason", True)
    return _attempt_failed(seen, error.code, error.message, error.retryable)


def pod_died(seen: ObservedVersion) -> Finding | None:
    """Row 23. The agent's word is better, for it saw the process; but it may never come."""
    pod = _pod(seen)
    if not pod.ended or (seen.job is not None and seen.job.phase in ("store", "verify")):
        return None
    left = ((pod.ended_at or pod.created) + DEAD_GRACE - seen.now).total_seconds()
    if left > 0 and seen.job is not None:
        return Finding("InitPodEnded", f"pod {pod.name} has ended: {_last_words(pod)}", again=left)
    platform = pod.exit_reason not in _OWN_EXITS
    return _attempt_failed(seen, "InternalError" if platform else "FunctionError", _last_words(pod), platform)


def job_absent(seen: ObservedVersion) -> Finding | None:
    """Row 24."""
    if seen.job is not None:
        return None
    pod, template, meta = _pod(seen), _template(seen), seen.version.metadata
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
    """Row 25."""
    pod, job = _pod(seen), seen.job
    phase = job.phase if job is not None else "init"
    text = f"pod {pod.name} is on node {pod.node}: {_PHASES.get(phase, phase)}"
    reason = "Initialising" if phase == "init" else "Snapshotting"
    return Finding(reason, text, follow=Follow(seen.nodes.agents[pod.node], _uid(seen)), again=30)


CHAIN: tuple[Check, ...] = (
    already_failed,
    duplicate,
    function_missing,
    runtime_unknown,
    package_differs,
    unchanged,
    unnumbered,
    template_gone,
    snapstart_off,
    snapshot_ready,
    snapshot_lost,
    snapshot_absent,
    earlier_attempts,
    no_capable_node,
    pod_absent,
    pod_going,
    image_trouble,
    pod_unscheduled,
    agent_absent,
    job_done,
    job_failed,
    pod_died,
    job_absent,
    job_under_way,
)


def first(seen: ObservedVersion) -> Finding:
    """What is the case: the first check that has something to say; the last one always has."""
    for check in CHAIN:
        finding = check(seen)
        if finding is not None:
            return finding
    raise AssertionError("unreachable: job_under_way always speaks")


# ---------------------------------------------------------------- shared


def latest_of(siblings: tuple[Sibling, ...]) -> Sibling | None:
    """The version with the highest number that exists and is frozen; duplicates are not versions of their own."""
    counted = [s for s in siblings if s.number and not s.deleting and s.template_hash and not s.status.duplicate_of]
    return max(counted, key=lambda s: s.number, default=None)


def no_image(runtime: str, runtimes: object) -> str:
    """What to tell the user of a runtime that is not here."""
    known = ", ".join(sorted(runtimes)) if isinstance(runtimes, dict) and runtimes else "none"
    return f"runtime {runtime} has no image in this installation; it has: {known}"


def _mirror(original: Sibling) -> Finding:
    status = original.status
    ready = next((c for c in status.conditions if c.type == "Ready"), None)
    fields = ("version", "snap_start", "snapshot_ref", "init_duration_ms", "snapshot_bytes", "code_sha256")
    return Finding(
        reason=ready.reason if ready else "Unchanged",
        message=f"nothing changed since {original.name}" + (f": {ready.message}" if ready else ""),
        state=status.state or "Pending",
        code=status.state_reason_code or None,  # type: ignore[arg-type]
        state_reason=status.state_reason,
        changes={"duplicate_of": original.name} | {f: getattr(status, f) for f in fields},
    )


def _active(
    snapshot: Snapshot, status: SnapshotStatus, actions: tuple[Action, ...] = (), cleanup: tuple[Action, ...] = ()
) -> Finding:
    return Finding(
        "SnapshotReady",
        f"starts are restores of Snapshot {snapshot.metadata.name}",
        "Active",
        None,
        actions=actions,
        cleanup=cleanup,
        changes={
            "snap_start": VersionSnapStart(apply_on="PublishedVersions", optimization_status="On"),
            "snapshot_ref": snapshot.metadata.name,
            "init_duration_ms": status.init_duration_ms,
            "snapshot_bytes": status.size_bytes,
        },
    )


def _attempt_failed(seen: ObservedVersion, code: StateReasonCode, message: str, retryable: bool) -> Finding:
    attempt, limit = _attempt(seen), seen.limits.init_attempts
    if not retryable or attempt >= limit:
        return _failed(seen, code, message if attempt == 1 else f"{message} (attempt {attempt} of {limit})")
    return Finding(
        "AttemptFailed",
        f"attempt {attempt} of {limit} failed, another follows: {message}",
        changes={"attempts": attempt + 1},
        again=0,
        warn=True,
    )


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
        cleanup=_leave_nothing(seen),
    )


def _last_words(pod: InitPod) -> str:
    """What a dead container left: pid 1's JSON, or what the runtime said, or at least how it ended."""
    try:
        error = json.loads(pod.exit_message)
        return f"{error['errorType']}: {error['errorMessage']}"
    except (ValueError, KeyError, TypeError):
        pass
    if pod.exit_reason == "OOMKilled":
        return "the initialisation was killed for want of memory: raise memorySize"
    return pod.exit_message.strip() or f"the initialisation ended: {pod.exit_reason or 'no reason given'}"


def _leave_nothing(seen: ObservedVersion) -> tuple[Action, ...]:
    snapshot = seen.snapshot
    if snapshot is None or snapshot.metadata.deletion_timestamp is not None:
        return _init_pods_go(seen)
    meta = snapshot.metadata
    return (*_init_pods_go(seen), Delete("Snapshot", meta.name, meta.uid))


def _init_pods_go(seen: ObservedVersion) -> tuple[Action, ...]:
    pods = [p for p in (seen.pod, *seen.other_init_pods) if p is not None and not p.deleting]
    forget = tuple(_forget(seen, p) for p in pods if p.node in seen.nodes.agents)
    return (*(Delete("Pod", p.name, p.uid) for p in pods), *forget)


def _forget(seen: ObservedVersion, pod: InitPod) -> ForgetPod:
    return ForgetPod(seen.nodes.agents[pod.node], pod.uid)


def _attempt(seen: ObservedVersion) -> int:
    return max(seen.version.status.attempts, 1)


def _snapshot_name(seen: ObservedVersion) -> str:
    return names.snapshot(seen.version.metadata.name, GENERATION)


def _uid(seen: ObservedVersion) -> str:
    return seen.snapshot.metadata.uid if seen.snapshot else ""


def _template(seen: ObservedVersion) -> FrozenTemplate:
    if seen.template is None:
        raise AssertionError("ruled out by template_gone")
    return seen.template


def _pod(seen: ObservedVersion) -> InitPod:
    if seen.pod is None:
        raise AssertionError("ruled out by pod_absent")
    return seen.pod
