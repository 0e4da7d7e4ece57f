"""States and their ways in and out, with seconds instead of days; snapshots made anew; and what deletion proves."""

from __future__ import annotations

import threading
import time
from datetime import datetime
from typing import Any

import pytest
from botocore.exceptions import ClientError

from e2e import packages
from e2e.support import (
    GROUP,
    NAMESPACE,
    SYSTEM,
    Cluster,
    eventually,
    header,
    inline,
    invoke,
    publish,
    source,
    state,
    upgrade,
)

IDLE = {"applyOn": "PublishedVersions", "inactiveAfter": "6s"}


def status_of(cluster: Cluster, version: str) -> dict[str, Any]:
    return cluster.get("functionversions", version)["status"]


def condition(status: dict[str, Any], type_: str) -> dict[str, Any]:
    return next((c for c in status["conditions"] if c["type"] == type_), {})


def events(cluster: Cluster, name: str) -> list[str]:
    """Reasons of the events about an object, oldest first, each as often as it came: equal ones are counted in one."""
    found = cluster.core.list_namespaced_event(NAMESPACE, field_selector=f"involvedObject.name={name}").items
    return [e.reason for e in sorted(found, key=lambda e: e.metadata.name) for _ in range(e.count or 1)]


def recycle(cluster: Cluster, version: str) -> None:
    """As ``kubectl annotate fnv … thaw.dev/recycle=…``."""
    body = {"metadata": {"annotations": {"thaw.dev/recycle": str(time.time())}}}
    cluster.custom.patch_namespaced_custom_object(GROUP, "v1alpha1", NAMESPACE, "functionversions", version, body)


def recycled(cluster: Cluster, version: str, generation: int, timeout: float = 120) -> dict[str, Any]:
    """Waits until the version's nth snapshot is in use."""

    def done() -> dict[str, Any] | None:
        status = status_of(cluster, version)
        return status if status["snapshotRef"] == f"{version}-s{generation}" else None

    return eventually(f"snapshot {generation} of {version} is in use", done, timeout)


def no_instances(cluster: Cluster, function: str) -> bool:
    return not cluster.pods(f"thaw.dev/function={function},thaw.dev/role=instance")


class Caller:
    """Invokes again and again beside the test, and keeps every answer."""

    def __init__(self, lam: Any, function: str) -> None:
        self.starts: list[str] = []
        self.inits: list[str] = []
        self.failures: list[str] = []
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run, args=(lam, function))

    def _run(self, lam: Any, function: str) -> None:
        while not self._over.wait(0.2):
            try:
                body, response = invoke(lam, function, qualifier="1")
            except Exception as e:  # an answer that is an error is what this looks for
                self.failures.append(repr(e))
            else:
                self.starts.append(header(response, "x-thaw-start"))
                self.inits.append(body["init"])

    def __enter__(self) -> Caller:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()


# ---------------------------------------------------------------- idleness


def test_an_idle_version_is_inactive_until_it_is_invoked(cluster, lam, name):
    """Python: the snapshot is kept; the next invocation is a restore, and the version is Active again."""
    version = publish(cluster, name, inline(source("hooks"), snapStart=IDLE, scaling={"idleSeconds": 1}))
    state(cluster, version, "Active")
    first = invoke(lam, name, qualifier="1")[0]["init"]
    status = state(cluster, version, "Inactive", 60)
    assert status["stateReasonCode"] == "Idle"
    assert condition(status, "Ready")["status"] == "True", "it can be invoked as ever"
    told = lam.get_function_configuration(FunctionName=name, Qualifier="1")
    assert (told["State"], told["StateReasonCode"]) == ("Inactive", "Idle")
    eventually("idle to zero", lambda: no_instances(cluster, name), 40)
    body, response = invoke(lam, name, qualifier="1")
    assert (body["init"], header(response, "x-thaw-start")) == (first, "restore")
    state(cluster, version, "Active", 20)


