"""The tables in thaw.decide.publishing and .making, row by row, and how a version's deletion goes."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from thaw.api.v1alpha1 import FunctionVersionStatus, Instances
from thaw.decide import actions as do
from thaw.decide import checks, making, publishing, version
from thaw.decide.observed import Node, Nodes, Numbers, ObservedVersion, Ref
from thaw.decide.plan import Follow, Plan
from unit.decide import seen
from unit.decide.seen import NODES, NOW, URL, numbered, unnumbered


def kinds(actions: tuple[do.Action, ...]) -> list[str]:
    return [type(a).__name__ for a in actions]


def status_of(plan: Plan) -> FunctionVersionStatus:
    assert isinstance(plan.status, FunctionVersionStatus)
    return plan.status


FAILED = seen.version(version="1", state="Failed", stateReason="no\nlog", stateReasonCode="FunctionError")
HOPELESS = seen.pod(waiting_reason="InvalidImageName", waiting_message="bad")
BACKOFF = seen.pod(waiting_reason="ImagePullBackOff", waiting_message="not found")
OLD_BACKOFF = replace(BACKOFF, created=NOW - timedelta(seconds=60))
GRANTED = seen.trial(granted=True)
LATE = seen.trial(created=NOW - timedelta(minutes=5), waiting_reason="ErrImagePull", waiting_message="not found")
LAST_ATTEMPT = seen.version(version="1", state="Pending", attempts=3)
DEAD = seen.pod(ended=True, ended_at=NOW - timedelta(seconds=11), exit_reason="Error", exit_message="boom")
JUST_DEAD = replace(DEAD, ended_at=NOW - timedelta(seconds=1))
LACKING = Nodes((Node("n1", False, "no CRIU"), Node("n2", False, "")), NODES.agents)

# row, observation, condition reason, state, code, actions, cleanup
ROWS: list[tuple[str, ObservedVersion, str, str, str, list[str], list[str]]] = [
    ("1 failed", numbered(version=FAILED), "FunctionError", "Failed", "FunctionError", [],
     ["Delete", "ForgetPod", "Delete"]),
    ("1 failed, all clear", numbered(version=FAILED, snapshot=None, pod=None), "FunctionError", "Failed",
     "FunctionError", [], []),
    ("2 duplicate", unnumbered(version=seen.version(duplicateOf="hello-1", version="1"), siblings=(seen.sibling(1),)),
     "Unchanged", "Active", "", [], []),
    ("2 original gone", unnumbered(version=seen.version(duplicateOf="hello-1", version="1")), "OriginalDeleted",
     "Failed", "InvalidConfiguration", [], []),
    ("3 no function", unnumbered(function=None), "FunctionMissing", "Pending", "Creating", [], []),
    ("3 function going", unnumbered(function=seen.function(deleting=True)), "FunctionMissing", "Pending", "Creating",
     [], []),
    ("4 no runtime", unnumbered(function=seen.function(runtime="java21")), "RuntimeUnknown", "Pending", "Creating",
     [], []),
    ("5 other sha", unnumbered(version=seen.version(spec={"codeSha256": "x"})), "CodeSha256Differs", "Failed",
     "InvalidConfiguration", [], []),
    ("6 unchanged", unnumbered(siblings=(seen.sibling(1),)), "Unchanged", "Active", "", [], []),
    ("6 the latest failed", unnumbered(siblings=(seen.sibling(1, state="Failed"),)), "Numbered", "Pending",
     "Creating", ["GiveNumber", "FreezeTemplate", "AdoptVersion"], []),
    ("6 as the one before the latest", unnumbered(siblings=(seen.sibling(1), seen.sibling(
        2, seen.frozen(memorySize=512)))), "Numbered", "Pending", "Creating",
     ["GiveNumber", "FreezeTemplate", "AdoptVersion"], []),
    ("7 number", unnumbered(), "Numbered", "Pending", "Creating", ["GiveNumber", "FreezeTemplate", "AdoptVersion"],
     []),
    ("7 number claimed", unnumbered(numbers=Numbers(4, "v-uid", "9")), "Numbered", "Pending", "Creating",
     ["FreezeTemplate", "AdoptVersion"], []),
    ("7 owned", unnumbered(owned=True), "Numbered", "Pending", "Creating", ["GiveNumber", "FreezeTemplate"], []),
    ("8 template gone", numbered(template=None, pod=None, snapshot=None), "TemplateGone", "Failed", "InternalError",
     [], []),
    ("9 no snapstart", numbered(template=seen.frozen(snapStart=None), snapshot=None, pod=None), "Published",
     "Active", "", [], []),
    ("M1 ready", numbered(snapshot=seen.snapshot("Ready")), "SnapshotReady", "Active", "", [],
     ["Delete", "ForgetPod"]),
    ("M2 no snapshot", numbered(snapshot=None, pod=None), "SnapshotBegun", "Pending", "Creating",
     ["CreateSnapshot"], []),
    ("M3 deleted while made", numbered(snapshot=seen.snapshot(deleting=True)), "SnapshotDeleted", "Pending",
     "Creating", [], ["Delete", "ForgetPod"]),
    ("M4 node gone", numbered(snapshot=seen.stored(), pod=None, nodes=Nodes()), "AttemptFailed", "Pending", "Creating",
     ["DropJob", "WriteSnapshotStatus"], []),
    ("M5 to be tried", numbered(snapshot=seen.stored(), pod=None), "Trying", "Pending", "Creating",
     ["CreateTrialPod"], []),
    ("M7 trial going", numbered(snapshot=seen.stored(), trial=seen.trial(deleting=True)), "PodDeleted", "Pending",
     "Creating", [], []),
    ("M7 trial without node", numbered(snapshot=seen.stored(), trial=seen.trial(node="")), "Initialising", "Pending",
     "Creating", [], []),
    ("M7 trial without agent", numbered(snapshot=seen.stored(), trial=seen.trial(), nodes=Nodes(NODES.nodes, {})),
     "AgentNotReady", "Pending", "Creating", [], []),
    ("M6 trial late", numbered(snapshot=seen.stored(), pod=None, trial=LATE), "AttemptFailed", "Pending", "Creating",
     ["DropJob", "WriteSnapshotStatus"], []),
    ("M8 restored", numbered(snapshot=seen.stored(), pod=None, trial=GRANTED, report=seen.report()), "SnapshotReady",
     "Active", "", ["WriteSnapshotStatus"], ["Delete", "ForgetPod"]),
    ("M9 refused", numbered(snapshot=seen.stored(), trial=seen.trial(refused="corrupt")), "AttemptFailed", "Pending",
     "Creating", ["DropJob", "WriteSnapshotStatus"], []),
    ("M9 not restored", numbered(snapshot=seen.stored(), trial=GRANTED, report=seen.report("failed")),
     "AttemptFailed", "Pending", "Creating", ["DropJob", "WriteSnapshotStatus"], []),
    ("M9 restored, then dead", numbered(snapshot=seen.stored(), trial=seen.trial(granted=True, ended=True),
                                        report=seen.report()), "AttemptFailed", "Pending", "Creating",
     ["DropJob", "WriteSnapshotStatus"], []),
    ("M9 for the last time", numbered(version=LAST_ATTEMPT, snapshot=seen.stored(), trial=GRANTED, pod=None,
                                      report=seen.report("failed")), "InternalError", "Failed", "InternalError", [],
     ["Delete", "ForgetPod", "Delete"]),
    ("M10 to be granted", numbered(snapshot=seen.stored(), trial=seen.trial()), "Trying", "Pending", "Creating",
     ["TryRestore"], []),
    ("M11 granted", numbered(snapshot=seen.stored(), trial=GRANTED), "Trying", "Pending", "Creating", [], []),
    ("M12 earlier pod", numbered(version=seen.version(version="1", state="Pending", attempts=2), pod=None,
                                earlier_pods=(seen.pod(1),)), "ClearingAttempt", "Pending", "Creating",
     ["DropJob", "ForgetPod", "Delete"], []),
    ("M12 earlier pod going", numbered(earlier_pods=(seen.pod(2, deleting=True),)), "ClearingAttempt", "Pending",
     "Creating", [], []),
    ("M13 no capable node", numbered(pod=None, nodes=LACKING), "NoCapableNode", "Pending", "Creating", [], []),
    ("M13 no node at all", numbered(pod=None, nodes=Nodes()), "NoCapableNode", "Pending", "Creating", [], []),
    ("M14 first pod", numbered(version=seen.version(version="1", state="Pending"), pod=None), "Initialising",
     "Pending", "Creating", ["CreateInitPod"], []),
    ("M14 pod lost", numbered(pod=None), "Initialising", "Pending", "Creating", ["DropJob", "CreateInitPod"], []),
    ("M15 pod going", numbered(pod=seen.pod(deleting=True)), "PodDeleted", "Pending", "Creating", [], []),
    ("M16 image, at first", numbered(pod=BACKOFF), "ImagePull", "Pending", "Creating", [], []),
    ("M16 image, after grace", numbered(pod=OLD_BACKOFF), "InvalidImage", "Failed", "InvalidImage", [],
     ["Delete", "ForgetPod", "Delete"]),
    ("M16 image, hopeless", numbered(pod=HOPELESS), "InvalidImage", "Failed", "InvalidImage", [],
     ["Delete", "ForgetPod", "Delete"]),
    ("M17 unschedulable", numbered(pod=seen.pod(node="", unschedulable="0/1 nodes: no memory")), "Unschedulable",
     "Pending", "Creating", [], []),
    ("M17 not scheduled yet", numbered(pod=seen.pod(node="")), "Initialising", "Pending", "Creating", [], []),
    ("M17 agent away", numbered(nodes=Nodes(NODES.nodes, {})), "AgentNotReady", "Pending", "Creating", [], []),
    ("M18 done", numbered(job=seen.job("done", digest="sha256:1", sizeBytes=7, storedBytes=3)), "Trying", "Pending",
     "Creating", ["WriteSnapshotStatus"], ["Delete", "ForgetPod"]),
    ("M19 failed for good", numbered(job=seen.failed_job("FunctionError")), "FunctionError", "Failed",
     "FunctionError", [], ["Delete", "ForgetPod", "Delete"]),
    ("M19 failed too often", numbered(version=LAST_ATTEMPT, pod=seen.pod(3), job=seen.failed_job(retryable=True)),
     "InternalError", "Failed", "InternalError", [], ["Delete", "ForgetPod", "Delete"]),
    ("M20 failed once", numbered(job=seen.failed_job(retryable=True)), "AttemptFailed", "Pending", "Creating", [],
     []),
    ("M21 pod dead", numbered(pod=DEAD, job=seen.job("init")), "FunctionError", "Failed", "FunctionError", [],
     ["Delete", "ForgetPod", "Delete"]),
    ("M21 pod dead, no job", numbered(pod=JUST_DEAD), "FunctionError", "Failed", "FunctionError", [],
     ["Delete", "ForgetPod", "Delete"]),
    ("M21 pod just dead", numbered(pod=JUST_DEAD, job=seen.job("init")), "InitPodEnded", "Pending", "Creating", [],
     []),
    ("M21 by the platform", numbered(pod=replace(DEAD, exit_reason="StartError")), "AttemptFailed", "Pending",
     "Creating", [], []),
    ("M21 not when checkpointed", numbered(pod=DEAD, job=seen.job("store")), "Snapshotting", "Pending", "Creating",
     [], []),
    ("M22 code refused", numbered(pod=seen.pod(refused="not a zip")), "InvalidConfiguration", "Failed",
     "InvalidConfiguration", [], ["Delete", "ForgetPod", "Delete"]),
    ("M23 vouch", numbered(), "Initialising", "Pending", "Creating", ["Vouch"], []),
    ("M24 under way", numbered(job=seen.job("checkpoint")), "Snapshotting", "Pending", "Creating", [], []),
]  # fmt: skip


@pytest.mark.parametrize(
    ("observed", "reason", "state", "code", "actions", "cleanup"), [r[1:] for r in ROWS], ids=[r[0] for r in ROWS]
)
def test_row(
    observed: ObservedVersion, reason: str, state: str, code: str, actions: list[str], cleanup: list[str]
) -> None:
    plan = version.decide(observed)
    status = status_of(plan)
    conditions = {c.type: c for c in status.conditions}
    assert conditions["Ready"].reason == reason
    assert (status.state, status.state_reason_code) == (state, code)
    assert kinds(plan.actions) == actions
    assert kinds(plan.cleanup) == cleanup
    expected = {"Active": {"Ready"}, "Pending": {"Reconciling"}, "Failed": {"Stalled"}}[state]
    assert {c.type for c in status.conditions if c.status == "True"} == expected
    assert status.observed_generation == 1


def test_every_check_has_a_row() -> None:
    reached = {next(c for c in checks.chain_for(row[1]) if c(row[1]) is not None) for row in ROWS}
    assert reached == {*publishing.CHAIN, *making.CHAIN}
    tried = [row[1] for row in ROWS if row[1].snapshot is not None and row[1].snapshot.status.digest]
    assert {next(c for c in making.TRIAL if c(o) is not None) for o in tried} == set(making.TRIAL)


@pytest.mark.parametrize("row", [r[0] for r in ROWS])
def test_the_same_is_said_once(row: str) -> None:
    observed = next(r[1] for r in ROWS if r[0] == row)
    plan = version.decide(observed)
    written = [a.status for a in plan.actions if isinstance(a, do.WriteSnapshotStatus)]
    snapshot = observed.snapshot.model_copy(update={"status": written[0]}) if written and observed.snapshot else None
    after = observed.version.model_copy(update={"status": plan.status})
    again = version.decide(replace(observed, version=after, snapshot=snapshot or observed.snapshot))
    assert not again.events or status_of(again).conditions != status_of(plan).conditions


def test_a_number_is_above_all_that_were_given() -> None:
    def number(**changes: Any) -> int:
        first = version.decide(unnumbered(**changes)).actions[0]
        assert isinstance(first, do.GiveNumber)
        return first.number

    assert number() == 1
    assert number(numbers=Numbers(7, "somebody", "3")) == 8
    changed = seen.sibling(9, seen.frozen(memorySize=512))
    assert number(numbers=Numbers(7, "somebody", "3"), siblings=(changed,)) == 10


def test_a_claimed_number_and_a_frozen_template_are_found_again() -> None:
    before = seen.frozen(memorySize=1024)
    plan = version.decide(unnumbered(numbers=Numbers(4, "v-uid", "9"), template=before))
    assert status_of(plan).version == "4"
    freeze = plan.actions[0]
    assert isinstance(freeze, do.FreezeTemplate)
    assert freeze.template == before, "the function may have been edited since"


def test_a_duplicate_mirrors_its_original() -> None:
    original = seen.sibling(3, state="Pending", stateReasonCode="Creating", stateReason="…", codeSha256="c")
    status = status_of(version.decide(unnumbered(siblings=(original,))))
    assert (status.duplicate_of, status.version, status.state) == ("hello-3", "3", "Pending")
    assert (status.state_reason_code, status.code_sha256) == ("Creating", "c")


def test_the_snapshot_s_status_is_written_from_the_job() -> None:
    done = seen.job("done", digest="sha256:1", sizeBytes=79_000_000, storedBytes=31_000_000, initMs=2100.5)
    done = done.model_copy(update={"checkpoint_ms": 1234.0, "store_ms": 400.0})
    plan = version.decide(numbered(job=done))
    write = plan.actions[0]
    assert isinstance(write, do.WriteSnapshotStatus)
    assert (write.status.phase, write.status.node, write.status.stored_bytes) == ("Creating", "n1", 31_000_000)
    assert status_of(plan).snap_start.optimization_status == "Off", "nobody relies on it before it was tried"


def test_a_publish_is_told_in_order_with_its_durations() -> None:
    done = seen.job("done", digest="sha256:1", sizeBytes=79_000_000, storedBytes=31_000_000, initMs=2100.5)
    done = done.model_copy(update={"checkpoint_ms": 1234.0, "store_ms": 400.0})
    told = [e.message for e in version.decide(numbered(job=done)).events]
    assert told[:3] == [
        "initialised in 2.1 s on node n1",
        "checkpointed in 1.2 s",
        "stored 30 MiB of 75 MiB in 0.40 s, and read back",
    ]
    tried = version.decide(numbered(snapshot=seen.stored(), pod=None, trial=GRANTED, report=seen.report()))
    assert [e.message for e in tried.events] == [
        "restored on trial on node n1 in 0.11 s",
        "starts are restores of Snapshot hello-1-s1",
    ]


def test_a_version_is_active_when_its_snapshot_was_restored_on_trial() -> None:
    snapshot = seen.stored(sizeBytes=7, initDurationMs=2100.5)
    plan = version.decide(numbered(snapshot=snapshot, pod=None, trial=GRANTED, report=seen.report()))
    write = plan.actions[0]
    assert isinstance(write, do.WriteSnapshotStatus)
    assert (write.status.phase, write.status.trial_restore_ms) == ("Ready", 110.0)
    status = status_of(plan)
    assert (status.snapshot_ref, status.snapshot_bytes, status.init_duration_ms) == ("hello-1-s1", 7, 2100.5)
    assert plan.published_in == 4.0
    assert status.snap_start.optimization_status == "On"


def test_a_failed_trial_forgets_what_was_stored() -> None:
    plan = version.decide(numbered(snapshot=seen.stored(), trial=seen.trial(refused="corrupt")))
    write = plan.actions[1]
    assert isinstance(write, do.WriteSnapshotStatus)
    assert write.status.digest == ""
    assert (status_of(plan).attempts, plan.requeue_after) == (2, 0)


def test_a_trial_is_on_the_snapshot_s_own_node_and_is_followed() -> None:
    create = version.decide(numbered(snapshot=seen.stored(), pod=None)).actions[0]
    assert isinstance(create, do.CreateTrialPod)
    assert (create.node, create.generation) == ("n1", 1)
    assert version.decide(numbered(snapshot=seen.stored(), trial=GRANTED)).follow == Follow(URL, pod_uid="t1-uid")


def test_a_snapshot_is_made_of_the_runtime_s_image_as_it_is_now() -> None:
    limits = replace(seen.LIMITS, runtimes={"python3.13": "runtime:2"})
    create = version.decide(numbered(snapshot=None, pod=None, limits=limits)).actions[0]
    assert create == do.CreateSnapshot("hello-1-s1", "runtime:2")
    pod = version.decide(numbered(snapshot=seen.snapshot(image="runtime:2"), pod=None)).actions[-1]
    assert isinstance(pod, do.CreateInitPod)
    assert pod.template.image == "runtime:2"


def test_connections_that_the_snapshot_ended_are_told() -> None:
    ended = seen.job("done", digest="sha256:1", closedConnections=["tcp 10.244.0.7:41002 → 10.96.0.1:443"])
    (event,) = (e for e in version.decide(numbered(job=ended)).events if e.reason == "ConnectionsClosed")
    assert event.type == "Normal"
    assert "10.96.0.1:443" in event.message
    reasons = [e.reason for e in version.decide(numbered(job=seen.job("done", digest="sha256:1"))).events]
    assert "ConnectionsClosed" not in reasons


def test_a_retry_counts_before_anything_is_cleared() -> None:
    plan = version.decide(numbered(job=seen.failed_job(message="Error (criu): no", retryable=True)))
    assert status_of(plan).attempts == 2
    assert "attempt 1 of 3 failed" in status_of(plan).state_reason
    assert plan.requeue_after == 0


def test_a_failure_tells_the_function_s_words_and_its_log() -> None:
    failed = seen.failed_job("FunctionError", "RuntimeError: no database today")
    status = status_of(version.decide(numbered(job=failed, log="connecting\n\nTraceback\n")))
    assert status.state_reason.splitlines() == [
        "RuntimeError: no database today",
        "last lines of its log:",
        "connecting",
        "Traceback",
    ]
    ready = next(c for c in status.conditions if c.type == "Ready")
    assert ready.message == "RuntimeError: no database today"


@pytest.mark.parametrize(
    ("message", "reason", "told"),
    [
        ('{"errorType": "KeyError", "errorMessage": "x", "stackTrace": []}', "Error", "KeyError: x"),
        ("exec: no such file", "Error", "exec: no such file"),
        ("", "OOMKilled", "raise memorySize"),
        ("", "Error", "the initialisation ended: Error"),
    ],
)
def test_a_dead_pod_s_last_words(message: str, reason: str, told: str) -> None:
    dead = replace(DEAD, exit_message=message, exit_reason=reason)
    assert told in status_of(version.decide(numbered(pod=dead))).state_reason


def test_no_capable_node_names_each_and_why() -> None:
    reason = status_of(version.decide(numbered(pod=None, nodes=LACKING))).state_reason
    assert reason == "no node can checkpoint: node n1: no CRIU; node n2: unknown"


@pytest.mark.parametrize(("timeout", "seconds"), [(3, 130), (300, 300), (900, 900)])
def test_how_long_an_initialisation_may_take(timeout: int, seconds: float) -> None:
    vouch = version.decide(numbered(template=seen.frozen(timeout=timeout))).actions[0]
    assert isinstance(vouch, do.Vouch)
    assert vouch.request.init_timeout_seconds == seconds
    assert (vouch.agent, vouch.request.pod_uid, vouch.request.http) == (URL, "p1-uid", None)


def test_http_is_told_to_the_agent_with_its_defaults() -> None:
    template = seen.frozen(protocol="http", runtime=None, handler=None, code={"image": "i@sha256:0"})
    vouch = version.decide(numbered(template=template)).actions[0]
    assert isinstance(vouch, do.Vouch)
    assert vouch.request.http is not None
    assert vouch.request.http.port == 8080


def test_a_job_under_way_is_followed() -> None:
    assert version.decide(numbered(job=seen.job())).follow == Follow(URL, "s-uid")


def test_instances_are_told_in_every_state() -> None:
    plan = version.decide(numbered(instances=Instances(ready=2), last_restore_ms=143.2))
    assert (status_of(plan).instances.ready, status_of(plan).last_restore_ms) == (2, 143.2)


# ---------------------------------------------------------------- deletion

DELETED = seen.version(deleting=True, version="1", state="Active")
PODS = (Ref("p", "p-uid"), Ref("q", "q-uid", deleting=True))
PACKAGED = seen.frozen(code={"zip": {"sha256": "a" * 64}})
SILENT = Nodes((Node("n1", True), Node("n2", True)), {"n1": URL})

PURGE: list[tuple[str, ObservedVersion, list[str], bool]] = [
    ("pods", numbered(version=DELETED, pods=PODS), ["Delete"], False),
    ("snapshots", numbered(version=DELETED, snapshots=(Ref("s", "s-uid"),)), ["Delete"], False),
    ("snapshots going", numbered(version=DELETED, snapshots=(Ref("s", "s-uid", deleting=True),)), [], False),
    ("shared package", numbered(version=DELETED, template=PACKAGED), ["Delete"], True),
    ("package", numbered(version=DELETED, template=PACKAGED, package_shared=False), ["PurgeCode", "Delete"], True),
    ("package, node silent", numbered(version=DELETED, template=PACKAGED, package_shared=False, nodes=SILENT), [],
     False),
    ("template", numbered(version=DELETED), ["Delete"], True),
    ("nothing", numbered(version=DELETED, revision=None, template=None), [], True),
]  # fmt: skip


@pytest.mark.parametrize(("observed", "actions", "released"), [r[1:] for r in PURGE], ids=[r[0] for r in PURGE])
def test_deletion(observed: ObservedVersion, actions: list[str], released: bool) -> None:
    plan = version.decide(observed)
    assert kinds(plan.actions) == actions
    assert plan.released is released
    assert plan.released or plan.requeue_after


def test_deletion_names_the_node_it_waits_for() -> None:
    plan = version.decide(next(r[1] for r in PURGE if r[0] == "package, node silent"))
    ready = next(c for c in status_of(plan).conditions if c.type == "Ready")
    assert ready.reason == "DeletionBlocked"
    assert "n2" in ready.message
    assert "n1" not in ready.message
