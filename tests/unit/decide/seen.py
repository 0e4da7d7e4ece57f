"""Values for tables: an observation in which all is well, to be changed row by row."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from thaw import names
from thaw.api.node import Report, SnapshotJob
from thaw.api.v1alpha1 import (
    Fingerprint,
    FrozenTemplate,
    Function,
    FunctionVersion,
    FunctionVersionStatus,
    Snapshot,
)
from thaw.decide import template as templates
from thaw.decide.observed import Limits, Node, Nodes, ObservedVersion, Ref, Sibling, SnapshotPod

NOW = datetime(2026, 1, 1, 12, tzinfo=UTC)
RUNTIMES = {"python3.13": "runtime:1"}
LIMITS = Limits(init_attempts=3, runtimes=RUNTIMES)
URL = "http://10.0.0.1:8440"
NODES = Nodes((Node("n1", True),), {"n1": URL})


def function(uid: str = "f-uid", deleting: bool = False, status: Any = None, **spec: Any) -> Function:
    whole = {
        "runtime": "python3.13",
        "handler": "app.handler",
        "code": {"inline": {"app.py": "x"}},
        "snapStart": {"applyOn": "PublishedVersions"},
    }
    meta = {"name": "hello", "namespace": "default", "uid": uid, "generation": 2}
    if deleting:
        meta["deletionTimestamp"] = NOW.isoformat()
    return Function.model_validate(
        {
            "metadata": meta,
            "spec": {k: v for k, v in (whole | spec).items() if v is not None},
            "status": status or {},
        }
    )


def frozen(**spec: Any) -> FrozenTemplate:
    return templates.freeze(function(**spec).spec, RUNTIMES)


def version(deleting: bool = False, spec: Any = None, **status: Any) -> FunctionVersion:
    meta = {
        "name": "hello-1",
        "namespace": "default",
        "uid": "v-uid",
        "generation": 1,
        "creationTimestamp": (NOW - timedelta(seconds=4)).isoformat(),
    }
    if deleting:
        meta["deletionTimestamp"] = NOW.isoformat()
    return FunctionVersion.model_validate(
        {"metadata": meta, "spec": {"functionName": "hello", **(spec or {})}, "status": status}
    )


FINGERPRINT = Fingerprint(arch="x86_64", cpu="c1", kernel="6.18.5", criu="4.2.1", runc="1.3.6")


def snapshot(
    phase: str = "Creating", deleting: bool = False, generation: int = 1, image: str = "runtime:1", **status: Any
) -> Snapshot:
    """The version's nth snapshot."""
    uid = "s-uid" if generation == 1 else f"s{generation}-uid"
    meta = {"name": f"hello-1-s{generation}", "namespace": "default", "uid": uid, "generation": 1}
    if deleting:
        meta["deletionTimestamp"] = NOW.isoformat()
    return Snapshot.model_validate(
        {
            "metadata": meta,
            "spec": {"functionName": "hello", "versionName": "hello-1", "version": "1", "image": image},
            "status": {"phase": phase, "sizeBytes": 100, "initDurationMs": 5.0, **status},
        }
    )


def stored(**status: Any) -> Snapshot:
    """A snapshot that is in the store and waits for its trial."""
    return snapshot(**({"digest": "sha256:1", "node": "n1"} | status))


def in_use(phase: str = "Ready", deleting: bool = False, image: str = "runtime:1", **status: Any) -> Snapshot:
    """A snapshot that instances are restored from, taken a day ago."""
    made = (NOW - timedelta(days=1)).isoformat()
    whole = {"digest": "sha256:1", "node": "n1", "createdAt": made, "fingerprint": FINGERPRINT.to_json()}
    return snapshot(phase, deleting, image=image, **(whole | status))


def pod(attempt: int = 1, generation: int = 1, **changes: Any) -> SnapshotPod:
    name = names.init_pod(f"hello-1-s{generation}", attempt)
    return replace(SnapshotPod(name, f"p{attempt}-uid", NOW - timedelta(seconds=3), node="n1"), **changes)


def trial(attempt: int = 1, **changes: Any) -> SnapshotPod:
    name = names.trial_pod("hello-1-s1", attempt)
    return replace(SnapshotPod(name, f"t{attempt}-uid", NOW - timedelta(seconds=1), node="n1"), **changes)


def report(state: str = "restored", **more: Any) -> Report:
    return Report.model_validate({"podUID": "t1-uid", "containerID": "c", "state": state, "restoreMs": 110.0, **more})


def job(phase: str = "init", **more: Any) -> SnapshotJob:
    return SnapshotJob.model_validate({"id": "s-uid", "phase": phase, **more})


def failed_job(code: str = "InternalError", message: str = "no", retryable: bool = False) -> SnapshotJob:
    return job("failed", error={"code": code, "message": message, "retryable": retryable})


def sibling(number: int = 1, template: FrozenTemplate | None = None, **status: Any) -> Sibling:
    """Another version, of the template that ``function()`` would freeze unless another is given."""
    whole = {"version": str(number) if number else "", "state": "Active"} | status
    return Sibling(
        name=f"hello-{number}" if number else "hello-new",
        number=number,
        status=FunctionVersionStatus.model_validate(whole),
        template_hash=templates.template_hash((template or frozen()).spec) if number else "",
    )


def unnumbered(**changes: Any) -> ObservedVersion:
    """A version that was just applied, and its function."""
    return replace(
        ObservedVersion(now=NOW, version=version(), function=function(), nodes=NODES, limits=LIMITS), **changes
    )


def numbered(**changes: Any) -> ObservedVersion:
    """A version whose init pod is on a node, and whose job has not begun."""
    whole = ObservedVersion(
        now=NOW,
        version=version(version="1", state="Pending", attempts=1),
        template=frozen(),
        revision=Ref("hello-1-template", "r-uid"),
        snapshot=snapshot(),
        pod=pod(),
        nodes=NODES,
        limits=LIMITS,
    )
    return replace(whole, **changes)


def active(**status: Any) -> FunctionVersion:
    """A version that became Active an hour ago."""
    then = (NOW - timedelta(hours=1)).isoformat()
    message = "starts are restores of Snapshot hello-1-s1"
    ready = {"type": "Ready", "status": "True", "reason": "SnapshotReady", "message": message}
    ready |= {"lastTransitionTime": then}
    whole = {"version": "1", "state": "Active", "snapshotRef": "hello-1-s1", "conditions": [ready]} | status
    return version(**whole)


def kept(**changes: Any) -> ObservedVersion:
    """An Active version, served from its snapshot."""
    node = Node("n1", True, fingerprint=FINGERPRINT)
    whole = ObservedVersion(
        now=NOW,
        version=active(),
        function=function(),
        template=frozen(),
        revision=Ref("hello-1-template", "r-uid"),
        current=in_use(),
        nodes=Nodes((node,), {"n1": URL}),
        limits=LIMITS,
        may_recycle=True,
    )
    return replace(whole, **changes)
