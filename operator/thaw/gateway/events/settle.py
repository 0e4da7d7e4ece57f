"""What a decision about an event means in the cluster: the next try noted, its destination told, the object deleted.

Whatever must not be lost is written before what it follows from is deleted, under a name that is the same whoever
writes it: a gateway that dies in between makes nothing twice.
"""

from __future__ import annotations

import asyncio
import json
import uuid
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Literal, TypeVar

import structlog

from thaw import names
from thaw.api.v1alpha1 import EventState
from thaw.decide.plan import Event as Told
from thaw.errors import ClusterError, Conflict, InvokeError, NotFound, Unavailable
from thaw.gateway.arns import Arns
from thaw.gateway.events import destinations, envelope
from thaw.gateway.events.attempts import Try, config_of, function_of
from thaw.gateway.events.decide import Again, Condition
from thaw.gateway.events.destinations import ToUrl
from thaw.gateway.events.envelope import Event, Kept
from thaw.gateway.events.queue import Queue
from thaw.gateway.events.record import Subject, invocation_record
from thaw.gateway.metrics import Metrics
from thaw.gateway.watch import Watch
from thaw.kube.client import Kube, Object
from thaw.kube.events import Events
from thaw.kube.kinds import EVENT_INVOCATION, FUNCTION

T = TypeVar("T")
LONGEST_CHAIN = 16
"""Invocations that may follow from one another by destinations (AWS, "Use Lambda recursive loop detection")."""
_BACKOFF_FIRST, _BACKOFF_MOST = 0.5, 15.0
_SHOWN = 500
Undelivered = Literal["Invalid", "Recursion", "RecordTooLarge", "NoSuchFunction", "NotKept", "Unreachable"]
log = structlog.get_logger(__name__)


