"""A line of the log about a request says whose it is."""

from __future__ import annotations

from typing import Any

import pytest
from botocore.exceptions import ClientError
from structlog.testing import capture_logs

from unit.gateway.conftest import Lambda
from unit.gateway.world import World

ABOUT = {"namespace": "default", "function": "fn", "version": "$LATEST"}


async def test_of_an_instance_that_took_nothing(world: World, lam: Lambda) -> None:
    async def refuse(process: Any, headers: Any, payload: bytes) -> Any:
        from aiohttp import web

        return web.json_response({"errorType": "Busy"}, status=409)

    world.invoke = refuse
    world.function()
    with capture_logs() as lines, pytest.raises(ClientError) as e:
        await lam.invoke(FunctionName="fn")
    request_id = e.value.response["ResponseMetadata"]["HTTPHeaders"]["x-amzn-requestid"]
    found = [line for line in lines if line["event"] == "instance did not take a request"]
    assert len(found) == 3
    for line in found:
        assert line.items() >= {**ABOUT, "request_id": request_id}.items()
        assert line["pod"]


async def test_of_an_instance_that_was_lost(world: World, lam: Lambda) -> None:
    async def lose(process: Any, headers: Any, payload: bytes) -> Any:
        assert process.runner is not None
        for connection in process.runner.server.connections:
            connection.transport.abort()

    world.invoke = lose
    world.function()
    with capture_logs() as lines:
        answer = await lam.invoke(FunctionName="fn")
    assert answer["FunctionError"] == "Unhandled"
    (line,) = (line for line in lines if line["event"] == "instance lost with a request")
    request_id = answer["ResponseMetadata"]["HTTPHeaders"]["x-amzn-requestid"]
    assert line.items() >= {**ABOUT, "request_id": request_id}.items()
