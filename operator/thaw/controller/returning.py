"""Nodes that come back: their agents are told what exists, so that what was deleted meanwhile goes there as well.

A deletion waits for the agents of all nodes that the cluster has. A node that was taken out of the cluster cannot be
waited for; when it joins again with its disk as it was, this is what finds what it kept.
"""

from __future__ import annotations

import time

import structlog

from thaw.api.node import Kept
from thaw.controller.context import Context
from thaw.controller.wakes import NODES, Listener
from thaw.errors import NodeError
from thaw.kube.kinds import SNAPSHOT

_LOOK = 60.0
log = structlog.get_logger(__name__)


AGAIN = 660.0
"""Seconds after which an agent is told again: it leaves alone what is younger than ten minutes."""


class Returning:
    """Tells every agent when it appears, and from time to time; an agent that was started anew is another one."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._told: dict[str, float] = {}
        """Agent → when it was told last, in monotonic seconds."""

    async def run(self) -> None:
        """Whenever an agent comes or goes, and every minute."""
        listener = Listener(self._context.wakes)
        listener.listen([NODES])
        await self._context.copies.synced()
        while True:
            listener.event.clear()
            try:
                await self.once(time.monotonic())
            except Exception:  # what others wrote into the cluster must not end the operator
                log.exception("agents not told what exists")
            await listener.wait(_LOOK)

    async def once(self, now: float) -> None:
        """One round over the agents that are ready; one that does not answer is asked again in the next."""
        agents = set(self._context.copies.agents().values())
        self._told = {agent: when for agent, when in self._told.items() if agent in agents}
        due = sorted(agent for agent in agents if now - self._told.get(agent, -AGAIN) >= AGAIN)
        if not due:
            return
        kept = await self._kept()
        for agent in due:
            try:
                removal = await self._context.agents.keep(agent, kept)
            except NodeError as e:
                log.warning("agent not told what exists", agent=agent, error=str(e))
                continue
            self._told[agent] = now
            if removal.removed:
                log.info("a node kept what was deleted", node=removal.node, removed=removal.removed)

    async def _kept(self) -> Kept:
        """A store that all share may be other clusters' as well, and is never away when something is deleted."""
        snapshots, _ = await self._context.kube.list(SNAPSHOT)
        return Kept(
            snapshots=tuple(s["metadata"]["uid"] for s in snapshots),
            packages=tuple(sorted(await self._context.observer.all_packages())),
            store=not self._context.settings.store_shared,
        )