@dataclass(frozen=True)
class Settle:
    """Writes what was decided; waits for an API server that is away."""

    kube: Kube
    watch: Watch
    queue: Queue
    arns: Arns
    told: Events
    metrics: Metrics
    gateway: str
    allowed_hosts: tuple[str, ...]
    now: Callable[[], datetime]

    async def again(self, kept: Kept, step: Again, tried: Try) -> None:
        """Notes a try that counts, and the first of those in a row that do not; the others would tell nothing new."""
        if step.counts:
            state: EventState = "Delivering" if kept.spec.url else "Retrying"
            at = step.at.isoformat()
            status: Object = {"state": state, "attempts": kept.status.attempts + 1, "nextAttemptAt": at}
        elif kept.status.state != "Throttled":
            status = {"state": "Throttled", "nextAttemptAt": None}
        else:
            return
        await insist(lambda: self._note(kept, {**status, "lastError": tried.error[:_SHOWN]}))

    async def over(self, kept: Kept, condition: Condition, tried: Try | None) -> None:
        """It is done with."""
        if kept.spec.url:
            if condition != "Success":
                await self._undelivered(kept, "Unreachable", _error(kept, tried))
        else:
            if condition != "Success":
                self._dropped(kept, condition, tried)
            await self._tell_destination(kept, condition, tried)
        await self._delete(kept)

    async def dropped(self, kept: Kept, tried: Try) -> None:
        """There is nobody to run it."""
        self._dropped(kept, "Deleted", tried)
        await self._tell(kept, "EventDropped", f"An asynchronous invocation was dropped: {tried.error}")
        await self._delete(kept)

    async def unreadable(self, raw: Object, error: ValueError) -> None:
        """Somebody made it by hand, and wrong."""
        meta = raw["metadata"]
        log.error("event dropped", namespace=meta["namespace"], name=meta["name"], reason=str(error))
        self.metrics.dropped_events.labels(meta["namespace"], raw["spec"]["functionName"], "", "Unreadable").inc()
        await insist(lambda: self.kube.delete(EVENT_INVOCATION, meta["namespace"], meta["name"], uid=meta["uid"]))

    async def _tell_destination(self, kept: Kept, condition: Condition, tried: Try | None) -> None:
        config = config_of(function_of(self.watch, kept), kept.spec.qualifier)
        chosen = config.on_success if condition == "Success" else config.on_failure
        if chosen is None:
            return
        try:
            following = self._following(kept, chosen.destination, self._record(kept, condition, tried))
            await insist(lambda: self._keep(following))
        except _CannotTell as e:
            await self._undelivered(kept, e.reason, str(e))

    def _record(self, kept: Kept, condition: Condition, tried: Try | None) -> bytes:
        spec, ran = kept.spec, tried is not None and tried.result in ("succeeded", "failed")
        arn = self.arns.function(spec.function_name, spec.qualifier or names.LATEST)
        subject = Subject(spec.request_id, arn, kept.payload, kept.invocations + ran)
        outcome = tried.outcome if tried else None
        return json.dumps(invocation_record(subject, condition, outcome, self.now())).encode()

    def _following(self, kept: Kept, destination: str, record: bytes) -> Event:
        """The event that brings a record to its destination.

        :raises _CannotTell: there is none.
        """
        namespace = kept.meta.namespace
        try:
            to = destinations.parse(destination, self.arns, self.allowed_hosts)
        except InvokeError as e:
            raise _CannotTell("Invalid", e.message) from e
        if len(record) > envelope.MAX_PAYLOAD:
            raise _CannotTell(
                "RecordTooLarge", f"its record has {len(record)} bytes, {envelope.MAX_PAYLOAD} are allowed"
            )
        name = str(uuid.uuid5(uuid.NAMESPACE_OID, f"{kept.meta.uid}/record"))
        if isinstance(to, ToUrl):
            own = kept.spec.function_name, kept.function_uid, kept.spec.qualifier
            return Event(namespace, *own, name, record, self.now(), kept.spec.trace_id, kept.spec.hops, to.url)
        if kept.spec.hops + 2 > LONGEST_CHAIN:
            raise _CannotTell("Recursion", f"{LONGEST_CHAIN} invocations have followed from one another: a loop?")
        function = self.watch.function(namespace, to.function)
        if function is None:
            raise _CannotTell("NoSuchFunction", f"there is no function {to.function} in this namespace")
        found = to.function, function.metadata.uid, to.qualifier
        return Event(namespace, *found, name, record, self.now(), kept.spec.trace_id, kept.spec.hops + 1)

    async def _keep(self, following: Event) -> None:
        try:
            await self.queue.keep(following)
        except Unavailable:
            raise
        except ClusterError as e:
            raise _CannotTell("NotKept", str(e)) from e

    async def _undelivered(self, kept: Kept, reason: Undelivered, why: str) -> None:
        """The destination is not told, and cannot be."""
        self.metrics.undelivered.labels(kept.meta.namespace, kept.spec.function_name, reason).inc()
        log.error("destination not told", reason=reason, error=why, **_about(kept))
        await self._tell(kept, "DestinationNotTold", f"The record of an asynchronous invocation was lost: {why}")

    def _dropped(self, kept: Kept, reason: str, tried: Try | None) -> None:
        qualifier = kept.spec.qualifier or names.LATEST
        self.metrics.dropped_events.labels(kept.meta.namespace, kept.spec.function_name, qualifier, reason).inc()
        log.error("event given up", reason=reason, error=_error(kept, tried), **_about(kept))

    async def _tell(self, kept: Kept, reason: str, message: str) -> None:
        function = function_of(self.watch, kept)
        if function is not None:
            meta = function.metadata
            await self.told.write(FUNCTION, meta.namespace, meta.name, meta.uid, Told("Warning", reason, message))

    async def _note(self, kept: Kept, status: Object) -> None:
        """Writes the status, unless another gateway has it by now."""
        meta, version = kept.meta, kept.meta.resource_version
        while True:
            body = {"metadata": {"resourceVersion": version}, "status": status}
            try:
                await self.kube.patch(EVENT_INVOCATION, meta.namespace, meta.name, body)
            except Conflict:
                fresh = await self.kube.get(EVENT_INVOCATION, meta.namespace, meta.name)
                if fresh["metadata"].get("labels", {}).get(names.LABEL_GATEWAY) != self.gateway:
                    log.warning("event taken over by another gateway", **_about(kept))
                    return
                version = fresh["metadata"]["resourceVersion"]
            else:
                return

    async def _delete(self, kept: Kept) -> None:
        meta = kept.meta
        await insist(lambda: self.kube.delete(EVENT_INVOCATION, meta.namespace, meta.name, uid=meta.uid))


class _CannotTell(Exception):
    def __init__(self, reason: Undelivered, why: str) -> None:
        self.reason = reason
        super().__init__(why)


async def insist(write: Callable[[], Awaitable[T]]) -> T | None:
    """Writes until the API server takes it: the function must not run again meanwhile. What is gone need not be."""
    pause = _BACKOFF_FIRST
    while True:
        try:
            return await write()
        except NotFound:
            return None
        except ClusterError as e:
            log.warning("not written yet", error=str(e), again_in=pause)
            await asyncio.sleep(pause)
            pause = min(pause * 2, _BACKOFF_MOST)


def _error(kept: Kept, tried: Try | None) -> str:
    return tried.error if tried else kept.status.last_error


def _about(kept: Kept) -> dict[str, str]:
    return {
        "namespace": kept.meta.namespace,
        "function": kept.spec.function_name,
        "request_id": kept.spec.request_id,
    }
