"""What all handlers share, handed to them by kopf as ``memo``."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any
from weakref import WeakValueDictionary

from thaw.api import durations
from thaw.controller.health import Health
from thaw.controller.metrics import Metrics
from thaw.controller.options import OperatorSettings
from thaw.controller.turns import Turns
from thaw.controller.wakes import Topic, Wakes
from thaw.decide.observed import Limits
from thaw.kube.agents import Agents
from thaw.kube.apply import Applier
from thaw.kube.client import Kube
from thaw.kube.copies import Copies
from thaw.kube.events import Events
from thaw.kube.informer import OnEvent
from thaw.kube.observe import Observer


def _limits(settings: OperatorSettings) -> Limits:
    return Limits(
        init_attempts=settings.init_attempts,
        runtimes=settings.runtimes,
        inactive_after=durations.parse(settings.inactive_after),
        recycle_after=durations.parse(settings.recycle_after),
        recycle_retry=durations.parse(settings.recycle_retry) or timedelta.max,
        store_shared=settings.store_shared,
    )


class Context:
    """The operator's parts."""

    def __init__(
        self,
        kube: Kube,
        agents: Agents,
        settings: OperatorSettings,
        *,
        metrics: Metrics,
        health: Health,
        wakes: Wakes,
        on_pod: OnEvent,
        on_node: OnEvent,
    ) -> None:
        self.kube, self.agents, self.settings = kube, agents, settings
        self.metrics, self.health, self.wakes = metrics, health, wakes
        self.copies = Copies(kube, settings.namespace, on_pod=on_pod, on_node=on_node)
        self.turns = Turns(settings.recycles_at_once, wakes)
        self.observer = Observer(kube, agents, self.copies, _limits(settings), self.turns.has)
        self.applier = Applier(kube, agents, Events(kube, "thaw-operator", settings.pod_name), settings)
        self.tasks: list[asyncio.Task[None]] = []
        self._noted: dict[str, tuple[Any, ...]] = {}
        self._locks: WeakValueDictionary[Topic, asyncio.Lock] = WeakValueDictionary()

    def notable(self, uid: str, now: tuple[Any, ...] | None) -> bool:
        """Whether what others look at of an object has changed since it was asked last; None: it is gone."""
        before = self._noted.pop(uid, None)
        if now is not None:
            self._noted[uid] = now
        return before != now or now is None

    def lock(self, topic: Topic) -> asyncio.Lock:
        """The lock of that name; forgotten when nobody holds or awaits it."""
        found = self._locks.get(topic)
        if found is None:
            found = self._locks[topic] = asyncio.Lock()
        return found

    async def close(self) -> None:
        """Ends what runs in the background and closes connections."""
        for task in self.tasks:
            task.cancel()
        await asyncio.gather(*self.tasks, return_exceptions=True)
        await self.agents.close()
        await self.kube.close()
