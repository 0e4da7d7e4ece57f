"""One invocation of a function of protocol lambda, from a target to an outcome."""

from __future__ import annotations

import json
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

import structlog

from thaw.errors import InvokeError
from thaw.gateway import answers
from thaw.gateway.frames import Write
from thaw.gateway.functioncontrol import Event, FunctionControl, InitFailed, Lost, Open, Reply, Unreached
from thaw.gateway.instances import Instance
from thaw.gateway.metrics import Metrics
from thaw.gateway.pool import Pool, Turn
from thaw.gateway.pools import Pools
from thaw.gateway.recent import RecentStarts
from thaw.gateway.targets import Target

_TRIES = 3
_GRACE = 15.0
"""Seconds beyond the function's timeout that thaw-init may take to say so."""
_ENDED = {"Runtime.ExitError", "Runtime.OutOfMemory", "Sandbox.Timedout"}
log = structlog.get_logger(__name__)


@dataclass(frozen=True)
class Call:
    """What a caller asks of a function."""

    request_id: str
    payload: bytes
    arn: str
    tail: bool = False
    client_context: str = ""
    trace_id: str = ""
    stream: Callable[[Outcome], Awaitable[Write]] | None = None
    """Takes an answer that is streamed: is told how it comes about, and gives what its pieces are written to."""


@dataclass
class Outcome:
    """The function's answer, and how it came about."""

    payload: bytes
    """Of an answer that was streamed only the error, if there was one."""
    version: str
    start: str
    restore_ms: float = 0.0
    fallback: str = ""
    function_error: str = ""
    log_tail: str = ""
    content_type: str = ""
    """What the function says that it is; empty when it says nothing."""
    streamed: bool = False
    pieces: dict[str, float] = field(default_factory=dict)


class Invoker:
    """Invokes functions on the pools' instances."""

    def __init__(self, pools: Pools, control: FunctionControl, metrics: Metrics, recent: RecentStarts) -> None:
        self._pools, self._control, self._metrics, self._recent = pools, control, metrics, recent

    async def invoke(self, target: Target, call: Call) -> Outcome:
        """Runs the function once, waiting for an instance if need be.

        :raises InvokeError: no instance could serve it.
        """
        refuse_http(target)
        began = time.perf_counter()
        try:
            outcome = await self._try(target, call)
        except InvokeError as e:
            self._count(target, "none", str(e.status), began, call, error=str(e))
            raise
        self._count(target, outcome.start, "200", began, call, error=outcome.function_error)
        self._recent.saw(target, outcome.start, time.perf_counter() - began, outcome.restore_ms)
        return outcome

    async def _try(self, target: Target, call: Call) -> Outcome:
        why = ""
        for _ in range(_TRIES):
            pool = self._pools.of(target)
            try:
                turn = await pool.acquire()
            except InitFailed as e:
                return _failed_init(target, call, e)
            outcome, why = await self._on(pool, turn, target, call)
            if outcome is not None:
                return outcome
        raise answers.unstartable(f"{_TRIES} instances did not take the request; the last: {why}")

    async def _on(self, pool: Pool, turn: Turn, target: Target, call: Call) -> tuple[Outcome | None, str]:
        """The outcome on one instance; none, with the reason, when it took nothing of the request."""
        dead, instance = True, turn.instance
        try:
            reply = await self._control.invoke(
                instance.ip, instance.token, _event(turn, target, call), _stream(turn, target, call)
            )
            dead = reply.exited
        except Unreached as e:
            log.warning("instance did not take a request", pod=instance.pod, error=str(e), **_about(target, call))
            return None, str(e)
        except Lost as e:
            log.warning("instance lost with a request", pod=instance.pod, error=str(e), **_about(target, call))
            message = f"RequestId: {call.request_id} Error: Runtime exited while it served the request"
            gone = Reply(_error("Runtime.ExitError", message), "Unhandled", "", exited=True, content_type="")
            return _outcome(turn, target, gone), ""
        finally:
            pool.release(turn, dead=dead)
        return _outcome(turn, target, reply), ""

    def _count(self, target: Target, start: str, code: str, began: float, call: Call, *, error: str) -> None:
        seconds = time.perf_counter() - began
        self._metrics.requests.labels(target.namespace, target.function, target.qualifier, start, code).inc()
        self._metrics.duration.labels(start).observe(seconds)
        log.info(
            "invoked",
            start=start,
            code=code,
            total_ms=round(seconds * 1000, 1),
            error=error,
            **_about(target, call),
        )


