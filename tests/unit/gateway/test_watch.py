"""Waiting for what the watches bring."""

from __future__ import annotations

import asyncio

import pytest

from thaw.kube import kinds
from unit.gateway.world import World


@pytest.mark.parametrize("steps", range(4))
async def test_who_waits_ends_when_told_however_close_to_an_event(world: World, steps: int) -> None:
    waiting = asyncio.create_task(world.gateway.watch.until(lambda: None, 60))
    await asyncio.sleep(0.01)
    world.gateway.watch.leases.tell("ADDED", kinds.LEASE.kind, lease())  # type: ignore[attr-defined]
    for _ in range(steps):
        await asyncio.sleep(0)
    waiting.cancel()
    await asyncio.wait([waiting], timeout=2)
    assert waiting.cancelled()


async def test_an_alias_object_that_goes_does_not_take_a_namesakes_alias_along(world: World) -> None:
    """Two objects may claim one alias of a function; what the living one says holds."""
    spec = {"functionName": "fn", "name": "live", "functionVersion": "1"}
    for name in ("first", "second"):
        world.kube.put(kinds.FUNCTION_ALIAS, {"metadata": {"name": name}, "spec": spec})
    await asyncio.sleep(0.01)
    await world.kube.delete(kinds.FUNCTION_ALIAS, "default", "first")
    await asyncio.sleep(0.01)
    left = world.gateway.watch.alias("default", "fn", "live")
    assert left is not None
    assert left.metadata.name == "second"
    await world.kube.delete(kinds.FUNCTION_ALIAS, "default", "second")
    await asyncio.sleep(0.01)
    assert world.gateway.watch.alias("default", "fn", "live") is None


def lease() -> dict[str, object]:
    labels = {"app.kubernetes.io/component": "gateway"}
    return {"metadata": {"name": "gw", "namespace": "thaw-system", "labels": labels}, "spec": {}}
