"""Invocations."""

from __future__ import annotations

import base64
import binascii
import json
from dataclasses import dataclass

from aiohttp import web

from thaw.gateway import answers, arns
from thaw.gateway.events import envelope
from thaw.gateway.events.service import AsyncInvocations
from thaw.gateway.invoke import Call, Invoker, Outcome, refuse_http
from thaw.gateway.operations.call import ApiCall, Handlers
from thaw.gateway.reading import parse_json
from thaw.gateway.starts import NOT_STARTED, start_headers
from thaw.gateway.targets import Targets

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
        return {"Invoke": self.invoke}

    async def invoke(self, call: ApiCall) -> web.StreamResponse:
        """Invoke: RequestResponse, Event or DryRun."""
        kind = call.parameters.get("InvocationType", "RequestResponse")
        payload = await _payload(call.request, envelope.MAX_PAYLOAD if kind == "Event" else SYNC_LIMIT)
        named = call.named
        look = self.targets.resolve if kind == "DryRun" else self.targets.invoked
        target = await look(call.namespace, named.function, named.qualifier)
        if kind == "DryRun":
            return web.Response(status=204, headers={"X-Amz-Executed-Version": target.qualifier, **NOT_STARTED})
        asked = Call(
            request_id=call.request_id,
            payload=payload,
            arn=self.arns.function(named.function, named.qualifier),
            tail=call.parameters.get("LogType") == "Tail",
            client_context=_client_context(call.parameters.get("ClientContext", "")),
            trace_id=call.request.headers.get("X-Amzn-Trace-Id", ""),
        )
        if kind == "Event":
            refuse_http(target)
            await self.events.accept(call.namespace, named, asked)
            return web.Response(status=202, headers=NOT_STARTED)
        return _answer(await self.invoker.invoke(target, asked))


def _answer(outcome: Outcome) -> web.Response:
    headers = {
        "X-Amz-Executed-Version": outcome.version,
        **start_headers(outcome.start, outcome.restore_ms, outcome.fallback),
    }
    if outcome.function_error:
        headers["X-Amz-Function-Error"] = outcome.function_error
    if outcome.log_tail:
        headers["X-Amz-Log-Result"] = outcome.log_tail
    return web.Response(body=outcome.payload, headers=headers, content_type="application/json")


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
