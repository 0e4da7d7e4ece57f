"""PURE: Lambda's JSON shapes out of Thaw's objects. ``tests`` parse them with botocore's own service model."""

from __future__ import annotations

import base64
import hashlib
import json
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from thaw import names
from thaw.api.v1alpha1 import Code, FrozenTemplate, Function, FunctionAlias, FunctionVersion, Meta
from thaw.decide import ownership
from thaw.gateway.arns import Arns

Json = dict[str, Any]
_REASONS = {"Timeout": "FunctionError.InitTimeout"}
_ARCHITECTURES = {"x86_64": "x86_64", "amd64": "x86_64", "aarch64": "arm64", "arm64": "arm64"}


def architecture(machine: str) -> str:
    """A machine's name as Lambda spells it."""
    return _ARCHITECTURES.get(machine, "x86_64")


@dataclass(frozen=True)
class Shapes:
    """Makes shapes for one account, region and architecture."""

    arns: Arns
    machine: str

    def latest(
        self, function: Function, template: FrozenTemplate, modified: datetime | None, *, qualified: bool
    ) -> Json:
        """FunctionConfiguration of ``$LATEST``."""
        status, meta = function.status, function.metadata
        observed = status.observed_generation >= meta.generation
        state = status.state or "Pending"
        arn = self.arns.latest(meta.name) if qualified else self.arns.function(meta.name)
        return (
            _base(template, self.machine)
            | _state(state, status.state_reason, status.state_reason_code)
            | {
                "FunctionName": meta.name,
                "FunctionArn": arn,
                "Version": names.LATEST,
                "Description": function.spec.description,
                "LastModified": time_text(modified or meta.creation_timestamp),
                "RevisionId": revision_id(meta),
                "SnapStart": {"ApplyOn": template.spec.snap_start.apply_on, "OptimizationStatus": "Off"},
                "LoggingConfig": _logging(meta.name, template),
            }
            | _last_update(state, status.state_reason, status.state_reason_code, observed=observed)
            | self._runtime(template)
        )

    def version(self, version: FunctionVersion, template: FrozenTemplate) -> Json:
        """FunctionConfiguration of a published version."""
        status, function = version.status, version.spec.function_name
        return (
            _base(template, self.machine)
            | _state(status.state or "Pending", status.state_reason, status.state_reason_code)
            | {
                "FunctionName": function,
                "FunctionArn": self.arns.function(function, status.version),
                "Version": status.version,
                "Description": version.spec.description or template.spec.description,
                "LastModified": time_text(version.metadata.creation_timestamp),
                "RevisionId": revision_id(version.metadata),
                "LastUpdateStatus": "Successful",
                "SnapStart": {
                    "ApplyOn": template.spec.snap_start.apply_on,
                    "OptimizationStatus": status.snap_start.optimization_status,
                },
                "LoggingConfig": _logging(function, template),
            }
            | self._runtime(template)
        )

    def _runtime(self, template: FrozenTemplate) -> Json:
        """RuntimeVersionConfig: which image a managed runtime's name stands for, by the hash of its reference."""
        if template.spec.code.image:
            return {}
        digest = hashlib.sha256(template.image.encode()).hexdigest()
        return {"RuntimeVersionConfig": {"RuntimeVersionArn": f"arn:aws:lambda:{self.arns.region}::runtime:{digest}"}}

    def alias(self, alias: FunctionAlias) -> Json:
        """AliasConfiguration."""
        spec = alias.spec
        shape: Json = {
            "AliasArn": self.arns.function(spec.function_name, spec.name),
            "Name": spec.name,
            "FunctionVersion": spec.function_version,
            "Description": spec.description,
            "RevisionId": revision_id(alias.metadata),
        }
        if spec.additional_version_weights:
            shape["RoutingConfig"] = {"AdditionalVersionWeights": dict(spec.additional_version_weights)}
        return shape


def code_location(template: FrozenTemplate) -> Json:
    """FunctionCodeLocation. A package has no Location: Thaw has no link that anybody with it may download from."""
    if template.spec.code.image:
        return {"RepositoryType": "ECR", "ImageUri": template.spec.code.image, "ResolvedImageUri": template.image}
    return {"RepositoryType": "S3"}


