"""``/thaw/v1``, as the console and the CLI ask it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest
from aiohttp.test_utils import TestServer
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from thaw.api.node import CachedSnapshot, CacheInfo, NodeInfo
from thaw.errors import NodeError
from thaw.gateway import server
from thaw.gateway.live import streams
from thaw.kube import kinds
from unit.gateway.conftest import Lambda
from unit.gateway.world import KEY_ID, NAMESPACE, NODE, SECRET, World

ANN = {"Authorization": "Bearer ann"}
READER = {"Authorization": "Bearer reader", "X-Thaw-Namespace": NAMESPACE}
SNAP_START = {"applyOn": "PublishedVersions"}


@pytest.fixture
async def http(world: World) -> AsyncIterator[aiohttp.ClientSession]:
    """Ann may do all in the default namespace; the reader may list there."""
    ann = "system:serviceaccount:default:ann"
    world.kube.tokens |= {"ann": {"username": ann}, "reader": {"username": "reader"}}
    world.kube.rights |= {(ann, verb, NAMESPACE, "") for verb in ("invoke", "publish", "get", "list", "update")}
    world.kube.rights |= {("reader", "list", NAMESPACE, "")}
    async with aiohttp.ClientSession(world.endpoint) as session:
        yield session


async def get(http: aiohttp.ClientSession, path: str, headers: dict[str, str] = ANN) -> Any:
    async with http.get(f"/thaw/v1/{path}", headers=headers) as answer:
        assert answer.status == 200, await answer.text()
        assert answer.headers["Cache-Control"] == "no-store"
        return await answer.json()


async def refused(http: aiohttp.ClientSession, path: str, headers: dict[str, str]) -> tuple[int, str]:
    async with http.get(f"/thaw/v1/{path}", headers=headers) as answer:
        return answer.status, answer.headers["x-amzn-errortype"]


async def test_who_calls_and_what_they_may(world: World, http: aiohttp.ClientSession) -> None:
    found = await get(http, "whoami")
    assert (found["user"], found["namespace"]) == ("system:serviceaccount:default:ann", "default")
    assert found["verbs"] == ["invoke", "publish", "get", "list", "update"]
    assert (await get(http, "whoami", READER))["verbs"] == ["list"]
    assert (await get(http, "whoami", {**ANN, "X-Thaw-Namespace": "other"}))["verbs"] == []


PATHS = ("functions/fn", "watch?function=fn", "starts", "starts?function=fn", "snapshots", "nodes")


@pytest.mark.parametrize("path", PATHS)
async def test_each_path_asks_for_its_right(world: World, http: aiohttp.ClientSession, path: str) -> None:
    world.function()
    assert await refused(http, path, {}) == (403, "MissingAuthenticationTokenException")
    assert await refused(http, path, {"Authorization": "Bearer wrong"}) == (401, "UnrecognizedClientException")
    assert await refused(http, path, {**ANN, "X-Thaw-Namespace": "other"}) == (403, "AccessDeniedException")
    nameless = {"Authorization": "Bearer reader"}
    assert await refused(http, path, nameless) == (400, "InvalidParameterValueException")


async def test_what_there_is_not(world: World, http: aiohttp.ClientSession) -> None:
    assert await refused(http, "functions/absent", ANN) == (404, "ResourceNotFoundException")
    assert await refused(http, "watch?function=absent", ANN) == (404, "ResourceNotFoundException")
    assert await refused(http, "watch", ANN) == (400, "InvalidParameterValueException")
    assert await refused(http, "starts?function=..%2Fx", ANN) == (400, "InvalidParameterValueException")
    assert await refused(http, "somewhere", ANN) == (404, "UnknownOperationException")
    async with http.delete("/thaw/v1/functions/fn", headers=ANN) as answer:
        assert answer.status == 404


async def test_a_function_with_its_versions_newest_first(
    world: World, lam: Lambda, http: aiohttp.ClientSession
) -> None:
    world.function(snapStart=SNAP_START)
    world.next_state = {"state": "Active", "initDurationMs": 2104.5, "snapshotBytes": 1000, "lastRestoreMs": 120.0}
    await world.publish()
    status = {"sizeBytes": 1000, "storedBytes": 300, "createdAt": "2026-01-02T03:04:05Z", "trialRestoreMs": 130.0}
    await world.kube.patch(kinds.SNAPSHOT, NAMESPACE, "fn-1-s1", {"status": status})
    await world.kube.patch(kinds.FUNCTION, NAMESPACE, "fn", {"spec": {"timeout": 9}})
    world.next_state = {"state": "Failed", "stateReasonCode": "FunctionError", "stateReason": "KeyError: 'A'"}
    await world.publish()
    await lam.invoke(FunctionName="fn", Qualifier="1")
    found = await get(http, "functions/fn")
    failed, active = found.pop("versions")
    assert found == {
        "name": "fn",
        "namespace": "default",
        "protocol": "lambda",
        "runtime": "python3.13",
        "applyOn": "PublishedVersions",
        "state": "Active",
        "stateReason": "",
    }
    assert (failed["version"], failed["state"], failed["snapshot"]) == ("2", "Failed", None)
    assert (failed["stateReasonCode"], failed["stateReason"]) == ("FunctionError", "KeyError: 'A'")
    assert (active["version"], active["state"], active["optimizationStatus"]) == ("1", "Active", "On")
    assert (active["initDurationMs"], active["lastRestoreMs"]) == (2104.5, 120.0)
    assert active["instances"] == {"ready": 1, "starting": 0, "standby": 0, "slots": 0}
    assert failed["instances"]["ready"] == 0
    snapshot = active["snapshot"]
    assert (snapshot["name"], snapshot["phase"], snapshot["inUse"]) == ("fn-1-s1", "Ready", True)
    assert (snapshot["sizeBytes"], snapshot["storedBytes"]) == (1000, 300)
    assert snapshot["createdAt"] == "2026-01-02T03:04:05.000Z"


async def test_instances_under_way_are_told(world: World, lam: Lambda, http: aiohttp.ClientSession) -> None:
    world.function(snapStart=SNAP_START)
    await world.publish()
    world.schedule = False
    call = asyncio.create_task(lam.invoke(FunctionName="fn", Qualifier="1"))

    async def starting() -> int:
        return (await get(http, "functions/fn"))["versions"][0]["instances"]["starting"]

    async with asyncio.timeout(5):
        while await starting() == 0:
            await asyncio.sleep(0.01)
    (pod,) = world.instances()
    await world.kube.patch(kinds.POD, NAMESPACE, pod["metadata"]["name"], {"spec": {"nodeName": NODE}})
    await call
    assert await starting() == 0


async def test_starts_of_both_kinds_of_function(world: World, lam: Lambda, http: aiohttp.ClientSession) -> None:
    world.function(snapStart=SNAP_START)
    world.http_function()
    await world.publish()
    await lam.invoke(FunctionName="fn", Qualifier="1")
    await lam.invoke(FunctionName="fn", Qualifier="1")
    await lam.invoke(FunctionName="fn")
    async with http.get("/default/web/page") as answer:
        assert answer.status == 200
    found = await get(http, "starts")
    assert [(s["function"], s["version"], s["start"]) for s in found["starts"]] == [
        ("fn", "1", "restore"),
        ("fn", "1", "warm"),
        ("fn", "$LATEST", "cold"),
        ("web", "$LATEST", "cold"),
    ]
    restore, warm, cold, plain = found["starts"]
    assert set(restore) == {"function", "version", "start", "totalMs", "restoreMs", "at"}
    assert restore["restoreMs"] >= 100
    assert (warm["restoreMs"], cold["restoreMs"], plain["restoreMs"]) == (0, 0, 0)
    assert all(s["totalMs"] > 0 for s in found["starts"])
    assert found["since"] < restore["at"] <= warm["at"] <= cold["at"]
    assert [s["function"] for s in (await get(http, "starts?function=web"))["starts"]] == ["web"]


async def test_a_refused_invocation_is_no_start(world: World, lam: Lambda, http: aiohttp.ClientSession) -> None:
    with pytest.raises(lam.client.exceptions.ResourceNotFoundException):
        await lam.invoke(FunctionName="absent")
    assert (await get(http, "starts"))["starts"] == []


async def test_snapshots_of_the_namespace_newest_first(world: World, http: aiohttp.ClientSession) -> None:
    world.function(snapStart=SNAP_START)
    await world.publish()
    spec = {"functionName": "fn", "versionName": "fn-1", "version": "1"}
    for name, namespace, created in (("fn-1-s2", NAMESPACE, "2026-02-01T00:00:00Z"), ("theirs", "other", None)):
        status = {"phase": "Creating", "createdAt": created, "message": "is being stored"}
        world.kube.put(
            kinds.SNAPSHOT, {"metadata": {"name": name, "namespace": namespace}, "spec": spec, "status": status}
        )
    await asyncio.sleep(0)
    found = (await get(http, "snapshots"))["snapshots"]
    assert [(s["name"], s["phase"], s["inUse"]) for s in found] == [
        ("fn-1-s2", "Creating", False),
        ("fn-1-s1", "Ready", True),
    ]
    assert found[0]["message"] == "is being stored"


async def test_nodes_with_the_caches_that_one_may_see(world: World, http: aiohttp.ClientSession) -> None:
    world.function(snapStart=SNAP_START)
    await world.publish()
    spec = {"functionName": "fn", "versionName": "fn-1", "version": "1"}
    world.kube.put(kinds.SNAPSHOT, {"metadata": {"name": "theirs", "namespace": "other", "uid": "u2"}, "spec": spec})

    async def node(_url: str) -> NodeInfo:
        return NodeInfo(node=NODE, checkpoint=False, reason="CRIU is too old", version="1.2.3")

    async def cache(_url: str) -> CacheInfo:
        held = (("snap-fn-1", 700), ("u2", 50), ("left-over", 5))
        snapshots = tuple(CachedSnapshot(id=uid, digest="d", bytes=size) for uid, size in held)
        return CacheInfo(node=NODE, snapshots=snapshots, code_count=2, code_bytes=99)

    world.agents.node, world.agents.cache = node, cache  # type: ignore[attr-defined]
    (found,) = (await get(http, "nodes"))["nodes"]
    assert (found["name"], found["agentReady"], found["checkpoint"]) == (NODE, True, False)
    assert (found["reason"], found["version"]) == ("CRIU is too old", "1.2.3")
    own = {"namespace": NAMESPACE, "name": "fn-1-s1", "function": "fn", "version": "1", "bytes": 700}
    assert found["cache"] == {"snapshots": [own], "code": None}
    world.kube.rights.add(("reader", "list", "", ""))
    (found,) = (await get(http, "nodes", READER))["nodes"]
    assert [s["name"] for s in found["cache"]["snapshots"]] == ["fn-1-s1", "theirs"]
    assert found["cache"]["code"] == {"count": 2, "bytes": 99}


async def test_a_node_whose_agent_does_not_answer(world: World, http: aiohttp.ClientSession) -> None:
    async def away(_url: str) -> Any:
        raise NodeError("Unreachable", "no route to it")

    world.agents.node = world.agents.cache = away  # type: ignore[attr-defined]
    (found,) = (await get(http, "nodes"))["nodes"]
    assert (found["agentReady"], found["cache"], found["problem"]) == (False, None, "Unreachable: no route to it")
    (agent,) = world.gateway.watch.agents.list()
    name, namespace = agent["metadata"]["name"], agent["metadata"]["namespace"]
    not_ready = {"status": {"conditions": [{"type": "Ready", "status": "False"}]}}
    await world.kube.patch(kinds.POD, namespace, name, not_ready)
    await asyncio.sleep(0)
    (found,) = (await get(http, "nodes"))["nodes"]
    assert (found["name"], found["problem"]) == (NODE, "it is not ready")


async def events(answer: aiohttp.ClientResponse) -> AsyncIterator[tuple[str, Any]]:
    name = ""
    async for line in answer.content:
        key, _, value = line.decode().rstrip("\n").partition(": ")
        if key == "event":
            name = value
        if key == "data":
            yield name, json.loads(value)


async def test_a_publish_is_watched_to_its_end(world: World, http: aiohttp.ClientSession) -> None:
    world.function()
    world.next_state = {"state": "Pending", "stateReasonCode": "Creating", "stateReason": "it initialises"}
    async with asyncio.timeout(10), http.get("/thaw/v1/watch?function=fn", headers=ANN) as answer:
        assert answer.content_type == "text/event-stream"
        told = events(answer)
        name, view = await anext(told)
        assert (name, view["versions"]) == ("function", [])
        await world.publish()
        _, view = await anext(told)
        assert (view["versions"][0]["state"], view["versions"][0]["stateReason"]) == ("Pending", "it initialises")
        status = {"state": "Active", "stateReason": "", "stateReasonCode": ""}
        await world.kube.patch(kinds.FUNCTION_VERSION, NAMESPACE, "fn-1", {"status": status})
        _, view = await anext(told)
        assert view["versions"][0]["state"] == "Active"
        assert view == await get(http, "functions/fn")
        await world.kube.delete(kinds.FUNCTION, NAMESPACE, "fn")
        assert await anext(told) == ("gone", {})
        assert await anext(told, None) is None, "and the stream ends"


async def test_a_stream_ends_when_its_right_is_to_be_asked_for_again(
    world: World, http: aiohttp.ClientSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(streams, "_LONGEST", 0.2)
    monkeypatch.setattr(streams, "_LOOK", 0.05)
    world.function()
    async with asyncio.timeout(5), http.get("/thaw/v1/watch?function=fn", headers=ANN) as answer:
        assert [name async for name, _ in events(answer)] == ["function"]


async def test_streams_do_not_hold_up_the_gateways_end(world: World, http: aiohttp.ClientSession) -> None:
    world.function()
    own = TestServer(server.application(world.gateway.front))
    await own.start_server()
    async with asyncio.timeout(5), http.get(own.make_url("/thaw/v1/watch?function=fn"), headers=ANN) as answer:
        told = events(answer)
        await anext(told)
        await own.close()
        assert await anext(told, None) is None


async def test_too_many_streams_are_refused(
    world: World, http: aiohttp.ClientSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(streams, "_MOST", 1)
    world.function()
    async with asyncio.timeout(5), http.get("/thaw/v1/watch?function=fn", headers=ANN) as answer:
        await anext(events(answer))
        assert await refused(http, "watch?function=fn", ANN) == (429, "TooManyRequestsException")


async def test_an_access_key_may_ask_too(world: World) -> None:
    """What the CLI signs with: the same rights, by IAM's actions."""
    world.function()
    request = AWSRequest("GET", f"{world.endpoint}/thaw/v1/starts?function=fn")
    SigV4Auth(Credentials(KEY_ID, SECRET), "lambda", "us-east-1").add_auth(request)
    async with aiohttp.ClientSession() as http, http.get(request.url, headers=dict(request.headers)) as answer:
        assert answer.status == 200
        assert (await answer.json())["starts"] == []
