"""Plain HTTP to functions of protocol http: ``/{namespace}/{function}[:{qualifier}]/…``, whole, streaming both ways."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Mapping
from typing import TYPE_CHECKING

import aiohttp
import structlog
from aiohttp import web
from yarl import URL

from thaw.api.v1alpha1 import Http
from thaw.errors import InvokeError, ThawError
from thaw.gateway import answers, downstream, functioncontrol
from thaw.gateway.arns import Arns
from thaw.gateway.auth.access import BODY, CALLER, Access, guarded
from thaw.gateway.auth.canonical import without_signature
from thaw.gateway.auth.verbs import FUNCTION_URL, VERBS
from thaw.gateway.functioncontrol import InitFailed
from thaw.gateway.invoke import start_kind
from thaw.gateway.lambda_api import REQUEST_ID
from thaw.gateway.metrics import Metrics
from thaw.gateway.origin import WORKER_SCOPE
from thaw.gateway.pool import Turn
from thaw.gateway.pools import Pools
from thaw.gateway.recent import RecentStarts
from thaw.gateway.starts import start_headers
from thaw.gateway.targets import Target, Targets

if TYPE_CHECKING:
    from multidict import CIMultiDict

HOP_BY_HOP = frozenset(
    {
        "connection",
        "keep-alive",
        "proxy-authenticate",
        "proxy-authorization",
        "proxy-connection",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
    }
)
"""RFC 9110, 7.6.1: what speaks of one connection only."""
_TRIES = 3
log = structlog.get_logger(__name__)


class _Unanswered(ThawError):
    """The instance took the request and did not answer: it may hang, or be gone.

    :param answer: what the caller is told.
    """

    def __init__(self, answer: InvokeError) -> None:
        self.answer = answer
        super().__init__(str(answer))


class Proxy:
    """Passes requests on.

    :param access: who may call; None when plain HTTP is open.
    """

    def __init__(
        self,
        *,
        targets: Targets,
        pools: Pools,
        metrics: Metrics,
        recent: RecentStarts,
        arns: Arns,
        access: Access | None,
    ) -> None:
        self._targets, self._pools, self._metrics, self._recent = targets, pools, metrics, recent
        self._arns, self._access = arns, access
        self._session: aiohttp.ClientSession | None = None

    def routes(self) -> list[web.RouteDef]:
        """The paths that are not Lambda's."""
        return [
            web.route("*", "/{namespace}/{name}", self.handle),
            web.route("*", "/{namespace}/{name}/{path:.*}", self.handle),
        ]

    async def close(self) -> None:
        """Closes its connections."""
        if self._session is not None:
            await self._session.close()

    @guarded
    async def handle(self, request: web.Request) -> web.StreamResponse:
        """Proxies one request."""
        named, namespace = self._arns.named(request.match_info["name"]), request.match_info["namespace"]
        if self._access is not None:
            caller = await self._access.authenticate(request)
            verb = VERBS[FUNCTION_URL]
            await self._access.authorize(caller, f"lambda:{FUNCTION_URL}", verb, namespace, named.function)
        target = await self._targets.invoked(namespace, named.function, named.qualifier)
        if target.template.spec.protocol != "http":
            raise answers.invalid("The function speaks events: call it by Lambda's Invoke.")
        if "upgrade" in request.headers.get("Connection", "").lower():
            raise InvokeError(501, "NotImplementedException", "Protocol upgrades (WebSocket) are not supported.")
        began = time.perf_counter()
        start, status = "none", 500
        try:
            start, restore_ms, response = await self._try(request, target)
            status = response.status
            self._recent.saw(target, start, time.perf_counter() - began, restore_ms)
        except InvokeError as e:
            status = e.status
            raise
        finally:
            self._count(request, target, start, status, began)
        return response

    async def _try(self, request: web.Request, target: Target) -> tuple[str, float, web.StreamResponse]:
        why = ""
        for _ in range(_TRIES):
            pool = self._pools.of(target)
            try:
                turn = await pool.acquire()
            except InitFailed as e:
                raise InvokeError(502, "InvalidRuntimeException", f"The function did not initialise: {e}") from e
            dead = False
            try:
                restore_ms = turn.instance.restore_ms if turn.first else 0.0
                return start_kind(turn), restore_ms, await self._forward(request, target, turn)
            except functioncontrol.UNREACHED as e:
                dead, why = True, str(e)
            except _Unanswered as e:
                dead = turn.instance.inflight == 1  # it serves nobody else, so nobody loses by its end
                raise e.answer from e
            finally:
                pool.release(turn, dead=dead)
        raise InvokeError(502, "BadGatewayException", f"No instance accepted the connection: {why}")

    async def _forward(self, request: web.Request, target: Target, turn: Turn) -> web.StreamResponse:
        """Sends the request and streams the answer.

        :raises aiohttp.ClientError: one of ``UNREACHED``: another instance may have the request.
        :raises _Unanswered: no answer began within the function's timeout, or none came.
        """
        try:
            upstream = await self._send(request, target, turn)
        except functioncontrol.UNREACHED:
            raise
        except TimeoutError as e:
            text = f"The function did not answer within {target.template.spec.timeout} s."
            raise _Unanswered(InvokeError(504, "GatewayTimeoutException", text)) from e
        except aiohttp.ClientError as e:
            text = f"The instance went away with the request: {e!r}"
            raise _Unanswered(InvokeError(502, "BadGatewayException", text)) from e
        async with upstream:
            response = web.StreamResponse(status=upstream.status, reason=upstream.reason)
            for name, value in _end_to_end(upstream.headers):
                if name.lower() != WORKER_SCOPE:
                    response.headers.add(name, value)
            instance = turn.instance
            told = (instance.restore_ms, instance.fallback) if turn.first else (0.0, "")
            response.headers.update(start_headers(start_kind(turn), *told))
            await response.prepare(request)
            await _pour(upstream, response, request)
        return response

    async def _send(self, request: web.Request, target: Target, turn: Turn) -> aiohttp.ClientResponse:
        http = target.template.spec.http or Http()
        ip = f"[{turn.instance.ip}]" if ":" in turn.instance.ip else turn.instance.ip
        url = URL(f"http://{ip}:{http.port}{_path(request)}", encoded=True)
        timeout = aiohttp.ClientTimeout(
            total=None, sock_connect=functioncontrol.CONNECT, sock_read=target.template.spec.timeout
        )
        return await self._open().request(
            request.method,
            url,
            headers=_forwarded(request),
            data=_content(request),
            timeout=timeout,
            allow_redirects=False,
        )

    def _open(self) -> aiohttp.ClientSession:
        if self._session is None:
            self._session = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(limit=0, keepalive_timeout=2),
                auto_decompress=False,
                cookie_jar=aiohttp.DummyCookieJar(),
                skip_auto_headers=("User-Agent", "Accept", "Accept-Encoding", "Content-Type"),
            )
        return self._session

    def _count(self, request: web.Request, target: Target, start: str, status: int, began: float) -> None:
        seconds = time.perf_counter() - began
        self._metrics.requests.labels(target.namespace, target.function, target.qualifier, start, str(status)).inc()
        self._metrics.duration.labels(start).observe(seconds)
        log.info(
            "proxied",
            namespace=target.namespace,
            function=target.function,
            version=target.qualifier,
            request_id=request[REQUEST_ID],
            start=start,
            code=status,
            total_ms=round(seconds * 1000, 1),
        )


