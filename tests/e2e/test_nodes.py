"""A node that cannot checkpoint is labelled, says why, and gets no function."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from e2e.support import SYSTEM, eventually, header, inline, invoke, publish, source, state
from e2e.test_resilience import all_ready, kill

LABEL, REASON = "thaw.dev/checkpoint", "thaw.dev/checkpoint-reason"


@pytest.fixture
def no_criu(cluster) -> Iterator[None]:
    """Hides CRIU on every node, and starts the agents anew so that they look again."""
    cluster.on_nodes("mv /usr/sbin/criu /usr/sbin/criu.hidden")
    kill(cluster, "agent")
    try:
        yield
    finally:
        cluster.on_nodes("mv /usr/sbin/criu.hidden /usr/sbin/criu")
        kill(cluster, "agent")
        eventually("agents back", lambda: all_ready(cluster, "agent"))
        eventually("nodes can again", lambda: labels(cluster) == {"supported"})


def labels(cluster) -> set[str]:
    return {n.metadata.labels.get(LABEL, "") for n in cluster.core.list_node().items}


def test_without_criu_nothing_is_placed_and_everybody_says_why(cluster, name, no_criu):
    """The label, the annotation, and the version's own reason; once CRIU is there, the version becomes Active."""
    eventually("the label says so", lambda: labels(cluster) == {"unsupported"})
    for node in cluster.core.list_node().items:
        assert "CRIU" in node.metadata.annotations[REASON]
    version = publish(cluster, name, inline("def handler(e, c): return 1"))

    def told() -> bool:
        status = (cluster.get("functionversions", version) or {}).get("status", {})
        assert status.get("state") in (None, "Pending")
        return "CRIU" in status.get("stateReason", "")

    eventually("the version says why it waits", told)
    pods = cluster.pods(f"thaw.dev/function={name}")
    assert not any(pod.spec.node_name for pod in pods), "no pod of it is placed"
    assert cluster.pods("app.kubernetes.io/component=agent", SYSTEM), "the agent itself still answers"
    cluster.on_nodes("cp /usr/sbin/criu.hidden /usr/sbin/criu")
    kill(cluster, "agent")
    state(cluster, version, "Active")


def test_a_snapshot_restores_on_another_node(cluster, lam, name):
    """Taken on one node, fetched from the store and restored on another, with the same initialised value."""
    if len(cluster.nodes()) < 2:
        pytest.skip("one node only: hack/test makes two")
    version = publish(cluster, name, inline(source("hooks"), scaling={"idleSeconds": 2}))
    taken_on = cluster.get("snapshots", state(cluster, version, "Active")["snapshotRef"])["status"]["node"]
    here, response = invoke(lam, name, qualifier="1")
    assert header(response, "x-thaw-start") == "restore"
    eventually("idle to zero", lambda: not cluster.pods(f"thaw.dev/function={name},thaw.dev/role=instance"), 40)
    cluster.core.patch_node(taken_on, {"spec": {"unschedulable": True}})
    try:
        there, response = invoke(lam, name, qualifier="1")
        (pod,) = cluster.pods(f"thaw.dev/function={name},thaw.dev/role=instance")
    finally:
        cluster.core.patch_node(taken_on, {"spec": {"unschedulable": None}})
    assert pod.spec.node_name != taken_on
    assert header(response, "x-thaw-start") == "restore"
    assert there["init"] == here["init"]
