"""A cluster and a gateway as the command line sees them: HTTP on this machine, objects in a dictionary."""

from __future__ import annotations

import asyncio
import base64
import copy
import functools
import json
import re
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import yaml
from aiohttp import web

from thaw import names
from thaw.api.v1alpha1 import RESOURCES
from thaw.kube.client import Object
from thaw.kube.kinds import CRD, DAEMON_SET, DEPLOYMENT, NODE, POD, RUNTIME_CLASS, SECRET, Kind

_PATH = re.compile(
    r"/(api/v1|apis/(?P<group>[^/]+)/[^/]+)(/namespaces/(?P<namespace>[^/]+)(?=/))?"
    r"/(?P<plural>[^/]+)(/(?P<name>[^/]+))?(/(?P<sub>[^/]+))?"
)
NOW = "2026-11-23T12:00:00Z"


class Cluster:
    """An API server of a few kinds, and the gateway that its port-forwards lead to."""

    def __init__(self) -> None:
        self.objects: dict[tuple[str, str, str], Object] = {}
        self.logs: dict[str, str] = {}
        self.forbidden: set[str] = set()
        self.requests: list[web.Request] = []
        self.gateway_calls: list[tuple[web.Request, bytes]] = []
        self.answer: Callable[[web.Request], web.Response] = lambda _: web.Response(status=404)
        """The gateway's, but for its health check."""
        self.on_create: Callable[[str, Object], None] = lambda _plural, _object: None
        self.watched = threading.Event()
        """Somebody watches versions."""
        self._version = 0
        self._history: list[tuple[int, str, str, Object]] = []
        self._watchers: list[tuple[asyncio.AbstractEventLoop, asyncio.Event]] = []
        self._lock = threading.Lock()

    # ------------------------------------------------------------ what tests say

    def add(self, kind: Kind, name: str, namespace: str = "default", **parts: Any) -> Object:
        """Puts an object there; ``labels``, ``annotations`` and ``uid`` become metadata, the rest is the object's."""
        meta = {key: parts.pop(key) for key in ("labels", "annotations", "uid") if key in parts}
        meta = {"name": name, "uid": f"{name}-uid", "creationTimestamp": NOW, **meta}
        if kind.namespaced:
            meta["namespace"] = namespace
        return self.put(kind.plural, {"kind": kind.kind, "apiVersion": kind.api_version, "metadata": meta, **parts})

    def put(self, plural: str, found: Object, change: str = "ADDED") -> Object:
        """Sets an object, and tells who watches."""
        meta = found["metadata"]
        with self._lock:
            self._version += 1
            meta["resourceVersion"] = str(self._version)
            self.objects[plural, meta.get("namespace", ""), meta["name"]] = found
            self._tell(plural, change, found)
        return found

    def change(self, plural: str, name: str, namespace: str = "default", **status: Any) -> None:
        """Changes an object's status."""
        found = self.objects[plural, namespace, name]
        self.put(plural, {**found, "status": {**found.get("status", {}), **status}}, "MODIFIED")

    def remove(self, plural: str, name: str, namespace: str = "default") -> None:
        """Deletes an object, and tells who watches."""
        with self._lock:
            self._version += 1
            self._tell(plural, "DELETED", self.objects.pop((plural, namespace, name)))

    def get(self, plural: str, name: str, namespace: str = "default") -> Object | None:
        return self.objects.get((plural, namespace, name))

    def install(self) -> None:
        """Thaw, well, on one node."""
        for resource in RESOURCES:
            self.add(CRD, f"{resource.plural}.{names.GROUP}", spec=copy.deepcopy(crd(resource.plural)))
        system, spec = names.SYSTEM_NAMESPACE, {"replicas": 1, "template": {"spec": {"containers": [{"image": "i:1"}]}}}
        for part in ("operator", "gateway"):
            self.add(DEPLOYMENT, f"thaw-{part}", system, spec=spec, status={"readyReplicas": 1})
        self.add(DAEMON_SET, "thaw-agent", system, spec=spec, status={"numberReady": 1, "desiredNumberScheduled": 1})
        for part in ("operator", "gateway", "agent"):
            self.add_pod(part)
        self.add(RUNTIME_CLASS, names.RUNTIME_CLASS, handler=names.RUNTIME_CLASS)
        binding = Kind("", "v1", "Binding", "validatingadmissionpolicybindings", namespaced=False)
        self.add(binding, names.ADMISSION_POLICY)
        self.add_key()
        self.add(
            NODE,
            "n1",
            labels={names.LABEL_CHECKPOINT: "supported"},
            annotations={
                names.ANNOTATION_FINGERPRINT: '{"cpu": "c1", "kernel": "6.12.1", "criu": "4.2", "runc": "1.3"}'
            },
            status={"nodeInfo": {"kubeletVersion": "v1.37.0", "containerRuntimeVersion": "containerd://2.1.9"}},
        )

    def add_pod(self, part: str, *, ready: bool = True) -> None:
        self.add(
            POD,
            f"thaw-{part}-1",
            names.SYSTEM_NAMESPACE,
            labels={"app.kubernetes.io/name": "thaw", names.LABEL_COMPONENT: part},
            spec={"nodeName": "n1", "containers": [{"env": [{"name": "THAW_REGION", "value": "eu-west-1"}]}]},
            status={"conditions": [{"type": "Ready", "status": str(ready)}]},
        )

    def add_key(self, namespace: str = "default") -> None:
        data = {"accessKeyId": "QUtJQQ==", "secretAccessKey": "c2VjcmV0", "namespace": encoded(namespace)}
        self.add(
            SECRET, names.DEFAULT_ACCESS_KEY, names.SYSTEM_NAMESPACE, labels={names.LABEL_ACCESS_KEY: "true"}, data=data
        )

    # ------------------------------------------------------------ what the API server does

    async def handle(self, request: web.Request) -> web.StreamResponse:
        self.requests.append(request)
        if request.path == "/version":
            return web.json_response({"gitVersion": "v1.37.0"})
        match = _PATH.fullmatch(request.path)
        assert match, request.path
        plural, namespace, name = match["plural"], match["namespace"] or "", match["name"] or ""
        if (
            match["group"] == names.GROUP
            and ("customresourcedefinitions", "", f"{plural}.thaw.dev") not in self.objects
        ):
            return web.Response(status=404, text="404 page not found\n")
        if plural in self.forbidden:
            return _status(403, f"{plural} is forbidden")
        if match["sub"] == "portforward":
            return await self._forward(request)
        if match["sub"] == "log":
            return web.Response(text=self.logs.get(name, ""))
        if match["sub"] == "token":
            return web.json_response({"status": {"token": f"token-of-{name}"}})
        if not name and request.method == "GET":
            return await self._list(request, plural, namespace)
        return await self._one(request, plural, namespace, name)

    async def _one(self, request: web.Request, plural: str, namespace: str, name: str) -> web.Response:
        body = await request.json() if request.can_read_body else {}
        name = name or body.get("metadata", {}).get("name", "")
        found = self.objects.get((plural, namespace, name))
        if request.method == "POST":
            if found is not None:
                return _status(409, f"{plural} {name} exists")
            body["metadata"] = {"uid": f"{name}-uid", "creationTimestamp": NOW, **body["metadata"]}
            made = self.put(plural, body)
            self.on_create(plural, made)
            return web.json_response(made, status=201)
        if found is None:
            return _status(404, f'{plural}.{names.GROUP} "{name}" not found')
        if request.method == "PATCH":
            found = self.put(plural, _merged(found, body), "MODIFIED")
        elif request.method == "DELETE":
            self.remove(plural, name, namespace)
        return web.json_response(found)

    async def _list(self, request: web.Request, plural: str, namespace: str) -> web.StreamResponse:
        if request.query.get("watch"):
            return await self._watch(request)
        with self._lock:
            items = [o for (p, ns, _), o in self.objects.items() if p == plural and namespace in ("", ns)]
            version = str(self._version)
        chosen = [item for item in items if _selected(request, item)]
        return web.json_response({"items": chosen, "metadata": {"resourceVersion": version}})

    async def _watch(self, request: web.Request) -> web.StreamResponse:
        """All that has happened since the version asked for, then what happens."""
        more, since, position = asyncio.Event(), int(request.query["resourceVersion"]), 0
        self._watchers.append((asyncio.get_running_loop(), more))
        if request.path.endswith("/functionversions"):
            self.watched.set()
        answer = web.StreamResponse()
        await answer.prepare(request)
        while True:
            more.clear()
            for version, plural, change, found in self._history[position:]:
                position += 1
                if version > since and request.path.endswith(f"/{plural}") and _selected(request, found):
                    await answer.write(json.dumps({"type": change, "object": found}).encode() + b"\n")
            await more.wait()

    def _tell(self, plural: str, change: str, found: Object) -> None:
        self._history.append((self._version, plural, change, found))
        for loop, more in self._watchers:
            # Tests tell of changes from their own thread.
            loop.call_soon_threadsafe(more.set)

    async def _forward(self, request: web.Request) -> web.StreamResponse:
        """As the kubelet does it: channel 0 is the connection, channel 1 says what went wrong."""
        socket = web.WebSocketResponse(protocols=("v4.channel.k8s.io",))
        await socket.prepare(request)
        port = int(request.query["ports"]).to_bytes(2, "little")
        for channel in (b"\0", b"\1"):
            await socket.send_bytes(channel + port)
        reader, writer = await asyncio.open_connection("127.0.0.1", self.gateway_port)

        async def back() -> None:
            while data := await reader.read(1000):
                await socket.send_bytes(b"\0" + data)

        answering = asyncio.create_task(back())
        async for message in socket:
            writer.write(message.data[1:])
        answering.cancel()
        writer.close()
        return socket

    async def gateway(self, request: web.Request) -> web.StreamResponse:
        if request.path == "/healthz":
            return web.Response(text="ok\n")
        self.gateway_calls.append((request, await request.read()))
        return self.answer(request)

    gateway_port = 0


