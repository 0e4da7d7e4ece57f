"""One try of an event: the function is run, or the record sent."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import aiohttp
import structlog

from thaw import names
from thaw.api.v1alpha1 import EventInvoke, Function
from thaw.errors import ClusterError, InvokeError
from thaw.gateway.arns import Arns
from thaw.gateway.events.decide import Policy, Result
from thaw.gateway.events.envelope import Kept
from thaw.gateway.events.post import Poster
from thaw.gateway.invoke import Call, Invoker, Outcome
from thaw.gateway.targets import Targets
from thaw.gateway.watch import Watch

_RECORD_AGE = 21600.0
_SHOWN = 500
log = structlog.get_logger(__name__)


@dataclass(frozen=True)
class Try:
    """How it went."""

    result: Result
    error: str = ""
    outcome: Outcome | None = None
    """The function's answer."""


def function_of(watch: Watch, kept: Kept) -> Function | None:
    """The very function that an event was accepted for, not a namesake made since."""
    found = watch.function(kept.meta.namespace, kept.spec.function_name)
    return found if found and kept.function_uid in ("", found.metadata.uid) else None


def config_of(function: Function | None, qualifier: str) -> EventInvoke:
    """The configuration for what was invoked, as it is now; Lambda's defaults where there is none."""
    found = function.spec.event_invoke.get(qualifier or names.LATEST) if function else None
    return found or EventInvoke()


@dataclass(frozen=True)
class Attempts:
    """Makes tries.

    :param delays: seconds before the further tries of a function that failed.
    :param record_delays: of a record that could not be sent.
    """

    watch: Watch
    targets: Targets
    invoker: Invoker
    poster: Poster
    arns: Arns
    delays: Sequence[float]
    record_delays: Sequence[float]

    def policy(self, kept: Kept) -> Policy:
        """What the event may cost, by its function's configuration as it is now."""
        if kept.spec.url:
            return Policy(self.record_delays, _RECORD_AGE)
        function = function_of(self.watch, kept)
        config = config_of(function, kept.spec.qualifier)
        stopped = function is not None and function.spec.scaling.reserved_concurrency == 0
        return Policy(self.delays[: config.maximum_retry_attempts], config.maximum_event_age_seconds, stopped)

    async def make(self, kept: Kept) -> Try:
        """One try; whatever happens is an answer."""
        try:
            return await (self._post(kept) if kept.spec.url else self._invoke(kept))
        except (ClusterError, InvokeError) as e:
            return Try(_result(e), str(e))
        except Exception as e:
            log.exception("event failed", namespace=kept.meta.namespace, request_id=kept.spec.request_id)
            return Try("refused", repr(e))

    async def _invoke(self, kept: Kept) -> Try:
        spec, namespace = kept.spec, kept.meta.namespace
        if function_of(self.watch, kept) is None:
            return Try("gone", f"the function {spec.function_name} is gone")
        target = await self.targets.invoked(namespace, spec.function_name, spec.qualifier)
        arn = self.arns.function(spec.function_name, spec.qualifier)
        outcome = await self.invoker.invoke(target, Call(spec.request_id, kept.payload, arn, trace_id=spec.trace_id))
        if outcome.function_error:
            return Try("failed", outcome.payload[:_SHOWN].decode(errors="replace"), outcome)
        return Try("succeeded", outcome=outcome)

    async def _post(self, kept: Kept) -> Try:
        try:
            await self.poster.post(kept.spec.url, kept.payload, kept.spec.request_id)
        except (aiohttp.ClientError, OSError, ValueError) as e:
            return Try("failed", str(e) or repr(e))
        return Try("succeeded")


def _result(error: ClusterError | InvokeError) -> Result:
    """Throttles, states that pass and the platform's faults are refusals; what else is said is the function's."""
    if isinstance(error, ClusterError):
        return "refused"
    if error.status == 404:
        return "gone"
    return "refused" if error.status in (409, 429) or error.status >= 500 else "failed"
