"""How instances started lately, as gateways tell, and what is to be read from it."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from pydantic import ValidationError

from thaw.api.base import Model
from thaw.cli.gateway import Gateway
from thaw.errors import CommandError, InvokeError

PATH = "/thaw/v1/starts"
RESTORES = ("restore", "slot", "standby")
"""Kinds of start that take no initialisation."""


class Start(Model):
    """One request's start. Times are milliseconds."""

    function: str
    version: str
    start: str
    total_ms: float = 0
    restore_ms: float = 0
    at: datetime


class Starts(Model):
    """What one gateway served since a moment."""

    since: datetime
    starts: tuple[Start, ...] = ()


@dataclass(frozen=True)
class Summary:
    """Of one version."""

    kinds: dict[str, int] = field(default_factory=dict)
    """How often it started how."""
    p50: float | None = None
    """Of the restores' times, in milliseconds; None without any."""
    p99: float | None = None

    def to_json(self) -> dict[str, Any]:
        """For programs."""
        return {"starts": self.kinds, "restoreP50Ms": self.p50, "restoreP99Ms": self.p99}


def percentile(values: Sequence[float], share: float) -> float | None:
    """The smallest value that at least that share of them does not exceed (nearest rank); None without values.

    :param share: 0 to 1.
    """
    if not values:
        return None
    return sorted(values)[max(math.ceil(share * len(values)), 1) - 1]


def summaries(starts: Iterable[Start]) -> dict[tuple[str, str], Summary]:
    """By function and version."""
    grouped: dict[tuple[str, str], list[Start]] = {}
    for start in starts:
        grouped.setdefault((start.function, start.version), []).append(start)
    return {key: _summary(group) for key, group in grouped.items()}


async def ask(gateways: Iterable[Gateway], function: str) -> list[Start] | None:
    """What all gateways served; None when they do not keep it (404).

    :param function: empty for all of the namespace.
    :raises CommandError: one did not answer as it should.
    """
    found: list[Start] = []
    for gateway in gateways:
        try:
            answer = await gateway.call("GET", PATH, query={"function": function} if function else None)
            found += Starts.model_validate_json(answer.body).starts
        except InvokeError as e:
            if e.status == 404:
                return None
            raise
        except ValidationError as e:
            raise CommandError(f"the gateway {gateway.shown} is of another version of Thaw: {e}") from e
    return found


def _summary(starts: Sequence[Start]) -> Summary:
    kinds: dict[str, int] = {}
    for start in starts:
        kinds[start.start] = kinds.get(start.start, 0) + 1
    times = [start.restore_ms for start in starts if start.start in RESTORES]
    return Summary(kinds, percentile(times, 0.5), percentile(times, 0.99))
