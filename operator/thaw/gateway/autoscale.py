"""PURE: which instances go, and how many are started ahead of requests.

- Retired (its code was replaced, or its version is gone) and serving nobody: goes.
- Idle for ``idleSeconds``: goes, the longest idle first, as long as ``minInstances`` stay, over all gateways, and
  this gateway's part of the provisioned concurrency.
- Fewer than either where they are kept: the rest is started, never more than ``maxInstances`` over all gateways.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Member:
    """One instance of this gateway."""

    uid: str
    inflight: int
    idle_for: float
    """Seconds since its last request ended."""


@dataclass(frozen=True)
class Keep:
    """What is kept running of a version although nobody calls; nothing, of most."""

    everywhere: int = 0
    """Over all gateways: ``minInstances``."""
    here: int = 0
    """By this gateway: its part of the provisioned concurrency."""


@dataclass(frozen=True)
class Scaling:
    """The rules for a pool."""

    keep: Keep
    max_instances: int
    idle_seconds: float


@dataclass(frozen=True)
class Scale:
    """What to do."""

    stop: tuple[str, ...]
    start: int


def decide(
    members: tuple[Member, ...], *, starting: int, elsewhere: int, scaling: Scaling, retired: bool, waiting: int = 0
) -> Scale:
    """Which instances go and how many come.

    :param elsewhere: instances of the version that other gateways made.
    :param waiting: requests in the queue: nothing goes while somebody waits.
    """
    idle = [m for m in members if m.inflight == 0]
    if retired:
        return Scale(tuple(m.uid for m in idle), 0)
    total = len(members) + starting + elsewhere
    keep, room = scaling.keep, scaling.max_instances - total
    missing = min(max(keep.everywhere - total, keep.here - len(members) - starting), room)
    if missing > 0:
        return Scale((), missing)
    if waiting:
        return Scale((), 0)
    over = sorted((m for m in idle if m.idle_for >= scaling.idle_seconds), key=lambda m: -m.idle_for)
    spare = min(len(members) + elsewhere - keep.everywhere, len(members) - keep.here)
    return Scale(tuple(m.uid for m in over[: max(spare, 0)]), 0)


def kept_warm(numbers: Collection[int], aliased: Collection[str], *, weights: Mapping[str, float]) -> frozenset[str]:
    """The qualifiers of a function for which ``minInstances`` are kept.

    Not all versions, or every publish would cost ``minInstances`` more for ever: those that aliases name (with a weight
    above zero), else the newest, else, with nothing published, ``$LATEST``.

    :param numbers: versions that can be invoked.
    :param aliased: the aliases' versions.
    :param weights: the aliases' further versions with their weights.
    """
    targets = (*aliased, *(v for v, w in weights.items() if w > 0))
    named = {v for v in targets if v == "$LATEST" or int(v) in numbers}
    if named:
        return frozenset(named)
    return frozenset({str(max(numbers))} if numbers else {"$LATEST"})
