"""An answer that is sent while it is made."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Mapping

import structlog
from aiohttp import web

STALLED = 60.0
"""Seconds without room for another piece after which a caller counts as gone: an instance waits for them."""
log = structlog.get_logger(__name__)


async def send(response: web.StreamResponse, data: bytes) -> None:
    """Sends a piece when the caller has room for it.

    :raises ConnectionError: they hung up, or take nothing.
    """
    await _within(response.write(data))


async def finish(response: web.StreamResponse) -> None:
    """Sends the end.

    :raises ConnectionError: as of :func:`send`.
    """
    await _within(response.write_eof())


async def _within(sending: Awaitable[None]) -> None:
    try:
        async with asyncio.timeout(STALLED):
            await sending
    except TimeoutError as e:
        raise ConnectionError(f"the caller took nothing for {STALLED:g} s") from e


class Downstream:
    """One such answer. A caller who hangs up keeps nobody from their work: the rest is dropped, as Lambda does."""

    def __init__(self, request: web.Request, request_id: str) -> None:
        self._request, self._request_id = request, request_id
        self.response: web.StreamResponse | None = None
        """None until it has begun."""
        self._gone = self._bodiless = False

    async def begin(self, status: int, headers: Mapping[str, str], cookies: tuple[str, ...] = ()) -> None:
        """Sends the head."""
        self._bodiless = self._request.method == "HEAD" or status in (204, 304)
        self.response = web.StreamResponse(status=status, headers={**headers, "X-Amzn-RequestId": self._request_id})
        for cookie in cookies:
            self.response.headers.add("Set-Cookie", cookie)
        try:
            await self.response.prepare(self._request)
        except ConnectionError as e:
            self._lost(e)

    async def write(self, data: bytes) -> None:
        """Sends a piece at once, when the caller has room for it."""
        assert self.response is not None
        if self._gone or self._bodiless or not data:
            return
        try:
            await send(self.response, data)
        except ConnectionError as e:
            self._lost(e)

    async def end(self) -> web.StreamResponse:
        """Ends the answer; the caller knows that it is whole."""
        assert self.response is not None
        if not self._gone:
            try:
                await finish(self.response)
            except ConnectionError as e:
                self._lost(e)
        return self.response

    def break_off(self) -> web.StreamResponse:
        """Ends it so that the caller knows that it is not whole."""
        assert self.response is not None
        if self._request.transport is not None:
            self._request.transport.close()
        return self.response

    def _lost(self, error: Exception) -> None:
        self._gone = True
        if self._request.transport is not None:
            self._request.transport.abort()  # or the server would wait for them to take what is not sent yet
        log.info("caller hung up", request_id=self._request_id, error=repr(error))
