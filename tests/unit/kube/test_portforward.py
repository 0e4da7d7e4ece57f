"""A pod's port, carried over a WebSocket."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from kubernetes.aio import client as k8s

from thaw.kube.client import Kube
from thaw.kube.portforward import forward

PATH = "/api/v1/namespaces/ns/pods/pod/portforward"


@pytest.fixture
async def kube() -> AsyncIterator[Kube]:
    async def speak(request: web.Request) -> web.StreamResponse:
        if request.query["ports"] == "403":
            return web.Response(status=403)
        socket = web.WebSocketResponse(protocols=("v4.channel.k8s.io",))
        await socket.prepare(request)
        for channel in (b"\0", b"\1"):
            await socket.send_bytes(channel + b"\x90\x1f")
        if request.query["ports"] == "1":
            await socket.send_bytes(b"\1connection refused in the pod\n")
            await socket.receive()
            return socket
        async for message in socket:
            assert message.data[:1] == b"\0"
            await socket.send_bytes(b"\0" + message.data[1:].upper())
        return socket

    app = web.Application()
    app.router.add_get(PATH, speak)
    async with TestServer(app) as server:
        kube = Kube(k8s.ApiClient(k8s.Configuration(host=str(server.make_url("/")))))
        yield kube
        await kube.close()


async def connect(url: str) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    return await asyncio.open_connection("127.0.0.1", int(url.rsplit(":", 1)[1]))


async def test_bytes_go_both_ways_each_connection_for_itself(kube: Kube) -> None:
    async with forward(kube, "ns", "pod", 8080) as made:
        (first, to_first), (second, to_second) = await connect(made.url), await connect(made.url)
        to_second.write(b"second")
        assert await second.readexactly(6) == b"SECOND"
        big = b"x" * 500_000
        to_first.write(big)
        assert await first.readexactly(len(big)) == big.upper()
        assert made.trouble == ""
        to_first.close()
        to_second.close()


@pytest.mark.parametrize(("port", "says"), [(1, "connection refused in the pod"), (403, "port-forward refused")])
async def test_what_the_cluster_says_against_it_is_kept(kube: Kube, port: int, says: str) -> None:
    async with forward(kube, "ns", "pod", port) as made:
        reader, writer = await connect(made.url)
        assert await reader.read() == b""
        writer.close()
        assert says in made.trouble