ROOT = Path(__file__).resolve().parents[3]


@functools.cache
def crd(plural: str) -> Object:
    """A CRD's spec, as it is generated."""
    found: Object = yaml.safe_load((ROOT / "crds" / f"{plural}.yaml").read_text())["spec"]
    return found


@contextmanager
def served(cluster: Cluster) -> Iterator[tuple[str, str]]:
    """Serves both on threads' loops; gives their URLs."""
    with _listening(cluster.gateway) as gateway:
        cluster.gateway_port = int(gateway.rsplit(":", 1)[1])
        with _listening(cluster.handle) as server:
            yield server, gateway


@contextmanager
def _listening(handler: Any) -> Iterator[str]:
    loop, ready = asyncio.new_event_loop(), threading.Event()
    found: list[str] = []
    over = asyncio.Event()

    async def serve() -> None:
        app = web.Application()
        app.router.add_route("*", "/{path:.*}", handler)
        runner = web.AppRunner(app, shutdown_timeout=0.1, handler_cancellation=True)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        found.append(f"http://127.0.0.1:{runner.addresses[0][1]}")
        ready.set()
        await over.wait()
        await runner.cleanup()

    thread = threading.Thread(target=loop.run_until_complete, args=(serve(),), daemon=True)
    thread.start()
    assert ready.wait(10)
    try:
        yield found[0]
    finally:
        loop.call_soon_threadsafe(over.set)
        thread.join(10)


