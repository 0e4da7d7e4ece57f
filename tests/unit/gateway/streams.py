"""Functions that stream, as thaw-init passes on what they say."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

from aiohttp import web

from unit.gateway.world import Process


def frame(piece: bytes) -> bytes:
    return len(piece).to_bytes(4) + piece


class Streaming:
    """Streams pieces, the ones after the first when it is told to, and ends as it should."""

    def __init__(self, *pieces: bytes, content_type: str = "text/plain", whole: bool = True, **ending: Any) -> None:
        self.pieces, self.content_type, self.whole, self.ending = pieces, content_type, whole, ending
        self.go = asyncio.Event()
        self.go.set()
        self.ran_to_its_end = asyncio.Event()
        self.event: Any = None

    async def __call__(self, process: Process, headers: dict[str, str], payload: bytes) -> web.StreamResponse:
        self.event = json.loads(payload)
        if headers.get("Thaw-Response-Mode") != "streaming":
            return web.Response(body=b"".join(self.pieces), content_type=self.content_type)
        told = {"Thaw-Response-Mode": "streaming", "Content-Type": self.content_type}
        return web.Response(body=self._body(), headers=told)

    async def _body(self) -> AsyncIterator[bytes]:
        for number, piece in enumerate(self.pieces):
            if number:
                await self.go.wait()
            yield frame(piece)
        if not self.whole:
            raise ConnectionResetError
        self.ran_to_its_end.set()
        yield frame(b"") + json.dumps(self.ending).encode()
