"""kopf, configured out loud, and the operator's parts put together."""

from __future__ import annotations

import asyncio
from typing import Any

import kopf
import structlog
from aiohttp import web

from thaw import names
from thaw.controller import accesskey, health
from thaw.controller.context import Context
from thaw.controller.health import Health
from thaw.controller.metrics import Metrics
from thaw.controller.nodes import Labeller
from thaw.controller.options import OperatorSettings
from thaw.controller.returning import Returning
from thaw.controller.wakes import KINDS_OF_NODES, NODES, Wakes, own
from thaw.decide.observed import Nodes
from thaw.kube.agents import Agents
from thaw.kube.client import Object, connect_with_retry
from thaw.kube.informer import OnEvent
from thaw.kube.kinds import LEASE

_INSTANCES_SOON = 1.0
"""Instances come and go often; their count may be that old."""
log = structlog.get_logger(__name__)


class NoDiffBase(kopf.DiffBaseStorage):
    """kopf's memory of what an object looked like last: none. Nothing here asks what changed, only what is."""

    def fetch(self, *, body: kopf.Body) -> Any:  # noqa: ARG002
        """Nothing was remembered."""
        return None

    def store(self, *, body: kopf.Body, patch: kopf.Patch, essence: Any) -> None:
        """Nothing is remembered: no annotation on anybody's object."""


def configure(settings: kopf.OperatorSettings) -> None:
    """Every setting of kopf that matters here, with the reason."""
    settings.persistence.finalizer = names.FINALIZER
    settings.persistence.progress_storage = kopf.AnnotationsProgressStorage(prefix=names.GROUP)
    settings.persistence.diffbase_storage = NoDiffBase()
    settings.posting.enabled = False  # events come from the plans
    # A watch that the network swallowed ends by itself: the server ends each, and silence is not trusted.
    settings.watching.server_timeout = 240
    settings.watching.client_timeout = 300
    settings.watching.connect_timeout = 10
    settings.watching.inactivity_timeout = 90
    settings.watching.field_selectors["coordination.k8s.io", "v1", "leases"] = f"metadata.name={health.LEASE_NAME}"
    settings.networking.request_timeout = 30
    settings.networking.connect_timeout = 10
    settings.networking.error_backoffs = (0.2, 0.5, 1, 2, 5, 10)
    # A deletion that waits for an absent node holds its worker; it must not hold anybody else's.
    settings.queueing.worker_limit = None
    settings.queueing.exit_timeout = 2
    settings.background.instant_exit_timeout = 0.5  # a daemon ends at once; no polling by patches of the object
    settings.background.cancellation_polling = 5
    settings.execution.default_backoff = 5
    settings.process.ultimate_exiting_timeout = 25  # within the pod's grace of 30 s
    settings.peering.standalone = True  # one replica, Recreate


@kopf.on.login()
def login(**kwargs: Any) -> kopf.ConnectionInfo | None:
    """As the pod's service account, or by KUBECONFIG outside a cluster."""
    return kopf.login_with_service_account(**kwargs) or kopf.login_with_kubeconfig(**kwargs)


@kopf.on.startup()
async def start(settings: kopf.OperatorSettings, memo: kopf.Memo, **_: Any) -> None:
    """Connects, starts what runs beside the handlers, and makes the default access key."""
    configure(settings)
    options: OperatorSettings = memo.options
    kube, wakes = await connect_with_retry(names.MANAGER_OPERATOR), Wakes()
    nodes_before: list[Nodes] = []
    context = Context(
        kube,
        Agents(options.agent_token_path),
        options,
        metrics=Metrics(),
        health=Health(),
        wakes=wakes,
        on_pod=_pods_wake(wakes),
        on_node=lambda _type, _node: _nodes_wake(context, nodes_before),
    )
    memo.context = context
    beside = [*context.copies.runs(), Labeller(context).run(), Returning(context).run(), _serve(context)]
    beside.append(health.renew(kube, options.namespace, options.pod_name))
    context.tasks = [asyncio.create_task(_or_die(run, memo.stop)) for run in beside]
    await context.copies.synced()
    if options.default_access_key_namespace:
        await accesskey.ensure(kube, options.namespace, options.default_access_key_namespace)
    log.info("started", namespace=options.namespace, runtimes=sorted(options.runtimes))


@kopf.on.cleanup()
async def stop(memo: kopf.Memo, **_: Any) -> None:
    """Closes everything. The flag is set also after a signal, or kopf's wait for it is what it waits 5 s for."""
    memo.stop.set()
    context: Context | None = memo.get("context")
    if context is not None:  # None: the start itself failed
        await context.close()


@kopf.on.event(LEASE.group, LEASE.version, LEASE.plural)
async def own_event(memo: kopf.Memo, namespace: str | None, name: str, **_: Any) -> None:
    """The operator's own heartbeat came back by way of a watch."""
    context: Context = memo.context
    if (namespace, name) == (context.settings.namespace, health.LEASE_NAME):
        context.health.seen()
        context.metrics.own_events.inc()


def _nodes_wake(context: Context, before: list[Nodes]) -> None:
    """Wakes all who look at nodes when there is something new to see: a kubelet's heartbeat is not."""
    now = context.copies.nodes()
    if before != [now]:
        context.wakes.notify(NODES)
    if not before or before[0].nodes != now.nodes:
        context.wakes.notify(KINDS_OF_NODES)
    before[:] = [now]


def _pods_wake(wakes: Wakes) -> OnEvent:
    """Init and trial pods wake their version at once; instances after a moment, and at once when they are gone."""

    def on_pod(event: str, pod: Object) -> None:
        labels, namespace = pod["metadata"]["labels"], pod["metadata"]["namespace"]
        version = labels.get(names.LABEL_VERSION_NAME, "")
        topic = own("FunctionVersion", namespace, version)
        if not version:
            topic = own("Function", namespace, labels.get(names.LABEL_FUNCTION, ""))
            if event != "DELETED":
                return
        if event == "DELETED" or labels.get(names.LABEL_ROLE) != names.ROLE_INSTANCE:
            wakes.notify(topic)
        else:
            wakes.notify_soon(topic, _INSTANCES_SOON)

    return on_pod


async def _or_die(run: Any, stop_flag: Any) -> None:
    """What runs beside the handlers never ends by itself; if it does, the operator ends and is started anew."""
    try:
        await run
    except asyncio.CancelledError:
        raise
    except Exception:
        log.exception("a background task failed; the operator ends")
        stop_flag.set()


async def _serve(context: Context) -> None:
    runner = web.AppRunner(health.application(context.health, context.metrics), access_log=None)
    await runner.setup()
    try:
        await web.TCPSite(runner, "0.0.0.0", context.settings.metrics_port).start()  # noqa: S104
        await asyncio.Event().wait()
    finally:
        await runner.cleanup()
