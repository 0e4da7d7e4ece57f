"""Asynchronous invocations through the whole gateway: kept, run, run again, told, taken over, never lost in silence."""

from __future__ import annotations

import asyncio
import base64
import copy
import json
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from botocore.exceptions import ClientError

from thaw import names
from thaw.build.instance_pod import instance_pod
from thaw.errors import Conflict, Forbidden, Unavailable
from thaw.gateway.assembly import Gateway, assemble
from thaw.gateway.events import post, settle
from thaw.gateway.functioncontrol import FunctionControl
from thaw.kube import kinds
from thaw.kube.client import Object
from thaw.kube.kinds import EVENT_INVOCATION, LEASE
from unit.gateway.conftest import Lambda
from unit.gateway.world import NAMESPACE, World

ARN = "arn:aws:lambda:us-east-1:000000000000:function:"
QUICK = {"event_retry_delays": (0.05, 0.1), "event_record_delays": (0.05, 0.05)}
quick = pytest.mark.parametrize("world", [QUICK], indirect=True)


class Script:
    """A function whose answers are told beforehand: JSON, or an error's text; the last one is for good."""

    def __init__(self, world: World, *answers: Any) -> None:
        self.answers, self.calls = list(answers), []
        self.after_gate: Any = "late"
        """What is answered once an Event among the answers is set."""
        world.invoke = self

    async def __call__(self, _process: Any, headers: dict[str, str], payload: bytes) -> web.StreamResponse:
        self.calls.append((headers["Thaw-Function-Arn"], headers["Thaw-Request-Id"], json.loads(payload)))
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if isinstance(answer, asyncio.Event):
            await answer.wait()
            answer = self.after_gate
        if isinstance(answer, Exception):
            error = {"errorType": "KeyError", "errorMessage": str(answer)}
            return web.json_response(error, headers={"Thaw-Function-Error": "Unhandled"})
        return web.json_response(answer)

    def payloads(self, function: str) -> list[Any]:
        return [payload for arn, _, payload in self.calls if arn.split(":")[6] == function]


async def eventually(check: Any, timeout: float = 8) -> Any:
    async with asyncio.timeout(timeout):
        while not (found := check()):
            await asyncio.sleep(0.01)
    return found


def held(world: World) -> list[Object]:
    return world.kube.all(EVENT_INVOCATION)


def counted(world: World, name: str, **labels: str) -> float:
    return world.gateway.front.metrics.registry.get_sample_value(name, labels) or 0.0


def dropped(world: World, reason: str, qualifier: str = "$LATEST") -> float:
    labels = {"namespace": NAMESPACE, "function": "fn", "qualifier": qualifier, "reason": reason}
    return counted(world, "thaw_gateway_dropped_events_total", **labels)


def untold(world: World, reason: str, function: str = "fn") -> float:
    labels = {"namespace": NAMESPACE, "function": function, "reason": reason}
    return counted(world, "thaw_gateway_destination_failures_total", **labels)


def told(world: World) -> list[str]:
    return [event["message"] for event in world.kube.all(kinds.EVENT)]


def send(lam: Lambda, payload: Any = None, **more: Any) -> Any:
    body = json.dumps(payload if payload is not None else {"a": 1}).encode()
    return lam.invoke(FunctionName="fn", InvocationType="Event", Payload=body, **more)


def pause(world: World) -> None:
    """What is accepted from now on is kept, and not run."""
    world.gateway.events.drain.stopping = True


def resume(world: World) -> None:
    """Runs what was kept."""
    world.gateway.events.drain.stopping = False
    world._tasks |= {asyncio.ensure_future(run) for run in world.gateway.events.runs()}


async def another(world: World, name: str = "gw-2") -> Gateway:
    """A second gateway of the same cluster, which knows what there is, and runs nothing."""
    made = assemble(
        world.kube,  # type: ignore[arg-type]
        world.agents,  # type: ignore[arg-type]
        world.kube.make_copy,
        world.settings.model_copy(update={"pod_name": name}),
        build=instance_pod,
        control=FunctionControl(world.port),
    )
    await asyncio.sleep(0)
    return made


