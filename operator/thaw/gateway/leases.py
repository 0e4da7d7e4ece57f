"""This gateway's sign of life, and the pods of those that give none any more.

Only the gateway that made an instance has its secret, so an instance outlives its gateway for nothing. Each gateway
renews a Lease; a gateway is dead when this one has not seen its Lease change for :data:`DEAD_AFTER` seconds of its own
clock, or has seen no Lease at all for as long. Clocks of different machines are never compared.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime

import structlog

from thaw import names
from thaw.errors import ClusterError, Conflict, NotFound
from thaw.gateway.metrics import Metrics
from thaw.gateway.options import GatewaySettings
from thaw.gateway.watch import GATEWAY_COMPONENT, Watch
from thaw.kube.client import Kube, Object
from thaw.kube.kinds import LEASE, POD

RENEW_EVERY = 10.0
DEAD_AFTER = 45.0
STUCK_AFTER = 60.0
_GARBAGE_AFTER = 600.0
log = structlog.get_logger(__name__)


@dataclass
class Lives:
    """When each gateway was last seen alive, by this gateway's monotonic clock. Pure."""

    _seen: dict[str, tuple[str, float]] = field(default_factory=dict)

    def observe(self, leases: Mapping[str, str], mentioned: Collection[str], now: float) -> None:
        """Takes a look.

        :param leases: holder → renewTime.
        :param mentioned: gateways that pods name, which may have no Lease at all.
        """
        for holder in {*leases, *mentioned}:
            renewed = leases.get(holder, "")
            if holder not in self._seen or self._seen[holder][0] != renewed:
                self._seen[holder] = (renewed, now)
        for holder in self._seen.keys() - set(leases) - set(mentioned):
            del self._seen[holder]

    def silent(self, holder: str, now: float) -> float:
        """Seconds since it was last seen to live; 0 for one never heard of."""
        return now - self._seen[holder][1] if holder in self._seen else 0.0


class Leases:
    """Renews this gateway's Lease and sweeps up after dead ones."""

    def __init__(
        self, *, kube: Kube, watch: Watch, alive: Collection[str], metrics: Metrics, settings: GatewaySettings
    ) -> None:
        self._kube, self._watch, self._alive = kube, watch, alive
        self._metrics, self._settings = metrics, settings
        self._lives = Lives()
        self._own_strays: dict[str, float] = {}

    @property
    def name(self) -> str:
        """This gateway's Lease."""
        return _lease(self._settings.pod_name)

    def healthy(self) -> bool:
        """Whether the watch lives: the own Lease changes every ten seconds, so silence means that it is stuck."""
        return time.monotonic() - self._watch.leases.last_event < STUCK_AFTER

    def gateways(self) -> tuple[str, ...]:
        """The gateways that live, this one among them."""
        now = time.monotonic()
        holders = {_holder(lease) for lease in self._watch.leases.list()}
        alive = {holder for holder in holders if self._lives.silent(holder, now) <= DEAD_AFTER}
        return tuple(sorted(alive | {self._settings.pod_name}))

    async def run(self) -> None:
        """Renews and sweeps until cancelled."""
        while True:
            try:
                await self.renew()
                await self.sweep(time.monotonic())
            except ClusterError as e:
                log.warning("lease not renewed or orphans not swept", error=str(e))
            await asyncio.sleep(RENEW_EVERY)

    async def renew(self) -> None:
        """Says that this gateway lives."""
        spec = {
            "holderIdentity": self._settings.pod_name,
            "leaseDurationSeconds": int(DEAD_AFTER),
            "renewTime": datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ"),
        }
        namespace = self._settings.namespace
        try:
            await self._kube.patch(LEASE, namespace, self.name, {"spec": spec})
        except NotFound:
            labels = {names.LABEL_COMPONENT: GATEWAY_COMPONENT, names.LABEL_MANAGED_BY: names.MANAGED_BY}
            meta = {"name": self.name, "namespace": namespace, "labels": labels}
            body = {"apiVersion": LEASE.api_version, "kind": "Lease", "metadata": meta, "spec": spec}
            try:
                await self._kube.create(LEASE, body)
            except Conflict:
                log.info("lease made by somebody else just now", name=self.name)

    async def has_ended(self, gateway: str, now: float) -> bool:
        """Whether a gateway is no more: silent for too long, or without a Lease.

        A gateway makes its Lease before it takes anything in, and deletes it when it ends. The API server itself is
        asked, for the watch of the Leases may be behind the one in which the gateway was mentioned.

        :raises ClusterError: it cannot be known.
        """
        if self._lives.silent(gateway, now) > DEAD_AFTER:
            return True
        if any(_holder(lease) == gateway for lease in self._watch.leases.list()):
            return False
        try:
            await self._kube.get(LEASE, self._settings.namespace, _lease(gateway))
        except NotFound:
            return True
        return False

    async def release(self) -> None:
        """Takes the Lease away at an orderly end."""
        await self._kube.delete(LEASE, self._settings.namespace, self.name)

    async def sweep(self, now: float) -> None:
        """Deletes the pods and Leases of gateways that are dead."""
        pods = self._watch.pods.list()
        leases = {_holder(lease): lease for lease in self._watch.leases.list()}
        renewed = {holder: str(lease["spec"].get("renewTime", "")) for holder, lease in leases.items()}
        self._lives.observe(renewed, {_made_by(p) for p in pods}, now)
        for pod in pods:
            if not pod["metadata"].get("deletionTimestamp") and self._is_orphan(pod, now):
                await self._delete(pod)
        for holder, lease in leases.items():
            if holder != self._settings.pod_name and self._lives.silent(holder, now) > _GARBAGE_AFTER:
                meta = lease["metadata"]
                await self._kube.delete(LEASE, meta["namespace"], meta["name"], uid=meta["uid"])

    def _is_orphan(self, pod: Object, now: float) -> bool:
        if _made_by(pod) != self._settings.pod_name:
            return self._lives.silent(_made_by(pod), now) > DEAD_AFTER
        uid = pod["metadata"]["uid"]
        if uid in self._alive:
            self._own_strays.pop(uid, None)
            return False
        return now - self._own_strays.setdefault(uid, now) >= RENEW_EVERY

    async def _delete(self, pod: Object) -> None:
        meta = pod["metadata"]
        log.info("orphan deleted", namespace=meta["namespace"], pod=meta["name"], gateway=_made_by(pod))
        await self._kube.delete(POD, meta["namespace"], meta["name"], uid=meta["uid"], grace_seconds=1)
        self._own_strays.pop(meta["uid"], None)
        self._metrics.orphans.inc()


def _lease(gateway: str) -> str:
    return f"thaw-gateway-{gateway}"


def _holder(lease: Object) -> str:
    return str(lease["spec"].get("holderIdentity", ""))


def _made_by(pod: Object) -> str:
    return str(pod["metadata"].get("labels", {}).get(names.LABEL_GATEWAY, ""))
