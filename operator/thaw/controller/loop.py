"""The one reconcile loop: observe, decide, apply, wait until woken; for every kind, alive or being deleted.

Level-triggered: a pass looks at how things are, never at what happened. So it does not matter how many events became
one wake-up, or whether the operator was away meanwhile.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Generic, Protocol, TypeVar

import structlog

from thaw.api.v1alpha1 import Meta
from thaw.controller.context import Context
from thaw.controller.wakes import Listener, Topic
from thaw.decide.plan import Follow, Plan, Status, trouble
from thaw.errors import Conflict, NodeError, ThawError
from thaw.kube.apply import Subject
from thaw.kube.kinds import Kind

_FOLLOW_SECONDS = 5.0
_RESYNC_SECONDS = 600.0
"""Everything is looked at so often even if nothing seems to happen: a lost word costs minutes, not for ever."""
_HOT_PASSES, _HOT_PAUSE = 25, 1.0
"""So many passes in a row without a pause are no progress, whatever they think."""
log = structlog.get_logger(__name__)
S = TypeVar("S")


class HasStatus(Protocol):
    """A Thaw object."""

    @property
    def metadata(self) -> Meta: ...  # noqa: D102
    @property
    def status(self) -> Any: ...  # noqa: D102


@dataclass(frozen=True)
class Reconciler(Generic[S]):
    """What is particular to a kind."""

    kind: Kind
    observe: Callable[[str, str], Awaitable[S | None]]
    decide: Callable[[S], Plan]
    object_of: Callable[[S], HasStatus]
    subject_of: Callable[[S], Subject]
    topics_of: Callable[[S], Iterable[Topic]]
    alone: Callable[[S | None], Topic | None] = lambda _seen: None
    """A lock that a pass must hold; asked with what was seen last."""


async def run(context: Context, reconciler: Reconciler[S], namespace: str, name: str, uid: str) -> None:
    """Reconciles one object until it is released, gone, or replaced by a namesake."""
    listener = Listener(context.wakes)
    listener.listen([(reconciler.kind.kind, namespace, name)])
    one = _One(context, reconciler, listener, namespace, name, uid)
    try:
        while (plan := await one.look()) is not None and not plan.released:
            await one.pause(plan)
    finally:
        listener.close()


class _One(Generic[S]):
    """The loop's memory of one object. Nothing in it must survive a restart."""

    def __init__(self, context: Context, reconciler: Reconciler[S], listener: Listener, *identity: str) -> None:
        self._context, self._reconciler, self._listener = context, reconciler, listener
        self._namespace, self._name, self._uid = identity
        self._log = log.bind(kind=reconciler.kind.kind, namespace=self._namespace, object=self._name)
        self._seen: S | None = None
        self._status: Status | None = None
        """As it was read or written last."""
        self._failures = self._hot = 0

    async def look(self) -> Plan | None:
        """One pass. None when the object is gone."""
        self._listener.event.clear()
        started = time.perf_counter()
        try:
            async with self._alone():
                plan = await self._pass()
            self._failures = 0
        except Exception as e:  # a bug in one object's pass must not end the loop of that object
            plan = await self._failed(e)
        finally:
            duration = self._context.metrics.duration.labels(self._reconciler.kind.kind)
            duration.observe(time.perf_counter() - started)
        if plan is None:
            self._context.metrics.forget(self._uid)
        else:
            self._context.metrics.saw(self._uid, plan)
        self._context.turns.saw(self._uid, (self._reconciler.kind.kind, self._namespace, self._name), plan)
        return plan

    async def _pass(self) -> Plan | None:
        seen = await self._reconciler.observe(self._namespace, self._name)
        if seen is None or self._reconciler.object_of(seen).metadata.uid != self._uid:
            return None
        self._seen = seen
        self._status = self._reconciler.object_of(seen).status
        self._listener.listen(self._reconciler.topics_of(seen))
        plan = self._reconciler.decide(seen)
        before, self._status = self._status, plan.status or self._status
        await self._apply(seen, before, plan)
        return plan

    async def _apply(self, seen: S, before: Any, plan: Plan) -> None:
        subject = self._reconciler.subject_of(seen)
        for event in plan.events:
            self._log.info(event.message, reason=event.reason, function=subject.function, version=subject.version)
        await self._context.applier.apply(subject, before, plan)

    async def _failed(self, error: Exception) -> Plan:
        """Says what went wrong where a user looks, and looks again after a pause that grows."""
        self._failures += 1
        self._context.metrics.errors.labels(self._reconciler.kind.kind, type(error).__name__).inc()
        if isinstance(error, Conflict) and self._failures == 1:
            self._log.info("changed meanwhile, looking again", error=str(error))
            return Plan(requeue_after=0)
        if isinstance(error, ThawError):
            self._log.warning("pass failed", error=str(error), failures=self._failures)
        else:
            self._log.exception("pass failed: a bug", failures=self._failures)
        plan = Plan(requeue_after=min(0.5 * 2**self._failures, 30.0))
        if self._seen is None or self._status is None or self._failures < 2:
            return plan
        thing, status = self._reconciler.object_of(self._seen), self._status
        deleting = thing.metadata.deletion_timestamp is not None
        plan = trouble(
            status,
            thing.metadata,
            str(error),
            now=datetime.now(UTC),
            attempt=self._failures,
            deleting=deleting,
        )
        with contextlib.suppress(ThawError):
            await self._apply(self._seen, status, plan)
            self._status = plan.status or status
        return plan

    async def pause(self, plan: Plan) -> None:
        """Until woken, until the agent's job moves, or until the plan's time has come."""
        if plan.requeue_after == 0 and self._hot < _HOT_PASSES:
            self._hot += 1
            return
        hot, self._hot = self._hot >= _HOT_PASSES, 0
        if hot:
            await asyncio.sleep(_HOT_PAUSE)
            return
        timeout = _RESYNC_SECONDS if plan.requeue_after is None else min(plan.requeue_after, _RESYNC_SECONDS)
        waits: list[asyncio.Future[Any]] = [asyncio.ensure_future(self._listener.event.wait())]
        if plan.follow is not None:
            waits.append(asyncio.ensure_future(self._follow(plan.follow)))
        try:
            await asyncio.wait(waits, timeout=timeout, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in waits:
                task.cancel()

    async def _follow(self, follow: Follow) -> None:
        agents = self._context.agents
        try:
            if follow.pod_uid:
                await agents.report(follow.agent, follow.pod_uid, wait=_FOLLOW_SECONDS)
            else:
                await agents.snapshot(follow.agent, follow.snapshot_uid, wait=_FOLLOW_SECONDS)
        except NodeError as e:
            self._log.info("job not followed", error=str(e))
            await asyncio.sleep(1)

    @contextlib.asynccontextmanager
    async def _alone(self) -> AsyncIterator[None]:
        topic = self._reconciler.alone(self._seen)
        if topic is None:
            yield
            return
        async with self._context.lock(topic):
            yield