def test_an_idle_java_version_loses_its_snapshot_and_makes_a_new_one_when_invoked(cluster, lam, name):
    """As on Lambda's page: SnapStartNotReadyException, Pending, a new snapshot, Active."""
    lam.create_function(
        FunctionName=name,
        Runtime="java17",
        Handler="e2e.App",
        Role="arn:aws:iam::111122223333:role/lambda-role",
        Code={"ZipFile": packages.java("java17")},
        SnapStart={"ApplyOn": "PublishedVersions"},
        Timeout=20,
    )
    patch = {"spec": {"snapStart": IDLE, "scaling": {"idleSeconds": 1}}}
    cluster.custom.patch_namespaced_custom_object(GROUP, "v1alpha1", NAMESPACE, "functions", name, patch)
    number = lam.publish_version(FunctionName=name)["Version"]
    version = eventually("its version exists", lambda: version_of(cluster, name))
    first = state(cluster, version, "Active")
    status = state(cluster, version, "Inactive", 60)
    assert status["stateReasonCode"] == "Idle"
    assert status["snapStart"]["optimizationStatus"] == "Off"
    eventually("the snapshot is gone", lambda: cluster.get("snapshots", first["snapshotRef"]) is None, 60)
    with pytest.raises(ClientError) as refused:
        invoke(lam, name, qualifier=number)
    error = refused.value.response
    assert (error["Error"]["Code"], error["ResponseMetadata"]["HTTPStatusCode"]) == ("SnapStartNotReadyException", 409)
    pending = eventually("a new one begins", lambda: (s := status_of(cluster, version))["state"] == "Pending" and s, 20)
    assert pending["stateReasonCode"] == "Restoring"
    with pytest.raises(ClientError) as refused:
        invoke(lam, name, qualifier=number)
    assert refused.value.response["Error"]["Code"] == "ResourceConflictException"
    status = state(cluster, version, "Active")
    assert status["lastRecycle"]["cause"] == "Reactivation"
    assert header(invoke(lam, name, qualifier=number)[1], "x-thaw-start") == "restore"


def version_of(cluster: Cluster, function: str) -> str | None:
    found = [v for v in cluster.objects("functionversions") if v["spec"]["functionName"] == function]
    return found[0]["metadata"]["name"] if found else None


def test_the_last_invocation_survives_restarts_of_everything(cluster, lam, name):
    """Counted from the last invocation, though gateway, operator and agents were all replaced since."""
    snap_start = {"applyOn": "PublishedVersions", "inactiveAfter": "40s"}
    version = publish(cluster, name, inline(source("hooks"), snapStart=snap_start))
    state(cluster, version, "Active")
    time.sleep(12)
    invoke(lam, name, qualifier="1")
    invoked = time.time()
    eventually("it is told", lambda: status_of(cluster, version).get("lastInvokedTime"), 20)
    for component in ("gateway", "operator", "agent"):
        for pod in cluster.pods(f"app.kubernetes.io/component={component}", SYSTEM):
            cluster.core.delete_namespaced_pod(pod.metadata.name, SYSTEM, grace_period_seconds=0)
    since = datetime.fromisoformat(status_of(cluster, version)["lastInvokedTime"])
    assert abs(since.timestamp() - invoked) < 11, "wrong by a quarter of the idle time at the most"
    status = state(cluster, version, "Inactive", 90)
    inactive = datetime.fromisoformat(status["inactiveSince"])
    assert (inactive - since).total_seconds() >= 40, "not before its time"


def test_invocations_are_not_each_written(cluster, lam, name):
    """A hundred invocations within a minute of one that was told change nothing of the version's object."""
    version = publish(cluster, name, inline("def handler(e, c): return 1"))
    state(cluster, version, "Active")
    invoke(lam, name, qualifier="1")
    time.sleep(3)
    before = cluster.get("functionversions", version)["metadata"]["resourceVersion"]
    for _ in range(100):
        invoke(lam, name, qualifier="1")
    assert cluster.get("functionversions", version)["metadata"]["resourceVersion"] == before


