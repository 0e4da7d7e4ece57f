"""Starting, queueing, dying: the request path over a fake node."""

from __future__ import annotations

import asyncio
import base64
import json
import time
from typing import Any

import pytest
from aiohttp import web

from thaw import names
from thaw.errors import ClusterError, NodeError
from thaw.gateway import instances
from thaw.kube import kinds
from unit.gateway.conftest import Lambda
from unit.gateway.test_lambda_api import refused
from unit.gateway.world import NAMESPACE, Process, World

SNAP = {"snapStart": {"applyOn": "PublishedVersions"}}


def head(answer: Any, name: str) -> str | None:
    return answer["ResponseMetadata"]["HTTPHeaders"].get(name)


async def settle() -> None:
    for _ in range(20):
        await asyncio.sleep(0.005)


async def test_restore(world: World, lam: Lambda) -> None:
    """A version with a snapshot: granted with it, released by /v1/restore, told in the answer and on the pod."""
    world.function(**SNAP)
    await world.publish()
    answer = await lam.invoke(FunctionName="fn", Qualifier="1", LogType="Tail")
    assert (head(answer, "x-thaw-start"), answer["ExecutedVersion"]) == ("restore", "1")
    assert float(head(answer, "x-thaw-restore-ms") or 0) >= 100
    assert head(answer, "x-thaw-fallback") is None
    uid, grant = world.agents.grants[0]
    assert world.processes[uid].restore_ms == 100
    assert (grant.snapshot, grant.role, grant.protocol) == ("snap-fn-1", "instance", "lambda")
    assert len(grant.token) >= 32
    assert grant.code is not None
    assert grant.code.inline == {"app.py": "x"}
    await world.gateway.pools._starter.settle()
    pod = world.instances()[0]
    assert pod["metadata"]["uid"] == uid
    assert pod["metadata"]["labels"][names.LABEL_GATEWAY] == "gw-1"
    assert pod["metadata"]["annotations"][names.ANNOTATION_START] == "restore"
    assert float(pod["metadata"]["annotations"][names.ANNOTATION_RESTORE_MS]) >= 100
    assert pod["metadata"]["ownerReferences"][0]["kind"] == "FunctionVersion"
    warm = await lam.invoke(FunctionName="fn", Qualifier="1")
    assert (head(warm, "x-thaw-start"), head(warm, "x-thaw-restore-ms")) == ("warm", "0.0")
    assert json.loads(warm["Body"])["start"] == "warm"


async def test_latest_never_uses_a_snapshot(world: World, lam: Lambda) -> None:
    world.function(**SNAP)
    await world.publish()
    answer = await lam.invoke(FunctionName="fn")
    assert head(answer, "x-thaw-start") == "cold"
    assert head(answer, "x-thaw-fallback") is None
    assert world.agents.grants[0][1].snapshot is None
    assert world.instances()[0]["metadata"]["ownerReferences"][0]["kind"] == "Function"


async def test_unusable_snapshot_is_served_cold_and_says_so(world: World, lam: Lambda) -> None:
    """The agent refuses the snapshot: granted again without, the reason in the answer and in an Event."""
    world.agents.snapshot_unusable = "another processor: ü"
    world.function(**SNAP)
    await world.publish()
    answer = await lam.invoke(FunctionName="fn", Qualifier="1")
    assert head(answer, "x-thaw-start") == "cold"
    assert head(answer, "x-thaw-fallback") == "another processor: ?"
    assert [grant.snapshot for _, grant in world.agents.grants] == ["snap-fn-1", None]
    assert len(world.instances()) == 1, "the same pod was granted again"
    await world.gateway.pools._starter.settle()
    event = world.kube.all(kinds.EVENT)[0]
    assert (event["reason"], event["involvedObject"]["name"]) == ("ColdFallback", "fn-1")
    assert "another processor" in event["message"]
    assert head(await lam.invoke(FunctionName="fn", Qualifier="1"), "x-thaw-fallback") is None


