"""The HTTP servers: who calls, what came of it, and the two applications."""

from __future__ import annotations

import re
import uuid
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime

import structlog
from aiohttp import web
from aiohttp.typedefs import Middleware
from prometheus_client import CONTENT_TYPE_LATEST

from thaw.errors import ClusterError, InvokeError
from thaw.gateway import answers, auth
from thaw.gateway.lambda_api import BODY, BODY_LIMIT, NAMESPACE, REQUEST_ID, LambdaApi
from thaw.gateway.metrics import Metrics
from thaw.gateway.proxy import Proxy
from thaw.gateway.starts import NOT_STARTED

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
_API = re.compile(r"/\d{4}-\d{2}-\d{2}/")
log = structlog.get_logger(__name__)


@dataclass(frozen=True)
class Front:
    """What the servers need."""

    api: LambdaApi
    proxy: Proxy
    keys: auth.AccessKeys
    metrics: Metrics
    open_http: bool
    """Whether plain HTTP needs no signature."""


def application(front: Front) -> web.Application:
    """The application on the API's port."""
    app = web.Application(client_max_size=BODY_LIMIT, middlewares=[_reporting(front), _authenticating(front)])
    app.add_routes(front.api.routes())
    app.add_routes(front.proxy.routes())
    return app


def health_application(metrics: Metrics, *, alive: Callable[[], bool], ready: Callable[[], bool]) -> web.Application:
    """The application on the metrics' port: ``/healthz``, ``/readyz``, ``/metrics``."""

    async def healthz(_request: web.Request) -> web.Response:
        return (
            web.Response(text="ok\n")
            if alive()
            else web.Response(status=503, text="the watch has not begun, or is stuck\n")
        )

    async def readyz(_request: web.Request) -> web.Response:
        return web.Response(text="ok\n") if alive() and ready() else web.Response(status=503, text="not ready\n")

    async def render(_request: web.Request) -> web.Response:
        return web.Response(body=metrics.render(), headers={"Content-Type": CONTENT_TYPE_LATEST})

    app = web.Application()
    app.add_routes([web.get("/healthz", healthz), web.get("/readyz", readyz), web.get("/metrics", render)])
    return app


def _reporting(front: Front) -> Middleware:
    """Gives every request an id, and every error Lambda's shape."""

    @web.middleware
    async def report(request: web.Request, handler: Handler) -> web.StreamResponse:
        request[REQUEST_ID] = str(uuid.uuid4())
        try:
            response = await handler(request)
        except InvokeError as e:
            response = _error(e)
        except ClusterError as e:
            log.warning("cluster said no", path=request.path, request_id=request[REQUEST_ID], error=str(e))
            response = _error(answers.from_cluster(e))
        except web.HTTPRequestEntityTooLarge:
            response = _error(answers.entity_too_large(BODY_LIMIT, "requested"))
        except web.HTTPException as e:
            response = _error(
                InvokeError(e.status, "UnknownOperationException", f"{e.reason}: {request.method} {request.path}")
            )
        except Exception:
            log.exception("request failed", path=request.path, request_id=request[REQUEST_ID])
            response = _error(
                InvokeError(500, "ServiceException", "An error occurred and the request cannot be processed.")
            )
        if not response.prepared:
            response.headers["X-Amzn-RequestId"] = request[REQUEST_ID]
        if _API.match(request.path):
            operation = front.api.operation(request)
            front.metrics.api.labels(operation.name if operation else "unknown", str(response.status)).inc()
        return response

    return report


def _authenticating(front: Front) -> Middleware:
    """Checks the signature, and gives the request its namespace."""

    @web.middleware
    async def authenticate(request: web.Request, handler: Handler) -> web.StreamResponse:
        is_api = bool(_API.match(request.path))
        if not is_api and front.open_http:
            return await handler(request)
        path, _, query = request.raw_path.partition("?")
        signed = auth.Request(request.method, path, query, [(k, v) for k, v in request.headers.items()])
        signature, key = auth.identify(signed, front.keys.find, datetime.now(UTC))
        unsigned = signed.header("x-amz-content-sha256") == auth.UNSIGNED
        body = b"" if unsigned else await request.read()
        auth.verify(signed, signature, key, body)
        if not unsigned:
            request[BODY] = body
        if not is_api and request.match_info.get("namespace") != key.namespace:
            raise InvokeError(403, "AccessDeniedException", "This access key belongs to another namespace.")
        request[NAMESPACE] = key.namespace
        return await handler(request)

    return authenticate


def _error(error: InvokeError) -> web.Response:
    headers = answers.headers(error) | NOT_STARTED
    return web.json_response(answers.body(error), status=error.status, headers=headers)
