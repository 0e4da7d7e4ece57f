"""A node that cannot checkpoint is labelled, says why, and gets no function."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from e2e.support import SYSTEM, eventually, inline, publish, state
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
