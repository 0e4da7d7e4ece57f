"""A node for the operator's tests: binds pods, buries deleted ones, and an agent that snapshots by waiting.

Real: the API server and everything the operator does there. Pretended: scheduler, kubelet and agent.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web

from thaw import errors, names
from thaw.kube.client import Kube, Object
from thaw.kube.informer import Informer
from thaw.kube.kinds import NODE, POD, Kind

BINDING = Kind("", "v1", "Binding", "bindings")
RUNTIME_CLASS = Kind("node.k8s.io", "v1", "RuntimeClass", "runtimeclasses", namespaced=False)


FINGERPRINT = {"arch": "x86_64", "cpu": "c", "kernel": "6", "criu": "4.2", "runc": "1.3"}


@dataclass
class FakeAgent:
    """Keeps what it was told; a job takes ``job_seconds`` unless ``gate`` is closed."""

    job_seconds: float = 0.05
    checkpoint: bool = True
    reason: str = ""
    errors: list[dict[str, Any]] = field(default_factory=list)
    """Errors of the next jobs, one each."""
    refuse_deletes: bool = False
    gate: asyncio.Event = field(default_factory=asyncio.Event)
    grants: dict[str, dict[str, Any]] = field(default_factory=dict)
    requests: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
    stored: dict[str, dict[str, Any]] = field(default_factory=dict)
    deleted: list[str] = field(default_factory=list)
    code_deleted: list[str] = field(default_factory=list)
    tried: list[str] = field(default_factory=list)
    """Pods that asked to be restored on trial or to serve."""
    outcome: dict[str, Any] = field(default_factory=dict)
    """What differs from a good restore's report."""
    kept: list[dict[str, Any]] = field(default_factory=list)
    uninstalled: int = 0
    tasks: list[asyncio.Task[None]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.gate.set()

    def application(self) -> web.Application:
        app = web.Application()
        app.add_routes(
            [
                web.get("/v1/node", self.node),
                web.put("/v1/pods/{uid}/grant", self.grant),
                web.get("/v1/pods/{uid}", self.report),
                web.delete("/v1/pods/{uid}", self.drop),
                web.put("/v1/snapshots/{id}", self.start),
                web.get("/v1/snapshots/{id}", self.get),
                web.delete("/v1/snapshots/{id}", self.delete),
                web.delete("/v1/code/{namespace}/{sha}", self.delete_code),
                web.post("/v1/keep", self.keep),
                web.post("/v1/uninstall", self.uninstall),
            ]
        )
        return app

    async def node(self, _request: web.Request) -> web.Response:
        body = {"node": "n", "checkpoint": self.checkpoint, "reason": self.reason, "fingerprint": FINGERPRINT}
        return web.json_response(body)

    async def grant(self, request: web.Request) -> web.Response:
        self.grants[request.match_info["uid"]] = await request.json()
        return web.json_response({"codeMs": 1, "snapshotMs": 0})

    async def report(self, request: web.Request) -> web.Response:
        """A pod that was granted a snapshot is restored at once; others are no restores."""
        uid = request.match_info["uid"]
        if not self.grants.get(uid, {}).get("snapshot"):
            return web.json_response({"code": "NotFound", "message": "not started", "retryable": True}, status=404)
        self.tried.append(uid)
        body = {"podUID": uid, "containerID": "c", "state": "restored", "restoreMs": 110.0}
        return web.json_response(body | self.outcome)

    async def keep(self, request: web.Request) -> web.Response:
        self.kept.append(await request.json())
        return web.json_response({"node": "n", "removed": []})

    async def drop(self, request: web.Request) -> web.Response:
        self.grants.pop(request.match_info["uid"], None)
        return web.Response(status=204)

    async def start(self, request: web.Request) -> web.Response:
        id_, body = request.match_info["id"], await request.json()
        self.requests.append((id_, body))
        assert self.grants[body["podUID"]]["token"] == body["token"]
        if id_ not in self.stored:
            self.stored[id_] = {"id": id_, "phase": "init"}
            self.tasks.append(asyncio.create_task(self._job(id_)))
        return web.json_response(self.stored[id_], status=202)

    async def _job(self, id_: str) -> None:
        await asyncio.sleep(self.job_seconds)
        await self.gate.wait()
        job = self.stored.get(id_)
        if job is None:
            return
        if self.errors:
            job.update(phase="failed", error=self.errors.pop(0))
            return
        digest = "sha256:" + hashlib.sha256(id_.encode()).hexdigest()
        job.update(
            phase="done", initMs=2100.5, checkpointMs=900, digest=digest, sizeBytes=79 << 20, storedBytes=9 << 20
        )
        job.update(fingerprint=FINGERPRINT)

    async def get(self, request: web.Request) -> web.Response:
        id_, left = request.match_info["id"], float(request.query.get("wait", "0"))
        while left > 0 and self.stored.get(id_, {}).get("phase") not in ("done", "failed", None):
            await asyncio.sleep(0.02)
            left -= 0.02
        if id_ not in self.stored:
            return web.json_response({"code": "NotFound", "message": "no such job"}, status=404)
        return web.json_response(self.stored[id_])

    async def delete(self, request: web.Request) -> web.Response:
        if self.refuse_deletes:
            body = {"code": "Busy", "message": "the disk is away", "retryable": True}
            return web.json_response(body, status=503)
        self.deleted.append(request.match_info["id"])
        self.stored.pop(request.match_info["id"], None)
        return web.json_response({"node": "n", "removed": ["manifest"]})

    async def delete_code(self, request: web.Request) -> web.Response:
        self.code_deleted.append(request.match_info["sha"])
        return web.json_response({"node": "n", "removed": ["package"]})

    async def uninstall(self, _request: web.Request) -> web.Response:
        self.uninstalled += 1
        return web.json_response({})


class FakeNode:
    """A Node object, its agent's pod, and what scheduler and kubelet would do for function pods."""

    def __init__(self, kube: Kube, name: str, system: str, agent: FakeAgent) -> None:
        self.kube, self.name, self.system, self.agent = kube, name, system, agent
        self._busy: set[asyncio.Task[None]] = set()

    async def set_agent_ready(self, ready: bool) -> None:
        status = {
            "phase": "Running",
            "podIP": "127.0.0.1",
            "podIPs": [{"ip": "127.0.0.1"}],
            "conditions": [{"type": "Ready", "status": "True" if ready else "False"}],
        }
        await self.kube.patch(POD, self.system, "thaw-agent", {"status": status}, subresource="status")

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[FakeNode]:
        with contextlib.suppress(errors.Conflict):
            body = {"metadata": {"name": names.RUNTIME_CLASS}, "handler": "thaw"}
            await self.kube.create(RUNTIME_CLASS, {"apiVersion": "node.k8s.io/v1", "kind": "RuntimeClass", **body})
        await self.kube.create(NODE, {"apiVersion": "v1", "kind": "Node", "metadata": {"name": self.name}})
        await self.kube.create(POD, self._agent_pod())
        await self.set_agent_ready(True)
        runner = web.AppRunner(self.agent.application(), access_log=None)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", names.AGENT_PORT).start()
        informer = Informer(self.kube, POD, labels=names.LABEL_ROLE, on_event=self._on_pod)
        watching = asyncio.create_task(informer.run())
        try:
            yield self
        finally:
            watching.cancel()
            for task in (*self._busy, *self.agent.tasks):
                task.cancel()
            await runner.cleanup()
            await self.kube.delete(POD, self.system, "thaw-agent", grace_seconds=0)
            await self.kube.delete(NODE, "", self.name)

    def _agent_pod(self) -> Object:
        return {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {
                "name": "thaw-agent",
                "namespace": self.system,
                "labels": {names.LABEL_COMPONENT: "agent"},
            },
            "spec": {"nodeName": self.name, "containers": [{"name": "agent", "image": "agent"}]},
        }

    def _on_pod(self, event: str, pod: Object) -> None:
        if event != "DELETED":
            task = asyncio.get_running_loop().create_task(self._tend(pod))
            self._busy.add(task)
            task.add_done_callback(self._busy.discard)

    async def _tend(self, pod: Object) -> None:
        meta = pod["metadata"]
        with contextlib.suppress(errors.ClusterError):
            if "deletionTimestamp" in meta:
                await self.kube.delete(POD, meta["namespace"], meta["name"], uid=meta["uid"], grace_seconds=0)
            elif not pod["spec"].get("nodeName"):
                body = {
                    "apiVersion": "v1",
                    "kind": "Binding",
                    "metadata": {"name": meta["name"], "namespace": meta["namespace"]},
                    "target": {"apiVersion": "v1", "kind": "Node", "name": self.name},
                }
                await self.kube.create(BINDING, body)
