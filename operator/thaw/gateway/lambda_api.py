"""Lambda's REST API: handlers that parse, delegate and report. What they delegate to is in :class:`Gateway`."""

from __future__ import annotations

import asyncio
import base64
import binascii
import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from aiohttp import web

from thaw.errors import InvokeError
from thaw.gateway import answers, arns, shapes
from thaw.gateway.aliases import Aliases
from thaw.gateway.asyncinvoke import AsyncInvokes, Job
from thaw.gateway.functions import Functions
from thaw.gateway.invoke import Call, Invoker, Outcome
from thaw.gateway.targets import Target, Targets

Json = dict[str, Any]
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
SYNC_LIMIT = 6 * 1024 * 1024
ASYNC_LIMIT = 1024 * 1024
BODY_LIMIT = 72 * 1024 * 1024
"""A package of 50 MB in base64, and the fields around it."""
_PAGE = 50
_LARGE = 128 * 1024
NAMESPACE = web.RequestKey("namespace", str)
BODY = web.RequestKey("body", bytes)
"""What was read of the body to check a signature over it."""
REQUEST_ID = web.RequestKey("request_id", str)
NOT_STARTED = {"X-Thaw-Start": "none", "X-Thaw-Restore-Ms": "0"}
"""The start headers of an answer that no instance gave."""


@dataclass(frozen=True)
class LambdaApi:
    """The handlers."""

    functions: Functions
    aliases: Aliases
    targets: Targets
    invoker: Invoker
    events: AsyncInvokes
    arns: arns.Arns

    def routes(self) -> list[web.RouteDef]:
        """The operations, with the paths and methods of AWS's service model."""
        root = "/2015-03-31/functions"
        one = root + "/{name}"
        table: list[tuple[str, str, Handler]] = [
            ("POST", root, self.create_function),
            ("GET", root, self.list_functions),
            ("GET", one, self.get_function),
            ("DELETE", one, self.delete_function),
            ("PUT", one + "/code", self.update_function_code),
            ("GET", one + "/configuration", self.get_function_configuration),
            ("PUT", one + "/configuration", self.update_function_configuration),
            ("POST", one + "/versions", self.publish_version),
            ("GET", one + "/versions", self.list_versions_by_function),
            ("POST", one + "/aliases", self.create_alias),
            ("GET", one + "/aliases", self.list_aliases),
            ("GET", one + "/aliases/{alias}", self.get_alias),
            ("PUT", one + "/aliases/{alias}", self.update_alias),
            ("DELETE", one + "/aliases/{alias}", self.delete_alias),
            ("POST", one + "/invocations", self.invoke),
            ("*", r"/{api:\d{4}-\d{2}-\d{2}}/{rest:.*}", self.unknown),
        ]
        slashed = [
            (m, p + "/", h) for m, p, h in table if p in (root, root + "/{name}/versions", root + "/{name}/aliases")
        ]
        return [web.route(method, path, handler) for method, path, handler in (*slashed, *table)]

    async def create_function(self, request: web.Request) -> web.StreamResponse:
        """CreateFunction."""
        body = await _body(request)
        named = arns.parse(str(body.get("FunctionName") or ""))
        if named.qualifier:
            raise answers.invalid("FunctionName must not have a qualifier")
        shape = await self.functions.create(request[NAMESPACE], {**body, "FunctionName": named.function})
        return web.json_response(shape, status=201)

    async def get_function(self, request: web.Request) -> web.StreamResponse:
        """GetFunction."""
        named = _named(request)
        return web.json_response(await self.functions.get(request[NAMESPACE], named.function, named.qualifier))

    async def get_function_configuration(self, request: web.Request) -> web.StreamResponse:
        """GetFunctionConfiguration."""
        named = _named(request)
        shape = await self.functions.configuration(request[NAMESPACE], named.function, named.qualifier)
        return web.json_response(shape)

    async def update_function_configuration(self, request: web.Request) -> web.StreamResponse:
        """UpdateFunctionConfiguration."""
        name, body = _named(request).function, await _body(request)
        return web.json_response(await self.functions.update_configuration(request[NAMESPACE], name, body))

    async def update_function_code(self, request: web.Request) -> web.StreamResponse:
        """UpdateFunctionCode."""
        name, body = _named(request).function, await _body(request)
        return web.json_response(await self.functions.update_code(request[NAMESPACE], name, body))

    async def publish_version(self, request: web.Request) -> web.StreamResponse:
        """PublishVersion."""
        name, body = _named(request).function, await _body(request)
        return web.json_response(await self.functions.publish(request[NAMESPACE], name, body), status=201)

    async def delete_function(self, request: web.Request) -> web.StreamResponse:
        """DeleteFunction."""
        named = _named(request)
        await self.functions.delete(request[NAMESPACE], named.function, named.qualifier)
        return web.Response(status=204)

    async def list_functions(self, request: web.Request) -> web.StreamResponse:
        """ListFunctions."""
        wanted = request.query.get("FunctionVersion", "")
        if wanted not in ("", "ALL"):
            raise answers.invalid("FunctionVersion must be ALL or absent")
        namespace = request[NAMESPACE]
        found = self.functions.list_all(namespace, all_versions=bool(wanted))
        if wanted:
            names_ = [str(shape["FunctionName"]) for shape in found]
            found = [v for name in names_ for v in await self.functions.versions(namespace, name)]
        return _page(request, "Functions", found)

    async def list_versions_by_function(self, request: web.Request) -> web.StreamResponse:
        """ListVersionsByFunction."""
        return _page(request, "Versions", await self.functions.versions(request[NAMESPACE], _named(request).function))

    async def create_alias(self, request: web.Request) -> web.StreamResponse:
        """CreateAlias."""
        name, body = _named(request).function, await _body(request)
        return web.json_response(await self.aliases.create(request[NAMESPACE], name, body), status=201)

    async def get_alias(self, request: web.Request) -> web.StreamResponse:
        """GetAlias."""
        name, alias = _named(request).function, request.match_info["alias"]
        return web.json_response(await self.aliases.get(request[NAMESPACE], name, alias))

    async def update_alias(self, request: web.Request) -> web.StreamResponse:
        """UpdateAlias."""
        name, alias = _named(request).function, request.match_info["alias"]
        return web.json_response(await self.aliases.update(request[NAMESPACE], name, alias, await _body(request)))

    async def delete_alias(self, request: web.Request) -> web.StreamResponse:
        """DeleteAlias."""
        await self.aliases.delete(request[NAMESPACE], _named(request).function, request.match_info["alias"])
        return web.Response(status=204)

    async def list_aliases(self, request: web.Request) -> web.StreamResponse:
        """ListAliases."""
        version = request.query.get("FunctionVersion", "")
        return _page(
            request, "Aliases", await self.aliases.list_all(request[NAMESPACE], _named(request).function, version)
        )

    async def invoke(self, request: web.Request) -> web.StreamResponse:
        """Invoke: RequestResponse, Event or DryRun."""
        kind = request.headers.get("X-Amz-Invocation-Type", "RequestResponse")
        if kind not in ("RequestResponse", "Event", "DryRun"):
            raise answers.invalid(f"InvocationType {kind} is not supported: RequestResponse, Event or DryRun")
        payload = await _payload(request, ASYNC_LIMIT if kind == "Event" else SYNC_LIMIT)
        named = _named(request)
        look = self.targets.resolve if kind == "DryRun" else self.targets.invoked
        target = await look(request[NAMESPACE], named.function, named.qualifier)
        if kind == "DryRun":
            return web.Response(status=204, headers={"X-Amz-Executed-Version": target.qualifier, **NOT_STARTED})
        call = Call(
            request_id=request[REQUEST_ID],
            payload=payload,
            arn=self.arns.function(named.function, named.qualifier),
            tail=request.headers.get("X-Amz-Log-Type") == "Tail",
            client_context=_client_context(request.headers.get("X-Amz-Client-Context", "")),
            trace_id=request.headers.get("X-Amzn-Trace-Id", ""),
        )
        if kind == "Event":
            self._accept(target, named.qualifier, call)
            return web.Response(status=202, headers=NOT_STARTED)
        return _answer(await self.invoker.invoke(target, call))

    async def unknown(self, request: web.Request) -> web.StreamResponse:
        """What Lambda has and Thaw has not."""
        known = sorted({r.handler.__name__ for r in self.routes() if r.handler != self.unknown})
        operations = ", ".join("".join(part.capitalize() for part in name.split("_")) for name in known)
        text = f"Thaw does not support {request.method} {request.path}. It supports: {operations}."
        raise InvokeError(404, "UnknownOperationException", text)

    def _accept(self, target: Target, qualifier: str, call: Call) -> None:
        async def run() -> Outcome:
            fresh = await self.targets.resolve(target.namespace, target.function, qualifier)
            return await self.invoker.invoke(fresh, call)

        size = len(call.payload)
        self.events.accept(Job(target.namespace, target.function, target.qualifier, call.request_id, run, size))


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


