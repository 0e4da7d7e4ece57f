"""Lambda's contract with a function's process: its log, its end, its limits; and who it is after a restore."""

from __future__ import annotations

import base64
import json
import re
import time
from typing import Any

import pytest

from e2e.support import eventually, header, inline, invoke, publish, source, state

MS = r"\d+\.\d\d ms"
REPORT = (
    rf"^REPORT RequestId: ID\tDuration: {MS}\tBilled Duration: \d+ ms\tMemory Size: 256 MB\tMax Memory Used: (\d+) MB"
)


def call(lam: Any, name: str, qualifier: str = "1", **event: Any) -> tuple[Any, dict[str, Any], str]:
    """The answer, the response, and the log's tail in which the request's id is ``ID``."""
    response = lam.invoke(FunctionName=name, Qualifier=qualifier, Payload=json.dumps(event).encode(), LogType="Tail")
    body = json.loads(response["Payload"].read())
    log = base64.b64decode(response["LogResult"]).decode() if "LogResult" in response else ""
    return body, response, log.replace(header(response, "x-amzn-requestid"), "ID")


def has(log: str, *patterns: str) -> None:
    """All of these, in this order."""
    at = 0
    for pattern in patterns:
        found = re.compile(pattern, re.M).search(log, at)
        assert found, f"no {pattern!r} from {at} in:\n{log}"
        at = found.end()


@pytest.fixture
def active(cluster, name):
    """A published version of ``functions/contract.py``."""

    def make(**more: Any) -> str:
        state(cluster, publish(cluster, name, inline(source("contract"), memorySize=256, **more)), "Active")
        return name

    return make


def test_a_restored_process_is_its_new_pod(cluster, lam, active):
    """Hostname, clocks, timers and /tmp after a restore."""
    name = active()
    before = time.time()
    body, response, _ = call(lam, name, do="tell")
    after = time.time()
    assert header(response, "x-thaw-start") == "restore"
    pod = cluster.pods(f"thaw.dev/function={name},thaw.dev/role=instance")[0].metadata.name
    assert body["host"] == body["etc"] == pod
    assert body["initHost"] not in ("", pod)
    # The wall clock is right. The monotonic one goes on where it was dumped: on no boot of any node does it go back.
    assert before - 1 < body["wall"][1] < after + 1
    monotonic, wall = (there - then for then, there in (body["monotonic"], body["wall"]))
    assert 0 < monotonic < wall
    # A sleep counts the time that the process lives, not the time it lay in a store.
    assert not body["fired"] or 1 <= body["fired"][0] < 1 + monotonic
    fired = eventually("the timer", lambda: call(lam, name, do="tell")[0]["fired"], 10)
    assert fired[0] >= 1
    assert body["scratch"] == "kept"
    assert int(body["oom"][0]) < int(body["oom"][1]) == 1000


def test_a_connection_of_the_initialisation_fails_at_once(cluster, lam, active):
    """It is ended for the snapshot, which is told; the restored function sees an error, and can connect anew."""
    service = cluster.core.read_namespaced_service("kubernetes", "default").spec
    name = active(environment={"PEER": f"{service.cluster_ip}:{service.ports[0].port}"})
    body, response, _ = call(lam, name, do="talk")
    assert header(response, "x-thaw-start") == "restore"
    assert body["said"] == ["OSError", "BrokenPipeError"]
    assert body["took"] < 1
    events = cluster.core.list_namespaced_event("default", field_selector=f"involvedObject.name={name}-v").items
    told = [e.message for e in events if e.reason == "ConnectionsClosed"]
    assert told
    assert f"→ {service.cluster_ip}:{service.ports[0].port}" in told[0]


def test_the_log_of_a_restore_and_of_what_follows(cluster, lam, active):
    """START, END and REPORT; RESTORE_START and RESTORE_REPORT once; the tail is 4 KB."""
    name = active()
    _, _, first = call(lam, name)
    restored = rf"\tRestore Duration: {MS}\tBilled Restore Duration: \d+ ms$"
    has(first, r"^START RequestId: ID Version: 1$", "^begun$", r"^END RequestId: ID$", REPORT + restored)
    _, _, second = call(lam, name)
    has(second, r"^START RequestId: ID Version: 1$", r"^END RequestId: ID$", REPORT + "$")
    used = int(re.search(REPORT, second, re.M).group(1))
    assert 10 < used < 200
    call(lam, name, do="allocate", mb=40)
    assert int(re.search(REPORT, call(lam, name)[2], re.M).group(1)) >= used + 35
    response = lam.invoke(FunctionName=name, Qualifier="1", Payload=b'{"do": "print"}', LogType="Tail")
    assert len(base64.b64decode(response["LogResult"])) == 4096
    pod = cluster.pods(f"thaw.dev/function={name},thaw.dev/role=instance")[0].metadata.name
    log = cluster.core.read_namespaced_pod_log(pod, "default")
    has(log, "^RESTORE_START Runtime Version: ", rf"^RESTORE_REPORT Restore Duration: {MS}$", "^START RequestId: ")
    _, response, cold = call(lam, name, "$LATEST")
    assert header(response, "x-thaw-start") == "cold"
    has(cold, REPORT + rf"\tInit Duration: {MS}$")


