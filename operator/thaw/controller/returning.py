"""Nodes that come back: their agents are told what exists, so that what was deleted meanwhile goes there as well.

A deletion waits for the agents of all nodes that the cluster has. A node that was taken out of the cluster cannot be
waited for; when it joins again with its disk as it was, this is what finds what it kept.
"""

from __future__ import annotations

import structlog

from thaw.api.node import Kept
from thaw.controller.context import Context
from thaw.controller.wakes import NODES, Listener
from thaw.errors import ClusterError, NodeError
from thaw.kube.kinds import SNAPSHOT

log = structlog.get_logger(__name__)


class Returning:
    """Tells each agent once, when it appears; an agent that was started anew is another one."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._told: set[str] = set()

    async def run(self) -> None:
        """Whenever an agent comes or goes."""
        listener = Listener(self._context.wakes)
        listener.listen([NODES])
        await self._context.copies.synced()
        while True:
            listener.event.clear()
            try:
                await self.once()
            except (ClusterError, NodeError) as e:
                log.warning("agents not told what exists", error=str(e))
            await listener.event.wait()

    async def once(self) -> None:
        """One round over the agents that are ready."""
        agents = sorted(self._context.copies.agents().values())
        self._told &= set(agents)
        for index, agent in enumerate(agents):
            if agent not in self._told:
                store = index == 0 or not self._context.settings.store_shared
                removal = await self._context.agents.keep(agent, await self._kept(store=store))
                self._told.add(agent)
                if removal.removed:
                    log.info("a node kept what was deleted", node=removal.node, removed=removal.removed)

    async def _kept(self, *, store: bool) -> Kept:
        snapshots, _ = await self._context.kube.list(SNAPSHOT)
        uids = tuple(s["metadata"]["uid"] for s in snapshots)
        return Kept(snapshots=uids, packages=tuple(sorted(await self._context.observer.all_packages())), store=store)