async def test_failed_restore_is_a_cold_fallback(world: World, lam: Lambda) -> None:
    """thaw-runc fell back by itself: the process waits in restore/next, is released, and serves."""
    world.agents.restore_error = "criu: (00.1) Error: no such file"
    world.function(**SNAP)
    await world.publish()
    answer = await lam.invoke(FunctionName="fn", Qualifier="1")
    assert (head(answer, "x-thaw-start"), head(answer, "x-thaw-fallback")) == (
        "cold",
        "criu: (00.1) Error: no such file",
    )


@pytest.mark.parametrize("lost", ["deleted", "quarantined"])
async def test_lost_snapshot_is_a_cold_fallback(world: World, lam: Lambda, lost: str) -> None:
    world.function(**SNAP)
    await world.publish()
    if lost == "deleted":
        await world.kube.delete(kinds.SNAPSHOT, NAMESPACE, names.snapshot("fn-1", 1))
    else:
        status = {"status": {"phase": "Quarantined", "message": "a chunk is corrupt"}}
        await world.kube.patch(kinds.SNAPSHOT, NAMESPACE, names.snapshot("fn-1", 1), status)
    await settle()
    answer = await lam.invoke(FunctionName="fn", Qualifier="1")
    assert head(answer, "x-thaw-start") == "cold"
    assert ("gone" if lost == "deleted" else "corrupt") in (head(answer, "x-thaw-fallback") or "")


@pytest.mark.parametrize(("status", "kind"), [(400, "SnapStartException"), (408, "SnapStartTimeoutException")])
async def test_failed_hooks(world: World, lam: Lambda, status: int, kind: str) -> None:
    """An after-restore hook fails: that invocation is told, and the instance goes."""
    world.restore_answer = (status, {"errorType": kind, "errorMessage": "no secret manager"})
    world.function(**SNAP)
    await world.publish()
    code, answered, message = await refused(lam.invoke(FunctionName="fn", Qualifier="1"))
    assert (code, answered) == (kind, status)
    assert "no secret manager" in message
    await settle()
    assert not world.instances()
    assert len(world.agents.dropped) == 1
    world.restore_answer = None
    assert (await lam.invoke(FunctionName="fn", Qualifier="1"))["StatusCode"] == 200


async def test_failed_initialisation_is_the_functions_error(world: World, lam: Lambda) -> None:
    world.init_error = {"errorType": "Runtime.ImportModuleError", "errorMessage": "no module app", "stackTrace": []}
    world.function()
    answer = await lam.invoke(FunctionName="fn")
    assert (answer["StatusCode"], answer["FunctionError"]) == (200, "Unhandled")
    assert json.loads(answer["Body"])["errorType"] == "Runtime.ImportModuleError"
    await settle()
    assert not world.instances()


async def test_process_that_ends_without_a_word_in_its_initialisation(world: World, lam: Lambda) -> None:
    """What became of the process is told as Lambda tells it, with the request's id."""
    world.init_error = {"errorType": "Runtime.ExitError", "errorMessage": "Runtime exited with error: exit status 9"}
    world.function()
    answer = await lam.invoke(FunctionName="fn")
    message = json.loads(answer["Body"])["errorMessage"]
    assert message == f"RequestId: {head(answer, 'x-amzn-requestid')} Error: Runtime exited with error: exit status 9"