async def test_it_is_kept_before_the_answer_and_gone_after_it_was_run(world: World, lam: Lambda) -> None:
    gate = asyncio.Event()
    script = Script(world, gate)
    function = world.function()
    answer = await send(lam)
    assert answer["StatusCode"] == 202
    (item,) = held(world)
    assert counted(world, "thaw_gateway_events_held") == 1
    meta, spec = item["metadata"], item["spec"]
    assert spec["requestId"] == meta["name"] == answer["ResponseMetadata"]["RequestId"]
    assert base64.b64decode(spec["payload"]) == b'{"a": 1}'
    assert meta["ownerReferences"][0]["uid"] == function["metadata"]["uid"]
    gate.set()
    await eventually(lambda: not held(world))
    assert script.calls == [(ARN + "fn", spec["requestId"], {"a": 1})]
    labels = {"namespace": NAMESPACE, "function": "fn", "qualifier": "$LATEST"}
    assert counted(world, "thaw_gateway_events_total", **labels) == 1
    assert counted(world, "thaw_gateway_events_held") == 0


async def test_what_cannot_be_kept_was_not_accepted(world: World, lam: Lambda) -> None:
    Script(world, 1)
    world.function()
    for error, status in ((Unavailable("E", "", "", "away"), 500), (Forbidden("E", "", "", "no"), 500)):
        world.kube.refuse["EventInvocation"] = error
        with pytest.raises(ClientError) as e:
            await send(lam)
        assert e.value.response["ResponseMetadata"]["HTTPStatusCode"] == status
    assert held(world) == []
    del world.kube.refuse["EventInvocation"]
    assert (await send(lam))["StatusCode"] == 202


@pytest.mark.parametrize("world", [{"event_queue_limit": 4}], indirect=True)
async def test_a_full_queue_says_so(world: World, lam: Lambda) -> None:
    gate = asyncio.Event()
    Script(world, gate)
    world.function()
    await send(lam)
    with pytest.raises(ClientError, match="1 events of fn wait already") as e:
        await send(lam)
    assert e.value.response["ResponseMetadata"]["HTTPStatusCode"] == 429
    gate.set()
    await eventually(lambda: not held(world))
    assert (await send(lam))["StatusCode"] == 202


async def test_a_function_of_plain_http_takes_no_events(world: World, lam: Lambda) -> None:
    world.http_function("fn")
    with pytest.raises(ClientError, match="speaks plain HTTP"):
        await send(lam)


@quick
async def test_a_failure_is_tried_three_times_with_the_same_request_id(world: World, lam: Lambda) -> None:
    script = Script(world, KeyError("name"))
    world.function()
    answer = await send(lam)
    (item,) = await eventually(lambda: [i for i in held(world) if i["status"]["attempts"] == 1])
    assert item["status"]["state"] == "Retrying"
    assert item["status"]["nextAttemptAt"]
    assert "KeyError" in item["status"]["lastError"]
    await eventually(lambda: not held(world))
    assert [request_id for _, request_id, _ in script.calls] == [answer["ResponseMetadata"]["RequestId"]] * 3
    assert dropped(world, "RetriesExhausted") == 1


@quick
@pytest.mark.parametrize(("attempts", "calls"), [(0, 1), (1, 2)])
async def test_the_qualifier_s_own_number_of_tries(world: World, lam: Lambda, attempts: int, calls: int) -> None:
    script = Script(world, KeyError("name"))
    world.function(eventInvoke={"live": {"maximumRetryAttempts": attempts}})
    await world.publish()
    await lam.create_alias(FunctionName="fn", Name="live", FunctionVersion="1")
    await send(lam, Qualifier="live")
    await eventually(lambda: not held(world))
    assert [arn for arn, _, _ in script.calls] == [ARN + "fn:live"] * calls
    assert dropped(world, "RetriesExhausted", "live") == 1


async def test_throttled_events_wait_and_are_counted_as_no_try(world: World, lam: Lambda) -> None:
    """A version that is Pending by the time it is tried: the state shows, and nothing is lost."""
    script = Script(world, 1)
    world.function()
    await world.publish()
    pause(world)
    await send(lam, Qualifier="1")
    version = world.kube.all(kinds.FUNCTION_VERSION)[0]["metadata"]["name"]
    await world.kube.patch(kinds.FUNCTION_VERSION, NAMESPACE, version, {"status": {"state": "Pending"}})
    resume(world)
    (item,) = await eventually(lambda: [i for i in held(world) if i["status"]["state"] == "Throttled"])
    assert item["status"]["attempts"] == 0
    assert "Pending" in item["status"]["lastError"]
    assert script.calls == []
    await world.kube.patch(kinds.FUNCTION_VERSION, NAMESPACE, version, {"status": {"state": "Active"}})
    await eventually(lambda: not held(world))
    assert len(script.calls) == 1


