"""All pools of this gateway: which one serves a target, which are past, and what is kept warm."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence

import structlog

from thaw import names
from thaw.api.v1alpha1 import Function
from thaw.errors import ClusterError, InvokeError
from thaw.gateway import autoscale, concurrency, provisioned
from thaw.gateway.admission import Admission
from thaw.gateway.instances import Starter
from thaw.gateway.metrics import Metrics
from thaw.gateway.options import GatewaySettings
from thaw.gateway.pool import Pool
from thaw.gateway.targets import Key, Target, Targets
from thaw.gateway.watch import Watch
from thaw.kube.client import Object

_EVERY = 1.0
log = structlog.get_logger(__name__)


class Pools:
    """A pool for each version and template that was asked for."""

    def __init__(
        self,
        *,
        starter: Starter,
        targets: Targets,
        watch: Watch,
        admission: Admission,
        gateways: Callable[[], Sequence[str]],
        metrics: Metrics,
        settings: GatewaySettings,
    ) -> None:
        self._starter, self._targets, self._watch = starter, targets, watch
        self._admission, self._gateways = admission, gateways
        self._metrics, self._settings = metrics, settings
        self._pools: dict[Key, Pool] = {}
        watch.on_pod.append(self._on_pod)

    def of(self, target: Target) -> Pool:
        """The pool for a request to a target; other code of the same name is retired by it.

        An instance goes back to the pool that lent it, not to this one: the target may be of yesterday by then.
        """
        pool = self._pools.get(target.key)
        if pool is None or pool.retired:
            for key, other in self._pools.items():
                if key[:3] == target.key[:3]:
                    other.retired = True
        if pool is None:
            pool = self._pools[target.key] = Pool(
                target,
                self._starter,
                queue_limit=self._settings.queue_limit,
                wait=self._settings.start_timeout,
                elsewhere=lambda: self._watch.elsewhere(*target.key[:3], self._settings.pod_name),
                gone=lambda: self._is_gone(target.key),
                enter=lambda: self._admission.enter(target.namespace, target.function),
                stale=lambda uid: not self._watch.has_snapshot(uid),
            )
        pool.target, pool.retired = target, False
        return pool

    def counts(self, namespace: str, function: str, qualifier: str) -> tuple[int, int]:
        """Instances of a version: those that serve, here and at other gateways, and those this one is starting."""
        own = [pool.counts for key, pool in self._pools.items() if key[:3] == (namespace, function, qualifier)]
        others = self._watch.elsewhere(namespace, function, qualifier, self._settings.pod_name)
        return sum(ready for ready, *_ in own) + others, sum(starting for _, starting, _ in own)

    async def run(self) -> None:
        """Scales every second, until cancelled."""
        while True:
            await asyncio.sleep(_EVERY)
            try:
                await self.scale()
            except Exception:
                log.exception("scaling failed")

    async def scale(self) -> None:
        """One round: retire, stop the idle, start what is kept warm."""
        warm = await self._kept_warm()
        for key, pool in tuple(self._pools.items()):
            pool.retired = pool.retired or self._is_gone(key)
            pool.target = self._targets.scaled(pool.target)
            pool.scale(warm.get(key, autoscale.Keep()))
            self._measure(key, pool)
            if pool.empty and key not in warm:  # one that is kept warm remembers how its starts failed
                del self._pools[key]
                self._metrics.forget(*key[:3])

    async def close(self) -> None:
        """Ends all pools and waits until their pods are deleted."""
        await asyncio.gather(*(pool.close() for pool in self._pools.values()))
        await self._starter.settle()

    def _is_gone(self, key: Key) -> bool:
        namespace, function, qualifier, _ = key
        if qualifier != names.LATEST:
            return self._watch.version(namespace, function, qualifier) is None
        found = self._watch.function(namespace, function)
        return found is None

    def trouble(self, namespace: str, function: str, qualifier: str) -> str:
        """Why this gateway's latest start of a version failed; empty when it did not."""
        return next((p.trouble for k, p in self._pools.items() if k[:3] == (namespace, function, qualifier)), "")

    async def _kept_warm(self) -> dict[Key, autoscale.Keep]:
        kept: dict[Key, autoscale.Keep] = {}
        for function in self._watch.all_functions():
            for qualifier, keep in self._kept(function).items():
                target = await self._resolved(function.metadata.namespace, function.metadata.name, qualifier)
                if target:
                    self.of(target)
                    kept[target.key] = keep
        return kept

    def _kept(self, function: Function) -> dict[str, autoscale.Keep]:
        """What of each version is kept warm: ``minInstances``, or provisioned concurrency, or both."""
        namespace, name = function.metadata.namespace, function.metadata.name
        gateways = self._gateways()
        kept = {
            version: autoscale.Keep(here=concurrency.ahead(wanted, gateways))
            for version, wanted in provisioned.by_version(self._watch, function).items()
        }
        if function.spec.scaling.min_instances:
            for qualifier in self._with_min_instances(namespace, name):
                here = kept.get(qualifier, autoscale.Keep()).here
                kept[qualifier] = autoscale.Keep(function.spec.scaling.min_instances, here)
        return kept

    def _with_min_instances(self, namespace: str, function: str) -> frozenset[str]:
        aliases = self._watch.aliases_of(namespace, function)
        weights: dict[str, float] = {}
        for alias in aliases:
            weights |= alias.spec.additional_version_weights
        active = [
            int(v.status.version) for v in self._watch.versions_of(namespace, function) if v.status.state == "Active"
        ]
        return autoscale.kept_warm(active, [a.spec.function_version for a in aliases], weights=weights)

    async def _resolved(self, namespace: str, function: str, qualifier: str) -> Target | None:
        try:
            return await self._targets.resolve(namespace, function, qualifier)
        except (InvokeError, ClusterError, ValueError):
            return None

    def _measure(self, key: Key, pool: Pool) -> None:
        ready, starting, waiting = pool.counts
        self._metrics.instances.labels(*key[:3], "ready").set(ready)
        self._metrics.instances.labels(*key[:3], "starting").set(starting)
        self._metrics.queue.labels(*key[:3]).set(waiting)

    def _on_pod(self, type_: str, pod: Object) -> None:
        ended = pod.get("status", {}).get("phase") in ("Succeeded", "Failed")
        if type_ == "DELETED" or pod["metadata"].get("deletionTimestamp") or ended:
            for pool in self._pools.values():
                pool.lose(pod["metadata"]["uid"])
