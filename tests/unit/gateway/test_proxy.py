"""Plain HTTP: whole, streaming both ways, and with what speaks of one connection left out."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator

import aiohttp
import pytest
from aiohttp import web
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from unit.gateway.world import KEY_ID, SECRET, Process, World


@pytest.fixture
async def http(world: World):
    async with aiohttp.ClientSession(world.endpoint, auto_decompress=False) as session:
        yield session


async def test_path_query_and_method_arrive_as_they_were_sent(world: World, http: aiohttp.ClientSession) -> None:
    world.http_function()
    from yarl import URL

    url = URL(f"{world.endpoint}/default/web/a%2Fb/c?x=1&y=%20&x=2", encoded=True)
    async with http.patch(url) as answer:
        assert await answer.text() == "PATCH /a%2Fb/c?x=1&y=%20&x=2"
        assert answer.headers["X-Thaw-Start"] == "cold"
    async with http.get("/default/web") as answer:
        assert await answer.text() == "GET /"
        assert answer.headers["X-Thaw-Start"] == "warm"
    assert world.agents.grants[0][1].protocol == "http"
    assert world.agents.grants[0][1].code is None


async def test_version_is_restored_and_its_hook_called(world: World, http: aiohttp.ClientSession) -> None:
    called: list[str] = []

    async def plain(process: Process, request: web.Request) -> web.StreamResponse:
        called.append(f"{request.method} {request.path}")
        return web.Response(text="hi")

    world.plain = plain
    hooks = {"readyPath": "/up", "afterRestorePath": "/thawed"}
    world.http_function(http=hooks, snapStart={"applyOn": "PublishedVersions"})
    await world.publish("web")
    async with http.get("/default/web:1/page") as answer:
        assert answer.headers["X-Thaw-Start"] == "restore"
        assert float(answer.headers["X-Thaw-Restore-Ms"]) >= 100
    assert called == ["POST /thawed", "GET /page"]
    called.clear()
    async with http.get("/default/web/page") as answer:
        assert answer.headers["X-Thaw-Start"] == "cold"
    assert called == ["GET /up", "GET /page"], "cold: waits until it is ready"


async def test_cold_instance_is_waited_for(world: World, http: aiohttp.ClientSession) -> None:
    tries = 0

    async def plain(process: Process, request: web.Request) -> web.StreamResponse:
        nonlocal tries
        tries += 1
        return web.Response(status=503 if tries < 4 else 200)

    world.plain = plain
    world.http_function()
    async with http.get("/default/web/") as answer:
        assert answer.status == 200
    assert tries == 5


async def test_headers(world: World, http: aiohttp.ClientSession) -> None:
    seen: dict[str, list[str]] = {}

    async def plain(process: Process, request: web.Request) -> web.StreamResponse:
        if request.path == "/":
            return web.Response()
        seen.update({k: request.headers.getall(k) for k in request.headers})
        response = web.Response(
            status=418, reason="Short", body=b"", headers={"X-Private": "1", "Connection": "X-Private"}
        )
        response.headers.add("Set-Cookie", "a=1")
        response.headers.add("Set-Cookie", "b=2")
        return response

    world.plain = plain
    world.http_function()
    headers = {
        "Host": "shop.example",
        "Connection": "keep-alive, X-Hop",
        "X-Hop": "1",
        "TE": "trailers",
        "Proxy-Authorization": "secret",
        "X-Kept": "yes",
        "X-Forwarded-For": "192.0.2.1",
        "Accept-Encoding": "gzip",
    }
    async with http.get("/default/web/x", headers=headers) as answer:
        assert (answer.status, answer.reason) == (418, "Short")
        assert answer.headers.getall("Set-Cookie") == ["a=1", "b=2"]
        assert "X-Private" not in answer.headers
    assert seen["Host"] == ["shop.example"]
    assert seen["X-Kept"] == ["yes"]
    assert seen["Accept-Encoding"] == ["gzip"]
    assert seen["X-Forwarded-For"] == ["192.0.2.1, 127.0.0.1"]
    assert seen["X-Forwarded-Prefix"] == ["/default/web"]
    assert not {"X-Hop", "Te", "TE", "Proxy-Authorization"} & set(seen)


async def test_encoded_bodies_are_not_touched(world: World, http: aiohttp.ClientSession) -> None:
    async def plain(process: Process, request: web.Request) -> web.StreamResponse:
        return web.Response(body=b"\x1f\x8b not really gzip", headers={"Content-Encoding": "gzip"})

    world.plain = plain
    world.http_function()
    async with http.get("/default/web/") as answer:
        assert answer.headers["Content-Encoding"] == "gzip"
        assert await answer.read() == b"\x1f\x8b not really gzip"


async def test_head_and_no_content(world: World, http: aiohttp.ClientSession) -> None:
    async def plain(process: Process, request: web.Request) -> web.StreamResponse:
        if request.method == "DELETE":
            return web.Response(status=204)
        return web.Response(body=b"12345")

    world.plain = plain
    world.http_function()
    async with http.head("/default/web/") as answer:
        assert answer.headers["Content-Length"] == "5"
        assert await answer.read() == b""
    async with http.delete("/default/web/") as answer:
        assert answer.status == 204
    async with http.get("/default/web/") as answer:
        assert await answer.read() == b"12345", "the connection is still in step"


async def test_both_bodies_stream(world: World, http: aiohttp.ClientSession) -> None:
    """Each chunk is answered before the next is sent: nothing waits for the end of anything."""

    async def plain(process: Process, request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        if request.path == "/":
            return web.Response()
        await response.prepare(request)
        async for chunk in request.content.iter_any():
            await response.write(chunk.upper())
        return response

    world.plain = plain
    world.http_function()
    answered: asyncio.Queue[bytes] = asyncio.Queue()
    sent = 0

    async def chunks() -> AsyncIterator[bytes]:
        nonlocal sent
        for word in (b"one", b"two", b"three"):
            sent += 1
            yield word
            assert await asyncio.wait_for(answered.get(), 5) == word.upper()

    async with http.post("/default/web/echo", data=chunks()) as answer:
        async for chunk in answer.content.iter_any():
            await answered.put(chunk)
    assert sent == 3


async def test_broken_answers_break_off(world: World, http: aiohttp.ClientSession) -> None:
    """A function that dies in the middle of its answer must not look as if it had finished."""

    async def plain(process: Process, request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        if request.path == "/":
            return web.Response()
        await response.prepare(request)
        await response.write(b"half")
        assert request.transport is not None
        request.transport.close()
        return response

    world.plain = plain
    world.http_function()
    with pytest.raises(aiohttp.ClientPayloadError):
        async with http.get("/default/web/x") as answer:
            await answer.read()


async def test_slow_functions_time_out(world: World, http: aiohttp.ClientSession) -> None:
    async def plain(process: Process, request: web.Request) -> web.StreamResponse:
        if request.path != "/":
            await asyncio.sleep(30)
        return web.Response()

    world.plain = plain
    world.http_function(timeout=1)
    async with http.get("/default/web/x") as answer:
        assert answer.status == 504


async def test_dead_instance_is_replaced(world: World, http: aiohttp.ClientSession) -> None:
    world.http_function()
    async with http.get("/default/web/") as answer:
        assert answer.status == 200
    await next(iter(world.processes.values())).stop()
    async with http.post("/default/web/", data=b"body") as answer:
        assert answer.status == 200
        assert answer.headers["X-Thaw-Start"] == "cold"


async def test_an_instance_that_cannot_be_reached_is_replaced(
    world: World, http: aiohttp.ClientSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its node is gone, so nobody refuses the connection: nothing of the request was sent, another instance has it."""
    monkeypatch.setattr("thaw.gateway.functioncontrol.CONNECT", 0.3)
    world.http_function()
    async with http.get("/default/web/") as answer:
        assert answer.status == 200
    old = next(iter(world.processes.values()))
    await old.stop()
    await asyncio.sleep(0)
    async with full(old.ip, world.port), http.post("/default/web/", data=b"body") as answer:
        assert answer.status == 200
        assert answer.headers["X-Thaw-Start"] == "cold"


