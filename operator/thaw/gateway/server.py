"""The HTTP servers: who calls, what came of it, and the two applications."""

from __future__ import annotations

import re
import uuid
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

import structlog
from aiohttp import web
from aiohttp.typedefs import Middleware
from prometheus_client import CONTENT_TYPE_LATEST

from thaw.errors import ClusterError, InvokeError
from thaw.gateway import answers
from thaw.gateway.auth.access import Access, guards_itself
from thaw.gateway.lambda_api import BODY_LIMIT, REQUEST_ID, LambdaApi
from thaw.gateway.metrics import Metrics
from thaw.gateway.proxy import Proxy
from thaw.gateway.starts import NOT_STARTED

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
_CONSOLE = "/console/"
"""Files without any data."""
_API = re.compile(r"/\d{4}-\d{2}-\d{2}/")
log = structlog.get_logger(__name__)


@dataclass(frozen=True)
class Front:
    """What the servers need."""

    api: LambdaApi
    proxy: Proxy
    access: Access
    metrics: Metrics


def application(front: Front) -> web.Application:
    """The application on the API's port."""
    app = web.Application(client_max_size=BODY_LIMIT, middlewares=middlewares(front))
    app.add_routes(front.api.routes())
    app.add_routes(front.proxy.routes())
    return app


def middlewares(front: Front) -> list[Middleware]:
    """What every request to the API's port goes through, in this order."""
    return [_reporting(front), _authenticating(front)]


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
            response = _error(answers.too_large(BODY_LIMIT, "requested"))
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
    """Finds who calls, but where a handler does so itself, or nobody has to show who they are."""

    @web.middleware
    async def authenticate(request: web.Request, handler: Handler) -> web.StreamResponse:
        if not _is_open(request):
            await front.access.authenticate(request)
        return await handler(request)

    return authenticate


def _is_open(request: web.Request) -> bool:
    if request.match_info.http_exception is not None or guards_itself(request.match_info.handler):
        return True
    return request.path.startswith(_CONSOLE) and request.method in ("GET", "HEAD")


def _error(error: InvokeError) -> web.Response:
    headers = {"x-amzn-errortype": error.type, **NOT_STARTED, **error.headers}
    return web.json_response(answers.body(error), status=error.status, headers=headers)
