"""What every answer carries, and when the gateway is well."""

from __future__ import annotations

import time

import aiohttp
import pytest
from aiohttp.test_utils import TestClient, TestServer
from botocore.exceptions import ClientError

from thaw.gateway import leases, server
from unit.gateway.conftest import Lambda
from unit.gateway.world import World


async def test_an_answer_without_an_instance_says_so(world: World, lam: Lambda) -> None:
    world.function()
    for kind, status in (("DryRun", 204), ("Event", 202)):
        answer = await lam.invoke(FunctionName="fn", InvocationType=kind)
        headers = answer["ResponseMetadata"]["HTTPHeaders"]
        assert answer["StatusCode"] == status
        assert (headers["x-thaw-start"], headers["x-thaw-restore-ms"]) == ("none", "0")
    with pytest.raises(ClientError) as e:
        await lam.invoke(FunctionName="absent")
    headers = e.value.response["ResponseMetadata"]["HTTPHeaders"]
    assert headers["x-amzn-errortype"] == "ResourceNotFoundException"
    assert (headers["x-thaw-start"], headers["x-thaw-restore-ms"]) == ("none", "0")


@pytest.mark.parametrize(("path", "status"), [("/default/absent/", 404), ("/default/fn/", 400), ("/", 404)])
async def test_an_error_of_the_proxy_says_so_too(world: World, path: str, status: int) -> None:
    world.function()
    async with aiohttp.ClientSession(world.endpoint) as http, http.get(path) as answer:
        assert answer.status == status
        assert answer.headers["X-Thaw-Start"] == "none"
        assert answer.headers["X-Thaw-Restore-Ms"] == "0"


async def test_a_watch_that_fell_silent_is_unhealthy(world: World) -> None:
    """The own Lease changes every ten seconds, so its watch is never silent for long while it lives."""
    gateway = world.gateway
    metrics = gateway.front.metrics
    app = server.health_application(metrics, alive=gateway.leases.healthy, ready=lambda: True)
    async with TestClient(TestServer(app)) as http:

        async def statuses() -> list[int]:
            return [(await http.get(path)).status for path in ("/healthz", "/readyz", "/metrics")]

        assert await statuses() == [200, 200, 200]
        gateway.watch.leases.last_event = time.monotonic() - leases.STUCK_AFTER - 1
        assert await statuses() == [503, 503, 200]
        await gateway.leases.renew()
        assert await statuses() == [200, 200, 200], "its own renewal is the sign of life"


async def test_a_gateway_that_drains_is_alive_but_not_ready(world: World) -> None:
    app = server.health_application(world.gateway.front.metrics, alive=lambda: True, ready=lambda: False)
    async with TestClient(TestServer(app)) as http:
        assert (await http.get("/healthz")).status == 200
        assert (await http.get("/readyz")).status == 503
