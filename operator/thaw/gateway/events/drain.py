"""Out of the queue: this gateway's events, each at its time, a bounded number at once, fairly over functions.

Nothing of an event but its name and function is in memory: at each try it is read, so that one that was deleted or
taken over meanwhile is not run, and its function's configuration is that of the moment.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from datetime import datetime, timedelta

import structlog

from thaw import names
from thaw.errors import ClusterError, NotFound
from thaw.gateway.events import backlog, decide, envelope
from thaw.gateway.events.attempts import Attempts
from thaw.gateway.events.backlog import Backlog, Key
from thaw.gateway.events.decide import Again, Dropped, Over, Run, Seen
from thaw.gateway.events.envelope import Kept
from thaw.gateway.events.schedule import Schedule
from thaw.gateway.events.settle import Settle
from thaw.gateway.metrics import Metrics
from thaw.kube.client import Kube, Object
from thaw.kube.kinds import EVENT_INVOCATION

_LOOK_AGAIN = 1.0
log = structlog.get_logger(__name__)


class Drain:
    """Runs the events that this gateway has.

    :param at_once: how many may run.
    """

    def __init__(
        self,
        *,
        kube: Kube,
        backlog: Backlog,
        attempts: Attempts,
        settle: Settle,
        metrics: Metrics,
        gateway: str,
        at_once: int,
        now: Callable[[], datetime],
    ) -> None:
        self._kube, self._backlog, self._attempts, self._settle = kube, backlog, attempts, settle
        self._metrics, self._gateway, self._now = metrics, gateway, now
        self._schedule = Schedule(at_once, max(at_once // 4, 1))
        self._refusals: dict[Key, int] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._wake = asyncio.Event()
        self.stopping = False

    def due(self, key: Key, owner: Key) -> None:
        """There is one to run, as soon as its time has come; it may be known already."""
        if key not in self._schedule:
            self._schedule.add(key, owner, self._now())
            self._wake.set()

    def on_event(self, type_: str, item: Object) -> None:
        """Takes a watch's event: others make, take over and delete events as well."""
        key, found = backlog.of_item(item)
        if type_ == "DELETED":
            self._backlog.forget(key)
            self._schedule.remove(key)
            self._refusals.pop(key, None)
            return
        self._backlog.add(key, found)
        if found.gateway == self._gateway:
            self.due(key, found.owner)

    async def run(self) -> None:
        """Runs what is due, until cancelled or told to stop."""
        while not self.stopping:
            self._wake.clear()
            for key in self._schedule.take(self._now()):
                task = asyncio.get_running_loop().create_task(self._one(key))
                self._tasks.add(task)
                task.add_done_callback(self._tasks.discard)
            await self._until_next()

    async def stop(self, timeout: float) -> None:
        """Begins nothing more, and lets what runs finish, within a time; the rest is another gateway's to run."""
        self.stopping = True
        self._wake.set()
        deadline = time.monotonic() + timeout
        while self._tasks and time.monotonic() < deadline:
            await asyncio.wait(tuple(self._tasks), timeout=deadline - time.monotonic())
        for task in tuple(self._tasks):
            task.cancel()
        await asyncio.gather(*tuple(self._tasks), return_exceptions=True)

    async def _until_next(self) -> None:
        at = self._schedule.next_at()
        left = _LOOK_AGAIN if at is None else (at - self._now()).total_seconds()
        try:
            async with asyncio.timeout(min(max(left, 0), _LOOK_AGAIN)):
                await self._wake.wait()
        except TimeoutError:
            return

    async def _one(self, key: Key) -> None:
        at: datetime | None = None
        try:
            at = await self._tried(key)
        except Exception as e:
            fault = not isinstance(e, ClusterError)
            log.warning("event not tried", namespace=key[0], name=key[1], error=str(e), exc_info=fault)
            at = self._after_trouble(key)
        finally:
            owner = self._schedule.done(key)
            if at is None:
                self._refusals.pop(key, None)
            else:
                self._schedule.add(key, owner, at)
            self._wake.set()

    def _after_trouble(self, key: Key) -> datetime:
        """An event that could not be read, or that showed a fault of this program's: it is never forgotten."""
        refusals = self._refusals.get(key, 0)
        self._refusals[key] = refusals + 1
        return self._now() + timedelta(seconds=decide.backoff(refusals))

    async def _tried(self, key: Key) -> datetime | None:
        """Tries it; gives when to do so again."""
        kept = await self._read(key)
        if kept is None:
            return None
        seen, policy = self._seen(key, kept), self._attempts.policy(kept)
        step: Run | Again | Over | Dropped = decide.before(seen, policy, self._now())
        tried = None
        if isinstance(step, Run):
            self._metrics.event_age.observe(max(seen.age(self._now()), 0))
            tried = await self._attempts.make(kept)
            step = decide.after(seen, tried.result, self._attempts.policy(kept), self._now())
        match step:
            case Again(at=at, counts=counts):
                if tried is not None:
                    self._refusals[key] = 0 if counts else seen.refusals + 1
                    await self._settle.again(kept, step, tried)
                return at
            case Over(condition=condition):
                await self._settle.over(kept, condition, tried)
            case Dropped() if tried is not None:
                await self._settle.dropped(kept, tried)
        self._backlog.forget(key)
        return None

    async def _read(self, key: Key) -> Kept | None:
        """The event, if this gateway still has it."""
        try:
            raw = await self._kube.get(EVENT_INVOCATION, *key)
        except NotFound:
            return None
        meta = raw["metadata"]
        if meta.get("deletionTimestamp") or meta.get("labels", {}).get(names.LABEL_GATEWAY) != self._gateway:
            return None
        try:
            return envelope.read(raw)
        except ValueError as e:
            await self._settle.unreadable(raw, e)
            return None

    def _seen(self, key: Key, kept: Kept) -> Seen:
        status = kept.status
        return Seen(kept.spec.accepted_at, status.attempts, self._refusals.get(key, 0), status.next_attempt_at)
