"""Puts the parts of a gateway together; nothing runs yet."""

from __future__ import annotations

import contextlib
import platform
from collections.abc import Coroutine
from dataclasses import dataclass

from thaw.gateway import server
from thaw.gateway.admission import Admission
from thaw.gateway.aliases import Aliases
from thaw.gateway.arns import Arns
from thaw.gateway.auth.access import Access
from thaw.gateway.auth.keys import Refusals
from thaw.gateway.auth.reviews import Reviews
from thaw.gateway.console.pages import Pages
from thaw.gateway.eventinvoke import EventInvokeConfigs
from thaw.gateway.events.service import AsyncInvocations
from thaw.gateway.fallbacks import Fallbacks
from thaw.gateway.functioncontrol import FunctionControl
from thaw.gateway.functions import Functions
from thaw.gateway.instances import BuildPod, Starter
from thaw.gateway.invoke import Invoker
from thaw.gateway.lambda_api import LambdaApi
from thaw.gateway.leases import Leases
from thaw.gateway.live.api import LiveApi
from thaw.gateway.live.streams import Streams
from thaw.gateway.metrics import Metrics
from thaw.gateway.operations.aliases import AliasOperations
from thaw.gateway.operations.concurrency import ConcurrencyOperations
from thaw.gateway.operations.eventinvoke import EventInvokeOperations
from thaw.gateway.operations.functions import FunctionOperations
from thaw.gateway.operations.invocations import InvocationOperations
from thaw.gateway.operations.tags import TagOperations
from thaw.gateway.operations.urls import UrlOperations
from thaw.gateway.options import GatewaySettings
from thaw.gateway.pools import Pools
from thaw.gateway.provisioning import Provisioning
from thaw.gateway.proxy import Proxy
from thaw.gateway.publish import Publisher
from thaw.gateway.recent import RecentStarts
from thaw.gateway.reserved import Reserved
from thaw.gateway.shapes import Shapes
from thaw.gateway.tags import Tags
from thaw.gateway.targets import Targets
from thaw.gateway.urls.addresses import Addresses
from thaw.gateway.urls.configs import UrlConfigs
from thaw.gateway.urls.serve import FunctionUrls
from thaw.gateway.usage import Usage
from thaw.gateway.watch import MakeCopy, Watch
from thaw.kube.agents import Agents
from thaw.kube.client import Kube
from thaw.kube.events import Events


@dataclass(frozen=True)
class Gateway:
    """All parts of one gateway."""

    front: server.Front
    watch: Watch
    pools: Pools
    usage: Usage
    leases: Leases
    events: AsyncInvocations
    control: FunctionControl
    agents: Agents
    kube: Kube
    refusals: Refusals

    def runs(self) -> tuple[Coroutine[object, object, None], ...]:
        """What must run for ever, beside the watches, once they have begun."""
        return self.leases.run(), self.pools.run(), self.usage.run(), self.refusals.run(), *self.events.runs()

    async def close(self, drain: float) -> None:
        """Ends what runs, deletes the instances and the Lease."""
        await self.events.stop(drain)
        await self.pools.close()
        await self.usage.tell(everything=True)
        with contextlib.suppress(Exception):
            await self.leases.release()
        await self.front.proxy.close()
        await self.control.close()
        await self.agents.close()
        await self.kube.close()


def assemble(
    kube: Kube,
    agents: Agents,
    make_copy: MakeCopy,
    settings: GatewaySettings,
    *,
    build: BuildPod,
    control: FunctionControl | None = None,
) -> Gateway:
    """Makes a gateway of its parts; nothing runs yet."""
    metrics, control = Metrics(), control or FunctionControl()
    arns = Arns(settings.region, settings.account_id)
    watch = Watch(make_copy, settings)
    usage = Usage(kube, watch, settings)
    targets = Targets(kube, watch, arns, settings.runtimes)
    targets.on_invoked.append(usage.saw)
    told = Events(kube, "thaw-gateway", settings.pod_name)
    starter = Starter(
        kube=kube,
        watch=watch,
        agents=agents,
        control=control,
        build=build,
        fallbacks=Fallbacks(kube, watch, told, metrics),
        events=told,
        metrics=metrics,
        settings=settings,
    )
    leases = Leases(kube=kube, watch=watch, alive=starter.alive, metrics=metrics, settings=settings)
    limit = settings.concurrent_executions
    pools = Pools(
        starter=starter,
        targets=targets,
        watch=watch,
        admission=Admission(watch, leases.gateways, settings.pod_name, limit),
        gateways=leases.gateways,
        metrics=metrics,
        settings=settings,
    )
    shapes = Shapes(arns, platform.machine())
    publisher = Publisher(kube, watch, settings.publish_timeout)
    functions = Functions(kube, watch, agents, targets, publisher, shapes, arns, settings)
    recent = RecentStarts()
    addresses, invoker = Addresses.of(settings), Invoker(pools, control, metrics, recent)
    events = AsyncInvocations(
        kube=kube,
        watch=watch,
        targets=targets,
        invoker=invoker,
        leases=leases,
        told=told,
        metrics=metrics,
        settings=settings,
        arns=arns,
    )
    reviews = Reviews(kube, settings.token_audiences)
    access = Access(keys=watch.keys, reviews=reviews, arns=arns, limits=settings.limits)
    configs = EventInvokeConfigs(watch, functions, arns, settings.destination_hosts)
    groups = (
        FunctionOperations(functions),
        AliasOperations(Aliases(kube, watch, functions, shapes, arns)),
        TagOperations(Tags(functions, arns)),
        ConcurrencyOperations(
            Reserved(functions, targets, watch, limit), Provisioning(functions, watch, pools, arns, limit)
        ),
        EventInvokeOperations(configs, access),
        InvocationOperations(targets, invoker, events, arns),
        UrlOperations(UrlConfigs(kube, watch, functions, arns, addresses)),
    )
    refusals = Refusals(told)
    watch.keys.on_refused.append(refusals.tell)
    api = LambdaApi([group.handlers() for group in groups], access, arns)
    guard = None if settings.http_auth == "open" else access
    proxy = Proxy(targets=targets, pools=pools, metrics=metrics, recent=recent, arns=arns, access=guard)
    urls = FunctionUrls(watch, targets, invoker, arns, addresses, access)
    live = LiveApi(access, watch, pools, agents, recent, arns, Streams(watch))
    front = server.Front(api, live, Pages() if settings.console else None, proxy, urls, access, metrics)
    return Gateway(front, watch, pools, usage, leases, events, control, agents, kube, refusals)