@quick
async def test_nothing_runs_at_reserved_concurrency_zero(world: World, lam: Lambda) -> None:
    script = Script(world, 1)
    sink = {"onFailure": {"destination": ARN + "sink"}}
    world.function("sink")
    world.function(eventInvoke={"$LATEST": sink}, scaling={"reservedConcurrency": 0})
    await send(lam)
    (record,) = await eventually(lambda: script.payloads("sink"))
    assert record["requestContext"]["condition"] == "ZeroReservedConcurrency"
    assert record["requestContext"]["approximateInvokeCount"] == 0
    assert script.payloads("fn") == []


@quick
async def test_an_event_that_is_too_old_is_given_up(world: World, lam: Lambda) -> None:
    script = Script(world, 1)
    world.function("sink")
    config = {"maximumEventAgeSeconds": 60, "onFailure": {"destination": ARN + "sink:$LATEST"}}
    world.function(eventInvoke={"$LATEST": config})
    await _stale(world, lam)
    (record,) = await eventually(lambda: script.payloads("sink"))
    assert record["requestContext"]["condition"] == "EventAgeExceeded"
    assert script.payloads("fn") == []
    assert dropped(world, "EventAgeExceeded") == 1


async def _stale(world: World, lam: Lambda) -> None:
    """An event that this gateway finds, accepted by one that ended a minute ago."""
    pause(world)
    await send(lam)
    (item,) = held(world)
    await world.kube.delete(EVENT_INVOCATION, NAMESPACE, item["metadata"]["name"])
    await eventually(lambda: not world.gateway.events.drain._backlog.held)
    old = copy.deepcopy(item)
    old["metadata"] |= {"name": "old", "labels": {names.LABEL_FUNCTION: "fn", names.LABEL_GATEWAY: "gw-0"}}
    old["spec"]["acceptedAt"] = "2026-01-01T00:00:00Z"
    resume(world)
    world.kube.put(EVENT_INVOCATION, old)


@quick
async def test_the_failure_s_destination_gets_the_record_once(world: World, lam: Lambda) -> None:
    script = Script(world, KeyError("name"), KeyError("name"), KeyError("name"), "taken")
    world.function("sink")
    world.function(eventInvoke={"$LATEST": {"onFailure": {"destination": ARN + "sink"}}})
    request_id = (await send(lam))["ResponseMetadata"]["RequestId"]
    await eventually(lambda: script.payloads("sink") and not held(world))
    (record,) = script.payloads("sink")
    assert record["requestContext"] == {
        "requestId": request_id,
        "functionArn": ARN + "fn:$LATEST",
        "condition": "RetriesExhausted",
        "approximateInvokeCount": 3,
    }
    assert record["requestPayload"] == {"a": 1}
    assert record["responseContext"]["functionError"] == "Unhandled"
    assert record["responsePayload"]["errorType"] == "KeyError"
    assert len({request_id for _, request_id, _ in script.calls}) == 2, "the record is an invocation of its own"


async def test_the_destination_is_kept_before_the_event_goes(world: World, lam: Lambda) -> None:
    """A crash in between makes no second one: its name follows from the first."""
    Script(world, "fine")
    world.function("sink")
    world.function(eventInvoke={"$LATEST": {"onSuccess": {"destination": ARN + "sink"}}})
    seen: list[tuple[str, str]] = []

    def see(type_: str, kind: str, item: Object) -> None:
        if kind == "EventInvocation":
            seen.append((type_, item["spec"]["functionName"]))

    world.kube.hooks.append(see)
    await send(lam)
    await eventually(lambda: len(seen) == 4 and not held(world))
    assert seen == [("ADDED", "fn"), ("ADDED", "sink"), ("DELETED", "fn"), ("DELETED", "sink")]


