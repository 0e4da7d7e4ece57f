"""Server-sent events (WHATWG HTML, 9.2) of a view, again at each of its changes."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable
from typing import Any

from aiohttp import web

from thaw.gateway import answers, downstream
from thaw.gateway.watch import Watch

Json = dict[str, Any]
_LONGEST = 300.0
"""Seconds after which the caller has to ask again, and its right is checked again."""
_MOST = 200
"""Streams at a time."""
_LOOK = 1.0
"""Seconds after which a view is looked at without an event: counts of instances make none."""
_BEAT = 15.0
"""Seconds of silence after which a comment shows that the stream lives."""
_CALM = 0.1
"""Seconds between two looks, so that a burst of events is one change."""


class Streams:
    """The streams of this gateway.

    :param watch: whose events may change a view.
    """

    def __init__(self, watch: Watch) -> None:
        self._watch = watch
        self._open = 0
        self._closing = False

    async def close(self, _app: web.Application | None = None) -> None:
        """Ends all streams, so that the server's end need not wait for them."""
        self._closing = True

    async def send(self, request: web.Request, look: Callable[[], Json | None]) -> web.StreamResponse:
        """Answers with a stream that ends when there is nothing more to look at, after five minutes, or at the end.

        :raises InvokeError: 429, there are too many.
        """
        if self._open >= _MOST:
            raise answers.throttled(f"This gateway serves {_MOST} streams at a time.")
        self._open += 1
        try:
            headers = {"Content-Type": "text/event-stream", "Cache-Control": "no-store", "X-Accel-Buffering": "no"}
            response = web.StreamResponse(headers=headers)
            await response.prepare(request)
            try:
                await self._pour(response, look)
            except ConnectionError:  # the caller has left, or sleeps
                if request.transport is not None:
                    request.transport.abort()
            return response
        finally:
            self._open -= 1

    async def _pour(self, response: web.StreamResponse, look: Callable[[], Json | None]) -> None:
        told: Json | None = None
        beat = time.monotonic()
        until = beat + _LONGEST
        while not self._closing and (now := time.monotonic()) < until:
            view = look()
            if view is None:
                await downstream.send(response, b"event: gone\ndata: {}\n\n")
                return
            if view != told:
                told, beat = view, now
                await downstream.send(response, f"event: function\ndata: {json.dumps(view)}\n\n".encode())
            elif now - beat >= _BEAT:
                beat = now
                await downstream.send(response, b": still here\n\n")
            await asyncio.sleep(_CALM)
            await self._change(look, told)

    async def _change(self, look: Callable[[], Json | None], told: Json | None) -> None:
        await self._watch.until(lambda: True if self._closing or look() != told else None, _LOOK)
