"""What a publish freezes, and how two of them are told apart."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Mapping
from typing import Any

from thaw.api.v1alpha1 import Code, FrozenTemplate, FunctionSpec

_NOT_VERSIONED: dict[str, Any] = {
    "scaling": True,
    "auto_publish_alias": True,
    "event_invoke": True,
    "urls": True,
    "tags": True,
    "snap_start": {"inactive_after", "recycle_after"},
}
"""Concurrency, asynchronous invocation, URLs and tags are of the function, not of a version, on Lambda too; the alias
says how to publish; how long snapshots are kept concerns all that were published."""


def image(spec: FunctionSpec, runtimes: Mapping[str, str]) -> str:
    """The image that instances run; empty when the runtime has none here."""
    return spec.code.image or runtimes.get(spec.runtime or "", "")


def image_now(template: FrozenTemplate, runtimes: Mapping[str, str]) -> str:
    """The image a new snapshot is taken of: the runtime's as it is now, for security patches arrive that way."""
    return image(template.spec, runtimes) or template.image


def freeze(spec: FunctionSpec, runtimes: Mapping[str, str]) -> FrozenTemplate:
    """The template a publish freezes now."""
    return FrozenTemplate(spec=spec, image=image(spec, runtimes), code_sha256=code_sha256(spec.code))


def code_sha256(code: Code) -> str:
    """Lambda's CodeSha256: base64 of a package's hash; for an image its digest as written."""
    if code.zip is not None:
        return base64.b64encode(bytes.fromhex(code.zip.sha256)).decode()
    if code.inline is not None:
        text = json.dumps(code.inline, sort_keys=True, separators=(",", ":"))
        return base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
    return (code.image or "").partition("@sha256:")[2]


def template_hash(spec: FunctionSpec) -> str:
    """Equal for two specs exactly when publishing the second after the first publishes nothing new.

    Lambda: "Lambda doesn't publish a version if the function's configuration and code haven't changed since the last
    version." So it is over code and configuration. It leaves out :data:`_NOT_VERSIONED`, and the image a runtime's name
    stands for: a renewed runtime is no change of the function (existing versions are recycled onto it).
    """
    text = json.dumps(spec.model_dump(mode="json", by_alias=True, exclude=_NOT_VERSIONED), sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def package(spec: FunctionSpec) -> str:
    """SHA-256 (hexadecimal) of the uploaded package; empty when the code came another way."""
    return spec.code.zip.sha256 if spec.code.zip else ""
