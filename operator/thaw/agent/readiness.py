"""Waiting until a pod's process is initialised, without leaving a connection that a dump would hold."""

from __future__ import annotations

import asyncio
import json
import re
import time
from collections.abc import Callable
from typing import Any

import aiohttp

from thaw import names
from thaw.agent import process
from thaw.agent.instances import Instances
from thaw.agent.paths import Paths
from thaw.api.node import JobError, Report, SnapshotRequest
from thaw.api.v1alpha1 import Http
from thaw.errors import ThawError

_PAUSE = 0.05
_LONG_POLL = 10.0
_LONGEST = 3500
"""Characters of a function's own message: what fits a status beside the rest."""
_BAD_IMAGE = re.compile(
    r"executable file not found|no such file or directory|permission denied|unable to find user", re.I
)


class JobFailed(ThawError):
    """A snapshot job is over, and why."""

    def __init__(self, code: str, message: str, *, retryable: bool = False) -> None:
        self.error = JobError.model_validate({"code": code, "message": message[:_LONGEST], "retryable": retryable})
        super().__init__(f"{code}: {message}")


class Readiness:
    """Looks at the pod until its function says that it is initialised.

    :param session: an HTTP client that keeps no connections.
    :param control_port: thaw-init's; tests have their own.
    """

    def __init__(
        self,
        paths: Paths,
        instances: Instances,
        session: aiohttp.ClientSession,
        *,
        container_timeout: float,
        control_port: int = names.CONTROL_PORT,
        now: Callable[[], float] = time.time,
    ) -> None:
        self._paths, self._instances, self._session = paths, instances, session
        self._container_timeout, self._port, self._now = container_timeout, control_port, now

    async def wait(self, request: SnapshotRequest) -> tuple[Report, float]:
        """The report of the initialised container, and how many milliseconds the initialisation took.

        :raises JobFailed: it failed, or took too long.
        """
        report = await self._container(request)
        try:
            async with asyncio.timeout(request.init_timeout_seconds):
                if request.protocol == "lambda":
                    return report, await self._lambda(request, report)
                return report, await self._http(request, report, request.http or Http())
        except TimeoutError as e:
            limit = f"{request.init_timeout_seconds:g} s"
            raise JobFailed("Timeout", f"the initialisation took longer than {limit}") from e

    async def _container(self, request: SnapshotRequest) -> Report:
        try:
            report = await self._instances.wait(request.pod_uid, self._container_timeout)
        except ThawError as e:
            raise JobFailed("InternalError", f"the container did not start: {e}", retryable=True) from e
        if report.state == "failed":
            why = report.restore_error or "thaw-runc gave no reason"
            if _BAD_IMAGE.search(why):
                raise JobFailed("InvalidImage", f"the container could not be created: {why}")
            raise JobFailed("InternalError", f"the container could not be created: {why}", retryable=True)
        return report

    async def _lambda(self, request: SnapshotRequest, report: Report) -> float:
        url = f"http://{_host(report.ip)}:{self._port}/v1/state"
        while True:
            state = await self._state(url, request.token)
            match state.get("phase"):
                # ``ready``: a runtime that asks for the next invocation at once is snapshotted there.
                case "snapshot-ready" | "ready":
                    return float(state.get("initMs") or 0)
                case "failed" | "exited":
                    raise JobFailed("FunctionError", _own_words(state.get("error")))
            await self._still_there(request, report)

    async def _state(self, url: str, token: str) -> dict[str, Any]:
        try:
            async with self._session.get(
                url,
                params={"wait": f"{_LONG_POLL:g}"},
                headers={"Authorization": f"Bearer {token}", "Connection": "close"},
                timeout=aiohttp.ClientTimeout(total=_LONG_POLL + 5, sock_connect=2),
            ) as answer:
                if answer.status == 200:
                    state: dict[str, Any] = await answer.json(content_type=None)
                    return state if isinstance(state, dict) else {}
                if answer.status == 401:
                    raise JobFailed("InternalError", "thaw-init refuses the pod's token")
        except (aiohttp.ClientError, TimeoutError, OSError, ValueError):
            pass  # not listening yet, or gone: which of both, the process's life tells
        await asyncio.sleep(_PAUSE)
        return {}

    async def _http(self, request: SnapshotRequest, report: Report, http: Http) -> float:
        base = f"http://{_host(report.ip)}:{http.port}"
        while await self._call("GET", base + http.ready_path) not in range(200, 400):
            await self._still_there(request, report)
            await asyncio.sleep(_PAUSE)
        init_ms = max(0.0, self._now() * 1000 - report.at)
        if http.before_snapshot_path:
            status = await self._call("POST", base + http.before_snapshot_path)
            if status not in range(200, 300):
                what = f"answered {status}" if status else "did not answer"
                raise JobFailed("FunctionError", f"beforeSnapshotPath {http.before_snapshot_path} {what}")
        return init_ms

    async def _call(self, method: str, url: str) -> int:
        """The status of a call; 0 when nobody answered."""
        try:
            async with self._session.request(
                method, url, headers={"Connection": "close"}, allow_redirects=False
            ) as answer:
                return answer.status
        except (aiohttp.ClientError, TimeoutError, OSError):
            return 0

    async def _still_there(self, request: SnapshotRequest, report: Report) -> None:
        """Makes sure that the container runs.

        :raises JobFailed: it does not, with its last words.
        """
        if process.alive(self._paths.proc, report.pid):
            return
        words = await asyncio.to_thread(process.last_words, self._paths.host, request.pod_uid, request.container)
        raise JobFailed("FunctionError", _own_words(words) if words else "the process exited before it was initialised")


def _own_words(error: object) -> str:
    """``errorType: errorMessage`` of a Lambda error, be it an object or its JSON; else the text itself."""
    if isinstance(error, str):
        try:
            error = json.loads(error)
        except ValueError:
            return str(error)
    if isinstance(error, dict) and ("errorType" in error or "errorMessage" in error):
        kind, message = error.get("errorType") or "Error", error.get("errorMessage") or ""
        return f"{kind}: {message}" if message else str(kind)
    return str(error) if error else "the initialisation failed without a message"


def _host(ip: str) -> str:
    return f"[{ip}]" if ":" in ip else ip
