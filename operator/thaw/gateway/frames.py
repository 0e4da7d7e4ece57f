"""Reads an answer of thaw-init that comes in frames (hack/design/0001-node-contract.md)."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from typing import Any

import aiohttp

Write = Callable[[bytes], Awaitable[None]]
"""Takes one piece of an answer."""
_PIECE = 1 << 20
"""Bytes of a frame at the most; thaw-init makes them of 32 KiB."""


class Broken(ValueError):
    """What came is no answer in frames."""


async def read(body: aiohttp.StreamReader, write: Write, most_of_ending: int) -> dict[str, Any]:
    """Hands every piece on as it comes; the record of how the invocation ended.

    :param most_of_ending: bytes that are read of that record.
    :raises Broken: it is none.
    :raises asyncio.IncompleteReadError: it broke off.
    """
    while size := int.from_bytes(await body.readexactly(4)):
        if size > _PIECE:
            raise Broken(f"a frame of {size} bytes")
        await write(await body.readexactly(size))
    data = await first(body, most_of_ending)
    try:
        ending = json.loads(data)
    except ValueError as e:
        raise Broken(f"no record of the end: {e}") from e
    if not isinstance(ending, dict):
        raise Broken("no record of the end")
    return ending


async def first(body: aiohttp.StreamReader, most: int) -> bytes:
    """The first bytes of a body."""
    data = bytearray()
    while len(data) < most and (piece := await body.read(most - len(data))):
        data += piece
    return bytes(data)