async def test_initialisation_that_takes_too_long(world: World, lam: Lambda, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is the function's error, and the limit is the function's timeout when that is longer."""
    monkeypatch.setattr(instances, "_COLD_INIT", 0.05)
    world.cold_phase = "init"
    world.function(timeout=1)
    answer = await lam.invoke(FunctionName="fn")
    assert (answer["StatusCode"], answer["FunctionError"]) == (200, "Unhandled")
    error = json.loads(answer["Body"])
    assert error["errorType"] == "Sandbox.Timedout"
    assert error["errorMessage"].endswith("Error: The initialisation timed out after 1.00 seconds")
    await settle()
    assert not world.instances()


async def test_process_that_dies_in_its_initialisation(world: World, lam: Lambda) -> None:
    """thaw-init is gone before it is asked: the pod's termination message is the function's error."""
    world.cold_phase = "exited"
    world.function()
    words = {"errorType": "RuntimeError", "errorMessage": "no database today", "stackTrace": []}

    async def die() -> None:
        while not world.processes:
            await asyncio.sleep(0.005)
        ended = {"terminated": {"reason": "Error", "exitCode": 1, "message": json.dumps(words)}}
        status = {"containerStatuses": [{"name": "function", "state": ended}]}
        await world.kube.patch(kinds.POD, NAMESPACE, world.instances()[0]["metadata"]["name"], {"status": status})

    answer, _ = await asyncio.gather(lam.invoke(FunctionName="fn"), die())
    assert answer["FunctionError"] == "Unhandled"
    assert json.loads(answer["Body"]) == words


async def test_image_that_cannot_be_pulled_is_named(world: World, lam: Lambda) -> None:
    world.function(code={"image": "nowhere/app:1"})
    world.agents.report_state = "created"
    world.start = _never  # type: ignore[method-assign]

    async def stuck() -> None:
        while not world.instances():
            await asyncio.sleep(0.005)
        waiting = {"waiting": {"reason": "ErrImagePull", "message": "no such image"}}
        status = {"containerStatuses": [{"name": "function", "state": waiting}]}
        await world.kube.patch(kinds.POD, NAMESPACE, world.instances()[0]["metadata"]["name"], {"status": status})

    call = asyncio.create_task(refused(lam.invoke(FunctionName="fn")))
    await stuck()
    code, status, message = await call
    assert (code, status) == ("ServiceException", 500)
    assert "ErrImagePull: no such image" in message


async def _never(*arguments: Any, **more: Any) -> None:
    return


async def test_a_failed_start_is_tried_again(world: World, lam: Lambda) -> None:
    world.agents.failing = [NodeError("Unreachable", "busy", retryable=True)]
    world.function()
    assert (await lam.invoke(FunctionName="fn"))["StatusCode"] == 200
    await settle()
    assert len(world.instances()) == 1, "the pod that was refused is gone"


async def test_starts_that_keep_failing_are_answered_with_the_reason(world: World, lam: Lambda) -> None:
    world.agents.failing = [NodeError("StoreError", "the disk is full", retryable=True)] * 3
    world.function()
    code, status, message = await refused(lam.invoke(FunctionName="fn"))
    assert (code, status) == ("ServiceException", 500)
    assert "the disk is full" in message
    assert len(world.agents.grants) == 3


async def test_a_missing_secret_is_told_at_once(world: World, lam: Lambda) -> None:
    """To the caller, and in an Event for whoever can make it; another try would not help."""
    world.agents.missing_secret = "Secret db, which spec.secrets mounts at /etc/db, does not exist"
    world.function(secrets=[{"secretName": "db", "mountPath": "/etc/db"}])
    code, status, message = await refused(lam.invoke(FunctionName="fn"))
    assert (code, status) == ("ServiceException", 500)
    assert "Secret db, which spec.secrets mounts at /etc/db, does not exist" in message
    assert len(world.agents.grants) == 1
    await world.gateway.pools._starter.settle()
    event = next(e for e in world.kube.all(kinds.EVENT) if e["reason"] == "InstanceNotStarted")
    assert (event["type"], event["involvedObject"]["name"]) == ("Warning", "fn")
    assert "Secret db" in event["message"]


async def test_the_grant_says_what_is_confidential(world: World, lam: Lambda) -> None:
    """Where credentials come from, under the pod's own name, and the Secrets it must not start without."""
    secrets = [{"secretName": "db", "mountPath": "/etc/db"}, {"secretName": "x", "mountPath": "/x", "optional": True}]
    world.function(**SNAP, role="arn:aws:iam::1:role/r", secrets=secrets)
    await world.publish()
    await lam.invoke(FunctionName="fn", Qualifier="1")
    grant, pod = world.agents.grants[0][1], world.instances()[0]
    assert (grant.credentials.source, grant.credentials.session_name) == ("sts", pod["metadata"]["name"])
    assert [secret.secret_name for secret in grant.secrets] == ["db"]
    assert len(pod["spec"]["volumes"]) == len(pod["spec"]["containers"][0]["volumeMounts"]) == 2


async def test_quota_is_named(world: World, lam: Lambda) -> None:
    world.kube.refuse["Pod"] = ClusterError("Pod", NAMESPACE, "x", "exceeded quota: pods=10")
    world.function()
    assert "exceeded quota" in (await refused(lam.invoke(FunctionName="fn")))[2]


@pytest.mark.parametrize("world", [{"start_timeout": 0.3}], indirect=True)
async def test_deadline(world: World, lam: Lambda) -> None:
    """Nobody schedules the pod: the request is told so at its deadline, not left hanging."""
    world.schedule = False
    world.function()
    code, status, message = await refused(lam.invoke(FunctionName="fn"))
    assert (code, status) == ("ServiceException", 503)
    assert "0.3 s" in message


@pytest.mark.parametrize("world", [{"queue_limit": 2}], indirect=True)
async def test_full_queue(world: World, lam: Lambda) -> None:
    gate = asyncio.Event()
    world.invoke = _held(gate)
    world.function(scaling={"maxInstances": 1})
    first = asyncio.create_task(lam.invoke(FunctionName="fn"))
    while not (world.processes and next(iter(world.processes.values())).busy):
        await asyncio.sleep(0.005)
    waiting = [asyncio.create_task(lam.invoke(FunctionName="fn")) for _ in range(2)]
    pool = next(iter(world.gateway.pools._pools.values()))
    while pool.counts[2] < 2:
        await asyncio.sleep(0.005)
    assert (await refused(lam.invoke(FunctionName="fn")))[:2] == ("TooManyRequestsException", 429)
    gate.set()
    answers = await asyncio.gather(first, *waiting)
    assert [a["StatusCode"] for a in answers] == [200, 200, 200]


def _held(gate: asyncio.Event) -> Any:
    async def held(process: Process, headers: dict[str, str], payload: bytes) -> web.StreamResponse:
        await gate.wait()
        return web.json_response(process.name)

    return held


async def test_eight_at_once_on_four_instances(world: World, lam: Lambda) -> None:
    async def slow(process: Process, headers: dict[str, str], payload: bytes) -> web.StreamResponse:
        await asyncio.sleep(0.05)
        return web.json_response({"pod": process.name, "n": json.loads(payload)})

    world.invoke = slow
    world.function(scaling={"maxInstances": 4}, **SNAP)
    await world.publish()
    calls = [lam.invoke(FunctionName="fn", Qualifier="1", Payload=str(n).encode()) for n in range(8)]
    answers = await asyncio.gather(*calls)
    bodies = [json.loads(a["Body"]) for a in answers]
    assert [b["n"] for b in bodies] == list(range(8))
    assert len({b["pod"] for b in bodies}) == len(world.instances()) == 4
    assert all(p.most_busy == 1 for p in world.processes.values()), "one event at a time"
    assert [head(a, "x-thaw-start") for a in answers].count("restore") == 4


async def test_death_with_a_request(world: World, lam: Lambda) -> None:
    """It dies while it runs the function: the caller is told, nothing is run twice, the next one is served."""
    runs = 0

    async def die(process: Process, headers: dict[str, str], payload: bytes) -> web.StreamResponse:
        nonlocal runs
        runs += 1
        transport = process.world.current  # type: ignore[attr-defined]
        transport.close()
        return web.Response()

    async def invoke(self: Process, request: web.Request) -> web.StreamResponse:
        self.world.current = request.transport  # type: ignore[attr-defined]
        return await die(self, {}, b"")

    world.function()
    await lam.invoke(FunctionName="fn")
    process = next(iter(world.processes.values()))
    await process.stop()
    original = Process.invoke
    Process.invoke = invoke  # type: ignore[method-assign,assignment]
    try:
        await process.serve()
        answer = await lam.invoke(FunctionName="fn")
    finally:
        Process.invoke = original  # type: ignore[method-assign]
    assert answer["FunctionError"] == "Unhandled"
    assert json.loads(answer["Body"])["errorType"] == "Runtime.ExitError"
    assert runs == 1
    assert head(await lam.invoke(FunctionName="fn"), "x-thaw-start") == "cold", "another instance"


async def test_death_before_a_request(world: World, lam: Lambda) -> None:
    """Nobody listens there any more: the request goes to another instance, unharmed."""
    world.function()
    await lam.invoke(FunctionName="fn")
    await next(iter(world.processes.values())).stop()
    answer = await lam.invoke(FunctionName="fn")
    assert "FunctionError" not in answer
    assert head(answer, "x-thaw-start") == "cold"


async def test_deleted_pod_gets_no_more_requests(world: World, lam: Lambda) -> None:
    world.function()
    await lam.invoke(FunctionName="fn")
    await world.kube.delete(kinds.POD, NAMESPACE, world.instances()[0]["metadata"]["name"])
    await settle()
    assert head(await lam.invoke(FunctionName="fn"), "x-thaw-start") == "cold"


async def test_exited_instance_goes(world: World, lam: Lambda) -> None:
    """After a timeout thaw-init says that it can serve no more: the pod goes, the next request gets another."""

    async def timeout(process: Process, headers: dict[str, str], payload: bytes) -> web.StreamResponse:
        told = {"Thaw-Instance": "exited", "Thaw-Function-Error": "Unhandled", "Thaw-Log-Tail": _b64("REPORT")}
        return web.json_response({"errorMessage": "Task timed out after 3.00 seconds"}, headers=told)

    world.invoke = timeout
    world.function()
    answer = await lam.invoke(FunctionName="fn", LogType="Tail")
    assert answer["FunctionError"] == "Unhandled"
    assert base64.b64decode(answer["LogResult"]) == b"REPORT"
    await settle()
    assert not world.instances()


def _b64(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


async def test_what_the_function_is_told(world: World, lam: Lambda) -> None:
    seen: dict[str, str] = {}

    async def look(process: Process, headers: dict[str, str], payload: bytes) -> web.StreamResponse:
        seen.update(headers)
        return web.json_response(None)

    world.invoke = look
    world.function(timeout=7)
    context = _b64(json.dumps({"custom": {"a": 1}}))
    await lam.invoke(FunctionName="fn", LogType="Tail", ClientContext=context)
    assert seen["Thaw-Timeout-Ms"] == "7000"
    assert seen["Thaw-Log-Type"] == "Tail"
    assert seen["Thaw-Function-Arn"].endswith(":function:fn")
    assert json.loads(seen["Thaw-Client-Context"]) == {"custom": {"a": 1}}
    assert seen["Thaw-Start"] == "cold"


async def test_update_retires_the_old_codes_instances(world: World, lam: Lambda) -> None:
    world.function()
    first = json.loads((await lam.invoke(FunctionName="fn"))["Body"])["pod"]
    await lam.update_function_configuration(FunctionName="fn", Description="no new instances for this")
    assert json.loads((await lam.invoke(FunctionName="fn"))["Body"])["pod"] == first
    await lam.update_function_configuration(FunctionName="fn", Timeout=9)
    assert json.loads((await lam.invoke(FunctionName="fn"))["Body"])["pod"] != first
    await world.gateway.pools.scale()
    await settle()
    assert [p["metadata"]["name"] == first for p in world.instances()] == [False]


async def test_an_answer_of_the_old_code_does_not_bring_it_back(world: World, lam: Lambda) -> None:
    """The update comes while the old code runs: what it ran on goes, and the new code's instance stays."""
    go = asyncio.Event()

    async def invoke(process: Process, headers: dict[str, str], payload: bytes) -> web.StreamResponse:
        if json.loads(payload).get("slow"):
            await go.wait()
        return web.json_response({"pod": process.name})

    world.invoke = invoke
    world.function()
    slow = asyncio.create_task(lam.invoke(FunctionName="fn", Payload=b'{"slow": true}'))
    while not any(p.busy for p in world.processes.values()):
        await asyncio.sleep(0.005)
    await lam.update_function_configuration(FunctionName="fn", Timeout=9)
    new = json.loads((await lam.invoke(FunctionName="fn"))["Body"])["pod"]
    go.set()
    assert json.loads((await slow)["Body"])["pod"] != new
    await world.gateway.pools.scale()
    await settle()
    assert [p["metadata"]["name"] for p in world.instances()] == [new]


async def test_code_that_comes_back_retires_what_replaced_it(world: World, lam: Lambda) -> None:
    world.function()
    first = json.loads((await lam.invoke(FunctionName="fn"))["Body"])["pod"]
    await lam.update_function_configuration(FunctionName="fn", Timeout=9)
    await lam.invoke(FunctionName="fn")
    await lam.update_function_configuration(FunctionName="fn", Timeout=3)
    assert json.loads((await lam.invoke(FunctionName="fn"))["Body"])["pod"] == first
    await world.gateway.pools.scale()
    await settle()
    assert [p["metadata"]["name"] for p in world.instances()] == [first]


async def test_idle_instances_go_and_come_back(world: World, lam: Lambda) -> None:
    world.function(scaling={"idleSeconds": 1})
    await lam.invoke(FunctionName="fn")
    await world.gateway.pools.scale()
    await settle()
    assert len(world.instances()) == 1
    for pool in world.gateway.pools._pools.values():
        for instance in pool._instances.values():
            instance.last_used -= 2
    await world.gateway.pools.scale()
    await settle()
    assert not world.instances()
    assert len(world.agents.dropped) == 1
    assert head(await lam.invoke(FunctionName="fn"), "x-thaw-start") == "cold"


async def test_deleted_versions_instances_go(world: World, lam: Lambda) -> None:
    world.function()
    await world.publish()
    await lam.invoke(FunctionName="fn", Qualifier="1")
    await lam.delete_function(FunctionName="fn", Qualifier="1")
    await world.gateway.pools.scale()
    await settle()
    assert not world.instances()


async def test_deletion_while_an_instance_starts(world: World, lam: Lambda) -> None:
    """The request is told that there is no such version any more, and no further pod is made."""
    world.schedule = False
    world.function()
    await world.publish()
    call = asyncio.create_task(refused(lam.invoke(FunctionName="fn", Qualifier="1")))
    while not world.instances():
        await asyncio.sleep(0.005)
    await world.kube.delete(kinds.FUNCTION_VERSION, NAMESPACE, "fn-1")
    pod = world.instances()[0]
    pod["metadata"]["deletionTimestamp"] = "2026-01-01T00:00:00Z"
    world.kube.put(kinds.POD, pod, "MODIFIED")
    assert (await call)[:2] == ("ResourceNotFoundException", 404)
    await settle()
    assert not world.instances()


async def test_min_instances(world: World) -> None:
    """Kept for the newest version, ahead of any request."""
    world.function(scaling={"minInstances": 2}, **SNAP)
    await world.publish()
    await world.gateway.pools.scale()
    await settle()
    labels = [p["metadata"]["labels"][names.LABEL_VERSION] for p in world.instances()]
    assert labels == ["1", "1"]
    await world.gateway.pools.scale()
    await settle()
    assert len(world.instances()) == 2


async def test_a_published_version_scales_as_its_function_says_now(world: World, lam: Lambda) -> None:
    function = world.function(scaling={"minInstances": 0, "idleSeconds": 9000})
    await world.publish()
    await world.gateway.pools.scale()
    await settle()
    assert not world.instances()
    function["spec"]["scaling"] = {"minInstances": 2, "idleSeconds": 9000}
    world.kube.put(kinds.FUNCTION, function, "MODIFIED")
    await settle()
    await world.gateway.pools.scale()
    await settle()
    assert len(world.instances()) == 2
    first = json.loads((await lam.invoke(FunctionName="fn", Qualifier="1"))["Body"])["pod"]
    for pool in world.gateway.pools._pools.values():
        for instance in pool._instances.values():
            instance.last_used -= 2
    function["spec"]["scaling"] = {"minInstances": 0, "idleSeconds": 1}
    world.kube.put(kinds.FUNCTION, function, "MODIFIED")
    await settle()
    await world.gateway.pools.scale()
    await settle()
    assert not world.instances(), "also without a request that tells of it"
    assert json.loads((await lam.invoke(FunctionName="fn", Qualifier="1"))["Body"])["pod"] != first


async def test_min_instances_that_do_not_start_are_not_tried_every_second(world: World, lam: Lambda) -> None:
    made: list[str] = []
    world.kube.hooks.append(lambda type_, kind, item: made.append(kind) if (type_, kind) == ("ADDED", "Pod") else None)
    world.init_error = {"errorType": "ImportError", "errorMessage": "no such module"}
    world.function(scaling={"minInstances": 2})
    for _ in range(5):
        await world.gateway.pools.scale()
        await settle()
    assert len(made) == 2
    assert "FunctionError" in await lam.invoke(FunctionName="fn"), "a request does not wait for the next try"
    assert len(made) == 3
    world.init_error = None
    [pool] = world.gateway.pools._pools.values()
    assert pool._warm_after > time.monotonic()
    pool._warm_after = 0
    await world.gateway.pools.scale()
    await settle()
    assert len(world.instances()) == 2


@pytest.mark.parametrize(
    ("ended", "told"),
    [
        ({"reason": "Error", "exitCode": 3}, "Error with status 3"),
        ({"reason": "OOMKilled", "exitCode": 137, "message": "out of memory"}, "out of memory"),
        ({"reason": "Error", "message": '{"errorType": "E", "errorMessage": "its own words"}'}, "its own words"),
        ({"reason": "StartError", "exitCode": 128, "message": "no such file"}, None),
    ],
)
def test_last_words_are_a_functions_own(ended: dict[str, Any], told: str | None) -> None:
    """A container that the platform could not start has said nothing of its function."""
    pod = {"status": {"containerStatuses": [{"name": "function", "state": {"terminated": ended}}]}}
    words = instances._last_words(pod)
    assert (words is None) if told is None else (words is not None and words["errorMessage"].endswith(told))


async def test_orphans(world: World, lam: Lambda) -> None:
    """Pods of a gateway that is gone, and of this one's former life, go; living ones stay."""
    world.function()
    await lam.invoke(FunctionName="fn")
    own = world.instances()[0]["metadata"]["name"]
    leases, labels = world.gateway.leases, {names.LABEL_ROLE: names.ROLE_INSTANCE}
    for name, gateway in (("of-dead", "gw-dead"), ("of-living", "gw-2"), ("of-former", "gw-1")):
        meta = {"name": name, "labels": {**labels, names.LABEL_GATEWAY: gateway}}
        world.kube.put(kinds.POD, {"metadata": meta, "spec": {}})
    await leases.renew()
    meta = {"name": "thaw-gateway-gw-2", "namespace": names.SYSTEM_NAMESPACE}
    meta["labels"] = {names.LABEL_COMPONENT: "gateway"}  # type: ignore[assignment]
    lease = {"metadata": meta, "spec": {"holderIdentity": "gw-2", "renewTime": "1"}}
    world.kube.put(kinds.LEASE, lease)
    await settle()
    await leases.sweep(0.0)
    await settle()
    assert len(world.instances()) == 4, "nobody is condemned at first sight"
    lease["spec"]["renewTime"] = "2"  # type: ignore[index]
    world.kube.put(kinds.LEASE, lease)
    await settle()
    await leases.sweep(50.0)
    await settle()
    assert sorted(p["metadata"]["name"] for p in world.instances()) == sorted([own, "of-living"])


async def test_end_takes_instances_and_lease_away(world: World, lam: Lambda) -> None:
    world.function()
    await lam.invoke(FunctionName="fn")
    await world.gateway.leases.renew()
    assert len(world.kube.all(kinds.LEASE)) == 1
    await world.gateway.close(0.1)
    assert not world.instances()
    assert not world.kube.all(kinds.LEASE)


async def test_metrics(world: World, lam: Lambda) -> None:
    world.function(**SNAP)
    await world.publish()
    await lam.invoke(FunctionName="fn", Qualifier="1")
    await world.gateway.pools.scale()
    text = world.gateway.front.metrics.render().decode()
    labels = 'code="200",function="fn",namespace="default",qualifier="1",start="restore"'
    assert f"thaw_gateway_requests_total{{{labels}}} 1.0" in text
    assert 'thaw_gateway_instances{function="fn",namespace="default",qualifier="1",state="ready"} 1.0' in text
    assert "thaw_gateway_restore_seconds_count 1.0" in text
    assert 'thaw_gateway_api_requests_total{code="200",operation="Invoke"} 1.0' in text
