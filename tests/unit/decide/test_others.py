"""Aliases, snapshots, nodes, templates and troubles."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from thaw.api.node import NodeInfo
from thaw.api.v1alpha1 import FunctionAlias, FunctionAliasStatus, Snapshot, SnapshotStatus
from thaw.decide import actions as do
from thaw.decide import alias, node, plan, snapshot
from thaw.decide import template as templates
from thaw.decide.node import Mark
from thaw.decide.observed import Node, Nodes, ObservedAlias, ObservedSnapshot, Ref
from unit.decide import seen
from unit.decide.seen import NODES, NOW, RUNTIMES, URL


def an_alias(deleting: bool = False, **spec: Any) -> FunctionAlias:
    meta = {"name": "hello-live", "namespace": "default", "uid": "a-uid", "generation": 1}
    if deleting:
        meta["deletionTimestamp"] = NOW.isoformat()
    whole = {"functionName": "hello", "name": "live", "functionVersion": "1"} | spec
    return FunctionAlias.model_validate({"metadata": meta, "spec": whole})


@pytest.mark.parametrize(
    ("which", "function", "numbers", "reason"),
    [
        (an_alias(), seen.function(), (1,), "Resolved"),
        (an_alias(additionalVersionWeights={"2": 0.1}), seen.function(), (1, 2), "Resolved"),
        (an_alias(additionalVersionWeights={"2": 0.1}), seen.function(), (1,), "VersionMissing"),
        (an_alias(), seen.function(), (), "VersionMissing"),
        (an_alias(functionVersion="$LATEST"), seen.function(), (), "Resolved"),
        (an_alias(), None, (1,), "FunctionMissing"),
        (an_alias(), seen.function(deleting=True), (1,), "FunctionMissing"),
    ],
)
def test_alias(which: FunctionAlias, function: Any, numbers: tuple[int, ...], reason: str) -> None:
    found = alias.decide(ObservedAlias(NOW, which, function, tuple(seen.sibling(n) for n in numbers)))
    assert isinstance(found.status, FunctionAliasStatus)
    ready = next(c for c in found.status.conditions if c.type == "Ready")
    assert (ready.reason, ready.status) == (reason, "True" if reason == "Resolved" else "False")


def test_a_deleted_alias_leaves_nothing() -> None:
    assert alias.decide(ObservedAlias(NOW, an_alias(deleting=True))).released


GOING = seen.snapshot("Ready", deleting=True)
PURGE = do.PurgeSnapshot("s-uid", (URL,))


@pytest.mark.parametrize(
    ("which", "pods", "nodes", "actions", "cleanup", "released"),
    [
        (seen.snapshot("Ready"), (), NODES, (), (), False),
        (GOING, (Ref("p", "p-uid"),), NODES, (do.Delete("Pod", "p", "p-uid"),), (), False),
        (GOING, (), Nodes((Node("n1", True),), {}), (), (), False),
        (GOING, (), NODES, (), (PURGE,), True),
        (GOING, (), Nodes((), {"n1": URL}), (), (PURGE,), True),
    ],
    ids=["alive", "pods", "agent away", "purged", "node no longer exists"],
)
def test_snapshot(which: Snapshot, pods: Any, nodes: Nodes, actions: Any, cleanup: Any, released: bool) -> None:
    found = snapshot.decide(ObservedSnapshot(NOW, which, pods, (), nodes))
    assert (found.actions, found.cleanup, found.released) == (actions, cleanup, released)
    if which is GOING:
        assert isinstance(found.status, SnapshotStatus)
        assert found.status.phase == "Deleting", "written before bytes go: actions, status, clean-up"


@pytest.mark.parametrize(("minutes", "deleted"), [(0, False), (14, False), (15, True)])
def test_instances_of_a_replaced_snapshot_serve_what_they_have(minutes: int, deleted: bool) -> None:
    now = NOW + timedelta(minutes=minutes)
    found = snapshot.decide(ObservedSnapshot(now, GOING, (), (Ref("i", "i-uid"),), NODES))
    assert found.actions == ((do.Delete("Pod", "i", "i-uid"),) if deleted else ())
    assert not found.released


def info(checkpoint: bool, reason: str = "", store: str = "") -> NodeInfo:
    return NodeInfo(node="n", checkpoint=checkpoint, reason=reason, fingerprint=seen.FINGERPRINT, store=store)


TOLD = seen.FINGERPRINT.model_dump_json(by_alias=True)


@pytest.mark.parametrize(
    ("said", "known", "silent_for", "mark"),
    [
        (info(True), False, 0, Mark("supported", "", TOLD, "")),
        (info(True, store="no route"), True, 0, Mark("supported", "", TOLD, "no route")),
        (info(False, "no CRIU"), True, 0, Mark("unsupported", "no CRIU", TOLD, "")),
        (None, True, 59, None),
        (None, True, 60, Mark("unsupported", "no agent answers on this node")),
        (None, False, 600, None),
    ],
)
def test_node(said: Any, known: bool, silent_for: float, mark: Any) -> None:
    assert node.mark(said, known=known, silent_for=silent_for) == mark


@pytest.mark.parametrize(
    ("change", "same"),
    [
        ({"scaling": {"maxInstances": 3}}, True),
        ({"autoPublishAlias": "live"}, True),
        ({"snapStart": {"applyOn": "PublishedVersions", "inactiveAfter": "1d", "recycleAfter": "Never"}}, True),
        ({"snapStart": {"applyOn": "None"}}, False),
        ({"timeout": 3}, True),
        ({"timeout": 4}, False),
        ({"description": "new"}, False),
        ({"environment": {"A": "1"}}, False),
        ({"code": {"inline": {"app.py": "y"}}}, False),
    ],
)
def test_what_a_publish_counts_as_changed(change: dict[str, Any], same: bool) -> None:
    before, after = seen.function().spec, seen.function(**change).spec
    assert (templates.template_hash(before) == templates.template_hash(after)) is same


def test_a_renewed_runtime_is_no_change_but_is_frozen() -> None:
    spec = seen.function().spec
    assert templates.freeze(spec, RUNTIMES).image == "runtime:1"
    assert templates.freeze(spec, {"python3.13": "runtime:2"}).image == "runtime:2"


@pytest.mark.parametrize(
    ("code", "sha"),
    [
        ({"zip": {"sha256": "00" * 32}}, "A" * 43 + "="),
        ({"image": "r/app@sha256:abc"}, "abc"),
        ({"image": "r/app:1"}, ""),
    ],
)
def test_code_sha256(code: dict[str, Any], sha: str) -> None:
    spec = seen.function(code=code, runtime=None if "image" in code else "python3.13").spec
    assert templates.code_sha256(spec.code) == sha


def test_trouble_is_told_once_and_takes_nothing_from_what_is_ready() -> None:
    meta = seen.version().metadata
    first = plan.trouble(seen.version().status, meta, "Pod x: no", now=NOW, attempt=1)
    assert [e.type for e in first.events] == ["Warning"]
    assert first.status is not None
    again = plan.trouble(first.status, meta, "Pod x: no", now=NOW, attempt=9)
    assert again.events == ()
    assert again.requeue_after == 30.0
    active = seen.version(conditions=[{"type": "Ready", "status": "True", "reason": "SnapshotReady",
                                       "lastTransitionTime": NOW.isoformat()}])  # fmt: skip
    assert plan.trouble(active.status, meta, "no", now=NOW, attempt=1).status is None
    assert plan.trouble(active.status, meta, "no", now=NOW, attempt=1, deleting=True).status is not None
