"""POSTs a record to a URL that a user chose: with the gateway's network, so with care (:mod:`.addresses`)."""

from __future__ import annotations

import errno
import socket
from collections.abc import Awaitable, Callable
from typing import Any

import aiohttp

from thaw.gateway.events import addresses

_TIMEOUT = aiohttp.ClientTimeout(total=10, connect=5)
Own = Callable[[], Awaitable[frozenset[str]]]


class Poster:
    """Sends records.

    :param own: finds the addresses of Thaw itself and of the API server.
    """

    def __init__(self, own: Own) -> None:
        self._own = own

    async def post(self, url: str, body: bytes, key: str) -> None:
        """One try. No redirect is followed, no proxy used, no cookie kept, and nothing of the answer read.

        :param key: the same at every try of one record, for receivers that want it but once.
        :raises aiohttp.ClientError: the connection failed.
        :raises OSError: likewise, or the address is refused.
        :raises TimeoutError: no answer within 10 s.
        :raises ValueError: an answer other than 2xx.
        """
        own = await self._own()

        def guarded(info: Any) -> socket.socket:
            """At connect time, when a name is an address at last: what it was a moment before does not count."""
            family, kind, protocol, _, address = info
            if reason := addresses.refusal(str(address[0]), own):
                raise OSError(errno.EACCES, f"nothing is sent to {reason}")
            return socket.socket(family, kind, protocol)

        headers = {"Content-Type": "application/json", "Idempotency-Key": key, "User-Agent": "thaw-gateway"}
        connector = aiohttp.TCPConnector(socket_factory=guarded, force_close=True, use_dns_cache=False)
        async with (
            aiohttp.ClientSession(
                connector=connector, timeout=_TIMEOUT, cookie_jar=aiohttp.DummyCookieJar()
            ) as session,
            session.post(url, data=body, headers=headers, allow_redirects=False) as answer,
        ):
            if not 200 <= answer.status < 300:
                raise ValueError(f"{url} answered {answer.status} {answer.reason}")