def test_events_where_the_log_format_is_json(cluster, lam, active):
    name = active(logFormat="JSON")
    _, _, tail = call(lam, name)
    has(tail, '"type":"platform.start"', '"type":"platform.runtimeDone"', '"type":"platform.report"')
    pod = cluster.pods(f"thaw.dev/function={name},thaw.dev/role=instance")[0].metadata.name
    lines = cluster.core.read_namespaced_pod_log(pod, "default").splitlines()
    events = [json.loads(line) for line in lines if '"platform.' in line]
    kinds = [e["type"].removeprefix("platform.") for e in events]
    assert kinds == ["restoreStart", "restoreRuntimeDone", "restoreReport", "start", "runtimeDone", "report"]
    records = dict(zip(kinds, (e["record"] for e in events), strict=True))
    assert records["restoreStart"]["instanceId"] == pod
    assert records["restoreReport"]["metrics"]["durationMs"] == pytest.approx(
        records["report"]["metrics"]["restoreDurationMs"], abs=1000
    )


def test_a_process_that_ends_in_its_invocation(lam, active):
    name = active()
    body, response, log = call(lam, name, do="exit", status=3)
    message = f"RequestId: {header(response, 'x-amzn-requestid')} Error: Runtime exited with error: exit status 3"
    assert (response["StatusCode"], response["FunctionError"]) == (200, "Unhandled")
    assert (body["errorType"], body["errorMessage"]) == ("Runtime.ExitError", message)
    lines = (r"^RequestId: ID Error: Runtime exited with error: exit status 3$", r"^Runtime\.ExitError$")
    has(log, "^begun$", *lines, r"^END RequestId: ID$", REPORT + ".*\tStatus: error\tError Type: Runtime.ExitError$")
    assert call(lam, name)[0] == "done"


def test_a_process_that_ends_in_its_initialisation(cluster, lam, name):
    """The version fails; $LATEST answers with the function's error."""
    version = publish(cluster, name, inline("import os\nprint('no disk', flush=True)\nos._exit(9)"))
    reason = state(cluster, version, "Failed")["stateReason"]
    assert "Runtime.ExitError: Runtime exited with error: exit status 9" in reason
    body, response = invoke(lam, name)
    assert (response["FunctionError"], body["errorType"]) == ("Unhandled", "Runtime.ExitError")
    assert "Error: Runtime exited with error: exit status 9" in body["errorMessage"]


def test_more_memory_than_there_is(lam, active):
    """The function dies of it, not what reports it; the next invocation has a new instance."""
    name = active(timeout=30)
    body, response, log = call(lam, name, do="allocate", mb=400)
    assert (response["StatusCode"], response["FunctionError"]) == (200, "Unhandled")
    assert body["errorType"] == "Runtime.ExitError"
    assert body["errorMessage"].endswith("Error: Runtime exited with error: signal: killed")
    has(log, REPORT + ".*\tStatus: error\tError Type: Runtime.OutOfMemory$")
    assert re.search(REPORT, log, re.M).group(1) == "256"
    answer, response, _ = call(lam, name)
    assert (answer, header(response, "x-thaw-start")) == ("done", "restore")


def test_a_timeout_that_ignores_sigterm_and_has_children(cluster, lam, active):
    name = active(timeout=2)
    call(lam, name)
    pod = cluster.pods(f"thaw.dev/function={name},thaw.dev/role=instance")[0]
    body, response, log = call(lam, name, do="hang")
    message = f"RequestId: {header(response, 'x-amzn-requestid')} Error: Task timed out after 2.00 seconds"
    assert (response["FunctionError"], body["errorMessage"]) == ("Unhandled", message)
    stamp = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z"
    has(log, rf"^{stamp} ID Task timed out after 2\.00 seconds$", r"^END RequestId: ID$", REPORT + "\tStatus: timeout$")
    answer, response, _ = call(lam, name)
    assert (answer, header(response, "x-thaw-start")) == ("done", "restore")
    # Nothing of it is left on the node, the child with a session of its own included.
    group = f"pod{pod.metadata.uid}"
    search = f"grep -ls {group} /proc/[0-9]*/cgroup | wc -l"
    eventually("the end of its processes", lambda: cluster.on_node(pod.spec.node_name, search).strip() == "0", 60)


def test_more_in_tmp_than_there_may_be(cluster, lam, active):
    """The kubelet evicts the pod: the invocation fails as the process's end, and the next one has a new instance."""
    name = active(timeout=120, ephemeralStorage=512)
    assert call(lam, name, do="fill", mb=100, sleep=0)[0] == "written"
    body, response, _ = call(lam, name, do="fill", mb=700, sleep=110)
    assert (response["FunctionError"], body["errorType"]) == ("Unhandled", "Runtime.ExitError")
    assert call(lam, name)[0] == "done"
    events = cluster.core.list_namespaced_event("default", field_selector="reason=Evicted").items
    told = [e.message for e in events if name in e.involved_object.name]
    assert told
    assert "ephemeral" in told[0]


def test_a_restore_that_hangs_does_not_hold_the_pod(cluster, lam, active):
    """CRIU runs a script that never ends: it is killed after its 30 s, the start is cold, and nothing of it stays."""
    name = active()
    conf, script = "/opt/thaw/etc/criu.conf", "/var/lib/thaw/hang"
    hang = "[ $CRTOOLS_SCRIPT_ACTION != pre-restore ] || sleep 3600"
    cluster.on_nodes(
        f"printf '#!/bin/sh\\n%s\\n' '{hang}' > {script}; chmod 755 {script}; cp {conf} {conf}.kept;"
        f" echo action-script {script} >> {conf}"
    )
    try:
        _, response, _ = call(lam, name)
        assert header(response, "x-thaw-start") == "cold"
        assert "it took longer than 30s" in header(response, "x-thaw-fallback")
        processes = "grep -las '[t]haw/hang' /proc/[0-9]*/cmdline"
        left = f"{processes}; ls -d /var/lib/thaw/tmp/restore-* 2>/dev/null; grep -E 'criu-root|cgyard' /proc/mounts"
        assert cluster.on_nodes(left) == ""
    finally:
        cluster.on_nodes(f"mv {conf}.kept {conf}; rm -f {script}")