def start_headers(start: str, restore_ms: float, fallback: str) -> dict[str, str]:
    """How the instance that answers was started."""
    headers = {"X-Thaw-Start": start, "X-Thaw-Restore-Ms": f"{restore_ms:.1f}"}
    if fallback:
        headers["X-Thaw-Fallback"] = " ".join(fallback.split()).encode("ascii", "replace").decode()[:500]
    return headers


def _named(request: web.Request) -> arns.Named:
    return arns.parse(request.match_info["name"], request.query.get("Qualifier", ""))


def _page(request: web.Request, key: str, items: list[Json]) -> web.Response:
    try:
        most = int(request.query.get("MaxItems", _PAGE))
        if not 1 <= most <= 10000:
            raise ValueError
        chosen, marker = shapes.page(items, request.query.get("Marker", ""), min(most, _PAGE))
    except ValueError as e:
        raise answers.invalid("MaxItems must be 1 to 10000, and Marker one that was given before") from e
    return web.json_response({key: chosen, **({"NextMarker": marker} if marker else {})})


async def _body(request: web.Request) -> Json:
    data = await request.read()
    if not data:
        return {}
    try:
        body = await _parse(data)
    except ValueError as e:
        raise answers.bad_content(f"Could not parse request body into json: {e}") from e
    if not isinstance(body, dict):
        raise answers.bad_content("Could not parse request body into json: it is no object")
    return body


async def _payload(request: web.Request, limit: int) -> bytes:
    data = await request.read()
    if len(data) > limit:
        raise answers.too_large(limit, "InvokeFunction")
    if not data:
        return b"{}"
    try:
        await _parse(data)
    except ValueError as e:
        raise answers.bad_content(f"Could not parse request body into json: {e}") from e
    return data


async def _parse(data: bytes) -> Any:
    """Parses JSON, off the loop when it takes long."""
    if len(data) < _LARGE:
        return json.loads(data)
    return await asyncio.to_thread(json.loads, data)


def _client_context(encoded: str) -> str:
    """The client's context as JSON on one line; Lambda takes it in base64."""
    if not encoded:
        return ""
    try:
        return json.dumps(json.loads(base64.b64decode(encoded, validate=True)))
    except (binascii.Error, ValueError) as e:
        raise answers.bad_content("X-Amz-Client-Context must be JSON in base64") from e
