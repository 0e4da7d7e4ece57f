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
from thaw.gateway.console.pages import Pages
from thaw.gateway.lambda_api import BODY_LIMIT, REQUEST_ID, LambdaApi
from thaw.gateway.live.api import LiveApi
from thaw.gateway.metrics import Metrics
from thaw.gateway.proxy import Proxy
from thaw.gateway.starts import NOT_STARTED
from thaw.gateway.urls.serve import FunctionUrls

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
_API = re.compile(r"/\d{4}-\d{2}-\d{2}/")
log = structlog.get_logger(__name__)


@dataclass(frozen=True)
class Front:
    """What the servers need."""

    api: LambdaApi
    live: LiveApi
    console: Pages | None
    """None when it is switched off."""
    proxy: Proxy
    urls: FunctionUrls
    access: Access
    metrics: Metrics


def application(front: Front) -> web.Application:
    """The application on the API's port."""
    app = web.Application(client_max_size=BODY_LIMIT, middlewares=middlewares(front))
    app.add_routes(front.api.routes())
    app.add_routes(front.urls.routes())
    app.add_routes(front.live.routes())
    if front.console is not None:
        app.add_routes(front.console.routes())
    app.add_routes(front.proxy.routes())
    app.on_shutdown.append(front.live.streams.close)
    return app


def middlewares(front: Front) -> list[Middleware]:
    """What every request to the API's port goes through, in this order."""
    return [_reporting(front), _naming(front), _authenticating(front)]


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
        if _API.match(request.path) and not front.urls.addresses.by_host(request):
            operation = front.api.operation(request)
            front.metrics.api.labels(operation.name if operation else "unknown", str(response.status)).inc()
        return response

    return report


def _naming(front: Front) -> Middleware:
    """Serves function URLs that have a name of their own: there no path is anybody else's."""

    @web.middleware
    async def name(request: web.Request, handler: Handler) -> web.StreamResponse:
        return await (front.urls.by_host(request) if front.urls.addresses.by_host(request) else handler(request))

    return name


def _authenticating(front: Front) -> Middleware:
    """Finds who calls, but where a handler does so itself, or nobody has to show who they are."""

    @web.middleware
    async def authenticate(request: web.Request, handler: Handler) -> web.StreamResponse:
        found = request.match_info
        if found.http_exception is None and not guards_itself(found.handler):
            await front.access.authenticate(request)
        return await handler(request)

    return authenticate


def _error(error: InvokeError) -> web.Response:
    headers = {**NOT_STARTED, **answers.headers(error)}
    return web.json_response(answers.body(error), status=error.status, headers=headers)