# ---------------------------------------------------------------- recycling


def test_a_recycle_replaces_the_snapshot_while_the_version_serves(cluster, lam, name):
    """No caller notices; then instances are of the new snapshot, and of the old one nothing is left."""
    version = publish(cluster, name, inline(source("hooks"), scaling={"idleSeconds": 600}))
    before = state(cluster, version, "Active")
    old = cluster.get("snapshots", before["snapshotRef"])["metadata"]["uid"]
    with Caller(lam, name) as calls:
        eventually("it answers", lambda: calls.starts)
        recycle(cluster, version)
        status = recycled(cluster, version, 2)
        eventually("answers come from the new snapshot", lambda: len(set(calls.inits)) == 2, 30)
    assert calls.failures == []
    assert set(calls.starts) <= {"restore", "warm"}
    assert status["state"] == "Active"
    assert condition(status, "Recycled")["status"] == "True"
    assert status["lastRecycle"]["cause"] == "Requested"
    told = events(cluster, version)
    assert [told.count(reason) for reason in ("RecycleBegun", "Recycled", "Verified")] == [1, 1, 2]
    eventually("the old snapshot is gone", lambda: cluster.get("snapshots", f"{version}-s1") is None, 60)
    places = "/var/lib/thaw/index /var/lib/thaw/store/snapshots"
    assert not cluster.on_nodes(f"ls {places} | grep {old}; grep -rl {old} {places}").strip()


def test_recycling_by_age(cluster, lam, name):
    """recycleAfter, in seconds: the snapshot is made anew by itself, and the setting may change after publishing."""
    version = publish(cluster, name, inline(source("hooks"), environment={"INIT_SLEEP": "0"}))
    state(cluster, version, "Active")
    body = {"spec": {"snapStart": {"applyOn": "PublishedVersions", "recycleAfter": "5s"}}}
    cluster.custom.patch_namespaced_custom_object(GROUP, "v1alpha1", NAMESPACE, "functions", name, body)
    status = recycled(cluster, version, 2)
    assert status["lastRecycle"]["cause"] == "Scheduled"
    assert invoke(lam, name, qualifier="1")[0]["version"] == "1"


def test_a_recycle_whose_init_fails_makes_inactive_and_keeps_the_old_snapshot(cluster, lam, name):
    """As on Lambda's page; the next invocation is served from the old snapshot."""
    deadline = {"FAILS_AFTER": str(time.time() + 45)}
    version = publish(cluster, name, inline(source("fragile"), environment=deadline, scaling={"idleSeconds": 1}))
    state(cluster, version, "Active", 40)
    first = invoke(lam, name, qualifier="1")[0]["init"]
    time.sleep(max(0.0, float(deadline["FAILS_AFTER"]) - time.time() + 1))
    recycle(cluster, version)
    status = state(cluster, version, "Inactive")
    assert status["stateReasonCode"] == "FunctionError"
    assert "the database moved" in status["stateReason"]
    assert condition(status, "Recycled")["status"] == "False"
    assert "RecycleFailed" in events(cluster, version)
    body, response = invoke(lam, name, qualifier="1")
    assert body["init"] == first
    assert header(response, "x-thaw-start") in ("restore", "warm")
    state(cluster, version, "Active", 20)
    eventually("the new snapshot is gone", lambda: cluster.get("snapshots", f"{version}-s2") is None)


NEWER_CRIU = """#!/bin/sh
[ "$1" != --version ] || { echo "Version: 4.2.99"; exit; }
exec /usr/sbin/criu.as-it-was "$@"
"""