async def test_a_loop_ends_after_sixteen(world: World, lam: Lambda) -> None:
    """Two functions, each the other's destination."""
    script = Script(world, "fine")
    for name, other in (("fn", "back"), ("back", "fn")):
        world.function(name, eventInvoke={"$LATEST": {"onSuccess": {"destination": ARN + other}}})
    await send(lam)
    await eventually(lambda: untold(world, "Recursion", "back"), 20)
    assert len(script.calls) == settle.LONGEST_CHAIN == 16
    assert any("16 invocations have followed from one another" in message for message in told(world))
    await eventually(lambda: not held(world))


@pytest.mark.parametrize(
    ("destination", "payload", "reason"),
    [
        (ARN + "gone", 1, "NoSuchFunction"),
        ("arn:aws:lambda:us-east-1:111122223333:function:sink", 1, "Invalid"),
        (ARN + "sink", "x" * ((1 << 20) - 99), "RecordTooLarge"),
    ],
)
async def test_a_destination_that_cannot_be_told(
    world: World, lam: Lambda, destination: str, payload: Any, reason: str
) -> None:
    """As ``kubectl apply`` may write it."""
    Script(world, "fine")
    world.function("sink")
    world.function(eventInvoke={"$LATEST": {"onSuccess": {"destination": destination}}})
    await send(lam, payload)
    await eventually(lambda: untold(world, reason) and not held(world))
    await eventually(lambda: [m for m in told(world) if "The record of an asynchronous invocation was lost" in m])


async def test_an_event_whose_version_is_gone_is_dropped_and_told(world: World, lam: Lambda) -> None:
    script = Script(world, 1)
    world.function()
    version = (await world.publish())["metadata"]["name"]
    pause(world)
    await send(lam, Qualifier="1")
    await world.kube.delete(kinds.FUNCTION_VERSION, NAMESPACE, version)
    await eventually(lambda: world.gateway.watch.version(NAMESPACE, "fn", "1") is None)
    resume(world)
    await eventually(lambda: not held(world))
    assert dropped(world, "Deleted", "1") == 1
    assert any("An asynchronous invocation was dropped" in message for message in told(world))
    assert script.calls == []


async def test_a_namesake_made_since_does_not_run_it(world: World, lam: Lambda) -> None:
    script = Script(world, 1)
    world.function()
    pause(world)
    await send(lam)
    await world.kube.delete(kinds.FUNCTION, NAMESPACE, "fn")
    world.function()
    await asyncio.sleep(0)
    resume(world)
    await eventually(lambda: not held(world))
    assert (script.calls, dropped(world, "Deleted")) == ([], 1)


async def test_one_that_is_deleted_by_hand_is_not_run(world: World, lam: Lambda) -> None:
    script = Script(world, 1)
    world.function()
    pause(world)
    await send(lam)
    await world.kube.delete(EVENT_INVOCATION, NAMESPACE, held(world)[0]["metadata"]["name"])
    resume(world)
    await send(lam, {"b": 2})
    await eventually(lambda: script.calls and not held(world))
    assert script.payloads("fn") == [{"b": 2}]


async def test_one_made_by_hand_is_run_and_a_bad_one_dropped(world: World) -> None:
    script = Script(world, 1)
    world.function()
    for name, payload in (("good", "eyJoIjogMX0="), ("bad", "!")):
        spec = {"functionName": "fn", "requestId": name, "acceptedAt": "2126-01-01T00:00:00Z", "payload": payload}
        world.kube.put(EVENT_INVOCATION, {"metadata": {"name": name}, "spec": spec})
    await eventually(lambda: not held(world))
    assert script.payloads("fn") == [{"h": 1}]
    assert dropped(world, "Unreadable", "") == 1


# ---------------------------------------------------------------- when gateways end


async def test_another_gateway_goes_on_where_one_has_ended(world: World, lam: Lambda) -> None:
    """In an orderly end what runs is finished; what waits is left, and taken over once the Lease is gone."""
    script = Script(world, KeyError("name"), "fine")
    world.function()
    await send(lam)
    await eventually(lambda: [i for i in held(world) if i["status"]["attempts"] == 1])
    await world.gateway.close(1)
    assert len(script.calls) == 1, "its second try is in a minute"
    assert world.kube.all(LEASE) == []
    (item,) = held(world)
    second = await another(world)
    await second.leases.renew()
    assert await second.events.claims.adopt() == 1
    (after,) = held(world)
    assert after["metadata"]["labels"][names.LABEL_GATEWAY] == "gw-2"
    assert after["status"] == item["status"], "its time is as it was"
    assert await second.events.claims.adopt() == 0
    await world.kube.patch(
        EVENT_INVOCATION, NAMESPACE, item["metadata"]["name"], {"status": {"nextAttemptAt": "2026-01-01T00:00:00Z"}}
    )
    running = [asyncio.ensure_future(run) for run in second.events.runs()]
    await eventually(lambda: not held(world))
    assert len(script.calls) == 2
    await second.close(1)
    for task in running:
        task.cancel()