@contextlib.asynccontextmanager
async def full(ip: str, port: int) -> AsyncIterator[None]:
    """A listener whose queue is full: what is sent to it is dropped, as by an address that nobody has."""
    with socket.socket() as listener, contextlib.ExitStack() as clients:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((ip, port))
        listener.listen(0)
        for _ in range(4):
            client = clients.enter_context(socket.socket())
            client.setblocking(False)
            client.connect_ex((ip, port))
        await asyncio.sleep(0.05)
        yield


@pytest.mark.parametrize("how", ["silent", "gone"])
async def test_an_instance_that_does_not_answer_is_replaced(
    world: World, http: aiohttp.ClientSession, how: str
) -> None:
    async def plain(process: Process, request: web.Request) -> web.StreamResponse:
        if request.path == "/stuck":
            assert request.transport is not None
            if how == "gone":
                request.transport.abort()
            await asyncio.sleep(30)
        return web.Response()

    world.plain = plain
    world.http_function(timeout=1, scaling={"maxInstances": 1})
    async with http.post("/default/web/stuck") as answer:
        assert answer.status == (504 if how == "silent" else 502)
    async with http.get("/default/web/") as answer:
        assert (answer.status, answer.headers["X-Thaw-Start"]) == (200, "cold")


async def test_one_slow_request_does_not_end_the_others(world: World, http: aiohttp.ClientSession) -> None:
    go = asyncio.Event()

    async def plain(process: Process, request: web.Request) -> web.StreamResponse:
        if request.path == "/stuck":
            await asyncio.sleep(30)
        response = web.StreamResponse()
        await response.prepare(request)
        while request.path == "/long" and not go.is_set():
            await response.write(b".")
            await asyncio.sleep(0.1)
        await response.write(b"done")
        return response

    world.plain = plain
    world.http_function(timeout=1, scaling={"maxInstances": 1, "concurrency": 2})
    async with http.get("/default/web/long") as long:
        assert await long.content.readany()
        async with http.get("/default/web/stuck") as stuck:
            assert stuck.status == 504
        go.set()
        assert (await long.content.read()).endswith(b"done")
    async with http.get("/default/web/") as answer:
        assert answer.headers["X-Thaw-Start"] == "warm"


