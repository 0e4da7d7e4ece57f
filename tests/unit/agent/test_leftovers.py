"""What a node kept while it was away."""

from __future__ import annotations

import time

from thaw.agent.leftovers import SETTLED, Leftovers
from thaw.api.node import Kept
from unit.agent.test_cache import zipped
from unit.agent.world import World


def later() -> float:
    return time.time() + SETTLED + 60


async def filled(world: World) -> str:
    """Two snapshots and a package on the node and in its store; the package's hash."""
    for name in ("s1", "s2"):
        tree = world.paths.tmp / name
        tree.mkdir()
        (tree / "spec.dump").write_text(name)
        world.store.put(name, tree, {})
        await world.cache.snapshot(name)
    sha256, data = zipped(app_py="1")
    world.store.put_code("ns", sha256, data)
    return sha256


async def test_what_was_deleted_meanwhile_goes_and_the_rest_stays(world: World) -> None:
    sha256 = await filled(world)
    leftovers = Leftovers(world.cache, world.store, world.jobs, later)
    removed = await leftovers.remove(Kept(snapshots=("s1",), packages=(f"ns/{sha256}",), store=True))
    assert [r.split(":")[0] for r in removed] == ["snapshot s2"]
    assert world.store.list_ids() == ["s1"]
    assert world.cache.snapshots_before(later()) == ["s1"]
    assert await leftovers.remove(Kept(snapshots=("s1",), packages=(), store=True)) == [f"package ns/{sha256}"]
    assert world.store.list_code(later()) == []


async def test_a_store_that_is_not_its_to_clear_is_left_alone(world: World) -> None:
    await filled(world)
    leftovers = Leftovers(world.cache, world.store, world.jobs, later)
    await leftovers.remove(Kept(snapshots=(), packages=(), store=False))
    assert world.cache.snapshots_before(later()) == []
    assert world.store.list_ids() == ["s1", "s2"]
    assert len(world.store.list_code(later())) == 1


async def test_what_is_newer_than_any_list_stays(world: World) -> None:
    await filled(world)
    assert (
        await Leftovers(world.cache, world.store, world.jobs).remove(Kept(snapshots=(), packages=(), store=True)) == []
    )
