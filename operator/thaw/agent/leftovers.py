"""What a node kept of things that were deleted while it was away, and could not be asked."""

from __future__ import annotations

import time
from collections.abc import Callable

import structlog

from thaw.agent.cache import Cache
from thaw.agent.jobs import Jobs
from thaw.agent.threads import in_thread
from thaw.api.node import Kept
from thaw.store.base import SnapshotStore

SETTLED = 600.0
"""Seconds after which the operator's list cannot be older than what it is compared with."""
log = structlog.get_logger("thaw.agent.leftovers")


class Leftovers:
    """Compares a node, and its store, with what exists in the cluster.

    :param now: Unix seconds.
    """

    def __init__(self, cache: Cache, store: SnapshotStore, jobs: Jobs, now: Callable[[], float] = time.time) -> None:
        self._cache, self._store, self._jobs, self._now = cache, store, jobs, now

    async def remove(self, kept: Kept) -> list[str]:
        """Removes what is not on the list and older than it; tells what."""
        before = self._now() - SETTLED
        here = set(await in_thread(self._cache.snapshots_before, before))
        stored = set(await in_thread(self._store.list_ids, before)) if kept.store else set()
        removed = []
        for snapshot_id in sorted((here | stored) - set(kept.snapshots)):
            gone = await self._jobs.delete(snapshot_id, store=kept.store)
            removed.append(f"snapshot {snapshot_id}: {', '.join(gone)}")
        for namespace, sha256 in await in_thread(self._store.list_code, before) if kept.store else ():
            if f"{namespace}/{sha256}" not in kept.packages:
                await in_thread(self._store.delete_code, namespace, sha256)
                await self._cache.drop_code(namespace, sha256)
                removed.append(f"package {namespace}/{sha256}")
        if removed:
            log.info("leftovers.removed", removed=removed)
        return removed