async def test_concurrency_of_one_instance(world: World, http: aiohttp.ClientSession) -> None:
    busy, most = 0, 0

    async def plain(process: Process, request: web.Request) -> web.StreamResponse:
        nonlocal busy, most
        busy += 1
        most = max(most, busy)
        await asyncio.sleep(0.05)
        busy -= 1
        return web.Response(text=process.name)

    world.plain = plain
    world.http_function(scaling={"concurrency": 4, "maxInstances": 1})

    async def one() -> str:
        async with http.get("/default/web/") as answer:
            return await answer.text()

    assert len(set(await asyncio.gather(*(one() for _ in range(8))))) == 1
    assert most == 4
    assert len(world.instances()) == 1


@pytest.mark.parametrize(
    ("path", "status", "word"),
    [
        ("/default/none/", 404, "not found"),
        ("/default/none", 404, "not found"),
        ("/default/fn/", 400, "Invoke"),
        ("/nowhere", 404, "/nowhere"),
        ("/", 404, "/"),
    ],
)
async def test_refusals(world: World, http: aiohttp.ClientSession, path: str, status: int, word: str) -> None:
    world.function()
    async with http.get(path) as answer:
        assert answer.status == status
        assert word in await answer.text()


async def test_upgrades_are_refused_clearly(world: World, http: aiohttp.ClientSession) -> None:
    world.http_function()
    async with http.get("/default/web/", headers={"Connection": "Upgrade", "Upgrade": "websocket"}) as answer:
        assert answer.status == 501


def signed(url: str, body: bytes = b"", payload: str = "") -> dict[str, str]:
    request = AWSRequest("POST", url, data=body, headers={"X-Amz-Content-SHA256": payload} if payload else {})
    SigV4Auth(Credentials(KEY_ID, SECRET), "lambda", "us-east-1").add_auth(request)
    return dict(request.headers.items())


@pytest.mark.parametrize("world", [{"http_auth": "signed"}], indirect=True)
async def test_signed_plain_http(world: World, http: aiohttp.ClientSession) -> None:
    """With THAW_HTTP_AUTH=signed a key opens the functions of its own namespace."""

    async def plain(process: Process, request: web.Request) -> web.StreamResponse:
        assert "Authorization" not in request.headers, "the gateway's own affair"
        return web.Response(body=await request.read())

    world.plain = plain
    world.http_function()
    url = f"{world.endpoint}/default/web/"
    async with http.post(url, data=b"body") as answer:
        assert answer.status == 403
    async with http.post(url, data=b"body", headers=signed(url, b"body")) as answer:
        assert (answer.status, await answer.read()) == (200, b"body")
    async with http.post(url, data=b"body", headers=signed(url, payload="UNSIGNED-PAYLOAD")) as answer:
        assert (answer.status, await answer.read()) == (200, b"body")
    other = f"{world.endpoint}/other/web/"
    async with http.post(other, headers=signed(other)) as answer:
        assert answer.status == 403


async def test_caller_that_goes_away_frees_its_instance(world: World, http: aiohttp.ClientSession) -> None:
    async def plain(process: Process, request: web.Request) -> web.StreamResponse:
        if request.path == "/":
            return web.Response()
        response = web.StreamResponse()
        await response.prepare(request)
        while True:
            await response.write(b"x" * 65536)
            await asyncio.sleep(0.001)

    world.plain = plain
    world.http_function(scaling={"maxInstances": 1})
    answer = await http.get("/default/web/endless")
    answer.close()

    async def next_one() -> int:
        async with http.get("/default/web/") as second:
            return second.status

    assert await asyncio.wait_for(next_one(), 10) == 200
