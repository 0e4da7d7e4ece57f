"""A client of thaw-init's control API (hack/design/0001-node-contract.md) and of HTTP functions' own paths."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import aiohttp

from thaw import names
from thaw.errors import InvokeError, ThawError

_RESTORE_ANSWER = 15.0
_RETRY = 0.01
_TOLD = 64 << 10
"""Bytes that are read of an answer which says how something went: a function's code is in the same container."""
_PAYLOAD = 8 << 20
"""Bytes that are read of a function's answer; thaw-init refuses those over Lambda's 6 MB."""
CONNECT = 5.0
"""Seconds that a connection to an instance may take: it is in the same cluster."""
UNREACHED = (
    aiohttp.ClientConnectorError,
    aiohttp.ConnectionTimeoutError,
)
"""Failures before anything of a request was sent."""
Phase = Literal["init", "snapshot-ready", "restoring", "ready", "busy", "failed", "exited"]


class Unreached(ThawError):
    """The instance got nothing of the request: another instance may have it."""


class Lost(ThawError):
    """The instance went away with the request: whether it ran is not known."""


class InitFailed(ThawError):
    """The function's own initialisation failed.

    :param error: ``errorType``, ``errorMessage`` and ``stackTrace``, as the function's answer.
    """

    def __init__(self, error: Mapping[str, Any]) -> None:
        self.error = dict(error)
        super().__init__(f"{self.error.get('errorType')}: {self.error.get('errorMessage')}")


@dataclass(frozen=True)
class State:
    """Where the process is."""

    phase: Phase
    init_ms: float
    error: Mapping[str, Any] | None


@dataclass(frozen=True)
class Event:
    """One invocation as thaw-init takes it."""

    payload: bytes
    headers: Mapping[str, str]
    timeout: float
    """Seconds after which the instance is given up; thaw-init ends the function before."""


@dataclass(frozen=True)
class Reply:
    """The function's answer."""

    payload: bytes
    function_error: str
    log_tail: str
    exited: bool