def encoded(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


def kubeconfig(path: Path, server: str, *, namespace: str = "", token: str = "", context: str = "here") -> Path:
    """Writes one with one context."""
    document = {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": context,
        "clusters": [{"name": context, "cluster": {"server": server}}],
        "users": [{"name": context, "user": {"token": token} if token else {"username": "u", "password": "p"}}],
        "contexts": [{"name": context, "context": {"cluster": context, "user": context, "namespace": namespace}}],
    }
    path.write_text(yaml.safe_dump(document))
    return path


def _status(code: int, message: str) -> web.Response:
    return web.json_response({"kind": "Status", "message": message, "code": code}, status=code)


def _merged(old: Object, patch: Object) -> Object:
    both = dict(old)
    for key, value in patch.items():
        both[key] = _merged(both.get(key) or {}, value) if isinstance(value, dict) else value
        if value is None:
            del both[key]
    return both


def _selected(request: web.Request, item: Object) -> bool:
    labels = item["metadata"].get("labels", {})
    for term in filter(None, re.split(r",(?![^(]*\))", request.query.get("labelSelector", ""))):
        if match := re.fullmatch(r"(\S+) in \((.*)\)", term):
            if labels.get(match[1]) not in match[2].split(","):
                return False
        else:
            key, _, value = term.partition("=")
            if labels.get(key) != value:
                return False
    for term in filter(None, request.query.get("fieldSelector", "").split(",")):
        path, _, value = term.partition("=")
        at: Any = item
        for part in path.split("."):
            at = at.get(part, {})
        if at != value:
            return False
    return True
