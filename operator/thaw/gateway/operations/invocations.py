"""Invocations."""

from __future__ import annotations

import base64
import binascii
import json
from dataclasses import dataclass, replace

from aiohttp import web

from thaw.gateway import answers, arns, eventstream
from thaw.gateway.downstream import Downstream
from thaw.gateway.events import envelope
from thaw.gateway.events.service import AsyncInvocations
from thaw.gateway.frames import Write
from thaw.gateway.invoke import Call, Invoker, Outcome, refuse_http
from thaw.gateway.operations.call import ApiCall, Handlers
from thaw.gateway.reading import parse_json
from thaw.gateway.starts import NOT_STARTED, start_headers
from thaw.gateway.targets import Target, Targets

SYNC_LIMIT = 6 * 1024 * 1024


@dataclass(frozen=True)
class InvocationOperations:
    """The group."""

    targets: Targets
    invoker: Invoker
    events: AsyncInvocations
    arns: arns.Arns

    def handlers(self) -> Handlers:
        """By operation."""
        return {"Invoke": self.invoke, "InvokeWithResponseStream": self.invoke_streaming}

    async def invoke(self, call: ApiCall) -> web.StreamResponse:
        """Invoke: RequestResponse, Event or DryRun; `X-Thaw-Start` says how the instance was started. Not taken:
        `TenantId`, `DurableExecutionName`.
        """
        for absent in ("DurableExecutionName", "TenantId"):
            if absent in call.parameters:
                raise answers.unsupported(absent)
        kind = call.parameters.get("InvocationType", "RequestResponse")
        target, asked = await self._asked(call, envelope.MAX_PAYLOAD if kind == "Event" else SYNC_LIMIT)
        if kind == "DryRun":
            return _dry_run(target)
        if kind == "Event":
            refuse_http(target)
            await self.events.accept(call.namespace, call.named, asked)
            return web.Response(status=202, headers=NOT_STARTED)
        return _answer(await self.invoker.invoke(target, asked))

    async def invoke_streaming(self, call: ApiCall) -> web.StreamResponse:
        """InvokeWithResponseStream: RequestResponse or DryRun."""
        target, asked = await self._asked(call, SYNC_LIMIT)
        if call.parameters.get("InvocationType") == "DryRun":
            return _dry_run(target)
        answer = _EventStream(call)
        return await answer.end(await self.invoker.invoke(target, replace(asked, stream=answer.begin)))

    async def _asked(self, call: ApiCall, limit: int) -> tuple[Target, Call]:
        """What is invoked, and with what."""
        payload, named = await _payload(call.request, limit), call.named
        dry = call.parameters.get("InvocationType") == "DryRun"
        look = self.targets.resolve if dry else self.targets.invoked
        target = await look(call.namespace, named.function, named.qualifier)
        return target, Call(
            request_id=call.request_id,
            payload=payload,
            arn=self.arns.function(named.function, named.qualifier),
            tail=call.parameters.get("LogType") == "Tail",
            client_context=_client_context(call.parameters.get("ClientContext", "")),
            trace_id=call.request.headers.get("X-Amzn-Trace-Id", ""),
        )


class _EventStream:
    """An answer of events: the pieces, and how the invocation ended. What is not streamed is one piece."""

    def __init__(self, call: ApiCall) -> None:
        self._down = Downstream(call.request, call.request_id)

    async def begin(self, outcome: Outcome) -> Write:
        await self._down.begin(200, {**_headers(outcome), "Content-Type": eventstream.CONTENT_TYPE})
        return self._piece

    async def end(self, outcome: Outcome) -> web.StreamResponse:
        if self._down.response is None:
            await self.begin(outcome)
        failed = bool(outcome.function_error)
        if outcome.payload and not failed:
            await self._piece(outcome.payload)
        ending = eventstream.invoke_complete(
            error_code=outcome.function_error,
            error_details=outcome.payload.decode(errors="replace") if failed else "",
            log_result=outcome.log_tail,
        )
        await self._down.write(ending)
        return await self._down.end()

    async def _piece(self, piece: bytes) -> None:
        await self._down.write(eventstream.payload_chunk(piece))


def _answer(outcome: Outcome) -> web.Response:
    headers = _headers(outcome)
    if outcome.function_error:
        headers["X-Amz-Function-Error"] = outcome.function_error
    if outcome.log_tail:
        headers["X-Amz-Log-Result"] = outcome.log_tail
    return web.Response(body=outcome.payload, headers=headers, content_type="application/json")


def _headers(outcome: Outcome) -> dict[str, str]:
    start = start_headers(outcome.start, outcome.restore_ms, outcome.fallback)
    return {"X-Amz-Executed-Version": outcome.version, **start}


def _dry_run(target: Target) -> web.Response:
    return web.Response(status=204, headers={"X-Amz-Executed-Version": target.qualifier, **NOT_STARTED})


async def _payload(request: web.Request, limit: int) -> bytes:
    data = await request.read()
    if len(data) > limit:
        raise answers.too_large(limit, "InvokeFunction")
    if not data:
        return b"{}"
    await parse_json(data)
    return data


def _client_context(encoded: str) -> str:
    """The client's context as JSON on one line; Lambda takes it in base64."""
    if not encoded:
        return ""
    try:
        return json.dumps(json.loads(base64.b64decode(encoded, validate=True)))
    except (binascii.Error, ValueError) as e:
        raise answers.bad_content("X-Amz-Client-Context must be JSON in base64") from e