def revision_id(meta: Meta) -> str:
    """Changes with every change of the spec, of tags and concurrency too: it is the object's generation.

    What the operator writes into the status changes nothing in it, so whoever looked may still write.
    """
    return str(uuid.uuid5(uuid.NAMESPACE_OID, f"{meta.uid}/{meta.generation}"))


def modified(raw: Json, *path: str) -> datetime | None:
    """When the spec of an object was last written, or the field at a path of it; by whichever manager owns it."""
    text = ownership.written(raw, ("spec", *path))
    return datetime.fromisoformat(text) if text else None


def code_size(code: Code) -> int:
    """CodeSize: the package's bytes; for inline code its files'; 0 for an image, as on Lambda."""
    if code.zip is not None:
        return code.zip.size
    return sum(len(text.encode()) for text in (code.inline or {}).values())


def page(items: Sequence[Json], marker: str, most: int) -> tuple[list[Json], str]:
    """One page of items in their order by name and number, and the marker of the next.

    The marker says after what the next page begins, so it stands while items come and go, its own among them.

    :raises ValueError: the marker is none that was given.
    """
    after = _unpacked(marker) if marker else None
    rest = [item for item in sorted(items, key=_place) if after is None or _place(item) > after]
    chosen = rest[:most]
    return chosen, _packed(_place(chosen[-1])) if len(rest) > most else ""


Place = tuple[str, int, int, str]


def _place(item: Json) -> Place:
    """Where an item is in a list: by function; of one, ``$LATEST``, the versions by number, the aliases by name."""
    arn = str(item.get("FunctionArn") or item["AliasArn"]).split(":")
    function, qualifier = arn[6], arn[7] if len(arn) > 7 else names.LATEST
    if qualifier == names.LATEST:
        return function, 0, 0, ""
    return (function, 1, int(qualifier), "") if qualifier.isdigit() else (function, 2, 0, qualifier)


def _packed(place: Place) -> str:
    return base64.urlsafe_b64encode(json.dumps(place).encode()).decode()


def _unpacked(marker: str) -> Place:
    function, kind, number, name = json.loads(base64.b64decode(marker.encode(), altchars=b"-_", validate=True))
    return str(function), int(kind), int(number), str(name)


def _base(template: FrozenTemplate, machine: str) -> Json:
    spec = template.spec
    shape: Json = {
        "Role": spec.role,
        "CodeSize": code_size(spec.code),
        "CodeSha256": template.code_sha256,
        "Timeout": spec.timeout,
        "MemorySize": spec.memory_size,
        "EphemeralStorage": {"Size": spec.ephemeral_storage},
        "TracingConfig": {"Mode": "PassThrough"},
        "PackageType": "Image" if spec.code.image else "Zip",
        "Architectures": [architecture(machine)],
    }
    if spec.environment:
        shape["Environment"] = {"Variables": dict(spec.environment)}
    if spec.runtime:
        shape["Runtime"] = spec.runtime
    if spec.handler:
        shape["Handler"] = spec.handler
    return shape


def _state(state: str, reason: str, code: str) -> Json:
    if state == "Active":
        return {"State": state}
    return {
        "State": state,
        "StateReason": reason or "The function is being created.",
        "StateReasonCode": _code(code or "Creating"),
    }


def _last_update(state: str, reason: str, code: str, *, observed: bool) -> Json:
    """LastUpdateStatus of ``$LATEST``: a change is under way until the operator has looked at it."""
    if not observed:
        return {"LastUpdateStatus": "Successful" if state == "Pending" else "InProgress"}
    if state == "Failed":
        return {
            "LastUpdateStatus": "Failed",
            "LastUpdateStatusReason": reason,
            "LastUpdateStatusReasonCode": _code(code or "InternalError"),
        }
    return {"LastUpdateStatus": "Successful"}


def _code(code: str) -> str:
    """A reason code by Lambda's name."""
    return _REASONS.get(code, code)


def _logging(function: str, template: FrozenTemplate) -> Json:
    return {"LogFormat": template.spec.log_format, "LogGroup": f"/aws/lambda/{function}"}


def time_text(at: datetime | None) -> str:
    """A time as Lambda writes it: ``2026-01-31T18:00:00.000+0000``."""
    at = (at or datetime.fromtimestamp(0, UTC)).astimezone(UTC)
    return at.strftime("%Y-%m-%dT%H:%M:%S.") + f"{at.microsecond // 1000:03d}+0000"
