"""Callers who take nothing of an answer that is streamed to them."""

from __future__ import annotations

import asyncio
import socket

import pytest
from aiohttp import web

from thaw.gateway import downstream
from thaw.gateway.downstream import Downstream

MUCH = bytes(1 << 20)
"""Of it, a few fill what the kernel holds for a connection."""


async def test_who_takes_nothing_counts_as_gone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(downstream, "STALLED", 0.2)
    written: asyncio.Queue[str] = asyncio.Queue()

    async def handle(request: web.Request) -> web.StreamResponse:
        answer = Downstream(request, "r-1")
        await answer.begin(200, {})
        for _ in range(64):
            await answer.write(MUCH)
        written.put_nowait("all")
        return await answer.end()

    app = web.Application()
    app.router.add_get("/", handle)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    with socket.create_connection(runner.addresses[0][:2]) as caller:
        caller.sendall(b"GET / HTTP/1.1\r\nHost: gateway\r\n\r\n")
        assert await asyncio.wait_for(written.get(), 20) == "all", "the instance's answer was read to its end"
    await runner.cleanup()