@pytest.fixture
def newer_criu(cluster: Cluster) -> Any:
    """A node's CRIU is a newer one, as after the node was patched; taken back afterwards."""
    patched: list[str] = []

    def patch(node: str) -> None:
        patched.append(node)
        cluster.on_node(
            node,
            f"cd /usr/sbin && cp -a criu criu.as-it-was && printf %s '{NEWER_CRIU}' > criu.new && "
            "chmod 755 criu.new && mv criu.new criu",
        )
        restart_agents(cluster)

    yield patch
    for node in patched:
        cluster.on_node(node, "cd /usr/sbin && mv criu.as-it-was criu")
    restart_agents(cluster)


def restart_agents(cluster: Cluster) -> None:
    """They look at their nodes when they start."""
    before = {p.metadata.uid for p in cluster.pods("app.kubernetes.io/component=agent", SYSTEM)}
    for pod in cluster.pods("app.kubernetes.io/component=agent", SYSTEM):
        cluster.core.delete_namespaced_pod(pod.metadata.name, SYSTEM, grace_period_seconds=0)

    def back() -> bool:
        pods = cluster.pods("app.kubernetes.io/component=agent", SYSTEM)
        fresh = [p for p in pods if p.metadata.uid not in before]
        ready = [p for p in fresh if any(c.type == "Ready" and c.status == "True" for c in p.status.conditions or ())]
        return len(ready) == len(before)

    eventually("the agents are back", back)


def test_a_changed_node_fingerprint_recycles(cluster, lam, name, newer_criu):
    """The node has another CRIU than the snapshot was taken by: it is made anew."""
    version = publish(cluster, name, inline(source("hooks")))
    status = state(cluster, version, "Active")
    newer_criu(cluster.get("snapshots", status["snapshotRef"])["status"]["node"])
    status = recycled(cluster, version, 2)
    assert status["lastRecycle"]["cause"] == "Fingerprint"
    assert invoke(lam, name, qualifier="1")[0]["version"] == "1"
    told = cluster.core.list_namespaced_event(NAMESPACE, field_selector=f"involvedObject.name={version}").items
    assert any("→ 4.2.99" in e.message for e in told)


# ---------------------------------------------------------------- visible invalidation


def break_chunks(cluster: Cluster, node: str) -> None:
    """Turns bytes of every stored chunk, and empties the node's own copy of what was stored."""
    cluster.on_node(
        node,
        "find /var/lib/thaw/store/chunks -type f | while read f; do "
        "printf XXXX | dd of=$f bs=1 seek=20 conv=notrunc 2>/dev/null; done; rm -rf /var/lib/thaw/snapshots/*",
    )


@pytest.mark.parametrize("trouble", ["Corrupt", "Missing"])
def test_an_unusable_snapshot_is_served_cold_told_and_made_anew(cluster, lam, name, trouble):
    """Header, Event, quarantine; then a new snapshot, and restores again."""
    version = publish(cluster, name, inline(source("hooks"), scaling={"idleSeconds": 1}))
    status = state(cluster, version, "Active")
    snapshot = cluster.get("snapshots", status["snapshotRef"])
    node, uid = snapshot["status"]["node"], snapshot["metadata"]["uid"]
    if trouble == "Corrupt":
        break_chunks(cluster, node)
    else:
        cluster.on_node(node, f"rm -rf /var/lib/thaw/store/snapshots/{uid} /var/lib/thaw/snapshots/*")
    body, response = invoke(lam, name, qualifier="1")
    assert body["version"] == "1", "never lost"
    assert header(response, "x-thaw-start") == "cold", "never served wrongly"
    assert header(response, "x-thaw-fallback")
    status = recycled(cluster, version, 2)
    assert status["lastRecycle"]["cause"] == "SnapshotLost"
    told = events(cluster, version)
    assert "ColdFallback" in told
    assert "RecycleBegun" in told
    eventually("idle to zero", lambda: no_instances(cluster, name), 40)
    assert header(invoke(lam, name, qualifier="1")[1], "x-thaw-start") == "restore"