async def test_nothing_is_taken_from_a_gateway_that_lives(world: World, lam: Lambda) -> None:
    gate = asyncio.Event()
    Script(world, gate)
    world.function()
    await send(lam)
    second = await another(world)
    await second.leases.renew()
    assert await second.events.claims.adopt() == 0
    lagging = second.watch.leases
    lagging._objects.clear()  # type: ignore[attr-defined]  # its watch has not seen any Lease yet
    assert await second.events.claims.adopt() == 0, "the API server itself is asked"
    gate.set()
    await eventually(lambda: not held(world))
    await second.close(1)


async def test_of_two_that_take_over_one_has_it(world: World, lam: Lambda) -> None:
    script = Script(world, "fine")
    world.function()
    pause(world)
    for number in range(6):
        await send(lam, number)
    await world.gateway.leases.release()
    gateways = [await another(world, name) for name in ("gw-2", "gw-3")]
    for gateway in gateways:
        await gateway.leases.renew()
    taken = await asyncio.gather(*(gateway.events.claims.adopt() for gateway in gateways))
    assert sum(taken) == 6
    running = [asyncio.ensure_future(run) for gateway in gateways for run in gateway.events.runs()]
    await eventually(lambda: not held(world))
    assert sorted(script.payloads("fn")) == [0, 1, 2, 3, 4, 5]
    for gateway in gateways:
        await gateway.close(1)
    for task in running:
        task.cancel()


async def test_a_restart_in_place_takes_up_its_own(world: World, lam: Lambda) -> None:
    """The same pod, so the same name: a process that was killed and started again."""
    script = Script(world, "fine")
    world.function()
    pause(world)
    await send(lam)
    same = await another(world, "gw-1")
    running = [asyncio.ensure_future(run) for run in same.events.runs()]
    await eventually(lambda: not held(world))
    assert len(script.calls) == 1
    await same.close(1)
    for task in running:
        task.cancel()


async def test_what_was_taken_over_meanwhile_is_let_go(world: World, lam: Lambda) -> None:
    """This gateway was thought dead while it ran the function, which then failed: the other's count stands."""
    gate = asyncio.Event()
    script = Script(world, gate)
    script.after_gate = KeyError("late")
    world.function()
    name = (await send(lam))["ResponseMetadata"]["RequestId"]
    await eventually(lambda: script.calls)
    lease = {"metadata": {"name": "thaw-gateway-gw-9", "namespace": names.SYSTEM_NAMESPACE}}
    world.kube.put(LEASE, {**lease, "spec": {"holderIdentity": "gw-9"}})
    await world.kube.patch(EVENT_INVOCATION, NAMESPACE, name, {"metadata": {"labels": {names.LABEL_GATEWAY: "gw-9"}}})
    gate.set()
    await eventually(lambda: not world.gateway.events.drain._tasks)
    (item,) = held(world)
    assert item["metadata"]["labels"][names.LABEL_GATEWAY] == "gw-9"
    assert item["status"]["attempts"] == 0
    assert len(script.calls) == 1


