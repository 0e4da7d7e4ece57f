"""A small cluster: objects with watches, a scheduler, an operator, an agent, and thaw-inits that answer."""

from __future__ import annotations

import asyncio
import base64
import copy
import io
import itertools
import json
import socket
import time
import uuid
import zipfile
from collections.abc import Awaitable, Callable
from typing import Any

from aiohttp import web

from thaw import names
from thaw.api.node import GrantRequest, GrantResult, Report
from thaw.api.v1alpha1 import FrozenTemplate, Function, FunctionVersion
from thaw.build.instance_pod import instance_pod
from thaw.decide import template as frozen
from thaw.errors import ClusterError, Conflict, NodeError, NotFound
from thaw.gateway import server
from thaw.gateway.assembly import Gateway, assemble
from thaw.gateway.functioncontrol import FunctionControl
from thaw.gateway.options import GatewaySettings
from thaw.kube import kinds
from thaw.kube.client import Object
from thaw.kube.kinds import Kind

NAMESPACE = "default"
KEY_ID, SECRET = "AKIATHAWTHAWTHAWTHAW", "not-a-secret-at-all"
NODE, AGENT = "n1", "http://10.0.0.1:8440"


def package(source: str = "def handler(e, c): return 1\n") -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("app.py", source)
    return buffer.getvalue()


def merge(target: Any, patch: Any) -> Any:
    """RFC 7396."""
    if not isinstance(patch, dict):
        return patch
    merged = dict(target) if isinstance(target, dict) else {}
    for key, value in patch.items():
        if value is None:
            merged.pop(key, None)
        else:
            merged[key] = merge(merged.get(key), value)
    return merged


class FakeCopy:
    """An informer that is told by the fake API server, a moment after the write."""

    def __init__(self, kube: FakeKube, kind: Kind, namespace: str, labels: str, on_event: Any) -> None:
        self._kind, self._namespace, self._on_event = kind, namespace, on_event
        self._labels = dict(pair.split("=") for pair in labels.split(",") if pair)
        self._objects: dict[tuple[str, str], Object] = {}
        self.last_event = time.monotonic()
        self.lag = 0.0
        kube.copies.append(self)
        if kube.objects:
            asyncio.get_running_loop().call_soon(self._list, dict(kube.objects))

    def _list(self, objects: dict[tuple[str, str, str], Object]) -> None:
        """What was there before: told when everybody listens, as an informer that has been started does."""
        for (kind, *_), item in objects.items():
            self.tell("ADDED", kind, item)

    def tell(self, type_: str, kind: str, item: Object) -> None:
        meta = item["metadata"]
        fits = kind == self._kind.kind and self._namespace in ("", meta["namespace"])
        if not fits or any(meta.get("labels", {}).get(k) != v for k, v in self._labels.items()):
            return
        key = (meta["namespace"], meta["name"])
        if type_ == "DELETED":
            self._objects.pop(key, None)
        else:
            self._objects[key] = item
        self.last_event = time.monotonic()
        self._on_event(type_, item)

    def get(self, namespace: str, name: str) -> Object | None:
        return self._objects.get((namespace, name))

    def list(self) -> list[Object]:
        return list(self._objects.values())

    async def synced(self) -> None:
        return

    async def run(self) -> None:
        await asyncio.Event().wait()