def _path(request: web.Request) -> str:
    """The function's own path and query, as they came over the wire; a presigned URL's signature is not its affair."""
    path, mark, query = request.raw_path.partition("?")
    own = path.split("/", 3)
    if CALLER in request and mark:
        query = without_signature(query)
        mark = "?" if query else ""
    return "/" + (own[3] if len(own) > 3 else "") + mark + query


def _content(request: web.Request) -> AsyncIterator[bytes] | bytes | None:
    if BODY in request:
        return request[BODY] or None
    return request.content.iter_any() if request.body_exists else None


def _forwarded(request: web.Request) -> CIMultiDict[str]:
    """The request's headers for the function, its Host kept, and where it came from."""
    headers = request.headers.copy()
    for name in {
        name for name in request.headers if name.lower() not in {n.lower() for n, _ in _end_to_end(request.headers)}
    }:
        headers.popall(name, None)
    if not request.body_exists:
        headers.popall("Content-Length", None)
    if CALLER in request:
        headers.popall("Authorization", None)
    peer = request.remote or ""
    before = request.headers.get("X-Forwarded-For")
    headers["X-Forwarded-For"] = f"{before}, {peer}" if before else peer
    headers.setdefault("X-Forwarded-Proto", request.scheme)
    headers.setdefault("X-Forwarded-Host", request.host)
    headers["X-Forwarded-Prefix"] = "/" + "/".join(request.raw_path.partition("?")[0].split("/", 3)[1:3])
    headers["X-Request-Id"] = request.headers.get("X-Request-Id", request[REQUEST_ID])
    return headers


def _end_to_end(headers: Mapping[str, str]) -> list[tuple[str, str]]:
    """Headers without those of the connection, nor those that Connection names."""
    named = {n.strip().lower() for n in headers.get("Connection", "").split(",")}
    return [(k, v) for k, v in headers.items() if k.lower() not in HOP_BY_HOP and k.lower() not in named]


async def _pour(upstream: aiohttp.ClientResponse, response: web.StreamResponse, request: web.Request) -> None:
    """Streams the body; a function that breaks off makes the answer break off too, instead of looking whole."""
    try:
        async for chunk in upstream.content.iter_any():
            await downstream.send(response, chunk)
        await downstream.finish(response)
    except (aiohttp.ClientError, TimeoutError, ConnectionError) as e:
        log.info("stream broken off", request_id=request[REQUEST_ID], error=repr(e))
        if request.transport is not None:
            request.transport.abort()