async def test_a_result_waits_for_the_api_server_and_the_function_does_not_run_again(
    world: World, lam: Lambda, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(settle, "_BACKOFF_FIRST", 0.01)
    script = Script(world, "fine")
    world.function()
    real, failures = world.kube.delete, [Unavailable("E", "", "", "away"), Conflict("E", "", "", "no")]

    async def delete(kind: Any, *arguments: Any, **more: Any) -> None:
        if kind is EVENT_INVOCATION and failures:
            raise failures.pop()
        await real(kind, *arguments, **more)

    monkeypatch.setattr(world.kube, "delete", delete)
    await send(lam)
    await eventually(lambda: not held(world))
    assert (len(script.calls), failures) == (1, [])


async def test_the_end_waits_for_what_runs(world: World, lam: Lambda) -> None:
    gate = asyncio.Event()
    Script(world, gate)
    world.function()
    await send(lam)
    await eventually(lambda: world.gateway.events.drain._tasks)
    stopping = asyncio.ensure_future(world.gateway.events.stop(5))
    gate.set()
    await stopping
    assert held(world) == []


# ---------------------------------------------------------------- URLs


@pytest.fixture
async def receiver(monkeypatch: pytest.MonkeyPatch) -> Any:
    """A server on loopback, which is let through here; what it got, and what it answers."""
    got: list[tuple[str, Any]] = []
    answers = [200]

    async def take(request: web.Request) -> web.Response:
        got.append((request.headers["Idempotency-Key"], await request.json()))
        status = answers.pop(0) if len(answers) > 1 else answers[0]
        return web.Response(status=status, headers={"Location": "/elsewhere"} if status == 302 else {})

    app = web.Application()
    app.router.add_route("*", "/{path:.*}", take)
    async with TestServer(app) as server:
        yield str(server.make_url("/hook")), got, answers


def cluster_addresses(world: World) -> None:
    """What Thaw's own addresses are asked of."""
    service = {"metadata": {"name": "kubernetes", "namespace": "default"}, "spec": {"clusterIPs": ["10.96.0.1"]}}
    world.kube.put(kinds.SERVICE, service)
    slice_ = {"metadata": {"name": "kubernetes", "namespace": "default"}, "endpoints": [{"addresses": ["172.18.0.2"]}]}
    world.kube.put(kinds.ENDPOINT_SLICE, slice_)


@quick
@pytest.mark.parametrize(
    ("answers", "sent", "lost"),
    [([200], 1, 0), ([500, 503, 202], 3, 0), ([500], 3, 1), ([302], 3, 1), ([404, 204], 2, 0)],
)
async def test_a_url_gets_the_record(
    world: World,
    lam: Lambda,
    receiver: Any,
    monkeypatch: pytest.MonkeyPatch,
    answers: list[int],
    sent: int,
    lost: int,
) -> None:
    monkeypatch.setattr(post.addresses, "refusal", lambda _address, _own: "")
    cluster_addresses(world)
    url, got, script = receiver
    script[:] = answers
    Script(world, {"well": "done"})
    world.function(eventInvoke={"$LATEST": {"onSuccess": {"destination": url}}})
    await send(lam)
    await eventually(lambda: len(got) >= 1 and not held(world))
    assert len(got) == sent
    assert len({key for key, _ in got}) == 1
    assert got[0][1]["responsePayload"] == {"well": "done"}
    assert untold(world, "Unreachable") == lost


@quick
async def test_a_url_that_is_not_to_be_reached_gets_nothing(world: World, lam: Lambda, receiver: Any) -> None:
    cluster_addresses(world)
    url, got, _ = receiver
    Script(world, 1)
    world.function(eventInvoke={"$LATEST": {"onSuccess": {"destination": url.replace("127.0.0.1", "localhost")}}})
    await send(lam)
    await eventually(lambda: untold(world, "Unreachable") and not held(world))
    assert got == []
    assert any("is loopback" in message for message in told(world))


async def test_thaws_own_addresses(world: World) -> None:
    from thaw.gateway.events import own

    cluster_addresses(world)
    pod = {"metadata": {"name": "gw", "namespace": names.SYSTEM_NAMESPACE}, "status": {"podIPs": [{"ip": "10.0.0.9"}]}}
    world.kube.put(kinds.POD, pod)
    spec = {"clusterIPs": ["None", "10.96.7.7"], "externalIPs": ["192.0.2.1"]}
    status = {"loadBalancer": {"ingress": [{"ip": "192.0.2.2"}, {"hostname": "lb.example"}]}}
    meta = {"name": "thaw-gateway", "namespace": names.SYSTEM_NAMESPACE}
    world.kube.put(kinds.SERVICE, {"metadata": meta, "spec": spec, "status": status})
    found = await own.addresses(world.kube, names.SYSTEM_NAMESPACE)  # type: ignore[arg-type]
    assert found == {"10.0.0.9", "10.96.7.7", "192.0.2.1", "192.0.2.2", "10.96.0.1", "172.18.0.2"}