class FakeKube:
    """The API server: generations, resource versions, finalizer-less deletion."""

    def __init__(self) -> None:
        self.objects: dict[tuple[str, str, str], Object] = {}
        self.copies: list[FakeCopy] = []
        self.hooks: list[Callable[[str, str, Object], None]] = []
        self.refuse: dict[str, ClusterError] = {}
        """Kind → what its creation is refused with."""
        self.tokens: dict[str, dict[str, Any]] = {}
        """Token → what TokenReview says of its user."""
        self.rights: set[tuple[str, str, str, str]] = set()
        """(user, verb, namespace, function): what SubjectAccessReview allows; an empty function for all."""
        self.reviewed: list[Object] = []
        self._versions = itertools.count(1)
        self._suffixes = itertools.count(1)

    def make_copy(self, kind: Kind, namespace: str, labels: str, on_event: Any) -> FakeCopy:
        return FakeCopy(self, kind, namespace, labels, on_event)

    def all(self, kind: Kind) -> list[Object]:
        return [o for (k, _, _), o in self.objects.items() if k == kind.kind]

    def put(self, kind: Kind, item: Object, type_: str = "ADDED") -> Object:
        item = copy.deepcopy(item)
        meta = item["metadata"]
        meta.setdefault("namespace", NAMESPACE)
        if "name" not in meta:
            meta["name"] = f"{meta['generateName']}{next(self._suffixes):05d}"
        meta.setdefault("uid", str(uuid.uuid4()))
        meta.setdefault("generation", 1)
        meta.setdefault("creationTimestamp", "2026-01-01T00:00:00Z")
        meta["resourceVersion"] = str(next(self._versions))
        self.objects[(kind.kind, meta["namespace"], meta["name"])] = item
        self._tell(type_, kind, item)
        return copy.deepcopy(item)

    async def get(self, kind: Kind, namespace: str, name: str) -> Object:
        try:
            return copy.deepcopy(self.objects[(kind.kind, namespace, name)])
        except KeyError:
            raise NotFound(kind.kind, namespace, name, "not found") from None

    async def list(self, kind: Kind, namespace: str = "") -> tuple[list[Object], str]:
        found = [o for o in self.all(kind) if namespace in ("", o["metadata"]["namespace"])]
        return copy.deepcopy(found), str(next(self._versions))

    async def create(self, kind: Kind, body: Object) -> Object:
        if kind.kind in self.refuse:
            raise self.refuse[kind.kind]
        if kind.kind.endswith("Review"):
            return self._review(body)
        meta = body["metadata"]
        if (kind.kind, meta.get("namespace"), meta.get("name")) in self.objects:
            raise Conflict(kind.kind, meta["namespace"], meta["name"], "already exists")
        return self.put(kind, body)

    async def patch(
        self, kind: Kind, namespace: str, name: str, body: Object, *, subresource: str = "", manager: str = ""
    ) -> Object:
        old = await self.get(kind, namespace, name)
        wanted = body.get("metadata", {}).get("resourceVersion")
        if wanted and wanted != old["metadata"]["resourceVersion"]:
            raise Conflict(kind.kind, namespace, name, "changed")
        new = merge(old, body)
        if new.get("spec") != old.get("spec"):
            new["metadata"]["generation"] += 1
        return self.put(kind, new, "MODIFIED")

    async def delete(
        self, kind: Kind, namespace: str, name: str, *, uid: str = "", grace_seconds: int | None = None
    ) -> None:
        item = self.objects.get((kind.kind, namespace, name))
        if item is None or (uid and item["metadata"]["uid"] != uid):
            return
        del self.objects[(kind.kind, namespace, name)]
        self._tell("DELETED", kind, item)

    async def close(self) -> None:
        return

    def _review(self, body: Object) -> Object:
        self.reviewed.append(body)
        spec = body["spec"]
        if body["kind"] == "TokenReview":
            user = self.tokens.get(spec["token"])
            answer = {"authenticated": True, "user": user, "audiences": spec.get("audiences", ["api"])}
            return {"status": answer if user else {"authenticated": False, "error": "invalid bearer token"}}
        asked = spec["resourceAttributes"]
        assert (asked["group"], asked["resource"]) == ("thaw.dev", "functions")
        who = (spec["user"], asked["verb"], asked["namespace"])
        return {"status": {"allowed": bool({(*who, asked["name"]), (*who, "")} & self.rights)}}

    def _tell(self, type_: str, kind: Kind, item: Object) -> None:
        seen = copy.deepcopy(item)

        def tell() -> None:
            for each in self.copies:
                each.tell(type_, kind.kind, seen)
            for hook in self.hooks:
                hook(type_, kind.kind, seen)

        asyncio.get_running_loop().call_soon(tell)


Invoke = Callable[["Process", dict[str, str], bytes], Awaitable[web.StreamResponse]]


async def echo(process: Process, headers: dict[str, str], payload: bytes) -> web.StreamResponse:
    body = {"event": json.loads(payload), "pod": process.name, "start": headers.get("Thaw-Start")}
    return web.json_response(body)


