"""The API server's failures, as errors of our own."""

from __future__ import annotations

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from kubernetes.aio import client as k8s

from thaw.errors import Unavailable
from thaw.kube.client import Kube
from thaw.kube.kinds import POD


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
        kube = Kube(k8s.ApiClient(k8s.Configuration(host=str(server.make_url("/")))))
        seen: list[str] = []
        with pytest.raises(Unavailable, match="broke off"):
            await follow(kube, seen)
        await kube.close()
    assert seen == ["ADDED"] * after


async def follow(kube: Kube, seen: list[str]) -> None:
    async for type_, _ in kube.watch(POD, resource_version="1"):
        seen.append(type_)