class FunctionControl:
    """Speaks to instances. Connections are not kept: none may be inside a dump."""

    def __init__(self, port: int = names.CONTROL_PORT) -> None:
        self._port = port
        self._session: aiohttp.ClientSession | None = None

    async def close(self) -> None:
        """Closes its connections."""
        if self._session is not None:
            await self._session.close()

    async def state(self, ip: str, token: str, wait: float) -> State:
        """Where the process is; waits while it initialises."""
        url = self._url(ip, f"/v1/state?wait={wait:g}")
        status, _, data = await self._call("GET", url, token, timeout=wait + 5)
        answer = _json(data)
        if status != 200 or "phase" not in answer:
            raise Unreached(f"thaw-init answered {status}: {data[:200]!r}")
        return State(answer["phase"], float(answer.get("initMs") or 0), answer.get("error"))

    async def initialised(self, ip: str, token: str) -> State:
        """Waits until the process has initialised, for as long as it takes: the caller has the deadline.

        :raises Lost: the process was there and is gone.
        """
        spoke = False
        while True:
            try:
                state = await self.state(ip, token, wait=10)
                spoke = True
            except Unreached as e:
                if spoke:
                    raise Lost(str(e)) from e
                await asyncio.sleep(_RETRY)
                continue
            if state.phase == "failed":
                raise InitFailed(
                    state.error or {"errorType": "Runtime.Unknown", "errorMessage": "initialisation failed"}
                )
            if state.phase == "exited":
                raise Lost("the process exited during initialisation")
            if state.phase not in ("init", "restoring"):
                return state

    async def restore(self, ip: str, token: str, restore_ms: float = 0.0) -> float:
        """Releases ``restore/next``; the after-restore hooks' milliseconds.

        :param restore_ms: what the container's own restore took, for the function's log.
        :raises InvokeError: SnapStartException or SnapStartTimeoutException.
        """
        status, _, data = await self._patiently(
            "POST",
            self._url(ip, "/v1/restore"),
            token,
            headers={"Thaw-Restore-Ms": f"{restore_ms:.2f}"},
            timeout=_RESTORE_ANSWER,
        )
        answer = _json(data)
        if status == 200:
            return float(answer.get("hooksMs") or 0)
        message = str(answer.get("errorMessage") or f"thaw-init answered {status}")
        if status == 408:
            raise InvokeError(408, "SnapStartTimeoutException", message)
        raise InvokeError(400, "SnapStartException", message)

    async def invoke(self, ip: str, token: str, event: Event) -> Reply:
        """Runs the function once.

        :raises Unreached: it did not run.
        :raises Lost: it may have run.
        """
        url = self._url(ip, "/v1/invoke")
        status, headers, data = await self._call(
            "POST", url, token, event.payload, event.headers, timeout=event.timeout, most=_PAYLOAD + 1
        )
        if status in (409, 503):
            raise Unreached(f"thaw-init answered {status}: {data[:200]!r}")
        if status != 200 or len(data) > _PAYLOAD:
            raise Lost(f"thaw-init answered {status}, {len(data)} bytes or more: {data[:200]!r}")
        return Reply(
            payload=data,
            function_error=headers.get("Thaw-Function-Error", ""),
            log_tail=headers.get("Thaw-Log-Tail", ""),
            exited=headers.get("Thaw-Instance", "") == "exited",
        )

    async def http_ready(self, ip: str, port: int, path: str) -> None:
        """Polls an HTTP function until it answers 2xx or 3xx; the caller has the deadline."""
        while True:
            try:
                status, _, _ = await self._call("GET", f"http://{_host(ip)}:{port}{path}", "", timeout=5, most=0)
                if 200 <= status < 400:
                    return
            except (Unreached, Lost):
                pass
            await asyncio.sleep(_RETRY)

    async def http_after_restore(self, ip: str, port: int, path: str) -> None:
        """POSTs an HTTP function's after-restore hook.

        :raises InvokeError: SnapStartException when it answers anything but 2xx, SnapStartTimeoutException after 10 s.
        """
        try:
            async with asyncio.timeout(10):
                url = f"http://{_host(ip)}:{port}{path}"
                status, _, data = await self._patiently("POST", url, "", timeout=10)
        except TimeoutError as e:
            raise InvokeError(408, "SnapStartTimeoutException", f"{path} did not answer within 10 s") from e
        if not 200 <= status < 300:
            raise InvokeError(
                400, "SnapStartException", f"{path} answered {status}: {data[:300].decode(errors='replace')}"
            )

    async def _patiently(
        self, method: str, url: str, token: str, *, headers: Mapping[str, str] | None = None, timeout: float
    ) -> tuple[int, Mapping[str, str], bytes]:
        """A call to a process that runs already, but whose address may be a moment late."""
        for _ in range(50):
            try:
                return await self._call(method, url, token, headers=headers, timeout=timeout)
            except Unreached:
                await asyncio.sleep(_RETRY)
        return await self._call(method, url, token, headers=headers, timeout=timeout)

    async def _call(
        self,
        method: str,
        url: str,
        token: str,
        body: bytes | None = None,
        headers: Mapping[str, str] | None = None,
        *,
        timeout: float,
        most: int = _TOLD,
    ) -> tuple[int, Mapping[str, str], bytes]:
        """Status, headers, and the body's first ``most`` bytes."""
        sent = {"Authorization": f"Bearer {token}"} if token else {}
        try:
            async with self._open().request(
                method,
                url,
                data=body,
                headers={**sent, **(headers or {})},
                timeout=aiohttp.ClientTimeout(total=timeout, sock_connect=CONNECT),
                allow_redirects=False,
            ) as answer:
                return answer.status, answer.headers, await _first(answer.content, most)
        except UNREACHED as e:
            raise Unreached(f"{url}: {e!r}") from e
        except (aiohttp.ClientError, TimeoutError, OSError) as e:
            raise Lost(f"{url}: {e!r}") from e

    def _open(self) -> aiohttp.ClientSession:
        if self._session is None:
            connector = aiohttp.TCPConnector(limit=0, force_close=True)
            self._session = aiohttp.ClientSession(connector=connector, auto_decompress=False)
        return self._session

    def _url(self, ip: str, path: str) -> str:
        return f"http://{_host(ip)}:{self._port}{path}"


async def _first(body: aiohttp.StreamReader, most: int) -> bytes:
    data = bytearray()
    while len(data) < most and (piece := await body.read(most - len(data))):
        data += piece
    return bytes(data)


def _host(ip: str) -> str:
    return f"[{ip}]" if ":" in ip else ip


def _json(data: bytes) -> dict[str, Any]:
    try:
        answer = json.loads(data)
    except ValueError:
        return {}
    return answer if isinstance(answer, dict) else {}
