"""``thaw-agent``: installs the runtime, then serves."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from time import monotonic

import aiohttp
import structlog
from aiohttp import web

from thaw import names
from thaw.agent import jobs, node, options
from thaw.agent.auth import Verifier
from thaw.agent.cache import Cache
from thaw.agent.host import Host
from thaw.agent.incluster import Identity, fetch_keys
from thaw.agent.install import Installer
from thaw.agent.instances import Instances
from thaw.agent.kubelet import Kubelet
from thaw.agent.leftovers import Leftovers
from thaw.agent.metrics import Metrics
from thaw.agent.options import AgentSettings
from thaw.agent.paths import Paths
from thaw.agent.readiness import Readiness
from thaw.agent.server import Api, Node
from thaw.agent.threads import in_thread
from thaw.api.node import NodeInfo
from thaw.api.v1alpha1 import Fingerprint
from thaw.decide import fingerprint
from thaw.errors import StoreError, ThawError
from thaw.store.base import SnapshotStore, StoredSnapshot
from thaw.store.snapshots import ChunkStore

_SWEEP_EVERY = 5.0
_TIDY_EVERY = 60.0
_INSPECT_EVERY = 300.0

log = structlog.get_logger("thaw.agent")


def main() -> None:
    """Entry point of the image's command ``thaw-agent``."""
    settings = options.load()
    configure_logs(settings.log_level)
    asyncio.run(serve(settings, Paths()))


def configure_logs(level: str) -> None:
    """One JSON object a line, on standard output."""
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.dict_tracebacks,
            structlog.processors.JSONRenderer(),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelNamesMapping()[level.upper()]),
    )


async def serve(settings: AgentSettings, paths: Paths) -> None:
    """Installs, serves until told to stop, and leaves no job half done behind."""
    host, stop = Host(), asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    await asyncio.to_thread(prepare, paths)
    installer = Installer(paths, host)
    trouble = await installed(installer)
    unknown = NodeInfo(node=settings.node_name, checkpoint=False, reason="its agent has just started")
    async with build(settings, paths, Node(unknown, monotonic()), installer) as api:
        api.node.info = await look(settings, paths, host, api.store, trouble=trouble)
        log.info("agent.ready", **api.node.info.to_json())
        watch = asyncio.create_task(_watch(api, settings, paths, host, trouble))
        try:
            await _listen(api, stop)
        finally:
            watch.cancel()
            await asyncio.wait([watch])
            await api.jobs.close()


def prepare(paths: Paths) -> None:
    """Makes the folders and clears what a crash left in them."""
    paths.prepare()
    Cache.sweep(paths)


async def installed(installer: Installer) -> str:
    """Installs the runtime; why it could not, empty if it could. The agent serves either way, to be asked about it."""
    try:
        await installer.install()
    except ThawError as e:
        log.error("agent.install_failed", error=str(e))
        return str(e)
    return ""


async def look(
    settings: AgentSettings, paths: Paths, host: Host, store: SnapshotStore, *, trouble: str = ""
) -> NodeInfo:
    """Looks at the node, its kubelet and its store.

    :param trouble: why the runtime is not installed.
    """
    async with aiohttp.ClientSession(trust_env=False) as session:
        trouble = trouble or await Kubelet(settings, Identity(), session).preflight()
    info = await node.inspect(host, settings.node_name, paths.proc, trouble=trouble)
    try:
        await in_thread(store.check)
    except StoreError as e:
        log.warning("store.unusable", error=str(e))
        return info.model_copy(update={"store": str(e)})
    return info


@asynccontextmanager
async def build(settings: AgentSettings, paths: Paths, current: Node, installer: Installer) -> AsyncIterator[Api]:
    """Puts the agent's parts together around one HTTP client.

    :raises thaw.errors.StoreError: the store's URL is of no known kind.
    """
    identity, metrics = Identity(), Metrics()
    store = ChunkStore.open(
        settings.store_url, level=settings.store_compression_level, max_bytes=settings.snapshot_max_bytes
    )

    def unfit(stored: StoredSnapshot) -> str:
        taken_on = Fingerprint.model_validate(stored.meta.get("fingerprint") or {})
        return fingerprint.unfit(taken_on, current.info.fingerprint)

    # No connection is kept: what stays open to a function would be in its dump.
    connector = aiohttp.TCPConnector(force_close=True, limit=0)
    timeout = aiohttp.ClientTimeout(total=30, sock_connect=2)
    async with aiohttp.ClientSession(connector=connector, timeout=timeout, trust_env=False) as session:
        cache = Cache(paths, store, metrics, unfit)
        instances = Instances(paths, metrics)
        tools = jobs.Tools(
            paths=paths,
            settings=settings,
            store=store,
            cache=cache,
            kubelet=Kubelet(settings, identity, session),
            readiness=Readiness(paths, instances, session, container_timeout=settings.container_timeout),
            report=instances.report,
            metrics=metrics,
            fingerprint=lambda: current.info.fingerprint,
        )

        async def uninstall() -> None:
            await installer.uninstall()
            gone = {"checkpoint": False, "reason": "Thaw was taken off this node"}
            current.info = current.info.model_copy(update=gone)

        all_jobs = jobs.Jobs(tools)
        yield Api(
            node=current,
            verifier=Verifier(lambda: fetch_keys(identity, session), settings.namespace),
            instances=instances,
            cache=cache,
            jobs=all_jobs,
            leftovers=Leftovers(cache, store, all_jobs),
            store=store,
            metrics=metrics,
            uninstall=uninstall,
        )


async def _listen(api: Api, stop: asyncio.Event) -> None:
    async with contextlib.AsyncExitStack() as stack:
        for app, port in ((api.app(), names.AGENT_PORT), (api.metrics_app(), names.METRICS_PORT)):
            runner = web.AppRunner(app, access_log=None, handle_signals=False, shutdown_timeout=5)
            await runner.setup()
            stack.push_async_callback(runner.cleanup)
            # Every address: callers are in other pods. Each call shows a token.
            await web.TCPSite(runner, "0.0.0.0", port).start()  # noqa: S104
        await stop.wait()


async def _watch(api: Api, settings: AgentSettings, paths: Paths, host: Host, trouble: str) -> None:
    """Beats, clears away what nobody needs any more, and looks at the node again from time to time.

    A failure is logged and is not the end of it: a full disk today may be an empty one tomorrow.
    """
    looked = tidied = monotonic()
    while True:
        api.node.beat = monotonic()
        try:
            if paths.grants.is_dir():  # not after an uninstall
                await _sweep(api)
                if monotonic() - tidied > _TIDY_EVERY:
                    tidied = monotonic()
                    await _tidy(api)
                if monotonic() - looked > _INSPECT_EVERY:
                    looked = monotonic()
                    api.node.info = await look(settings, paths, host, api.store, trouble=trouble)
        except (OSError, ThawError):
            log.exception("agent.sweep_failed")
        await asyncio.sleep(_SWEEP_EVERY)


async def _sweep(api: Api) -> None:
    for uid in await asyncio.to_thread(api.instances.sweep):
        log.info("grant.swept", pod=uid)
    if archives := api.jobs.sweep():
        log.info("archives.swept", count=archives)


async def _tidy(api: Api) -> None:
    in_use = await asyncio.to_thread(api.instances.code_in_use)
    for name in await api.cache.sweep_code(in_use):
        log.info("code.swept", code=name)
