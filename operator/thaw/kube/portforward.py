"""A pod's port on this machine, through the API server: what ``kubectl port-forward`` does.

Each connection is a WebSocket of its own, whose messages begin with a channel's number: 0 is the connection's data, 1
what the kubelet says went wrong. The first message of each channel only repeats the port. (The official client's own
port-forward is for blocking sockets, with a thread each.)
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import aiohttp

from thaw.errors import ClusterError
from thaw.kube.client import Kube

_DATA, _TROUBLE = 0, 1
_PIECE = 1 << 16


class Forward:
    """A port on this machine that leads to a pod's."""

    def __init__(self, kube: Kube, namespace: str, pod: str, port: int) -> None:
        self._kube, self._namespace, self._pod, self._port = kube, namespace, pod, port
        self.url = ""
        """Where it is, e.g. ``http://127.0.0.1:40123``."""
        self.trouble = ""
        """Why the latest connection came to nothing, if the cluster said so."""

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Carries one connection."""
        try:
            async with self._kube.forwarded(self._namespace, self._pod, self._port) as socket:
                sending = asyncio.create_task(_send(reader, socket))
                try:
                    await self._receive(socket, writer)
                finally:
                    sending.cancel()
                    await asyncio.wait([sending])
        except ClusterError as e:
            self.trouble = str(e)
        finally:
            writer.close()
            with contextlib.suppress(OSError):
                await writer.wait_closed()

    async def _receive(self, socket: aiohttp.ClientWebSocketResponse, writer: asyncio.StreamWriter) -> None:
        begun = {_DATA: False, _TROUBLE: False}
        async for message in socket:
            if message.type is not aiohttp.WSMsgType.BINARY or not message.data:
                continue
            channel, data = message.data[0], message.data[1:]
            if not begun.get(channel, True):
                begun[channel] = True
                data = data[2:]
            if channel == _TROUBLE and data:
                self.trouble = data.decode(errors="replace").strip()
                return
            writer.write(data)
            await writer.drain()


@asynccontextmanager
async def forward(kube: Kube, namespace: str, pod: str, port: int) -> AsyncIterator[Forward]:
    """Opens a port of the loopback address for as long as the context lasts."""
    made = Forward(kube, namespace, pod, port)
    server = await asyncio.start_server(made.serve, "127.0.0.1", 0)
    made.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    try:
        yield made
    finally:
        server.close()


async def _send(reader: asyncio.StreamReader, socket: aiohttp.ClientWebSocketResponse) -> None:
    with contextlib.suppress(ConnectionError, aiohttp.ClientError):
        while data := await reader.read(_PIECE):
            await socket.send_bytes(bytes([_DATA]) + data)
        await socket.close()
