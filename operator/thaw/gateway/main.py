"""``thaw-gateway``: runs a gateway until SIGTERM."""

from __future__ import annotations

import asyncio
import logging
import signal
import time

import structlog
from aiohttp import web

from thaw import names
from thaw.build.instance_pod import instance_pod
from thaw.gateway import options, server
from thaw.gateway.assembly import Gateway, assemble
from thaw.gateway.options import GatewaySettings
from thaw.gateway.watch import informers
from thaw.kube.agents import Agents
from thaw.kube.client import connect_with_retry

log = structlog.get_logger(__name__)


async def serve(settings: GatewaySettings) -> None:
    """Runs a gateway until it is told to stop."""
    kube = await connect_with_retry(names.MANAGER_GATEWAY)
    gateway = assemble(kube, Agents(settings.agent_token_path), informers(kube), settings, build=instance_pod)
    stop, synced = asyncio.Event(), asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    health = server.health_application(
        gateway.front.metrics,
        alive=lambda: synced.is_set() and gateway.leases.healthy(),
        ready=lambda: not stop.is_set(),
    )
    tasks = [asyncio.ensure_future(run) for run in gateway.watch.runs()]
    health_runner = await _listen(health, names.METRICS_PORT)
    await gateway.watch.synced()
    synced.set()
    await gateway.leases.renew()  # before it takes anything in: without a Lease it counts as ended
    api_runner = await _listen(server.application(gateway.front), names.GATEWAY_PORT, drain=settings.drain_timeout)
    tasks += [asyncio.ensure_future(run) for run in gateway.runs()]
    log.info("serving", port=names.GATEWAY_PORT, gateway=settings.pod_name)
    waiting = asyncio.ensure_future(stop.wait())
    done, _ = await asyncio.wait({waiting, *tasks}, return_when=asyncio.FIRST_COMPLETED)
    stop.set()
    log.info("stopping")
    await drain(api_runner, gateway, settings.drain_timeout)
    await health_runner.cleanup()
    for task in (waiting, *tasks):
        task.cancel()
    for task in done - {waiting}:
        task.result()


async def drain(api: web.AppRunner, gateway: Gateway, timeout: float) -> None:
    """Ends the API, then the rest, with one time for both: the pod's grace is not much longer."""
    deadline = time.monotonic() + timeout
    await api.cleanup()
    await gateway.close(max(deadline - time.monotonic(), 0))


async def _listen(app: web.Application, port: int, *, drain: float = 1.0) -> web.AppRunner:
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=drain)
    await runner.setup()
    await web.TCPSite(runner, "0.0.0.0", port).start()  # noqa: S104
    return runner


def main() -> None:
    """The entry point of ``thaw-gateway``."""
    settings = options.load()
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            structlog.processors.JSONRenderer(),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelNamesMapping()[settings.log_level.upper()]),
    )
    asyncio.run(serve(settings))
