"""PURE: what an instance is made from: a version's frozen template, or ``$LATEST``'s as it stands."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping

from thaw.api.v1alpha1 import FrozenTemplate, Function
from thaw.decide import template as frozen
from thaw.gateway import answers

_NOT_INSTANCES = {"description", "scaling", "auto_publish_alias", "event_invoke", "urls", "tags"}


def of_latest(function: Function, runtimes: Mapping[str, str]) -> FrozenTemplate:
    """The template that a publish would freeze now.

    :raises InvokeError: the runtime has no image here.
    """
    template = frozen.freeze(function.spec, runtimes)
    if not template.image:
        raise answers.invalid(f"The runtime {function.spec.runtime} has no image in this installation")
    return template


def template_hash(template: FrozenTemplate) -> str:
    """Tells templates apart whose instances must not stand in for each other.

    Not the operator's hash, which says whether a publish would be a new version: a changed description needs no new
    instances, a changed runtime image does.
    """
    spec = template.spec.model_dump(mode="json", by_alias=True, exclude=_NOT_INSTANCES)
    return hashlib.sha256(json.dumps([spec, template.image], sort_keys=True).encode()).hexdigest()[:16]
