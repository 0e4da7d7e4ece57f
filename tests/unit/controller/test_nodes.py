"""The labeller's life; what it writes is shown on a real API server."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import Any

import pytest

from thaw.controller.nodes import Labeller
from thaw.controller.wakes import NODES, Wakes
from thaw.decide.observed import Nodes


@dataclass
class FakeContext:
    """What the labeller uses of a Context, on a cluster without nodes."""

    wakes: Wakes = field(default_factory=Wakes)
    rounds: int = 0

    @property
    def copies(self) -> FakeContext:
        return self

    async def synced(self) -> None:
        return

    def agents(self) -> dict[str, str]:
        self.rounds += 1
        return {}

    def nodes(self) -> Nodes:
        return Nodes()


@pytest.mark.parametrize("steps", range(4))
async def test_it_ends_when_told_however_close_to_an_event(steps: int) -> None:
    """The operator that stops waits for it: a node's event at that moment must not make it wait for ever."""
    context = FakeContext()
    context_: Any = context
    running = asyncio.create_task(Labeller(context_).run())
    while not context.rounds:
        await asyncio.sleep(0)
    await asyncio.sleep(0.01)
    context.wakes.notify(NODES)
    for _ in range(steps):
        await asyncio.sleep(0)
    running.cancel()
    await asyncio.wait([running], timeout=2)
    assert running.cancelled()
