"""The API server's client: what it does not ask, and the server's failures as errors of our own."""

from __future__ import annotations

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from kubernetes.aio import client as k8s

from thaw import names
from thaw.errors import NotFound, Unavailable
from thaw.kube.client import Kube
from thaw.kube.kinds import EVENT_INVOCATION, FUNCTION, POD


def client(server: TestServer) -> Kube:
    return Kube(k8s.ApiClient(k8s.Configuration(host=str(server.make_url("/")))))


@pytest.mark.parametrize("name", ["..", ".", "../../other/functions/f", "f/status", "%2e%2e", "f?x", "f#"])
async def test_what_would_be_another_path_is_no_objects_name(name: str) -> None:
    """A version names its function as it likes, and the operator reads it with rights of its own."""
    asked: list[str] = []

    async def answer(request: web.Request) -> web.Response:
        asked.append(request.path)
        return web.json_response({})

    app = web.Application()
    app.router.add_route("*", "/{path:.*}", answer)
    async with TestServer(app) as server:
        kube = client(server)
        with pytest.raises(NotFound, match="no object can have that name"):
            await kube.get(FUNCTION, "default", name)
        with pytest.raises(NotFound, match="no object can have that name"):
            await kube.get(FUNCTION, name, "f")
        await kube.get(FUNCTION, "default", "f.g")
        await kube.close()
    assert asked == ["/apis/thaw.dev/v1alpha1/namespaces/default/functions/f.g"]


async def test_what_is_written_bears_its_writers_name() -> None:
    """By it the next reader knows whose a field is; what only reads or deletes has none to give."""
    asked: list[tuple[str, str]] = []

    async def answer(request: web.Request) -> web.Response:
        asked.append((request.method, request.query.get("fieldManager", "")))
        return web.json_response({})

    app = web.Application()
    app.router.add_route("*", "/{path:.*}", answer)
    async with TestServer(app) as server:
        kube = Kube(k8s.ApiClient(k8s.Configuration(host=str(server.make_url("/")))), names.MANAGER_GATEWAY)
        await kube.create(FUNCTION, {"metadata": {"namespace": "default", "name": "f"}})
        await kube.patch(FUNCTION, "default", "f", {})
        await kube.get(FUNCTION, "default", "f")
        await kube.delete(FUNCTION, "default", "f")
        await kube.close()
    assert asked == [("POST", "thaw-gateway"), ("PATCH", "thaw-gateway"), ("GET", ""), ("DELETE", "")]


@pytest.mark.parametrize("after", [0, 1])
async def test_a_watch_that_is_cut_is_unavailable(after: int) -> None:
    """Whether the server cuts the connection at once or after an event: the informer's next try is what follows."""

    async def pods(request: web.Request) -> web.StreamResponse:
        answer = web.StreamResponse()
        answer.enable_chunked_encoding()
        if after:
            await answer.prepare(request)
            await answer.write(b'{"type": "ADDED", "object": {"metadata": {"name": "a"}}}\n')
        assert request.transport is not None
        request.transport.abort()
        return answer

    app = web.Application()
    app.router.add_get("/api/v1/pods", pods)
    async with TestServer(app) as server:
        kube = client(server)
        seen: list[str] = []
        with pytest.raises(Unavailable, match="broke off"):
            await follow(kube, seen)
        await kube.close()
    assert seen == ["ADDED"] * after


async def follow(kube: Kube, seen: list[str]) -> None:
    async for type_, _ in kube.watch(POD, resource_version="1"):
        seen.append(type_)


async def test_of_large_kinds_metadata_alone_is_listed_and_watched() -> None:
    """An event may have a megabyte, more than a line of a watch can hold."""
    accepted: list[tuple[str, str]] = []

    async def answer(request: web.Request) -> web.StreamResponse:
        accepted.append((request.query.get("watch", ""), request.headers["Accept"]))
        if "watch" in request.query:
            return web.Response(text='{"type": "ADDED", "object": {"metadata": {"name": "a"}}}\n')
        if request.path.endswith("/a"):
            return web.json_response({"metadata": {"name": "a"}, "spec": {}})
        return web.json_response({"items": None, "metadata": {"resourceVersion": "7"}})

    app = web.Application()
    app.router.add_get("/{path:.*}", answer)
    async with TestServer(app) as server:
        kube = client(server)
        assert await kube.list(EVENT_INVOCATION, "default") == ([], "7")
        assert [e async for e in kube.watch(EVENT_INVOCATION, resource_version="7")] == [
            ("ADDED", {"metadata": {"name": "a"}})
        ]
        assert "spec" in await kube.get(EVENT_INVOCATION, "default", "a")
        await kube.list(POD)
        await kube.close()
    metadata = "application/json;as=PartialObjectMetadata{};v=v1;g=meta.k8s.io"
    whole = "application/json"
    assert accepted == [("", metadata.format("List")), ("true", metadata.format("")), ("", whole), ("", whole)]
