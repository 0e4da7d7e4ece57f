"""The agent's API of hack/design/0001-node-contract.md: handlers parse, delegate, answer."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from time import monotonic
from typing import Literal, TypeVar

import structlog
from aiohttp import web
from pydantic import ValidationError

from thaw.agent.auth import Caller, Verifier
from thaw.agent.cache import Cache
from thaw.agent.errors import Refused, refusal, unusable
from thaw.agent.instances import Instances, check_uid
from thaw.agent.jobs import Jobs
from thaw.agent.leftovers import Leftovers
from thaw.agent.metrics import Metrics
from thaw.agent.threads import in_thread
from thaw.api.base import Model
from thaw.api.node import ErrorBody, GrantRequest, GrantResult, Kept, NodeInfo, Removal, SnapshotRequest
from thaw.api.packages import MAX_ZIPPED
from thaw.errors import SnapshotCorrupt, StoreError, ThawError
from thaw.store.base import SnapshotStore, check_id, check_namespace, check_sha256

_LONGEST_WAIT = 300.0
_STUCK = 60.0
"""Seconds without a beat after which the agent does not call itself healthy."""
_Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
_M = TypeVar("_M", bound=Model)

log = structlog.get_logger("thaw.agent.server")


@dataclass
class Node:
    """What the agent knows of its node, and whether its loop turns."""

    info: NodeInfo
    beat: float = 0.0


@dataclass
class Api:
    """The calls, and what they work with."""

    node: Node
    verifier: Verifier
    instances: Instances
    cache: Cache
    jobs: Jobs
    leftovers: Leftovers
    store: SnapshotStore
    metrics: Metrics
    uninstall: Callable[[], Awaitable[None]]
    off: bool = False
    """The runtime is off the node: nothing more is said of what it can do, so that nobody labels it again."""

    def app(self) -> web.Application:
        """The application for port 8440."""
        app = web.Application(client_max_size=MAX_ZIPPED + 1, middlewares=[self._answer_errors])
        any_of_us, operator = self._needs("any"), self._needs("operator")
        app.add_routes(
            [
                web.get("/v1/node", any_of_us(self._node)),
                web.get("/v1/cache", any_of_us(self._cache)),
                web.put("/v1/pods/{uid}/grant", any_of_us(self._grant)),
                web.get("/v1/pods/{uid}", any_of_us(self._report)),
                web.delete("/v1/pods/{uid}", any_of_us(self._drop)),
                web.put("/v1/code/{namespace}/{sha256}", any_of_us(self._put_code)),
                web.delete("/v1/code/{namespace}/{sha256}", operator(self._delete_code)),
                web.put("/v1/snapshots/{id}", operator(self._start_snapshot)),
                web.get("/v1/snapshots/{id}", any_of_us(self._snapshot)),
                web.delete("/v1/snapshots/{id}", operator(self._delete_snapshot)),
                web.post("/v1/keep", operator(self._keep)),
                web.post("/v1/uninstall", operator(self._uninstall)),
                *self._open_routes(),
            ]
        )
        return app

    def metrics_app(self) -> web.Application:
        """The application for port 9090, which Prometheus may reach where a network policy closes 8440."""
        app = web.Application()
        app.add_routes(self._open_routes())
        return app

    def _open_routes(self) -> list[web.RouteDef]:
        return [web.get("/healthz", self._healthz), web.get("/metrics", self._metrics)]

    # ------------------------------------------------------------ before and after each call

    def _needs(self, who: Literal["any", "operator"]) -> Callable[[_Handler], _Handler]:
        def wrap(handler: _Handler) -> _Handler:
            async def checked(request: web.Request) -> web.StreamResponse:
                caller: Caller = await self.verifier.caller(request.headers.get("Authorization", ""))
                if who == "operator" and caller != "operator":
                    raise Refused(403, "Forbidden", f"only the operator may {request.method} {request.path}")
                return await handler(request)

            return checked

        return wrap

    @web.middleware
    async def _answer_errors(self, request: web.Request, handler: _Handler) -> web.StreamResponse:
        try:
            return await handler(request)
        except ThawError as e:
            return self._error(refusal(e))
        except web.HTTPException as e:
            return self._error(Refused(e.status, "TooLarge" if e.status == 413 else "HTTPError", e.reason))
        except Exception:
            log.exception("server.bug", method=request.method, path=request.path)
            return self._error(Refused(500, "InternalError", "the agent failed; its log says why"))

    def _error(self, error: Refused) -> web.Response:
        self.metrics.errors.labels(error.code).inc()
        body = ErrorBody.model_validate(
            {"code": error.code, "message": error.message, "retryable": error.retryable, "cause": error.cause}
        )
        return web.json_response(body.to_json(), status=error.status)

    # ------------------------------------------------------------ the node

    async def _healthz(self, _: web.Request) -> web.Response:
        stuck = monotonic() - self.node.beat > _STUCK
        return web.Response(status=503 if stuck else 200, text="stuck\n" if stuck else "ok\n")

    async def _metrics(self, _: web.Request) -> web.Response:
        return web.Response(body=self.metrics.render(), headers={"Content-Type": "text/plain; version=0.0.4"})

    async def _node(self, _: web.Request) -> web.Response:
        if self.off:
            raise Refused(503, "Uninstalled", "Thaw's runtime was taken off this node")
        return _json(self.node.info)

    async def _cache(self, _: web.Request) -> web.Response:
        return _json(await in_thread(self.cache.info, self.node.info.node))

    async def _uninstall(self, _: web.Request) -> web.Response:
        await self.uninstall()
        self.off = True
        return web.json_response({})

    # ------------------------------------------------------------ pods

    async def _grant(self, request: web.Request) -> web.Response:
        uid, wanted = check_uid(request.match_info["uid"]), await _body(request, GrantRequest)
        began = monotonic()
        code = await self.cache.code(wanted.namespace, wanted.code)
        code_ms, began = (monotonic() - began) * 1000, monotonic()
        try:
            snapshot = await self.cache.snapshot(wanted.snapshot) if wanted.snapshot else None
        except StoreError as e:
            raise unusable(e) from e
        snapshot_ms = (monotonic() - began) * 1000
        await asyncio.to_thread(self.instances.grant, uid, wanted, code=code, snapshot=snapshot)
        return _json(GrantResult(code_ms=code_ms, snapshot_ms=snapshot_ms))

    async def _report(self, request: web.Request) -> web.Response:
        return _json(await self.instances.wait(check_uid(request.match_info["uid"]), _wait(request)))

    async def _drop(self, request: web.Request) -> web.Response:
        self.instances.drop(request.match_info["uid"])
        return web.Response(status=204)

    # ------------------------------------------------------------ code

    async def _put_code(self, request: web.Request) -> web.Response:
        namespace, sha256 = _package(request)
        data = await request.read()
        try:
            await in_thread(self.store.put_code, namespace, sha256, data)
        except SnapshotCorrupt as e:
            raise Refused(400, "Invalid", str(e)) from e
        return web.json_response({}, status=201)

    async def _delete_code(self, request: web.Request) -> web.Response:
        namespace, sha256 = _package(request)
        stored = await in_thread(self.store.delete_code, namespace, sha256)
        unpacked = await self.cache.drop_code(namespace, sha256)
        return self._removal((["package"] if stored else []) + (["unpacked package"] if unpacked else []))

    # ------------------------------------------------------------ snapshots

    async def _start_snapshot(self, request: web.Request) -> web.Response:
        wanted = await _body(request, SnapshotRequest)
        check_uid(wanted.pod_uid)
        return _json(await self.jobs.start(_name(check_id, request, "id"), wanted), status=202)

    async def _snapshot(self, request: web.Request) -> web.Response:
        return _json(await self.jobs.get(_name(check_id, request, "id"), _wait(request)))

    async def _delete_snapshot(self, request: web.Request) -> web.Response:
        store = request.query.get("store", "") == "true"
        return self._removal(await self.jobs.delete(_name(check_id, request, "id"), store=store))

    async def _keep(self, request: web.Request) -> web.Response:
        return self._removal(await self.leftovers.remove(await _body(request, Kept)))

    def _removal(self, removed: list[str]) -> web.Response:
        return _json(Removal(node=self.node.info.node, removed=tuple(removed)))


def _json(model: Model, status: int = 200) -> web.Response:
    return web.json_response(model.to_json(), status=status)


def _name(check: Callable[[str], str], request: web.Request, part: str) -> str:
    """A part of the call's path that becomes part of a file's."""
    try:
        return check(request.match_info[part])
    except StoreError as e:
        raise Refused(400, "Invalid", str(e)) from e


def _package(request: web.Request) -> tuple[str, str]:
    """The namespace and the hash of a code package."""
    return _name(check_namespace, request, "namespace"), _name(check_sha256, request, "sha256")


def _wait(request: web.Request) -> float:
    try:
        wait = float(request.query.get("wait", "0"))
    except ValueError:
        wait = -1
    if not 0 <= wait <= _LONGEST_WAIT:
        raise Refused(400, "Invalid", f"wait is a number of seconds from 0 to {_LONGEST_WAIT:g}")
    return wait


async def _body(request: web.Request, model: type[_M]) -> _M:
    try:
        return model.model_validate_json(await request.read())
    except ValidationError as e:
        first = e.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        raise Refused(400, "Invalid", f"{where or 'body'}: {first['msg']}") from e
