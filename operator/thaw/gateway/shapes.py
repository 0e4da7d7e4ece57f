"""PURE: Lambda's JSON shapes out of Thaw's objects. ``tests`` parse them with botocore's own service model."""

from __future__ import annotations

import base64
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from thaw import names
from thaw.api.v1alpha1 import Code, FrozenTemplate, Function, FunctionAlias, FunctionVersion, Meta
from thaw.gateway.arns import Arns

Json = dict[str, Any]
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
        update = "Failed" if state == "Failed" else "Successful" if observed or state == "Pending" else "InProgress"
        arn = self.arns.latest(meta.name) if qualified else self.arns.function(meta.name)
        return (
            _base(template, self.machine)
            | _state(state, status.state_reason, status.state_reason_code)
            | {
                "FunctionName": meta.name,
                "FunctionArn": arn,
                "Version": names.LATEST,
                "Description": function.spec.description,
                "LastModified": _time(modified or meta.creation_timestamp),
                "RevisionId": revision_id(meta),
                "LastUpdateStatus": update,
                "SnapStart": {"ApplyOn": template.spec.snap_start.apply_on, "OptimizationStatus": "Off"},
                "LoggingConfig": _logging(meta.name, template),
            }
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
                "LastModified": _time(version.metadata.creation_timestamp),
                "RevisionId": revision_id(version.metadata),
                "LastUpdateStatus": "Successful",
                "SnapStart": {
                    "ApplyOn": template.spec.snap_start.apply_on,
                    "OptimizationStatus": status.snap_start.optimization_status,
                },
                "LoggingConfig": _logging(function, template),
            }
        )

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
    """Changes with every change of the spec, as Lambda's does."""
    return str(uuid.uuid5(uuid.NAMESPACE_OID, f"{meta.uid}/{meta.generation}"))


def modified(raw: Json, *path: str) -> datetime | None:
    """When the spec of an object was last written, by its managed fields.

    :param path: names of a field and those around it: when one of its managers last wrote.
    """
    managers = [f for f in raw["metadata"].get("managedFields", []) if not f.get("subresource") and f.get("time")]
    times = [datetime.fromisoformat(f["time"]) for f in managers if _manages(f.get("fieldsV1", {}), path)]
    return max(times, default=None)


def _manages(fields: Json, path: Sequence[str]) -> bool:
    """By the form of Kubernetes' FieldsV1: ``f:`` before each name."""
    for name in path:
        if f"f:{name}" not in fields:
            return False
        fields = fields[f"f:{name}"]
    return True


def code_size(code: Code) -> int:
    """CodeSize: the package's bytes; for inline code its files'; 0 for an image, as on Lambda."""
    if code.zip is not None:
        return code.zip.size
    return sum(len(text.encode()) for text in (code.inline or {}).values())


def page(items: Sequence[Json], marker: str, most: int) -> tuple[list[Json], str]:
    """One page of sorted items, and the marker of the next; it stands also when its item is deleted meanwhile.

    :raises ValueError: the marker is none that was given.
    """
    start = _after(items, marker) if marker else 0
    chosen = list(items[start : start + most])
    end = start + len(chosen)
    if end >= len(items):
        return chosen, ""
    return chosen, base64.urlsafe_b64encode(f"{end} {_key(chosen[-1])}".encode()).decode()


def _after(items: Sequence[Json], marker: str) -> int:
    """Where the page after a marker begins: after its item, or where that item was."""
    text = base64.b64decode(marker.encode(), altchars=b"-_", validate=True).decode()
    end, _, last = text.partition(" ")
    found = next((i + 1 for i, item in enumerate(items) if _key(item) == last), None)
    return found if found is not None else max(int(end) - 1, 0)


def _key(item: Json) -> str:
    return str(item.get("FunctionArn") or item.get("AliasArn"))


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
        "StateReasonCode": code or "Creating",
    }


def _logging(function: str, template: FrozenTemplate) -> Json:
    return {"LogFormat": template.spec.log_format, "LogGroup": f"/aws/lambda/{function}"}


def _time(at: datetime | None) -> str:
    at = (at or datetime.fromtimestamp(0, UTC)).astimezone(UTC)
    return at.strftime("%Y-%m-%dT%H:%M:%S.") + f"{at.microsecond // 1000:03d}+0000"
