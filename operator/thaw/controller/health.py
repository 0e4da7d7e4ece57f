"""Liveness: a watch that has gone silent looks like a quiet cluster, so the operator makes an event of its own.

It renews a Lease every 15 s, and kopf watches it with the same machinery, credentials and connection settings as all
else. When that has not shown up for 90 s the operator sees nothing any more, and is better started anew.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from datetime import UTC, datetime

import structlog
from aiohttp import web

from thaw.controller.metrics import Metrics
from thaw.errors import ClusterError, NotFound
from thaw.kube.client import Kube, Object
from thaw.kube.kinds import LEASE

LEASE_NAME = "thaw-operator"
RENEW_SECONDS, PATIENCE_SECONDS = 15.0, 90.0
log = structlog.get_logger(__name__)


class Health:
    """When the operator's own event was last seen.

    :param clock: seconds that only go forward.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._seen = clock()

    def seen(self) -> None:
        """It arrived."""
        self._seen = self._clock()

    @property
    def silent_for(self) -> float:
        """Seconds since then."""
        return self._clock() - self._seen

    @property
    def alive(self) -> bool:
        """Whether the watches can be trusted."""
        return self.silent_for < PATIENCE_SECONDS


async def renew(kube: Kube, namespace: str, holder: str) -> None:
    """Renews the Lease for ever."""
    while True:
        try:
            await _renew_once(kube, namespace, holder)
        except ClusterError as e:
            log.warning("lease not renewed", error=str(e))
        await asyncio.sleep(RENEW_SECONDS)


async def _renew_once(kube: Kube, namespace: str, holder: str) -> None:
    now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    spec: Object = {"holderIdentity": holder, "leaseDurationSeconds": int(PATIENCE_SECONDS), "renewTime": now}
    try:
        await kube.patch(LEASE, namespace, LEASE_NAME, {"spec": spec})
    except NotFound:
        meta = {"name": LEASE_NAME, "namespace": namespace}
        body = {"apiVersion": LEASE.api_version, "kind": LEASE.kind, "metadata": meta, "spec": spec}
        await kube.create(LEASE, body)


def application(health: Health, metrics: Metrics) -> web.Application:
    """``/healthz`` and ``/metrics``."""

    async def healthz(_request: web.Request) -> web.Response:
        text = f"own event seen {health.silent_for:.0f} s ago\n"
        return web.Response(text=text, status=200 if health.alive else 503)

    async def prometheus(_request: web.Request) -> web.Response:
        return web.Response(body=metrics.text(), headers={"Content-Type": "text/plain; version=0.0.4; charset=utf-8"})

    app = web.Application()
    app.add_routes([web.get("/healthz", healthz), web.get("/metrics", prometheus)])
    return app
