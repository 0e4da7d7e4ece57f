"""PURE: how often one may call, and fail to."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Self

from thaw.gateway.auth.bucket import Rate
from thaw.gateway.auth.peers import Network


@dataclass(frozen=True)
class Limits:
    """The gateway's own; an access key may have another."""

    caller: Rate | None = None
    """Of a caller that has no rate of its own; None for any number of requests."""
    failures: Rate | None = None
    """Failed authentications from one address; None for any number."""
    trusted_proxies: tuple[Network, ...] = ()

    @classmethod
    def of(cls, caller: tuple[float, int], failures: tuple[float, int], proxies: tuple[Network, ...]) -> Self:
        """From settings, in which a rate of 0 is none, and a burst of 0 what comes in a second."""
        return cls(_rate(*caller), _rate(*failures), proxies)


def _rate(per_second: float, burst: int) -> Rate | None:
    return Rate(per_second, burst or math.ceil(per_second)) if per_second else None