def test_what_a_node_kept_while_it_was_away_goes_when_it_returns(cluster):
    """A node that left the cluster before something was deleted, and joined again with its disk as it was."""
    node, uid = cluster.nodes()[-1], "00000000-dead-4000-8000-000000000000"
    digest, old = "d" * 64, "touch -d '1 hour ago'"
    store = f"/var/lib/thaw/store/snapshots/{uid}"
    cluster.on_node(
        node,
        f"mkdir -p /var/lib/thaw/snapshots/{digest} {store}; echo x > /var/lib/thaw/snapshots/{digest}/f; "
        f"printf {digest} > /var/lib/thaw/index/{uid}; echo '{{}}' > {store}/manifest.json; "
        f"{old} /var/lib/thaw/index/{uid} {store}/manifest.json",
    )
    left = f"ls -d /var/lib/thaw/snapshots/{digest} /var/lib/thaw/index/{uid} {store}/manifest.json 2>/dev/null"
    assert len(cluster.on_node(node, left).split()) == 3
    restart_agents(cluster)
    eventually("it is gone", lambda: not cluster.on_node(node, left).split(), 60)


def test_a_deleted_snapshot_is_made_anew(cluster, lam, name):
    """Somebody deletes the Snapshot: starts are cold meanwhile, nobody has to publish again."""
    version = publish(cluster, name, inline(source("hooks")))
    status = state(cluster, version, "Active")
    cluster.delete("snapshots", status["snapshotRef"])
    status = recycled(cluster, version, 2)
    assert status["snapStart"]["optimizationStatus"] == "On"
    assert header(invoke(lam, name, qualifier="1")[1], "x-thaw-start") == "restore"


# ---------------------------------------------------------------- the runtime's image


@pytest.fixture
def patched_runtime(cluster: Cluster) -> Any:
    """The cluster's python3.13 has a newer image, by an upgrade of the release; taken back afterwards."""
    old, new = "thaw.dev/runtime-python3.13:dev", "thaw.dev/runtime-python3.13:patched"
    cluster.on_nodes(f"ctr -n k8s.io images tag --force {old} {new}")
    yield lambda: upgrade(cluster, f"runtimes.python3\\.13={new}")
    upgrade(cluster, f"runtimes.python3\\.13={old}")


def test_a_newer_runtime_image_recycles(cluster, lam, name, patched_runtime):
    """Security patches arrive this way: the snapshot is taken of the new image, and instances run it."""
    version = publish(cluster, name, inline(source("hooks"), scaling={"idleSeconds": 1}))
    state(cluster, version, "Active")
    patched_runtime()
    status = recycled(cluster, version, 2)
    assert status["lastRecycle"]["cause"] == "RuntimeImage"
    assert header(invoke(lam, name, qualifier="1")[1], "x-thaw-start") == "restore"
    instances = cluster.pods(f"thaw.dev/function={name},thaw.dev/role=instance")
    assert [p.spec.containers[0].image for p in instances] == ["thaw.dev/runtime-python3.13:patched"]


# ---------------------------------------------------------------- what a person sees


def test_describe_tells_the_story_in_order(cluster, name):
    """Events of a publish, oldest first, with durations and sizes; Ready at the end."""
    version = publish(cluster, name, inline(source("hooks")))
    state(cluster, version, "Active")
    wanted = ["Numbered", "Initialising", "Initialised", "Checkpointed", "Stored", "Verified", "SnapshotReady"]
    told = eventually("all is told", lambda: (found := events(cluster, version))[-1:] == wanted[-1:] and found, 10)
    assert [reason for reason in told if reason in wanted] == wanted
    found = cluster.core.list_namespaced_event(NAMESPACE, field_selector=f"involvedObject.name={version}").items
    messages = {e.reason: e.message for e in found}
    assert "initialised in 1." in messages["Initialised"]
    assert "checkpointed in " in messages["Checkpointed"]
    assert " MiB of " in messages["Stored"]
    assert "restored on trial on node " in messages["Verified"]
