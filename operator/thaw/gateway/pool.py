"""The instances of one version, and the requests that wait for one.

A request never fails because a pod is on its way: it waits, first come first served, until its deadline. What fails it:
a full queue, the deadline, or instances that do not start.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, replace

import structlog

from thaw.errors import InvokeError, ThawError
from thaw.gateway import answers, autoscale, route
from thaw.gateway.functioncontrol import InitFailed
from thaw.gateway.instances import Instance, Starter, StartFailed
from thaw.gateway.targets import Target

_TRIES = 3
_BACKOFF = (0.2, 1.0)
_WARM_BACKOFF_MOST = 300.0
log = structlog.get_logger(__name__)


@dataclass(frozen=True)
class Turn:
    """An instance lent to one request."""

    instance: Instance
    first: bool
    """Whether the instance was started for this request, which then tells how."""
    leave: Callable[[], None] = lambda: None
    """Says that the request is over to whoever counts those that run."""


class Pool:
    """One version's instances.

    :param elsewhere: how many instances of the version other gateways have.
    :param gone: whether the version was deleted: nothing is started for it any more.
    :param enter: lets a request in, or refuses it; gives what is called when the request is over.
    :param stale: whether the snapshot of that UID is gone or going: what was made for it serves what it has and ends.
    """

    def __init__(
        self,
        target: Target,
        starter: Starter,
        *,
        queue_limit: int,
        wait: float,
        elsewhere: Callable[[], int] = lambda: 0,
        gone: Callable[[], bool] = lambda: False,
        stale: Callable[[str], bool] = lambda _uid: False,
        enter: Callable[[], Callable[[], None]] = lambda: lambda: None,
        backoff: tuple[float, ...] = _BACKOFF,
    ) -> None:
        self.target = target
        """As last resolved: its snapshot may be a newer one than the running instances'."""
        self.retired = False
        """Its code was replaced or its version deleted: it serves what it has taken and ends."""
        self._starter, self._queue_limit, self._wait = starter, queue_limit, wait
        self._elsewhere, self._gone, self._stale, self._backoff = elsewhere, gone, stale, backoff
        self._enter = enter
        self._instances: dict[str, Instance] = {}
        self._waiting: deque[asyncio.Future[Turn]] = deque()
        self._starts: set[asyncio.Task[None]] = set()
        self._stops: set[asyncio.Task[None]] = set()
        self._failures = 0
        self._last_failure = ""
        self._warm_backoff, self._warm_after = 1.0, 0.0

    @property
    def counts(self) -> tuple[int, int, int]:
        """Instances that serve, instances under way, requests that wait."""
        return len(self._instances), len(self._starts), len(self._waiting)

    @property
    def empty(self) -> bool:
        """Whether nothing is left of it."""
        return not (self._instances or self._starts or self._waiting)

    async def acquire(self) -> Turn:
        """An instance for one request; give it back with :meth:`release`.

        :raises InvokeError: too many run already, the queue is full, the deadline came, or instances do not start.
        :raises InitFailed: the function's initialisation failed.
        """
        leave = self._enter()
        try:
            turn = await self._next_turn()
        except BaseException:
            leave()
            raise
        return replace(turn, leave=leave)

    async def _next_turn(self) -> Turn:
        match route.decide(self._situation()):
            case route.Warm(uid):
                return self._lend(self._instances[uid], waited=False)
            case route.Reject(reason):
                raise answers.throttled(f"{reason} for {self.target.function}:{self.target.qualifier}.")
            case route.NewPod():
                self._begin()
            case route.Queue():
                pass
        return await self._queue()

    def release(self, turn: Turn, *, dead: bool) -> None:
        """Takes an instance back.

        :param dead: it can serve no more: its pod goes.
        """
        instance = turn.instance
        turn.leave()
        instance.inflight -= 1
        instance.last_used = time.monotonic()
        if dead or (not instance.inflight and self._is_stale(instance)):
            self._discard(instance)
        self._serve_waiting()

    def lose(self, uid: str) -> None:
        """An instance's pod is gone or going: no more requests to it."""
        instance = self._instances.get(uid)
        if instance is not None:
            log.info("instance lost", pod=instance.pod, function=self.target.function, version=self.target.qualifier)
            self._discard(instance)
            self._serve_waiting()

    @property
    def trouble(self) -> str:
        """Why the latest start failed; empty when it did not."""
        return self._last_failure

    def scale(self, keep: autoscale.Keep) -> None:
        """Removes idle instances and starts those that are kept warm; after failures, less and less often."""
        for instance in tuple(self._instances.values()):
            if not instance.inflight and self._is_stale(instance):
                self._discard(instance)
        scaling = self.target.template.spec.scaling
        now = time.monotonic()
        plan = autoscale.decide(
            tuple(autoscale.Member(i.uid, i.inflight, now - i.last_used) for i in self._instances.values()),
            starting=len(self._starts),
            elsewhere=self._elsewhere(),
            scaling=autoscale.Scaling(keep, scaling.max_instances, scaling.idle_seconds),
            retired=self.retired,
            waiting=len(self._waiting),
        )
        for uid in plan.stop:
            self._discard(self._instances[uid])
        for _ in range(plan.start if now >= self._warm_after else 0):
            self._begin()

    async def close(self) -> None:
        """Ends everything: requests that wait are refused, pods deleted."""
        self.retired = True
        for start in tuple(self._starts):
            start.cancel()
        await asyncio.gather(*self._starts, return_exceptions=True)
        self._fail_all(answers.unavailable("The gateway is shutting down."))
        for instance in tuple(self._instances.values()):
            self._discard(instance)
        await asyncio.gather(*self._stops, return_exceptions=True)

    def _is_stale(self, instance: Instance) -> bool:
        return instance.made_for is not None and self._stale(instance.made_for)

    def _situation(self) -> route.Situation:
        return route.Situation(
            candidates=tuple(route.Candidate(i.uid, i.inflight, i.last_used) for i in self._instances.values()),
            starting=len(self._starts),
            waiting=len(self._waiting),
            elsewhere=self._elsewhere(),
            max_instances=self.target.template.spec.scaling.max_instances,
            concurrency=self.target.concurrency,
            queue_limit=self._queue_limit,
        )

    def _lend(self, instance: Instance, *, waited: bool = True) -> Turn:
        first = waited and instance.served == 0
        instance.inflight += 1
        instance.served += 1
        instance.last_used = time.monotonic()
        return Turn(instance, first)

    async def _queue(self) -> Turn:
        place: asyncio.Future[Turn] = asyncio.get_running_loop().create_future()
        self._waiting.append(place)
        try:
            async with asyncio.timeout(self._wait):
                return await asyncio.shield(place)
        except TimeoutError as e:
            self._leave(place)
            reason = self._last_failure or f"{len(self._instances)} instances serve, {len(self._starts)} are starting"
            raise answers.no_instance(self._wait, reason) from e
        except asyncio.CancelledError:
            self._leave(place)
            raise

    def _leave(self, place: asyncio.Future[Turn]) -> None:
        if place.done() and not place.cancelled() and place.exception() is None:
            self.release(place.result(), dead=False)
        else:
            place.cancel()
            self._waiting = deque(p for p in self._waiting if p is not place)

    def _serve_waiting(self) -> None:
        """Lends what is free to those who wait, and starts what they lack."""
        while self._waiting:
            decision = route.decide(self._situation())
            if not isinstance(decision, route.Warm):
                break
            place = self._waiting.popleft()
            if not place.done():
                place.set_result(self._lend(self._instances[decision.uid]))
        while self._waiting and route.start_wanted(self._situation(), len(self._waiting)):
            self._begin()

    def _begin(self, delay: float = 0.0) -> None:
        task = asyncio.get_running_loop().create_task(self._start(delay))
        self._starts.add(task)

    async def _start(self, delay: float) -> None:
        task = asyncio.current_task()
        error: Exception | None = None
        try:
            await asyncio.sleep(delay)
            instance = await self._starter.start(self.target)
            self._instances[instance.uid] = instance
            self._failures, self._last_failure = 0, ""
            self._warm_backoff = 1.0
        except asyncio.CancelledError:
            raise
        except Exception as e:
            error = e
        finally:
            self._forget(task)
        if error is not None:
            self._on_failure(error)
        else:
            self._serve_waiting()

    def _forget(self, task: asyncio.Task[None] | None) -> None:
        if task is not None:
            self._starts.discard(task)

    def _on_failure(self, error: Exception) -> None:
        """The function's fault answers the first request; the platform's is tried again, then answers all."""
        fields = {"function": self.target.function, "version": self.target.qualifier, "error": str(error)}
        self._last_failure = str(error)
        self._hold_back()
        if isinstance(error, (InitFailed, InvokeError)):
            log.info("function did not start", **fields)
            self._fail_first(error)
            self._serve_waiting()
            return
        log.warning("instance did not start", **fields, exc_info=not isinstance(error, ThawError))
        if self._gone():
            self._fail_all(answers.not_found(f"{self.target.function}:{self.target.qualifier}"))
            return
        self._failures += 1
        retryable = isinstance(error, StartFailed) and error.retryable
        if retryable and self._failures < _TRIES:
            if self._waiting:
                self._begin(self._backoff[min(self._failures, len(self._backoff)) - 1])
            return
        self._failures = 0
        if not self._starts:
            self._fail_all(answers.unstartable(str(error)))

    def _hold_back(self) -> None:
        """Instances kept warm are not tried again every second; a request still starts one at once."""
        now = time.monotonic()
        if now >= self._warm_after:  # those that failed together count as one
            self._warm_backoff = min(self._warm_backoff * 2, _WARM_BACKOFF_MOST)
            self._warm_after = now + self._warm_backoff

    def _fail_first(self, error: Exception) -> None:
        while self._waiting:
            place = self._waiting.popleft()
            if not place.done():
                place.set_exception(error)
                return

    def _fail_all(self, error: Exception) -> None:
        places, self._waiting = self._waiting, deque()
        for place in places:
            if not place.done():
                place.set_exception(error)

    def _discard(self, instance: Instance) -> None:
        if self._instances.pop(instance.uid, None) is not None:
            stop = asyncio.get_running_loop().create_task(self._starter.stop(instance))
            self._stops.add(stop)
            stop.add_done_callback(self._stops.discard)
