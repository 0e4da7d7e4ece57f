"""Asynchronous invocation as the gateway's other parts see it."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from datetime import UTC, datetime

from thaw.gateway import answers
from thaw.gateway.arns import Arns, Named
from thaw.gateway.events import own
from thaw.gateway.events.attempts import Attempts
from thaw.gateway.events.backlog import Backlog
from thaw.gateway.events.claims import Claims
from thaw.gateway.events.drain import Drain
from thaw.gateway.events.envelope import Event
from thaw.gateway.events.post import Poster
from thaw.gateway.events.queue import Queue
from thaw.gateway.events.settle import Settle
from thaw.gateway.invoke import Call, Invoker
from thaw.gateway.leases import Leases
from thaw.gateway.metrics import Metrics
from thaw.gateway.options import GatewaySettings
from thaw.gateway.targets import Targets
from thaw.gateway.watch import Watch
from thaw.kube.client import Kube
from thaw.kube.events import Events


class AsyncInvocations:
    """Accepts events, and runs those that this gateway has."""

    def __init__(
        self,
        *,
        kube: Kube,
        watch: Watch,
        targets: Targets,
        invoker: Invoker,
        leases: Leases,
        told: Events,
        metrics: Metrics,
        settings: GatewaySettings,
        arns: Arns,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        gateway = settings.pod_name
        self._watch, self._arns, self._now = watch, arns, now
        backlog = Backlog(settings.event_queue_limit, settings.event_queue_bytes)
        metrics.events_held.set_function(lambda: len(backlog.held))
        self._queue = Queue(kube, backlog, metrics, gateway)
        attempts = Attempts(
            watch=watch,
            targets=targets,
            invoker=invoker,
            poster=Poster(lambda: own.addresses(kube, settings.namespace)),
            arns=arns,
            delays=settings.event_retry_delays,
            record_delays=settings.event_record_delays,
        )
        settle = Settle(
            kube=kube,
            watch=watch,
            queue=self._queue,
            arns=arns,
            told=told,
            metrics=metrics,
            gateway=gateway,
            allowed_hosts=settings.destination_hosts,
            now=now,
        )
        self.drain = Drain(
            kube=kube,
            backlog=backlog,
            attempts=attempts,
            settle=settle,
            metrics=metrics,
            gateway=gateway,
            at_once=settings.events_at_once,
            now=now,
        )
        self.claims = Claims(kube, backlog, self.drain, leases, gateway)
        self._queue.on_kept.append(self.drain.due)
        watch.on_event.append(self.drain.on_event)

    async def accept(self, namespace: str, named: Named, call: Call) -> None:
        """Takes an event of a function that exists; it is durable when this returns.

        :raises InvokeError: too many are held, or too large ones; or the function is gone.
        :raises ClusterError: it could not be kept.
        """
        function = self._watch.function(namespace, named.function)
        if function is None:
            raise answers.not_found(self._arns.function(named.function, named.qualifier))
        event = Event(
            namespace=namespace,
            function=named.function,
            function_uid=function.metadata.uid,
            qualifier=named.qualifier,
            request_id=call.request_id,
            payload=call.payload,
            accepted_at=self._now(),
            trace_id=call.trace_id[:1024],
        )
        await self._queue.accept(event)

    def runs(self) -> list[Coroutine[object, object, None]]:
        """What must run for ever."""
        return [self.drain.run(), self.claims.run()]

    async def stop(self, timeout: float) -> None:
        """Begins nothing more and lets what runs finish; the rest is for the other gateways, once the Lease is gone."""
        await self.drain.stop(timeout)