def refuse_http(target: Target) -> None:
    """Invocations are for functions that take events.

    :raises InvokeError: this one speaks plain HTTP.
    """
    if target.template.spec.protocol != "lambda":
        path = f"/{target.namespace}/{target.function}/"
        raise answers.invalid(f"The function speaks plain HTTP: call the gateway's {path} instead of Invoke.")


def _about(target: Target, call: Call) -> dict[str, str]:
    """What every line of the log says of a request."""
    return {
        "namespace": target.namespace,
        "function": target.function,
        "version": target.qualifier,
        "request_id": call.request_id,
    }


def _event(turn: Turn, target: Target, call: Call) -> Event:
    timeout = target.template.spec.timeout
    instance = turn.instance
    headers = {
        "Content-Type": "application/json",
        "Thaw-Request-Id": call.request_id,
        "Thaw-Deadline-Ms": str(int((time.time() + timeout) * 1000)),
        "Thaw-Timeout-Ms": str(timeout * 1000),
        "Thaw-Function-Arn": call.arn,
        "Thaw-Log-Type": "Tail" if call.tail else "None",
        "Thaw-Start": start_kind(turn),
        "Thaw-Restore-Ms": f"{instance.restore_ms:.2f}" if turn.first else "0",
    }
    for name, value in (("Thaw-Trace-Id", call.trace_id), ("Thaw-Client-Context", call.client_context)):
        if value:
            headers[name] = value
    return Event(call.payload, headers, timeout + _GRACE)


def start_kind(turn: Turn) -> str:
    """What the answer says of the instance's start: only its first request met it."""
    return turn.instance.start if turn.first else "warm"


def _stream(turn: Turn, target: Target, call: Call) -> Open | None:
    """The call's own taker of a streamed answer, for this instance."""
    take = call.stream
    if take is None:
        return None

    async def opened(content_type: str) -> Write:
        begun = Reply(b"", "", "", exited=False, content_type=content_type, streamed=True)
        return await take(_outcome(turn, target, begun))

    return opened


def _outcome(turn: Turn, target: Target, reply: Reply) -> Outcome:
    instance: Instance = turn.instance
    return Outcome(
        payload=reply.payload,
        version=target.qualifier,
        start=start_kind(turn),
        restore_ms=instance.restore_ms if turn.first else 0.0,
        fallback=instance.fallback if turn.first else "",
        function_error=reply.function_error,
        log_tail=reply.log_tail,
        content_type=reply.content_type,
        streamed=reply.streamed,
    )


def _failed_init(target: Target, call: Call, error: InitFailed) -> Outcome:
    """As on Lambda: an initialisation that fails at a cold start is the function's error, so the answer is 200.

    What the function raised is its own text; of what became of its process the message names the request.
    """
    kind, message = str(error.error.get("errorType")), str(error.error.get("errorMessage"))
    if kind in _ENDED:
        message = f"RequestId: {call.request_id} Error: {message}"
    payload = json.dumps(error.error | {"errorMessage": message}).encode()
    return Outcome(payload, target.qualifier, "cold", fallback=target.fallback, function_error="Unhandled")


def _error(kind: str, message: str) -> bytes:
    error: dict[str, Any] = {"errorType": kind, "errorMessage": message}
    return json.dumps(error).encode()
