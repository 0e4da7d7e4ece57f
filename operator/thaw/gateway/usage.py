"""When versions were last invoked, told to the cluster seldom: ``status.lastInvokedTime`` of a FunctionVersion.

A request writes nothing. Once a minute at the most, what has happened since is written for each version that was
invoked; at once only where somebody waits for it: a version that was never invoked, or is Inactive. So an idle time
survives restarts of everything, and is wrong by a minute at the most, also when a gateway is killed.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import structlog

from thaw.api import durations
from thaw.api.v1alpha1 import FunctionVersion
from thaw.errors import ClusterError
from thaw.gateway.options import GatewaySettings
from thaw.gateway.watch import Watch
from thaw.kube.client import Kube
from thaw.kube.kinds import FUNCTION_VERSION

_EVERY = 0.5
_INTERVAL = timedelta(seconds=60)
_PARTS = 4
"""An idle time that is shorter than minutes is told so often within it."""
log = structlog.get_logger(__name__)


@dataclass
class _Used:
    """A version that was invoked, and what of that was told."""

    version: FunctionVersion
    last: datetime
    told: datetime | None = None


class Usage:
    """The invocations this gateway has seen.

    :param now: the time of day.
    """

    def __init__(
        self,
        kube: Kube,
        watch: Watch,
        settings: GatewaySettings,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._kube, self._watch, self._settings, self._now = kube, watch, settings, now
        self._used: dict[str, _Used] = {}

    def saw(self, version: FunctionVersion) -> None:
        """It was invoked now, also if it was refused for its state."""
        used = self._used.setdefault(version.metadata.uid, _Used(version, self._now()))
        used.version, used.last = version, self._now()

    async def run(self) -> None:
        """Tells what is due, for ever."""
        while True:
            await asyncio.sleep(_EVERY)
            await self.tell()

    async def tell(self, *, everything: bool = False) -> None:
        """Writes what is due now; with ``everything`` also what could wait, for this gateway ends."""
        for uid, used in tuple(self._used.items()):
            version = self._current(used.version)
            if version is None:
                del self._used[uid]
            elif used.last > _latest(used.told, version) and (everything or self._is_due(version, used)):
                await self._write(used)

    def _current(self, version: FunctionVersion) -> FunctionVersion | None:
        meta, status = version.metadata, version.status
        found = self._watch.version(meta.namespace, version.spec.function_name, status.version)
        return found if found is not None and found.metadata.uid == meta.uid else None

    def _is_due(self, version: FunctionVersion, used: _Used) -> bool:
        told, since = _latest(used.told, version), version.status.inactive_since
        waited_for = version.status.state == "Inactive" and (since is None or told <= since)
        return waited_for or self._now() - told >= self._interval(version)

    def _interval(self, version: FunctionVersion) -> timedelta:
        function = self._watch.function(version.metadata.namespace, version.spec.function_name)
        own = function.spec.snap_start.inactive_after if function else None
        after = durations.parse(own or self._settings.inactive_after)
        return min(_INTERVAL, after / _PARTS) if after else _INTERVAL

    async def _write(self, used: _Used) -> None:
        meta, last = used.version.metadata, used.last
        body = {"metadata": {"uid": meta.uid}, "status": {"lastInvokedTime": last.isoformat()}}
        try:
            await self._kube.patch(FUNCTION_VERSION, meta.namespace, meta.name, body, subresource="status")
            used.told = last
        except ClusterError as e:
            log.warning("last invocation not told", version=meta.name, namespace=meta.namespace, error=str(e))


def _latest(told: datetime | None, version: FunctionVersion) -> datetime:
    """The latest invocation that the cluster knows of; the watch may be behind what this gateway wrote."""
    known = [t for t in (told, version.status.last_invoked_time) if t is not None]
    return max(known, default=datetime.min.replace(tzinfo=UTC))
