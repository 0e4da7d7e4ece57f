"""PURE, over the watch's copies: how many instances of which version provisioned concurrency keeps started.

A version's own entry counts, and one of an alias for the versions that it sends requests to, by their weights. Where
more than one entry is about a version, the largest counts. An entry about an alias or a version that does not exist, or
about an alias of ``$LATEST``, is without effect.
"""

from __future__ import annotations

from collections.abc import Iterable

from thaw import names
from thaw.api.v1alpha1 import Function
from thaw.gateway import concurrency
from thaw.gateway.watch import Watch


def by_version(watch: Watch, function: Function) -> dict[str, int]:
    """Version number to instances, over all gateways."""
    wanted: dict[str, int] = {}
    for qualifier in function.spec.scaling.provisioned_concurrency:
        for version, count in of_qualifier(watch, function, qualifier).items():
            wanted[version] = max(count, wanted.get(version, 0))
    return wanted


def total(watch: Watch, function: Function, entries: Iterable[str]) -> int:
    """Instances of those entries that have an effect."""
    return sum(sum(of_qualifier(watch, function, entry).values()) for entry in entries)


def of_qualifier(watch: Watch, function: Function, qualifier: str) -> dict[str, int]:
    """What one entry asks for."""
    namespace, name = function.metadata.namespace, function.metadata.name
    count = function.spec.scaling.provisioned_concurrency[qualifier]
    if qualifier.isdigit():
        parts = {qualifier: count}
    else:
        alias = watch.alias(namespace, name, qualifier)
        if alias is None or alias.spec.function_version == names.LATEST:
            return {}
        parts = concurrency.by_version(count, alias.spec.function_version, alias.spec.additional_version_weights)
    return {version: part for version, part in parts.items() if watch.version(namespace, name, version) is not None}
