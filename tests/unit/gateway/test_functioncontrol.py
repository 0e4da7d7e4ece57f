"""What is read of instances, whose containers hold a user's code."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from thaw.errors import InvokeError
from thaw.gateway.functioncontrol import Event, FunctionControl, Lost


class Endless:
    """Answers everything, and does not come to an end."""

    def __init__(self) -> None:
        self.status = 200
        self.sent = 0
        app = web.Application()
        app.router.add_route("*", "/{path:.*}", self._answer)
        self.server = TestServer(app)

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(status=self.status)
        await response.prepare(request)
        while self.sent < 64 << 20:
            await response.write(b"x" * 65536)
            self.sent += 65536
        return response


@pytest.fixture
async def endless() -> AsyncIterator[Endless]:
    found = Endless()
    await found.server.start_server()
    yield found
    await found.server.close()


@pytest.fixture
async def control(endless: Endless) -> AsyncIterator[FunctionControl]:
    found = FunctionControl(endless.server.port or 0)
    yield found
    await found.close()


async def test_an_http_functions_answers_are_not_read_to_their_end(endless: Endless, control: FunctionControl) -> None:
    port = endless.server.port or 0
    await control.http_ready("127.0.0.1", port, "/")
    await control.http_after_restore("127.0.0.1", port, "/hook")
    endless.status = 500
    with pytest.raises(InvokeError, match="answered 500: xxx"):
        await control.http_after_restore("127.0.0.1", port, "/hook")
    assert endless.sent < 64 << 20


async def test_an_answer_greater_than_any_functions_is_no_answer(endless: Endless, control: FunctionControl) -> None:
    with pytest.raises(Lost, match="bytes or more"):
        await control.invoke("127.0.0.1", "token", Event(b"{}", {}, 10))
    assert endless.sent < 64 << 20