class Process:
    """One pod's thaw-init, on an address of its own; or the function itself, for protocol http."""

    def __init__(self, world: World, name: str, uid: str, token: str, ip: str, *, restored: bool, cold: str) -> None:
        self.world, self.name, self.uid, self.token, self.ip = world, name, uid, token, ip
        self.restored = restored
        self.phase = "restoring" if restored else cold
        self.busy = 0
        self.most_busy = 0
        self.restore_ms = 0.0
        """What the gateway says that the restore took."""
        self.runner: web.AppRunner | None = None

    async def serve(self) -> None:
        app = web.Application(client_max_size=64 << 20)
        app.router.add_get("/v1/state", self.state)
        app.router.add_post("/v1/restore", self.restore)
        app.router.add_post("/v1/invoke", self.invoke)
        app.router.add_route("*", "/{path:.*}", self.plain)
        self.runner = web.AppRunner(app, handler_cancellation=True, shutdown_timeout=0.1)
        await self.runner.setup()
        await web.TCPSite(self.runner, self.ip, self.world.port).start()

    async def stop(self) -> None:
        if self.runner is not None:
            runner, self.runner = self.runner, None
            await runner.cleanup()

    def allowed(self, request: web.Request) -> None:
        if request.headers.get("Authorization") != f"Bearer {self.token}":
            raise web.HTTPUnauthorized

    async def state(self, request: web.Request) -> web.Response:
        self.allowed(request)
        return web.json_response({"phase": self.phase, "initMs": 12.5, "error": self.world.init_error})

    async def restore(self, request: web.Request) -> web.Response:
        self.allowed(request)
        self.restore_ms = float(request.headers["Thaw-Restore-Ms"])
        if self.world.restore_answer is not None:
            status, body = self.world.restore_answer
            return web.json_response(body, status=status)
        self.phase = "ready"
        return web.json_response({"hooksMs": 1.5})

    async def invoke(self, request: web.Request) -> web.StreamResponse:
        self.allowed(request)
        if self.phase != "ready" or self.busy:
            return web.json_response(
                {"errorType": "Busy" if self.busy else "NotReady"}, status=409 if self.busy else 503
            )
        self.busy += 1
        self.most_busy = max(self.most_busy, self.busy)
        try:
            return await self.world.invoke(self, dict(request.headers), await request.read())
        finally:
            self.busy -= 1

    async def plain(self, request: web.Request) -> web.StreamResponse:
        return await self.world.plain(self, request)


