"""A client of thaw-init's control API (hack/design/0001-node-contract.md) and of HTTP functions' own paths."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, Literal

import aiohttp

from thaw import names
from thaw.errors import InvokeError, ThawError
from thaw.gateway import frames

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
_MODE, _STREAMING = "Thaw-Response-Mode", "streaming"
Open = Callable[[str], Awaitable[frames.Write]]
"""Is told the content type of an answer that is streamed, and gives what its pieces are written to."""
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
    """Of an answer that was streamed only the error, if there was one."""
    function_error: str
    log_tail: str
    exited: bool
    content_type: str
    streamed: bool = False


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

    async def invoke(self, ip: str, token: str, event: Event, stream: Open | None = None) -> Reply:
        """Runs the function once.

        :param stream: takes an answer that the function streams; it raises nothing that a connection could. Without
            it, and of a function that does not stream, the answer is collected.
        :raises Unreached: it did not run.
        :raises Lost: it may have run.
        """
        headers = event.headers if stream is None else {**event.headers, _MODE: _STREAMING}
        # A caller who reads slowly makes a streamed answer take as long as it will: only silence ends that.
        limits = {"total": event.timeout} if stream is None else {"sock_read": event.timeout}
        url, limit = self._url(ip, "/v1/invoke"), aiohttp.ClientTimeout(sock_connect=CONNECT, **limits)
        async with self._request("POST", url, token, body=event.payload, headers=headers, limit=limit) as answer:
            if stream is not None and answer.headers.get(_MODE) == _STREAMING:
                return await _streamed(answer, stream)
            data = await frames.first(answer.content, _PAYLOAD + 1)
        if answer.status in (409, 503):
            raise Unreached(f"thaw-init answered {answer.status}: {data[:200]!r}")
        if answer.status != 200 or len(data) > _PAYLOAD:
            raise Lost(f"thaw-init answered {answer.status}, {len(data)} bytes or more: {data[:200]!r}")
        return Reply(
            payload=data,
            function_error=answer.headers.get("Thaw-Function-Error", ""),
            log_tail=answer.headers.get("Thaw-Log-Tail", ""),
            exited=answer.headers.get("Thaw-Instance", "") == "exited",
            content_type=answer.headers.get("Content-Type", ""),
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
        limit = aiohttp.ClientTimeout(total=timeout, sock_connect=CONNECT)
        async with self._request(method, url, token, body=body, headers=headers, limit=limit) as answer:
            return answer.status, answer.headers, await frames.first(answer.content, most)

    @asynccontextmanager
    async def _request(
        self,
        method: str,
        url: str,
        token: str,
        *,
        body: bytes | None,
        headers: Mapping[str, str] | None,
        limit: aiohttp.ClientTimeout,
    ) -> AsyncIterator[aiohttp.ClientResponse]:
        """A request.

        :raises Unreached: it was not sent.
        :raises Lost: it failed later, also while the answer was read.
        """
        sent = {"Authorization": f"Bearer {token}"} if token else {}
        try:
            async with self._open().request(
                method, url, data=body, headers={**sent, **(headers or {})}, timeout=limit, allow_redirects=False
            ) as answer:
                yield answer
        except UNREACHED as e:
            raise Unreached(f"{url}: {e!r}") from e
        except (aiohttp.ClientError, TimeoutError, OSError, EOFError, frames.Broken) as e:
            raise Lost(f"{url}: {e!r}") from e

    def _open(self) -> aiohttp.ClientSession:
        if self._session is None:
            connector = aiohttp.TCPConnector(limit=0, force_close=True)
            self._session = aiohttp.ClientSession(connector=connector, auto_decompress=False)
        return self._session

    def _url(self, ip: str, path: str) -> str:
        return f"http://{_host(ip)}:{self._port}{path}"


async def _streamed(answer: aiohttp.ClientResponse, stream: Open) -> Reply:
    content_type = answer.headers.get("Content-Type", "")
    ending = await frames.read(answer.content, await stream(content_type), _PAYLOAD)
    return Reply(
        payload=str(ending.get("error", "")).encode(),
        function_error=str(ending.get("functionError", "")),
        log_tail=str(ending.get("logTail", "")),
        exited=bool(ending.get("exited")),
        content_type=content_type,
        streamed=True,
    )


def _host(ip: str) -> str:
    return f"[{ip}]" if ":" in ip else ip


def _json(data: bytes) -> dict[str, Any]:
    try:
        answer = json.loads(data)
    except ValueError:
        return {}
    return answer if isinstance(answer, dict) else {}
