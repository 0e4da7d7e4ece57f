"""The handlers of ``/thaw/v1``: each checks the right, asks the copies of the watch, and answers."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Mapping
from dataclasses import dataclass
from importlib import metadata
from typing import TypeVar

from aiohttp import web

from thaw import names
from thaw.api.v1alpha1 import Snapshot
from thaw.errors import InvokeError, NodeError
from thaw.gateway import answers
from thaw.gateway.arns import Arns
from thaw.gateway.auth.access import CALLER, Access, guarded
from thaw.gateway.auth.caller import Caller
from thaw.gateway.auth.verbs import ACTIONS, Verb
from thaw.gateway.live import views
from thaw.gateway.live.streams import Streams
from thaw.gateway.pools import Pools
from thaw.gateway.recent import RecentStarts
from thaw.gateway.watch import Watch
from thaw.kube.agents import Agents

PREFIX = "/thaw/v1/"
_T = TypeVar("_T")
_FUNCTION = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?", re.ASCII)


@dataclass(frozen=True)
class LiveApi:
    """The paths below ``/thaw/v1``, each in the caller's namespace."""

    access: Access
    watch: Watch
    pools: Pools
    agents: Agents
    recent: RecentStarts
    arns: Arns
    streams: Streams

    def routes(self) -> list[web.RouteDef]:
        """All of them; what is not there is 404 and no function's."""
        return [
            web.get(PREFIX + "whoami", self.whoami),
            web.get(PREFIX + "functions/{name}", self.function),
            web.get(PREFIX + "watch", self.changes),
            web.get(PREFIX + "starts", self.starts),
            web.get(PREFIX + "snapshots", self.snapshots),
            web.get(PREFIX + "nodes", self.nodes),
            web.route("*", PREFIX + "{rest:.*}", _absent),
        ]

    async def whoami(self, request: web.Request) -> web.Response:
        """Who the caller is, and which verbs on ``functions.thaw.dev`` they have in the namespace."""
        caller = _caller(request)
        verbs: tuple[Verb, ...] = tuple(ACTIONS)
        allowed = await asyncio.gather(*(self._may(caller, verb, caller.namespace) for verb in verbs))
        return _json(
            {
                "user": caller.name,
                "namespace": caller.namespace,
                "verbs": [verb for verb, yes in zip(verbs, allowed, strict=True) if yes],
                "version": metadata.version("thaw"),
            }
        )

    async def function(self, request: web.Request) -> web.Response:
        """A function with its versions, their snapshots and instances, as they are now."""
        name = _name(request.match_info["name"])
        caller = await self._require(request, "get", name)
        return _json(self._found(caller.namespace, name))

    async def changes(self, request: web.Request) -> web.StreamResponse:
        """What :meth:`function` says, again at each change, as server-sent events named ``function``."""
        name = _name(request.query.get("function", ""))
        caller = await self._require(request, "get", name)
        self._found(caller.namespace, name)
        return await self.streams.send(request, lambda: self._view(caller.namespace, name))

    async def starts(self, request: web.Request) -> web.Response:
        """Recent requests by how their instance was started, as this gateway served them."""
        name = request.query.get("function", "")
        caller = await self._require(request, "list", _name(name) if name else "")
        return _json(views.starts(*self.recent.of(caller.namespace, name)))

    async def snapshots(self, request: web.Request) -> web.Response:
        """The namespace's snapshots, newest first."""
        caller = await self._require(request, "list")
        namespace = caller.namespace
        used = {v.status.snapshot_ref for v in self.watch.all_versions() if v.metadata.namespace == namespace}
        found = [s for s in self.watch.all_snapshots() if s.metadata.namespace == namespace]
        shown = [views.snapshot_of(s, in_use=s.metadata.name in used) for s in found]
        return _json({"snapshots": sorted(shown, key=lambda s: (s["createdAt"] or "", s["name"]), reverse=True)})

    async def nodes(self, request: web.Request) -> web.Response:
        """The nodes with their caches. Who may list functions of all namespaces is shown all; others their own."""
        caller = await self._require(request, "list")
        everything = await self._may(caller, "list", "")
        shown = {
            s.metadata.uid: s
            for s in self.watch.all_snapshots()
            if everything or s.metadata.namespace == caller.namespace
        }
        ready = self.watch.ready_agents()
        named = sorted({pod["spec"].get("nodeName", "") for pod in self.watch.agents.list()} - {""})
        return _json({"nodes": await asyncio.gather(*(self._node(n, ready.get(n), shown, everything) for n in named))})

    async def _node(self, name: str, agent: str | None, shown: Mapping[str, Snapshot], everything: bool) -> views.Json:
        if agent is None:
            return views.node(name, None, None, "it is not ready", shown, everything=everything)
        (info, why), (cache, and_why) = await asyncio.gather(
            _told(self.agents.node(agent)), _told(self.agents.cache(agent))
        )
        return views.node(name, info, cache, why or and_why, shown, everything=everything)

    def _view(self, namespace: str, name: str) -> views.Json | None:
        found = self.watch.function(namespace, name)
        if found is None:
            return None
        return views.function(
            found,
            self.watch.versions_of(namespace, name),
            lambda snapshot: self.watch.snapshot(namespace, snapshot),
            lambda number: views.Pods(*self.pools.counts(namespace, name, number)),
        )

    async def _require(self, request: web.Request, verb: Verb, function: str = "") -> Caller:
        caller = _caller(request)
        return await self.access.require(request, verb, caller.namespace, function)

    async def _may(self, caller: Caller, verb: Verb, namespace: str) -> bool:
        try:
            await self.access.authorize(caller, ACTIONS[verb], verb, namespace, "")
        except InvokeError as e:
            if e.status != 403:
                raise
            return False
        return True

    def _found(self, namespace: str, name: str) -> views.Json:
        view = self._view(namespace, name)
        if view is None:
            raise answers.not_found(self.arns.function(name))
        return view


async def _told(asked: Awaitable[_T]) -> tuple[_T | None, str]:
    """What an agent answers, or why it does not."""
    try:
        return await asked, ""
    except NodeError as e:
        return None, str(e)


def _caller(request: web.Request) -> Caller:
    """Whom the server's middleware found.

    :raises InvokeError: 400, nothing says of which namespace they speak.
    """
    caller = request[CALLER]
    if not caller.namespace:
        raise answers.invalid(
            f"The header {names.NAMESPACE_HEADER} is required: the token's user belongs to no namespace."
        )
    return caller


@guarded
async def _absent(request: web.Request) -> web.Response:
    raise InvokeError(404, "UnknownOperationException", f"{PREFIX} has no {request.method} {request.path}.")


def _name(text: str) -> str:
    """A function's name.

    :raises InvokeError: it can be none.
    """
    if not _FUNCTION.fullmatch(text):
        raise answers.invalid(f"function must be a function's name, not '{text[:80]}'")
    return text


def _json(body: views.Json) -> web.Response:
    return web.json_response(body, headers={"Cache-Control": "no-store"})
