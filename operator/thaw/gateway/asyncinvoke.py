"""InvocationType Event: accepted at once, run in the background.

What is promised: the event is in this gateway's memory, not on a disk. It is run, and as on Lambda run again twice, a
minute and two minutes later, when the function fails or cannot be started. A gateway that is told to stop finishes what
runs; events that wait for a further try then, and all of them if the gateway is killed, are lost: logged and counted in
``thaw_gateway_lost_events_total``.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

import structlog

from thaw.errors import InvokeError
from thaw.gateway import answers
from thaw.gateway.invoke import Outcome
from thaw.gateway.metrics import Metrics

DELAYS = (0.0, 60.0, 120.0)
log = structlog.get_logger(__name__)


@dataclass(frozen=True)
class Job:
    """An accepted event."""

    namespace: str
    function: str
    qualifier: str
    request_id: str
    run: Callable[[], Awaitable[Outcome]]


class AsyncInvokes:
    """Accepted events, bounded in number.

    :param limit: how many may be held; more are refused with 429.
    """

    def __init__(self, metrics: Metrics, limit: int, delays: tuple[float, ...] = DELAYS) -> None:
        self._metrics, self._limit, self._delays = metrics, limit, delays
        self._jobs: dict[asyncio.Task[None], Job] = {}
        self._sleeping: set[asyncio.Task[None]] = set()

    def accept(self, job: Job) -> None:
        """Takes an event.

        :raises InvokeError: too many are held.
        """
        if len(self._jobs) >= self._limit:
            raise answers.throttled(f"{len(self._jobs)} events wait already.")
        task = asyncio.get_running_loop().create_task(self._run(job))
        self._jobs[task] = job
        task.add_done_callback(self._jobs.pop)

    async def drain(self, timeout: float) -> None:
        """Lets what runs finish, within a time; gives up the rest, by name."""
        for task in tuple(self._sleeping):
            task.cancel()
        if self._jobs:
            await asyncio.wait(tuple(self._jobs), timeout=timeout)
        for task in tuple(self._jobs):
            task.cancel()
        await asyncio.gather(*tuple(self._jobs), return_exceptions=True)

    async def _run(self, job: Job) -> None:
        fields = {"namespace": job.namespace, "function": job.function, "request_id": job.request_id}
        why = ""
        try:
            for delay in self._delays:
                await self._sleep(delay)
                try:
                    outcome = await job.run()
                except InvokeError as e:
                    why = str(e)
                    continue
                except Exception as e:
                    why = repr(e)
                    log.exception("event failed", **fields)
                    return
                if not outcome.function_error:
                    why = ""
                    return
                why = outcome.payload[:500].decode(errors="replace")
        except asyncio.CancelledError:
            why = f"the gateway stops{'; the last try: ' + why if why else ''}"
            raise
        finally:
            if why:
                log.error("event given up", reason=why, **fields)
                self._metrics.lost_events.labels(job.namespace, job.function, job.qualifier).inc()

    async def _sleep(self, delay: float) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._sleeping.add(task)
        try:
            await asyncio.sleep(delay)
        finally:
            self._sleeping.discard(task)
