"""Serves function URLs."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from http import HTTPStatus

import structlog
from aiohttp import web

from thaw import names
from thaw.api.v1alpha1 import Cors, Function, FunctionUrl
from thaw.errors import ClusterError, InvokeError
from thaw.gateway import answers
from thaw.gateway.arns import Arns
from thaw.gateway.auth.access import CALLER, Access, guarded
from thaw.gateway.auth.canonical import without_signature
from thaw.gateway.auth.verbs import FUNCTION_URL, VERBS
from thaw.gateway.downstream import Downstream
from thaw.gateway.frames import Write
from thaw.gateway.invoke import Call, Invoker, Outcome
from thaw.gateway.lambda_api import REQUEST_ID
from thaw.gateway.operations.invocations import SYNC_LIMIT
from thaw.gateway.proxy import HOP_BY_HOP
from thaw.gateway.starts import NOT_STARTED, start_headers
from thaw.gateway.targets import Targets
from thaw.gateway.urls import cors, response
from thaw.gateway.urls.addresses import PREFIX, Addresses, below_prefix
from thaw.gateway.urls.event import UrlRequest, event
from thaw.gateway.watch import Watch

_ACTION = f"lambda:{FUNCTION_URL}"
_PASSED_ON = {403, 404, 413, 429, 503}
"""Statuses that a caller of a URL is told; whatever else went wrong is 502, as on Lambda."""
log = structlog.get_logger(__name__)


@dataclass(frozen=True)
class FunctionUrls:
    """The handlers."""

    watch: Watch
    targets: Targets
    invoker: Invoker
    arns: Arns
    addresses: Addresses
    access: Access

    def routes(self) -> list[web.RouteDef]:
        """The paths; by the host, any path leads to :meth:`by_host`."""
        return [web.route("*", PREFIX + path, self.by_path) for path in ("{url_id}", "{url_id}/{path:.*}")]

    @guarded
    async def by_path(self, request: web.Request) -> web.StreamResponse:
        """A request below the gateway's own path."""
        return await self._handle(request, request.match_info["url_id"], below_prefix(_path(request)))

    async def by_host(self, request: web.Request) -> web.StreamResponse:
        """A request to a name of its own."""
        return await self._handle(request, self.addresses.by_host(request), _path(request))

    async def _handle(self, request: web.Request, url_id: str, path: str) -> web.StreamResponse:
        found = self.watch.url(url_id)
        if found is None:
            return _refused(404, "ResourceNotFoundException", {})
        function, qualifier, url = found
        if url.cors is not None and cors.is_preflight(request.method, request.headers):
            asked = request.headers["Access-Control-Request-Method"]
            return web.Response(headers=cors.preflight(url.cors, _origin(request), asked) | NOT_STARTED)
        try:
            return await self._invoke(request, path, function, qualifier, url)
        except (InvokeError, ClusterError) as e:
            told = answers.from_cluster(e) if isinstance(e, ClusterError) else e
            log.info("function URL refused", url=url_id, request_id=request[REQUEST_ID], error=str(told))
            return _refused(told.status, told.type, {**told.headers, **cors.applied(url.cors, _origin(request), {})})

    async def _invoke(
        self, request: web.Request, path: str, function: Function, qualifier: str, url: FunctionUrl
    ) -> web.StreamResponse:
        meta, name = function.metadata, "" if qualifier == names.LATEST else qualifier
        if url.auth_type == "AWS_IAM":
            by = await self.access.authenticate(request)
            await self.access.authorize(by, _ACTION, VERBS[FUNCTION_URL], meta.namespace, meta.name)
        asked = await self._request(request, names.url_id(meta.uid, qualifier), path)
        payload = json.dumps(event(asked)).encode()
        if len(payload) > SYNC_LIMIT:
            raise answers.too_large(SYNC_LIMIT, "InvokeFunctionUrl")
        target = await self.targets.invoked(meta.namespace, meta.name, name)
        answer = _Answer(request, url.cors)
        call = Call(
            request_id=request[REQUEST_ID],
            payload=payload,
            arn=self.arns.function(meta.name, name),
            trace_id=request.headers.get("X-Amzn-Trace-Id", ""),
        )
        if url.invoke_mode == "RESPONSE_STREAM":
            call = replace(call, stream=answer.begin)
        return await answer.end(await self.invoker.invoke(target, call))

    async def _request(self, request: web.Request, url_id: str, path: str) -> UrlRequest:
        if (request.content_length or 0) > SYNC_LIMIT:
            raise answers.too_large(SYNC_LIMIT, "InvokeFunctionUrl")
        caller, query = request.get(CALLER), request.raw_path.partition("?")[2]
        return UrlRequest(
            url_id=url_id,
            method=request.method,
            path=path,
            query=without_signature(query) if caller else query,
            headers=_given(request),
            body=await request.read(),
            protocol=f"HTTP/{request.version.major}.{request.version.minor}",
            source_ip=request.remote or "",
            domain=request.url.host or "",
            request_id=request[REQUEST_ID],
            at=datetime.now(UTC),
            account_id=self.arns.account,
            caller=caller.name if caller else "",
            caller_arn=self.arns.user(caller.name) if caller else "",
        )


