"""Parts killed at the worst moment finish the job once; deletion leaves nothing."""

from __future__ import annotations

import time

from e2e.support import SYSTEM, eventually, inline, invoke, publish, source, state

KEPT = "/var/lib/thaw /var/lib/kubelet/checkpoints"
FLEETING = "/run/thaw/grants /run/thaw/reports /run/thaw/pods"
SLOW = {"environment": {"INIT_SLEEP": "4"}}


# At once: the kubelet takes a second to kill a pod, and the agent may have gone on to the store by then. The brackets
# keep the pattern from matching the shell that looks for it.
KILL_AGENT_WHEN_BEGUN = """
timeout 50 sh -c 'until ls -A /var/lib/kubelet/checkpoints | grep -q .; do sleep 0.02; done' || exit 1
for process in /proc/[0-9]*; do
  tr '\\0' ' ' < $process/cmdline 2>/dev/null | grep -q 'bin/thaw-agen[t]' && kill -9 ${process#/proc/} && echo killed
done
"""


def kill(cluster, component: str) -> None:
    for pod in cluster.pods(f"app.kubernetes.io/component={component}", SYSTEM):
        cluster.core.delete_namespaced_pod(pod.metadata.name, SYSTEM, grace_period_seconds=0)


def ready(pod) -> bool:
    conditions = pod.status.conditions or ()
    return not pod.metadata.deletion_timestamp and any(c.type == "Ready" and c.status == "True" for c in conditions)


def all_ready(cluster, component: str) -> bool:
    pods = cluster.pods(f"app.kubernetes.io/component={component}", SYSTEM)
    return bool(pods) and all(ready(pod) for pod in pods)


def snapshots_of(cluster, function: str) -> list:
    return [s for s in cluster.objects("snapshots") if s["spec"]["functionName"] == function]


def test_operator_killed_mid_publish(cluster, lam, name):
    """Killed while the function initialises: the next operator finishes, with one snapshot and one number."""
    version = publish(cluster, name, inline(source("hooks"), **SLOW))
    eventually("the init pod runs", lambda: cluster.pods(f"thaw.dev/function={name},thaw.dev/role=init"))
    kill(cluster, "operator")
    status = state(cluster, version, "Active")
    assert status["version"] == "1"
    assert len(snapshots_of(cluster, name)) == 1
    assert invoke(lam, name, qualifier="1")[0]["version"] == "1"
    eventually("operator back", lambda: all_ready(cluster, "operator"))


def test_agent_killed_mid_checkpoint(cluster, lam, name):
    """Killed once the kubelet has begun to write: the job is finished once, and no archive stays on the node."""
    big = {"memorySize": 1024, "environment": {"INIT_SLEEP": "4", "INIT_MB": "500"}}
    version = publish(cluster, name, inline(source("hooks"), **big))
    init = f"thaw.dev/function={name},thaw.dev/role=init"
    node = eventually("the init pod has a node", lambda: next((p.spec.node_name for p in cluster.pods(init)), None))
    assert "killed" in cluster.on_node(node, KILL_AGENT_WHEN_BEGUN), "no checkpoint within 50 s"
    assert cluster.get("functionversions", version)["status"]["state"] == "Pending", "killed too late to prove anything"
    status = state(cluster, version, "Active")
    assert len(snapshots_of(cluster, name)) == 1
    assert status["snapshotRef"]
    assert invoke(lam, name, qualifier="1")[0]["version"] == "1"
    eventually("agents back", lambda: all_ready(cluster, "agent"))
    left = "ls /var/lib/kubelet/checkpoints /var/lib/thaw/tmp /var/lib/thaw/store/staging 2>/dev/null | grep -v :"
    eventually("no archive and no half-made thing stays", lambda: not cluster.on_nodes(left).strip(), 60)


def test_deletion_leaves_nothing(cluster, lam, name):
    """After the Function is gone, no pod, object, node cache, archive, grant or stored byte of it is left."""
    before, grants = inventory(cluster, KEPT), inventory(cluster, FLEETING)
    version = publish(cluster, name, inline(source("hooks")))
    snapshot = state(cluster, version, "Active")["snapshotRef"]
    invoke(lam, name, qualifier="1")
    assert inventory(cluster, KEPT) - before, "publishing and invoking put something on the node and in the store"
    cluster.delete("functions", name)
    eventually("the function is gone", lambda: cluster.get("functions", name) is None)
    # At once, for the finalizers have held the function until every byte was gone.
    assert inventory(cluster, KEPT) <= before
    record = [e.message for e in cluster.core.list_namespaced_event("default").items
              if e.reason == "Purged" and e.involved_object.name == snapshot]  # fmt: skip
    assert len(record) == 1, "what was removed, and where"
    assert all(f"node {node}: " in record[0] for node in cluster.nodes())
    assert "manifest" in record[0]
    assert "cache" in record[0]
    assert not cluster.pods(f"thaw.dev/function={name}")
    for plural in ("functionversions", "functionaliases", "snapshots"):
        assert not [o for o in cluster.objects(plural) if o["spec"].get("functionName") == name], plural
    eventually("revisions are collected", lambda: not revisions_of(cluster, name), 60)
    eventually("the grants are taken back", lambda: inventory(cluster, FLEETING) <= grants, 60)


def revisions_of(cluster, function: str) -> list:
    return cluster.apps.list_namespaced_controller_revision(
        "default", label_selector=f"thaw.dev/function={function}"
    ).items


def inventory(cluster, places: str) -> set[str]:
    """Every file in places of the nodes, whoever it belongs to."""
    return set(cluster.on_nodes(f"find {places} -type f 2>/dev/null").split())


def test_all_programs_are_healthy(cluster):
    """After all that, every program answers its health endpoint."""
    deadline = time.monotonic() + 60
    for component in ("operator", "gateway", "agent"):
        eventually(f"{component} is ready", lambda c=component: all_ready(cluster, c), deadline - time.monotonic())
        for pod in cluster.pods(f"app.kubernetes.io/component={component}", SYSTEM):
            assert all(s.ready for s in pod.status.container_statuses)
