"""PURE: how many invocations may run at a time: of the account, which is a namespace, and of one function.

A namespace has ``THAW_CONCURRENT_EXECUTIONS``. A function's reserved concurrency is taken off it, and is the function's
alone and its most; all functions without one share the rest. (Lambda developer guide, "Configuring reserved
concurrency".) An invocation counts from when it asks for an instance until its answer is sent.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence

_UNRESERVED_LEAST = 100
"""What Lambda leaves to the functions without reserved concurrency, of an account that has 1000."""


def unreserved_least(limit: int) -> int:
    """What cannot be reserved: 100, or a tenth of a smaller limit."""
    return min(_UNRESERVED_LEAST, limit // 10)


def unreserved(limit: int, reserved: Collection[int]) -> int:
    """What the functions without reserved concurrency share; manifests can not reserve all of it either."""
    return max(limit - sum(reserved), unreserved_least(limit))


def share(limit: int, gateways: Sequence[str], own: str) -> int:
    """One gateway's part of a limit: an equal one, and one of what is left for the first of them by name.

    Gateways do not speak with each other, so the parts add up to the limit, but for this: where there are more gateways
    than the limit has invocations, each lets one in, or callers of some would never be served. Zero stays zero.

    :param gateways: those that live, ``own`` among them.
    """
    each, left = divmod(limit, len(gateways))
    return max(each + (sorted(gateways).index(own) < left), min(limit, 1))


def ahead(wanted: int, gateways: Sequence[str]) -> int:
    """One gateway's part of the instances that are started ahead: rounded up, so that every gateway has some."""
    return math.ceil(wanted / len(gateways))


def by_version(wanted: int, version: str, weights: Mapping[str, float]) -> dict[str, int]:
    """The instances that are started ahead for a version, or for each that an alias sends requests to, rounded up.

    :param weights: the alias's further versions; empty of a version.
    """
    shares = {**weights, version: 1 - sum(weights.values())}
    return {number: math.ceil(round(wanted * part, 6)) for number, part in shares.items() if part > 0}