class _Answer:
    """What the caller of a URL gets: as it is made where it is streamed, else in one piece."""

    def __init__(self, request: web.Request, allowed: Cors | None) -> None:
        self._request, self._allowed = request, allowed
        self._down = Downstream(request, request[REQUEST_ID])
        self._prelude: response.Prelude | None = None
        self._malformed = ""
        self._start: dict[str, str] = {}

    async def begin(self, outcome: Outcome) -> Write:
        """Takes an answer that the function streams."""
        self._start = start_headers(outcome.start, outcome.restore_ms, outcome.fallback)
        if outcome.content_type == response.INTEGRATION:
            self._prelude = response.Prelude()
        else:
            await self._head(response.opening(outcome.content_type))
        return self._piece

    async def end(self, outcome: Outcome) -> web.StreamResponse:
        """What is left to say when the invocation is over."""
        if self._down.response is not None:
            return self._down.break_off() if outcome.function_error else await self._down.end()
        self._start = start_headers(outcome.start, outcome.restore_ms, outcome.fallback)
        if outcome.streamed and not outcome.function_error:
            return self._bad(self._malformed or "the head is not complete")
        if outcome.function_error:
            return self._bad("the function failed")
        try:
            head, body = response.whole(outcome.payload, outcome.content_type)
        except response.Malformed as e:
            return self._bad(str(e))
        answer = web.Response(status=head.status, body=body, headers=self._headers(head))
        for cookie in head.cookies:
            answer.headers.add("Set-Cookie", cookie)
        return answer

    async def _piece(self, piece: bytes) -> None:
        if self._prelude is None:
            await self._down.write(piece)
            return
        try:
            if self._malformed or not self._prelude.add(piece):
                return
            head, body, self._prelude = self._prelude.head(), self._prelude.body, None
        except response.Malformed as e:
            self._malformed = str(e)
            return
        await self._head(head)
        await self._down.write(body)

    async def _head(self, head: response.Head) -> None:
        await self._down.begin(head.status, self._headers(head), head.cookies)

    def _headers(self, head: response.Head) -> dict[str, str]:
        return cors.applied(self._allowed, _origin(self._request), head.headers) | self._start

    def _bad(self, why: str) -> web.Response:
        log.info("function URL answers 502", request_id=self._request[REQUEST_ID], reason=why)
        allowed = cors.applied(self._allowed, _origin(self._request), {})
        return _refused(502, "BadGateway", allowed | self._start)


def _refused(status: int, kind: str, headers: Mapping[str, str]) -> web.Response:
    """An error as callers of URLs see it; what happened is in the gateway's log, by the request's id."""
    shown = 403 if status == 401 else status if status in _PASSED_ON else 502
    message = "Internal Server Error" if shown == 502 else HTTPStatus(shown).phrase
    return web.json_response(
        {"Message": message}, status=shown, headers={"x-amzn-errortype": kind, **NOT_STARTED, **headers}
    )


def _path(request: web.Request) -> str:
    """As it came over the wire."""
    return request.raw_path.partition("?")[0]


def _origin(request: web.Request) -> str:
    return request.headers.get("Origin", "")


def _given(request: web.Request) -> list[tuple[str, str]]:
    """The request's headers for the function, and where it came from; a signature is not its affair."""
    dropped = HOP_BY_HOP | ({"authorization"} if CALLER in request else set())
    headers = [(k, v) for k, v in request.headers.items() if k.lower() not in dropped]
    added = {
        "x-forwarded-for": request.remote or "",
        "x-forwarded-proto": request.scheme,
        "x-forwarded-port": str(request.url.port or ""),
    }
    there = {name.lower() for name, _ in headers} - {"x-forwarded-for"}
    return headers + [(name, value) for name, value in added.items() if name not in there]
