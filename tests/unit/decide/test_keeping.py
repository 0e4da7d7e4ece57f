"""The table in thaw.decide.keeping, row by row, with time as a value; and what makes a snapshot be made anew."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest

from thaw.api.v1alpha1 import FunctionVersion, FunctionVersionStatus, Unusable
from thaw.decide import actions as do
from thaw.decide import keeping, version
from thaw.decide.observed import Node, Nodes, ObservedVersion, Ref
from thaw.decide.plan import Plan
from unit.decide import seen
from unit.decide.seen import FINGERPRINT, LIMITS, NOW, URL, active, kept

JAVA_RUNTIMES = {"java21": "java:1", "python3.13": "runtime:1"}
JAVA = {"runtime": "java21", "handler": "example.Handler", "code": {"zip": {"sha256": "a" * 64}}}


def ago(**how_long: float) -> str:
    return (NOW - timedelta(**how_long)).isoformat()


def status_of(plan: Plan) -> FunctionVersionStatus:
    assert isinstance(plan.status, FunctionVersionStatus)
    return plan.status


def condition(plan: Plan, type_: str) -> tuple[str, str, str]:
    found = next(c for c in status_of(plan).conditions if c.type == type_)
    return found.status, found.reason, found.message


def java(**changes: Any) -> ObservedVersion:
    limits = replace(LIMITS, runtimes=JAVA_RUNTIMES)
    whole = {"function": seen.function(**JAVA), "template": seen.frozen(**JAVA), "limits": limits}
    return kept(**(whole | {"current": seen.in_use(image="java:1")} | changes))


def ready(at: str, **status: Any) -> FunctionVersion:
    conditions = [{"type": "Ready", "status": "True", "reason": "SnapshotReady", "lastTransitionTime": at}]
    return active(conditions=conditions, **status)


def inactive(code: str = "Idle", **status: Any) -> FunctionVersion:
    conditions = [
        {"type": "Ready", "status": "True", "reason": code, "message": "m", "lastTransitionTime": ago(days=1)}
    ]
    whole = {"state": "Inactive", "stateReasonCode": code, "stateReason": "m", "inactiveSince": ago(hours=2)}
    return active(conditions=conditions, **(whole | status))


def recycling(cause: str = "Scheduled", generation: int = 2, **status: Any) -> FunctionVersion:
    begun = {"generation": generation, "cause": cause, "began": ago(seconds=9)}
    return active(**({"recycle": begun, "attempts": 1} | status))


def making(cause: str = "Scheduled", state: str = "Active", **changes: Any) -> ObservedVersion:
    """A recycle whose init pod is on its node."""
    whole: dict[str, Any] = {
        "version": recycling(cause, state=state),
        "snapshot": seen.snapshot(generation=2),
        "pod": seen.pod(generation=2),
    }
    return kept(**(whole | changes))


def requested(value: str, **status: Any) -> FunctionVersion:
    found = active(**status)
    meta = found.metadata.model_copy(update={"annotations": {"thaw.dev/recycle": value}})
    return found.model_copy(update={"metadata": meta})


def unusable(**nodes: tuple[str, int]) -> Any:
    return {n: Unusable(cause=c, message="why", times=t, last=NOW).to_json() for n, (c, t) in nodes.items()}  # type: ignore[arg-type]


FAILED_INIT = seen.failed_job("FunctionError", "KeyError: x")
OLD_ONE, GOING_ONE = Ref("hello-1-s0", "s0-uid"), Ref("hello-1-s", "s-uid", deleting=True)
OLD = ready(ago(days=20), lastInvokedTime=ago(days=14))
TRIED = {"pod": None, "trial": seen.trial(granted=True), "report": seen.report(),
         "snapshot": seen.stored(generation=2)}  # fmt: skip

# row, observation, Ready's reason, state, code, actions, cleanup
ROWS: list[tuple[str, ObservedVersion, str, str, str, list[str], list[str]]] = [
    ("K1 a step", making(), "SnapshotReady", "Active", "", ["Vouch"], []),
    ("K1 first step", making(snapshot=None, pod=None), "SnapshotReady", "Active", "", ["CreateSnapshot"], []),
    ("K1 made", making(**TRIED), "SnapshotReady", "Active", "", ["WriteSnapshotStatus"],
     ["Delete", "ForgetPod"]),
    ("K1 the first attempt failed", making(job=seen.failed_job(retryable=True)), "SnapshotReady", "Active", "", [],
     []),
    ("K1 initialisation failed", making(job=FAILED_INIT), "FunctionError", "Inactive", "FunctionError", [],
     ["Delete", "ForgetPod", "Delete"]),
    ("K1 initialisation timed out", making(job=seen.failed_job("Timeout")), "FunctionError", "Inactive",
     "FunctionError", [], ["Delete", "ForgetPod", "Delete"]),
    ("K1 the platform failed", making(job=seen.failed_job("InternalError")), "SnapshotReady", "Active", "", [],
     ["Delete", "ForgetPod", "Delete"]),
    ("K1 reactivation, a step", making("Reactivation", "Pending", current=None), "Initialising", "Pending",
     "Restoring", ["Vouch"], []),
    ("K1 reactivation, made", making("Reactivation", "Pending", current=None, **TRIED), "SnapshotReady", "Active", "",
     ["WriteSnapshotStatus"], ["Delete", "ForgetPod"]),
    ("K1 reactivation, failed", making("Reactivation", "Pending", current=None, job=FAILED_INIT), "FunctionError",
     "Inactive", "FunctionError", [], ["Delete", "ForgetPod", "Delete"]),
    ("K1 reactivation, platform failed", making("Reactivation", "Pending", current=None, job=seen.failed_job()),
     "InternalError", "Inactive", "InternalError", [], ["Delete", "ForgetPod", "Delete"]),
    ("K2 invoked again", kept(version=inactive(lastInvokedTime=ago(hours=1))), "SnapshotReady", "Active", "", [], []),
    ("K2 invoked again, Java", java(version=inactive(lastInvokedTime=ago(hours=1)), current=None), "Reactivating",
     "Pending", "Restoring", [], []),
    ("K2 invoked again after a failure", kept(version=inactive("FunctionError", lastInvokedTime=ago(hours=1))),
     "SnapshotReady", "Active", "", [], []),
    ("K3 inactive", kept(version=inactive(lastInvokedTime=ago(days=20))), "Idle", "Inactive", "Idle", [], []),
    ("K3 inactive by failure", kept(version=inactive("FunctionError")), "FunctionError", "Inactive", "FunctionError",
     [], []),
    ("K3 inactive, Java", java(version=inactive(snapshotRef=""), current=None, earlier_snapshots=(OLD_ONE,)), "Idle",
     "Inactive", "Idle", [], ["Delete"]),
    ("K3 inactive, Java, going", java(version=inactive(snapshotRef=""), current=None, earlier_snapshots=(GOING_ONE,)),
     "Idle", "Inactive", "Idle", [], []),
    ("K4 idle", kept(version=OLD), "Idle", "Inactive", "Idle", [], []),
    ("K4 idle, Java", java(version=OLD), "Idle", "Inactive", "Idle", [], []),
    ("K4 never invoked", kept(version=ready(ago(days=14))), "Idle", "Inactive", "Idle", [], []),
    ("K5 gone", kept(current=None), "SnapshotLost", "Active", "", [], []),
    ("K5 old", kept(current=seen.in_use(createdAt=ago(days=7))), "SnapshotReady", "Active", "", [], []),
    ("K5 not its turn", kept(current=seen.in_use(createdAt=ago(days=7)), may_recycle=False), "SnapshotReady",
     "Active", "", [], []),
    ("K6 in use", kept(), "SnapshotReady", "Active", "", [], []),
    ("K6 what a pass cut short left", kept(earlier_snapshots=(OLD_ONE, GOING_ONE), trial=seen.trial()),
     "SnapshotReady", "Active", "", [], ["Delete", "ForgetPod", "Delete"]),
]  # fmt: skip


@pytest.mark.parametrize(
    ("observed", "reason", "state", "code", "actions", "cleanup"), [r[1:] for r in ROWS], ids=[r[0] for r in ROWS]
)
def test_row(
    observed: ObservedVersion, reason: str, state: str, code: str, actions: list[str], cleanup: list[str]
) -> None:
    plan = version.decide(observed)
    status = status_of(plan)
    assert condition(plan, "Ready")[1] == reason
    assert (status.state, status.state_reason_code) == (state, code)
    assert [type(a).__name__ for a in plan.actions] == actions
    assert [type(a).__name__ for a in plan.cleanup] == cleanup


def test_every_check_has_a_row() -> None:
    reached = {next(c for c in keeping.CHAIN if c(row[1]) is not None) for row in ROWS}
    assert reached == set(keeping.CHAIN)


@pytest.mark.parametrize("row", [r[0] for r in ROWS])
def test_the_same_is_said_once(row: str) -> None:
    observed = next(r[1] for r in ROWS if r[0] == row)
    plan = version.decide(observed)
    again = version.decide(replace(observed, version=observed.version.model_copy(update={"status": plan.status})))
    assert not again.events or status_of(again).conditions != status_of(plan).conditions


# ---------------------------------------------------------------- idleness


@pytest.mark.parametrize(
    ("invoked", "own", "limit", "state", "again"),
    [
        (NOW - timedelta(days=13, hours=23), None, timedelta(days=14), "Active", 3600.0),
        (NOW - timedelta(days=14), None, timedelta(days=14), "Inactive", 0),
        (NOW - timedelta(days=14), "15d", timedelta(days=14), "Active", 86400.0),
        (NOW - timedelta(seconds=10), "10s", timedelta(days=14), "Inactive", 0),
        (NOW - timedelta(days=900), "Never", timedelta(days=14), "Active", None),
        (NOW - timedelta(days=900), None, None, "Active", None),
        (NOW - timedelta(days=900), "1d", None, "Inactive", 0),
    ],
)
def test_idle_time(
    invoked: datetime, own: str | None, limit: timedelta | None, state: str, again: float | None
) -> None:
    function = seen.function(snapStart={"applyOn": "PublishedVersions", "inactiveAfter": own, "recycleAfter": "Never"})
    limits = replace(LIMITS, inactive_after=limit)
    old = ready(ago(days=1000), lastInvokedTime=invoked.isoformat())
    plan = version.decide(kept(version=old, function=function, limits=limits))
    assert status_of(plan).state == state
    assert plan.requeue_after == again


def test_a_version_that_became_active_again_is_not_idle_at_once() -> None:
    again = ready(ago(minutes=1), lastInvokedTime=ago(days=20))
    assert status_of(version.decide(kept(version=again))).state == "Active"


@pytest.mark.parametrize("scaling", [{"minInstances": 1}, {"provisionedConcurrency": {"1": 1}}])
def test_instances_kept_running_on_purpose_keep_a_version_active(scaling: dict[str, Any]) -> None:
    function = seen.function(scaling=scaling)
    running = replace(kept(version=OLD, function=function), instances=_ready(1))
    assert status_of(version.decide(running)).state == "Active"
    assert status_of(version.decide(replace(running, instances=_ready(0)))).state == "Inactive"


def _ready(count: int) -> Any:
    return FunctionVersionStatus.model_validate({"instances": {"ready": count}}).instances


def test_what_an_idle_version_says_depends_on_whether_its_snapshot_is_kept() -> None:
    python, of_java = version.decide(kept(version=OLD)), version.decide(java(version=OLD))
    assert condition(python, "Ready") == ("True", "Idle", "not invoked for 14 d; the next invocation restores it")
    assert status_of(python).snapshot_ref == "hello-1-s1"
    assert condition(of_java, "Ready")[0] == "False"
    assert "refused and makes a new snapshot" in condition(of_java, "Stalled")[2]
    assert (status_of(of_java).snapshot_ref, status_of(of_java).snap_start.optimization_status) == ("", "Off")
    assert status_of(of_java).inactive_since == NOW


# ---------------------------------------------------------------- why a snapshot is made anew


NEWER = replace(LIMITS, runtimes={"python3.13": "runtime:2"})
OTHER_CPU = FINGERPRINT.model_copy(update={"cpu": "c2"})
NEW_KERNEL = FINGERPRINT.model_copy(update={"kernel": "6.19.1"})


def on(*nodes: Node) -> Nodes:
    return Nodes(nodes, {n.name: URL for n in nodes})


CAUSES: list[tuple[str, ObservedVersion, str | None]] = [
    ("well", kept(), None),
    ("gone", kept(current=None), "SnapshotLost"),
    ("being deleted", kept(current=seen.in_use(deleting=True)), "SnapshotLost"),
    ("quarantined", kept(current=seen.in_use("Quarantined")), "SnapshotLost"),
    ("corrupt where it was taken", kept(current=seen.in_use(unusable=unusable(n1=("Corrupt", 1)))), "SnapshotLost"),
    ("missing on a node with a store of its own", kept(current=seen.in_use(unusable=unusable(n2=("Missing", 1)))),
     None),
    ("missing in a shared store", kept(current=seen.in_use(unusable=unusable(n2=("Missing", 1))),
                                       limits=replace(LIMITS, store_shared=True)), "SnapshotLost"),
    ("a restore failed", kept(current=seen.in_use(unusable=unusable(n1=("RestoreFailed", 1)))), None),
    ("two restores failed", kept(current=seen.in_use(unusable=unusable(n1=("RestoreFailed", 2)))), "SnapshotLost"),
    ("one on each of two nodes", kept(current=seen.in_use(
        unusable=unusable(n1=("RestoreFailed", 1), n2=("RestoreFailed", 1)))), "SnapshotLost"),
    ("does not fit some node", kept(current=seen.in_use(unusable=unusable(n2=("Fingerprint", 9)))), None),
    ("asked for", kept(version=requested("1")), "Requested"),
    ("asked for, and done", kept(version=requested("1", recycleRequested="1")), None),
    ("asked for again", kept(version=requested("2", recycleRequested="1")), "Requested"),
    ("newer runtime image", kept(limits=NEWER), "RuntimeImage"),
    ("of the newer image already", kept(limits=NEWER, current=seen.in_use(image="runtime:2")), None),
    ("a user's image", kept(template=seen.frozen(runtime=None, handler=None, code={"image": "a@sha256:1"}),
                            current=seen.in_use(image="a@sha256:1"), limits=NEWER), None),
    ("its node's kernel is new", kept(nodes=on(Node("n1", True, fingerprint=NEW_KERNEL))), "Fingerprint"),
    ("its node is not capable now", kept(nodes=on(Node("n1", False, fingerprint=NEW_KERNEL))), None),
    ("its node has not said", kept(nodes=on(Node("n1", True))), None),
    ("its node is gone, another fits", kept(nodes=on(Node("n2", True, fingerprint=NEW_KERNEL))), None),
    ("its node is gone, none fits", kept(nodes=on(Node("n2", True, fingerprint=OTHER_CPU))), "Fingerprint"),
    ("fits one of two", kept(nodes=on(Node("n1", True, fingerprint=FINGERPRINT),
                                      Node("n2", True, fingerprint=OTHER_CPU))), None),
    ("a week old", kept(current=seen.in_use(createdAt=ago(days=7))), "Scheduled"),
    ("not a week old", kept(current=seen.in_use(createdAt=ago(days=6.99))), None),
    ("older than its function says", kept(function=seen.function(
        snapStart={"applyOn": "PublishedVersions", "recycleAfter": "1h"})), "Scheduled"),
]  # fmt: skip


@pytest.mark.parametrize(("observed", "cause"), [c[1:] for c in CAUSES], ids=[c[0] for c in CAUSES])
def test_cause(observed: ObservedVersion, cause: str | None) -> None:
    plan = version.decide(observed)
    begun = status_of(plan).recycle
    assert (begun.cause if begun else None) == cause
    assert status_of(plan).state == "Active", "it serves throughout"
    if begun:
        assert (begun.generation, status_of(plan).attempts, plan.requeue_after) == (2, 0, 0)
        assert condition(plan, "Recycled")[:2] == ("Unknown", cause)
        assert plan.events[0].reason == "RecycleBegun"


def test_a_broken_snapshot_is_put_in_quarantine_though_no_recycle_can_begin_yet() -> None:
    broken = seen.in_use(unusable=unusable(n1=("Corrupt", 1)))
    plan = version.decide(kept(current=broken, may_recycle=False))
    assert status_of(plan).recycle is None
    write = plan.actions[0]
    assert isinstance(write, do.WriteSnapshotStatus)
    assert write.status.phase == "Quarantined"
    assert "on node n1 it is corrupt: why" in write.status.message
    assert condition(plan, "Ready")[1] == "SnapshotLost"
    assert status_of(plan).snap_start.optimization_status == "Off"


def test_it_waits_for_its_turn() -> None:
    assert status_of(version.decide(kept(limits=NEWER))).recycle is not None
    waits = version.decide(kept(limits=NEWER, may_recycle=False))
    assert (status_of(waits).recycle, waits.waits_for_turn, waits.requeue_after) == (None, True, None)


def test_a_recycle_that_waits_for_what_does_not_come_is_given_up() -> None:
    full = seen.pod(generation=2, node="", unschedulable="0/1 nodes: no memory")
    begun = {"generation": 2, "cause": "Scheduled", "began": ago(minutes=61)}
    plan = version.decide(making(version=active(recycle=begun, attempts=1), pod=full))
    assert plan.recycled is not None
    assert "not done within 60 min" in plan.recycled.message
    assert "no memory" in plan.recycled.message
    assert (status_of(plan).state, status_of(plan).recycle) == ("Active", None)


@pytest.mark.parametrize(
    ("failures", "minutes", "begins"),
    [(1, 59, False), (1, 60, True), (2, 119, False), (2, 120, True), (9, 24 * 60 - 1, False), (9, 24 * 60, True)],
)
def test_a_recycle_that_failed_is_tried_again_later_and_later(failures: int, minutes: int, begins: bool) -> None:
    last = {"cause": "RuntimeImage", "succeeded": False, "ended": ago(minutes=minutes), "failures": failures}
    plan = version.decide(kept(version=active(lastRecycle=last), limits=NEWER))
    assert (status_of(plan).recycle is not None) is begins
    asked = requested("now", lastRecycle=last)
    assert status_of(version.decide(kept(version=asked))).recycle is not None, "who asks does not wait"
    assert status_of(version.decide(kept(version=asked, current=None))).recycle is not None, "for whatever cause"


@pytest.mark.parametrize(
    ("last", "seconds", "begins"),
    [
        ("Fingerprint", 3599, False),
        ("Fingerprint", 3600, True),
        ("SnapshotLost", 1, True),
    ],
)
def test_a_cause_that_a_recycle_did_not_do_away_with_is_not_acted_upon_at_once(
    last: str, seconds: int, begins: bool
) -> None:
    before = {"cause": last, "succeeded": True, "ended": ago(seconds=seconds)}
    changed = on(Node("n1", True, fingerprint=NEW_KERNEL))
    plan = version.decide(kept(version=active(lastRecycle=before), nodes=changed))
    assert (status_of(plan).recycle is not None) is begins
    assert begins or plan.requeue_after == 3600 - seconds


@pytest.mark.parametrize(("seconds", "begins"), [(59, False), (60, True)])
def test_a_new_snapshot_that_is_lost_too_is_made_anew_a_minute_later(seconds: int, begins: bool) -> None:
    before = {"cause": "SnapshotLost", "succeeded": True, "ended": ago(seconds=seconds)}
    plan = version.decide(kept(version=active(lastRecycle=before), current=None))
    assert (status_of(plan).recycle is not None) is begins


# ---------------------------------------------------------------- how a recycle goes and ends


def test_a_recycle_is_told_beside_ready() -> None:
    plan = version.decide(making())
    assert condition(plan, "Ready") == ("True", "SnapshotReady", "starts are restores of Snapshot hello-1-s1")
    state, reason, message = condition(plan, "Recycled")
    assert (state, reason) == ("Unknown", "Scheduled")
    assert "the function initialises" in message
    assert [e.reason for e in plan.events] == ["Initialising"]


def test_the_new_snapshot_takes_the_place_of_the_old() -> None:
    plan = version.decide(making(**TRIED))
    status = status_of(plan)
    assert (status.snapshot_ref, status.snapshot_generation, status.recycle) == ("hello-1-s2", 2, None)
    assert do.Delete("Snapshot", "hello-1-s1", "s-uid") not in plan.cleanup, "not before the status is written"
    assert plan.requeue_after == 0
    assert plan.recycled is not None
    assert plan.recycled.succeeded
    assert plan.published_in is None
    assert condition(plan, "Recycled")[:2] == ("True", "Recycled")


def test_a_failed_recycle_keeps_the_old_snapshot_and_removes_the_new() -> None:
    plan = version.decide(making(job=seen.failed_job("InternalError", "no room")))
    status = status_of(plan)
    assert (status.snapshot_ref, status.snapshot_generation, status.recycle) == ("hello-1-s1", 1, None)
    assert do.Delete("Snapshot", "hello-1-s2", "s2-uid") in plan.cleanup
    assert do.Delete("Snapshot", "hello-1-s1", "s-uid") not in plan.cleanup
    assert plan.recycled is not None
    assert (plan.recycled.succeeded, plan.recycled.failures, plan.recycled.message) == (False, 1, "no room")
    assert condition(plan, "Recycled") == ("False", "RecycleFailed", "no room")
    assert [e.reason for e in plan.events] == ["RecycleFailed"]


def test_when_init_fails_in_a_recycle_the_version_is_inactive_and_keeps_its_snapshot() -> None:
    plan = version.decide(making(job=FAILED_INIT))
    status = status_of(plan)
    assert (status.state, status.state_reason) == ("Inactive", "KeyError: x")
    assert (status.snapshot_ref, status.inactive_since) == ("hello-1-s1", NOW)
    assert condition(plan, "Stalled")[0] == "True"


def test_failures_in_a_row_are_counted() -> None:
    last = {"cause": "Scheduled", "succeeded": False, "ended": ago(hours=1), "failures": 2}
    plan = version.decide(making(version=recycling(lastRecycle=last), job=seen.failed_job("InternalError")))
    assert plan.recycled is not None
    assert plan.recycled.failures == 3


def test_a_java_version_whose_init_fails_in_a_recycle_gives_its_snapshot_up() -> None:
    observed = making(job=FAILED_INIT, function=seen.function(**JAVA), template=seen.frozen(**JAVA))
    assert status_of(version.decide(observed)).snapshot_ref == ""


def test_an_inactive_version_is_made_anew_when_its_user_asks() -> None:
    asked = inactive("FunctionError").metadata.model_copy(update={"annotations": {"thaw.dev/recycle": "1"}})
    observed = kept(version=inactive("FunctionError").model_copy(update={"metadata": asked}))
    plan = version.decide(observed)
    assert (status_of(plan).state, plan.requeue_after) == ("Active", 0)
    after = observed.version.model_copy(update={"status": plan.status})
    begun = status_of(version.decide(replace(observed, version=after))).recycle
    assert begun is not None
    assert begun.cause == "Requested"


def test_cold_nodes_are_named() -> None:
    current = seen.in_use(unusable=unusable(n2=("Fingerprint", 3)))
    assert condition(version.decide(kept(current=current)), "Ready")[2].endswith("; cold on n2 (Fingerprint)")
