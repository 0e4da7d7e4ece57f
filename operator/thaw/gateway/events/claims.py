"""Events whose gateway has ended are taken over, by whichever gateway is first to write its name on them."""

from __future__ import annotations

import asyncio
import random
import time

import structlog

from thaw import names
from thaw.errors import ClusterError, Conflict, NotFound
from thaw.gateway.events import backlog
from thaw.gateway.events.backlog import Backlog, Key
from thaw.gateway.events.drain import Drain
from thaw.gateway.leases import Leases
from thaw.kube.client import Kube
from thaw.kube.kinds import EVENT_INVOCATION

_EVERY = 1.0
_AT_ONCE = 20
"""So many are claimed together: the gateways that are left share what is to be taken over."""
log = structlog.get_logger(__name__)


class Claims:
    """Takes over events.

    :param gateway: this gateway's name.
    """

    def __init__(self, kube: Kube, backlog: Backlog, drain: Drain, leases: Leases, gateway: str) -> None:
        self._kube, self._backlog, self._drain = kube, backlog, drain
        self._leases, self._gateway = leases, gateway

    async def run(self) -> None:
        """Looks every second, until cancelled or this gateway stops."""
        while not self._drain.stopping:
            try:
                taken = await self.adopt()
            except ClusterError as e:
                log.warning("events not taken over", error=str(e))
                taken = 0
            if not taken:
                await asyncio.sleep(_EVERY)

    async def adopt(self) -> int:
        """Takes over some of the events whose gateway has ended; gives how many."""
        others = {h.gateway for h in self._backlog.held.values() if h.version and h.gateway != self._gateway}
        now = time.monotonic()
        ended = {gateway for gateway in others if not gateway or await self._leases.has_ended(gateway, now)}
        theirs = [key for key, h in self._backlog.held.items() if h.version and h.gateway in ended]
        chosen = random.sample(theirs, min(len(theirs), _AT_ONCE))
        return sum(await asyncio.gather(*(self._claim(key) for key in chosen)))

    async def _claim(self, key: Key) -> bool:
        held = self._backlog.held.get(key)
        if held is None:
            return False
        metadata = {"resourceVersion": held.version, "labels": {names.LABEL_GATEWAY: self._gateway}}
        try:
            written = await self._kube.patch(EVENT_INVOCATION, *key, {"metadata": metadata})
        except (Conflict, NotFound):
            return False
        self._backlog.add(*backlog.of_item(written))
        log.info("event taken over", namespace=key[0], name=key[1], gateway=held.gateway)
        self._drain.due(key, held.owner)
        return True
