"""How a gateway ends."""

from __future__ import annotations

import asyncio
from typing import Any

from thaw.gateway.main import drain


class Slow:
    """An API whose last request takes a while, and a gateway that is told what is left of the time."""

    def __init__(self, takes: float) -> None:
        self.takes, self.left = takes, -1.0

    async def cleanup(self) -> None:
        await asyncio.sleep(self.takes)

    async def close(self, left: float) -> None:
        self.left = left


async def test_requests_and_events_share_the_time_to_end() -> None:
    """Each with all of it, the pod would be killed before its instances are deleted."""
    fine: Any = Slow(0.2)
    await drain(fine, fine, 10)
    assert 0 < fine.left < 9.9
    late: Any = Slow(0.02)
    await drain(late, late, 0.01)
    assert late.left == 0
