"""Values for tables: an observation in which all is well, to be changed row by row."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from thaw import names
from thaw.api.node import SnapshotJob
from thaw.api.v1alpha1 import (
    FrozenTemplate,
    Function,
    FunctionVersion,
    FunctionVersionStatus,
    Snapshot,
)
from thaw.decide import template as templates
from thaw.decide.observed import InitPod, Limits, Node, Nodes, ObservedVersion, Ref, Sibling

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


def snapshot(phase: str = "Creating", deleting: bool = False) -> Snapshot:
    meta = {"name": "hello-1-s1", "namespace": "default", "uid": "s-uid", "generation": 1}
    if deleting:
        meta["deletionTimestamp"] = NOW.isoformat()
    return Snapshot.model_validate(
        {
            "metadata": meta,
            "spec": {"functionName": "hello", "versionName": "hello-1", "version": "1"},
            "status": {"phase": phase, "sizeBytes": 100, "initDurationMs": 5.0},
        }
    )


def pod(attempt: int = 1, **changes: Any) -> InitPod:
    name = names.init_pod("hello-1-s1", attempt)
    return replace(InitPod(name, f"p{attempt}-uid", NOW - timedelta(seconds=3), node="n1"), **changes)


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
