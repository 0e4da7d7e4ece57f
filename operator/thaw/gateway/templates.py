"""PURE: what an instance is made from: a version's frozen template, or ``$LATEST``'s as it stands."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Mapping

from thaw.api.v1alpha1 import Code, FrozenTemplate, Function
from thaw.gateway import answers


def of_latest(function: Function, runtimes: Mapping[str, str]) -> FrozenTemplate:
    """The template that a publish would freeze now.

    :raises InvokeError: the runtime has no image here.
    """
    spec = function.spec
    image = spec.code.image or runtimes.get(spec.runtime or "", "")
    if not image:
        raise answers.invalid(f"The runtime {spec.runtime} has no image in this installation")
    return FrozenTemplate(spec=spec, image=image, code_sha256=code_sha256(spec.code))


def code_sha256(code: Code) -> str:
    """Lambda's CodeSha256: base64 for a package; an image's digest as it is written."""
    if code.zip is not None:
        return base64.b64encode(bytes.fromhex(code.zip.sha256)).decode()
    if code.inline is not None:
        text = json.dumps(code.inline, sort_keys=True, separators=(",", ":"))
        return base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
    return (code.image or "").partition("@sha256:")[2]


def template_hash(template: FrozenTemplate) -> str:
    """Tells templates apart whose instances must not stand in for each other."""
    spec = template.spec.model_dump(
        mode="json", by_alias=True, exclude={"description", "scaling", "auto_publish_alias"}
    )
    text = json.dumps([spec, template.image], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:16]
