"""InvocationType Event: accepted at once, run in the background.

What is promised: the event is in this gateway's memory, not on a disk. It is run, and as on Lambda run again twice, a
minute and two minutes later, when the function fails or cannot be started. A gateway that is told to stop finishes what
runs; events that wait for a further try then, and all of them if the gateway is killed, are lost: logged and counted in
``thaw_gateway_lost_events_total``.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Collection
from dataclasses import dataclass

import structlog

from thaw.errors import InvokeError
from thaw.gateway import answers
from thaw.gateway.invoke import Outcome
from thaw.gateway.metrics import Metrics

DELAYS = (0.0, 60.0, 120.0)
MAX_BYTES = 64 << 20
"""Payloads held at the most: an event may have 1 MB, and stays for minutes when its function fails."""
_SHARE = 4
"""One function may hold the fourth part of what there is room for, so that it does not silence the others."""
log = structlog.get_logger(__name__)


@dataclass(frozen=True)
class Job:
    """An accepted event."""

    namespace: str
    function: str
    qualifier: str
    request_id: str
    run: Callable[[], Awaitable[Outcome]]
    size: int = 0
    """Bytes of its payload."""


class AsyncInvokes:
    """Accepted events, bounded in number and bytes, over all and for each function; more are refused with 429.

    :param limit: how many may be held.
    :param max_bytes: of payloads.
    """

    def __init__(
        self, metrics: Metrics, limit: int, delays: tuple[float, ...] = DELAYS, max_bytes: int = MAX_BYTES
    ) -> None:
        self._metrics, self._limit, self._delays, self._max_bytes = metrics, limit, delays, max_bytes
        self._jobs: dict[asyncio.Task[None], Job] = {}
        self._sleeping: set[asyncio.Task[None]] = set()

    def accept(self, job: Job) -> None:
        """Takes an event.

        :raises InvokeError: too many are held, or too great ones.
        """
        held = list(self._jobs.values())
        own = [other for other in held if (other.namespace, other.function) == (job.namespace, job.function)]
        self._refuse_over(held, job, 1, "events wait already.")
        self._refuse_over(own, job, _SHARE, f"events of {job.function} wait already.")
        task = asyncio.get_running_loop().create_task(self._run(job))
        self._jobs[task] = job
        task.add_done_callback(self._jobs.pop)

    def _refuse_over(self, held: Collection[Job], job: Job, share: int, what: str) -> None:
        size = sum(other.size for other in held)
        if len(held) >= max(self._limit // share, 1) or size + job.size > self._max_bytes // share:
            raise answers.throttled(f"{len(held)} {what}")

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