class FakeAgents:
    """One agent: grants start a process, reports tell of it."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.grants: list[tuple[str, GrantRequest]] = []
        self.dropped: list[str] = []
        self.code: dict[str, bytes] = {}
        self.snapshot_unusable = ""
        self.restore_error = ""
        self.failing: list[NodeError] = []
        """Raised by the next grants, in turn."""
        self.report_state = "started"
        self.missing_secret = ""
        """What thaw-runc says of a Secret that is not there."""

    async def grant(self, base_url: str, pod_uid: str, request: GrantRequest) -> GrantResult:
        assert base_url == AGENT
        self.grants.append((pod_uid, request))
        if self.failing:
            raise self.failing.pop(0)
        if request.snapshot and self.snapshot_unusable:
            raise NodeError("SnapshotUnusable", self.snapshot_unusable)
        restored = bool(request.snapshot) and not self.restore_error
        await self.world.start(pod_uid, request, restored=restored)
        return GrantResult(code_ms=1, snapshot_ms=2)

    async def report(self, base_url: str, pod_uid: str, wait: float) -> Report:
        process = self.world.processes.get(pod_uid)
        if self.missing_secret:
            failed = {"state": "failed", "restore_error": self.missing_secret, "code": "MissingSecret"}
            return Report(pod_uid=pod_uid, container_id="c", **failed)
        if process is None:
            await asyncio.sleep(0.01)
            raise NodeError("NotFound", "nothing yet", retryable=True)
        state = "restored" if process.restored else self.report_state
        return Report(
            pod_uid=pod_uid,
            container_id="c",
            state=state,
            pid=1,
            ip=process.ip,
            restore_ms=100 if process.restored else 0,
            restore_error=self.restore_error,
        )

    async def drop(self, base_url: str, pod_uid: str) -> None:
        self.dropped.append(pod_uid)

    async def put_code(self, base_url: str, namespace: str, sha256: str, data: bytes) -> None:
        assert namespace == NAMESPACE
        self.code[sha256] = data

    async def close(self) -> None:
        return


class World:
    """Everything around one gateway, and the gateway."""

    def __init__(self, **settings: Any) -> None:
        self.kube = FakeKube()
        self.agents = FakeAgents(self)
        self.processes: dict[str, Process] = {}
        self.invoke: Invoke = echo
        self.plain: Callable[[Process, web.Request], Awaitable[web.StreamResponse]] = _hello
        self.init_error: dict[str, Any] | None = None
        self.cold_phase = ""
        self.restore_answer: tuple[int, dict[str, Any]] | None = None
        self.schedule = True
        self.publishes = True
        self.next_state: dict[str, Any] = {"state": "Active"}
        """What the operator makes of the next versions."""
        self.port = _free_port()
        self._addresses = itertools.count(2)
        self._tasks: set[asyncio.Task[Any]] = set()
        self.settings = GatewaySettings(pod_name="gw-1", **{"start_timeout": 10.0, "publish_timeout": 2.0, **settings})
        self.kube.hooks.append(self._react)
        self.gateway: Gateway = assemble(
            self.kube,  # type: ignore[arg-type]
            self.agents,  # type: ignore[arg-type]
            self.kube.make_copy,
            self.settings,
            build=instance_pod,
            control=FunctionControl(self.port),
        )
        self.endpoint = ""
        self._runner: web.AppRunner | None = None

    async def serve(self) -> None:
        self.kube.put(kinds.POD, _agent_pod())
        self.access_key()
        self._runner = web.AppRunner(server.application(self.gateway.front), shutdown_timeout=1)
        await self._runner.setup()
        port = _free_port()
        await web.TCPSite(self._runner, "127.0.0.1", port).start()
        self.endpoint = f"http://127.0.0.1:{port}"
        await self.gateway.leases.renew()
        self._tasks |= {asyncio.ensure_future(run) for run in self.gateway.events.runs()}
        await asyncio.sleep(0)

    async def close(self) -> None:
        await self.gateway.close(0.5)
        if self._runner is not None:
            await self._runner.cleanup()
        for process in tuple(self.processes.values()):
            await process.stop()
        for task in tuple(self._tasks):
            task.cancel()

    def access_key(self, name: str = "key", **fields: str) -> Object:
        """Applies the Secret of an access key."""
        data = {"accessKeyId": KEY_ID, "secretAccessKey": SECRET, "namespace": NAMESPACE} | fields
        encoded = {k: base64.b64encode(v.encode()).decode() for k, v in data.items()}
        labels = {"thaw.dev/access-key": "true"}
        meta = {"name": name, "namespace": self.settings.namespace, "labels": labels}
        return self.kube.put(kinds.SECRET, {"metadata": meta, "data": encoded})

    def function(self, name: str = "fn", *, namespace: str = NAMESPACE, **spec: Any) -> Object:
        """Applies a Function, as kubectl would."""
        base: dict[str, Any] = {"runtime": "python3.13", "handler": "app.handler", "code": {"inline": {"app.py": "x"}}}
        if "code" in spec:
            base = {}
        return self.kube.put(
            kinds.FUNCTION,
            {
                "apiVersion": names.API_VERSION,
                "kind": "Function",
                "metadata": {"name": name, "namespace": namespace},
                "spec": {**base, **spec},
            },
        )

    def http_function(self, name: str = "web", **spec: Any) -> Object:
        """A function that speaks plain HTTP."""
        http = {"port": self.port, **spec.pop("http", {})}
        return self.function(name, code={"image": "web:1"}, protocol="http", http=http, **spec)

    async def publish(self, name: str = "fn") -> Object:
        """Applies a FunctionVersion, and waits until the operator has numbered it."""
        function = await self.kube.get(kinds.FUNCTION, NAMESPACE, name)
        number = self._next_number(name)
        meta = {"name": f"{name}-{number}", "namespace": NAMESPACE}
        self.kube.put(kinds.FUNCTION_VERSION, {"metadata": meta, "spec": {"functionName": name}})
        del function
        found = await self.gateway.watch.until(lambda: self.gateway.watch.version(NAMESPACE, name, str(number)), 2)
        assert found is not None
        return await self.kube.get(kinds.FUNCTION_VERSION, NAMESPACE, found.metadata.name)

    def instances(self) -> list[Object]:
        """The instance pods that exist."""
        wanted = names.ROLE_INSTANCE
        return [p for p in self.kube.all(kinds.POD) if p["metadata"].get("labels", {}).get(names.LABEL_ROLE) == wanted]

    async def start(self, uid: str, request: GrantRequest, *, restored: bool) -> None:
        """What the kubelet and thaw-runc do once a pod is granted."""
        pod = next(p for p in self.instances() if p["metadata"]["uid"] == uid)
        env = {e["name"]: e["value"] for e in pod["spec"]["containers"][0]["env"]}
        snap_start = env.get("AWS_LAMBDA_INITIALIZATION_TYPE") == "snap-start"
        cold = self.cold_phase or ("failed" if self.init_error else "snapshot-ready" if snap_start else "ready")
        ip = f"127.1.0.{next(self._addresses)}"
        process = Process(self, pod["metadata"]["name"], uid, request.token, ip, restored=restored, cold=cold)
        await process.serve()
        self.processes[uid] = process

    def _react(self, type_: str, kind: str, item: Object) -> None:
        meta = item["metadata"]
        if kind == "Pod" and meta.get("labels", {}).get(names.LABEL_ROLE) == names.ROLE_INSTANCE:
            if type_ == "ADDED" and self.schedule:
                self._later(self.kube.patch(kinds.POD, meta["namespace"], meta["name"], {"spec": {"nodeName": NODE}}))
            if type_ == "DELETED" and (process := self.processes.pop(meta["uid"], None)):
                self._later(process.stop())
        if kind == "Function" and type_ != "DELETED":
            observed = item.get("status", {}).get("observedGeneration")
            if observed != meta["generation"]:
                status = {"state": "Active", "observedGeneration": meta["generation"]}
                self._later(self.kube.patch(kinds.FUNCTION, meta["namespace"], meta["name"], {"status": status}))
        if kind == "FunctionVersion" and type_ == "ADDED" and self.publishes:
            self._number(item)

    def _next_number(self, function: str) -> int:
        versions = [FunctionVersion.model_validate(v) for v in self.kube.all(kinds.FUNCTION_VERSION)]
        return (
            max(
                [0, *(int(v.status.version) for v in versions if v.status.version and v.spec.function_name == function)]
            )
            + 1
        )

    def _number(self, item: Object) -> None:
        """The operator's part of a publish."""
        meta, function = item["metadata"], item["spec"]["functionName"]
        found = self.kube.objects[("Function", meta["namespace"], function)]
        spec = Function.model_validate(found).spec
        template = frozen.freeze(spec, self.settings.runtimes)
        for other in self.kube.all(kinds.FUNCTION_VERSION):
            revision = self.kube.objects.get(
                ("ControllerRevision", meta["namespace"], names.revision(other["metadata"]["name"]))
            )
            if revision and other["spec"]["functionName"] == function:
                before = FrozenTemplate.model_validate(revision["data"]).spec
                if frozen.template_hash(before) == frozen.template_hash(spec):
                    status = {"duplicateOf": other["metadata"]["name"], "version": other["status"]["version"]}
                    self._status(item, status)
                    return
        name = names.revision(meta["name"])
        self.kube.put(
            kinds.CONTROLLER_REVISION,
            {"metadata": {"name": name, "namespace": meta["namespace"]}, "data": template.to_json()},
        )
        status = {"version": str(self._next_number(function)), "codeSha256": template.code_sha256, **self.next_state}
        on = template.spec.snap_start.apply_on == "PublishedVersions" and status["state"] == "Active"
        status["snapStart"] = {
            "applyOn": template.spec.snap_start.apply_on,
            "optimizationStatus": "On" if on else "Off",
        }
        if on:
            snapshot = names.snapshot(meta["name"], 1)
            spec_of = {"functionName": function, "versionName": meta["name"], "version": status["version"]}
            self.kube.put(
                kinds.SNAPSHOT,
                {
                    "metadata": {"name": snapshot, "namespace": meta["namespace"], "uid": f"snap-{meta['name']}"},
                    "spec": spec_of,
                    "status": {"phase": "Ready", "node": NODE},
                },
            )
            status["snapshotRef"] = snapshot
        self._status(item, status)

    def _status(self, item: Object, status: dict[str, Any]) -> None:
        meta = item["metadata"]
        self._later(self.kube.patch(kinds.FUNCTION_VERSION, meta["namespace"], meta["name"], {"status": status}))

    def _later(self, work: Any) -> None:
        async def quietly() -> None:
            try:
                await work
            except NotFound:
                return

        task = asyncio.get_running_loop().create_task(quietly())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


async def _hello(process: Process, request: web.Request) -> web.StreamResponse:
    return web.Response(text=f"{request.method} {request.raw_path}")


def _agent_pod() -> Object:
    labels = {names.LABEL_COMPONENT: "agent"}
    return {
        "metadata": {"name": "agent-1", "namespace": names.SYSTEM_NAMESPACE, "labels": labels},
        "spec": {"nodeName": NODE},
        "status": {"podIP": "10.0.0.1", "conditions": [{"type": "Ready", "status": "True"}]},
    }


def _free_port() -> int:
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return int(s.getsockname()[1])
