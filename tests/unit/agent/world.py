"""A node in a folder, with a pod on it, a kubelet and a thaw-init that do what a test tells them."""

from __future__ import annotations

import asyncio
import io
import json
import tarfile
from collections.abc import Awaitable, Callable
from pathlib import Path

import aiohttp
from aiohttp import web

from thaw.agent.cache import Cache
from thaw.agent.instances import Instances
from thaw.agent.jobs import Jobs, Tools
from thaw.agent.metrics import Metrics
from thaw.agent.options import AgentSettings
from thaw.agent.paths import Paths
from thaw.agent.readiness import Readiness
from thaw.api.node import SnapshotRequest
from thaw.api.v1alpha1 import Fingerprint
from thaw.errors import CheckpointError
from thaw.store.objects import Bucket
from thaw.store.snapshots import ChunkStore

UID = "3f0c1d9e-0000-4000-8000-000000000001"
TOKEN = "t" * 43
PID = 4242
HERE = Fingerprint(arch="x86_64", cpu="abc", kernel="6.12", criu="4.2", runc="1.3")


class Pod:
    """The function's pod: a process, and an HTTP server that is thaw-init or the function itself."""

    def __init__(self, paths: Paths) -> None:
        self.paths, self.calls = paths, []
        self.answer: Callable[[web.Request], Awaitable[web.StreamResponse]] = self.ready
        self.port = 0

    async def serve(self) -> None:
        async def handle(request: web.Request) -> web.StreamResponse:
            self.calls.append((request.method, request.path_qs, dict(request.headers)))
            return await self.answer(request)

        app = web.Application()
        app.router.add_route("*", "/{tail:.*}", handle)
        self.runner = web.AppRunner(app, shutdown_timeout=0.1)
        await self.runner.setup()
        await web.TCPSite(self.runner, "127.0.0.1", 0).start()
        self.port = self.runner.addresses[0][1]

    async def ready(self, request: web.Request) -> web.StreamResponse:
        return web.json_response({"phase": "snapshot-ready", "initMs": 2100.5, "error": None})

    def says(self, **state) -> None:
        async def answer(request: web.Request) -> web.StreamResponse:
            return web.json_response(state)

        self.answer = answer

    def start(self, state: str = "started", **report) -> None:
        """The process runs, and thaw-runc says so."""
        folder = self.paths.proc / str(PID)
        (folder / "net").mkdir(parents=True, exist_ok=True)
        (folder / "stat").write_text(f"{PID} (thaw-init) S 1 1 1")
        (folder / "net/tcp").write_text("head\n")
        (folder / "exe").write_bytes(b"the thaw-init that runs")
        body = {"podUID": UID, "containerID": "c", "state": state, "pid": PID, "ip": "127.0.0.1", "at": 1000} | report
        (self.paths.reports / f"{UID}.json").write_text(json.dumps(body))

    def connect(self, *peers: str) -> None:
        rows = "".join(f" {i}: 0700F40A:9C40 {peer} 01\n" for i, peer in enumerate(peers))
        (self.paths.proc / str(PID) / "net/tcp").write_text("head\n" + rows)

    def die(self, words: str = "") -> None:
        (self.paths.proc / str(PID) / "stat").unlink()
        folder = self.paths.host / f"var/lib/kubelet/pods/{UID}/containers/function"
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "log").write_text(words)


class FakeKubelet:
    """Writes an archive as the kubelet does."""

    def __init__(self, paths: Paths) -> None:
        self.paths, self.asked, self.at_once, self.most = paths, 0, 0, 0
        self.error: CheckpointError | None = None
        self.go = asyncio.Event()
        self.go.set()
        self.members = {
            "checkpoint/inventory.img": b"inventory",
            "checkpoint/pages-1.img": bytes(3 << 20),
            "rootfs-diff.tar": b"diff",
            "config.dump": b"{}",
            "spec.dump": b"{}",
            "container.log": b"a user's words",
        }

    def name(self, namespace: str, pod: str, container: str) -> str:
        return f"checkpoint-{pod}_{namespace}-{container}-2026-11-23T10:00:0{self.asked % 10}Z.tar"

    async def checkpoint(self, namespace: str, pod: str, container: str) -> Path:
        self.asked += 1
        self.at_once += 1
        self.most = max(self.most, self.at_once)
        try:
            await asyncio.sleep(0.01)
            await self.go.wait()
            path = self.paths.checkpoints / self.name(namespace, pod, container)
            with tarfile.open(path, "w") as tar:
                for name, data in self.members.items():
                    info = tarfile.TarInfo(name)
                    info.size = len(data)
                    tar.addfile(info, io.BytesIO(data))
            if self.error:
                raise self.error
            return Path("/var/lib/kubelet/checkpoints") / path.name
        finally:
            self.at_once -= 1


class World:
    """All of it, and an agent's jobs over it; :meth:`restart` makes another agent of the same node."""

    def __init__(self, paths: Paths, session: aiohttp.ClientSession) -> None:
        self.paths, self.session = paths, session
        self.bucket = Bucket.open("memory:///")
        self.pod, self.kubelet = Pod(paths), FakeKubelet(paths)
        self.restart()

    def restart(self, store: ChunkStore | None = None, **settings) -> None:
        self.metrics = Metrics()
        self.store = store or ChunkStore(self.bucket)
        self.instances = Instances(self.paths, self.metrics)
        self.cache = Cache(self.paths, self.store, self.metrics, lambda _: "")
        options = AgentSettings(node_name="node-1", **settings)
        self.readiness = Readiness(
            self.paths,
            self.instances,
            self.session,
            container_timeout=options.container_timeout,
            control_port=self.pod.port,
            now=lambda: 3.5,
        )
        self.jobs = Jobs(
            Tools(
                paths=self.paths,
                settings=options,
                store=self.store,
                cache=self.cache,
                kubelet=self.kubelet,
                readiness=self.readiness,
                report=self.instances.report,
                metrics=self.metrics,
                fingerprint=lambda: HERE,
            )
        )

    def request(self, **changes) -> SnapshotRequest:
        body = {
            "podUID": UID,
            "namespace": "ns",
            "name": "pod-1",
            "token": TOKEN,
            "initTimeoutSeconds": 20,
            "function": "hello",
            "version": "1",
            "image": "app@sha256:0",
        }
        return SnapshotRequest.model_validate(body | changes)

    def leftovers(self) -> list[str]:
        """What no job, however it ended, may leave."""
        places = (self.paths.tmp, self.paths.checkpoints, self.paths.archives)
        staged = [path for prefix in ("staging", "gc") for path, _ in self.bucket.list(prefix)]
        return [str(path) for place in places for path in place.iterdir()] + staged
