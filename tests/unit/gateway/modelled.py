"""Answers as they went over the wire, held against AWS's model."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import regex
from botocore.model import Shape, StructureShape

from thaw.gateway import model
from thaw.gateway.model import Operation

FRONT = {
    "AccessDeniedException",
    "ExpiredTokenException",
    "IncompleteSignatureException",
    "InvalidSignatureException",
    "MissingAuthenticationTokenException",
    "NotImplementedException",
    "RequestEntityTooLargeException",
    "SerializationException",
    "ServiceUnavailableException",
    "UnknownOperationException",
    "UnrecognizedClientException",
}
"""Errors of AWS's front, which Lambda's model does not have."""
_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}(\+0000|Z)")
"""Of functions with an offset, of their URLs with a Z, as in the examples of the API reference."""
_PYTHON: dict[str, tuple[type, ...]] = {
    "string": (str,),
    "blob": (str,),
    "integer": (int,),
    "long": (int,),
    "double": (int, float),
    "float": (int, float),
    "boolean": (bool,),
    "timestamp": (int, float),
    "list": (list,),
    "map": (dict,),
    "structure": (dict,),
}
ALWAYS: Mapping[str, frozenset[str]] = {
    "FunctionConfiguration": frozenset(
        {
            *(
                "FunctionName",
                "FunctionArn",
                "Role",
                "CodeSize",
                "Description",
                "Timeout",
                "MemorySize",
                "LastModified",
            ),
            *("CodeSha256", "Version", "TracingConfig", "RevisionId", "State", "LastUpdateStatus", "PackageType"),
            *("Architectures", "EphemeralStorage", "SnapStart", "LoggingConfig"),
        }
    ),
    "FunctionCodeLocation": frozenset({"RepositoryType"}),
    "SnapStartResponse": frozenset({"ApplyOn", "OptimizationStatus"}),
    "LoggingConfig": frozenset({"LogFormat", "LogGroup"}),
    "GetFunctionResponse": frozenset({"Configuration", "Code"}),
    "ListFunctionsResponse": frozenset({"Functions"}),
    "ListVersionsByFunctionResponse": frozenset({"Versions"}),
    "AliasConfiguration": frozenset({"AliasArn", "Name", "FunctionVersion", "Description", "RevisionId"}),
    "ListAliasesResponse": frozenset({"Aliases"}),
    "ListTagsResponse": frozenset({"Tags"}),
    "Concurrency": frozenset({"ReservedConcurrentExecutions"}),
    "GetAccountSettingsResponse": frozenset({"AccountLimit", "AccountUsage"}),
    "AccountLimit": frozenset(
        {
            *("TotalCodeSize", "CodeSizeUnzipped", "CodeSizeZipped", "ConcurrentExecutions"),
            "UnreservedConcurrentExecutions",
        }
    ),
    "AccountUsage": frozenset({"TotalCodeSize", "FunctionCount"}),
    **dict.fromkeys(
        ("CreateFunctionUrlConfigResponse", "GetFunctionUrlConfigResponse", "UpdateFunctionUrlConfigResponse"),
        frozenset({"FunctionUrl", "FunctionArn", "AuthType", "CreationTime", "InvokeMode"}),
    ),
    "ListFunctionUrlConfigsResponse": frozenset({"FunctionUrlConfigs"}),
    "FunctionUrlConfig": frozenset({"FunctionUrl", "FunctionArn", "AuthType", "CreationTime", "LastModifiedTime"}),
    "FunctionEventInvokeConfig": frozenset(
        {"LastModified", "FunctionArn", "MaximumRetryAttempts", "MaximumEventAgeInSeconds", "DestinationConfig"}
    ),
    "ListFunctionEventInvokeConfigsResponse": frozenset({"FunctionEventInvokeConfigs"}),
    "ListProvisionedConcurrencyConfigsResponse": frozenset({"ProvisionedConcurrencyConfigs"}),
    **dict.fromkeys(
        (
            "PutProvisionedConcurrencyConfigResponse",
            "GetProvisionedConcurrencyConfigResponse",
            "ProvisionedConcurrencyConfigListItem",
        ),
        frozenset(
            {
                "RequestedProvisionedConcurrentExecutions",
                "AvailableProvisionedConcurrentExecutions",
                "AllocatedProvisionedConcurrentExecutions",
                "Status",
                "LastModified",
            }
        ),
    ),
}
"""Members that Lambda answers every time, which the model, having hardly any required ones, does not tell."""


@dataclass
class Wire:
    """The last answer of a client, before botocore parses it."""

    operation: str = ""
    status: int = 0
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""

    @classmethod
    def of(cls, client: Any) -> Wire:
        wire = cls()

        def keep(operation_model: Any, response_dict: dict[str, Any], **_: Any) -> None:
            wire.operation, wire.status = operation_model.name, response_dict["status_code"]
            wire.headers = {k.lower(): v for k, v in response_dict["headers"].items()}
            body = response_dict["body"]
            wire.body = body if isinstance(body, bytes) else b""

        client.meta.events.register("before-parse.lambda.*", keep)
        return wire


def problems_of_answer(operation: Operation, wire: Wire) -> list[str]:
    """What an answer that is no error has that the model does not, and the other way round."""
    found = [] if "x-amzn-requestid" in wire.headers else ["no x-amzn-RequestId"]
    allowed = {operation.status, 204} if operation.name == "DeleteFunction" else {operation.status}
    if operation.name.startswith("Invoke"):
        allowed |= {202, 204}
    if wire.status not in allowed:
        found.append(f"status {wire.status}, not {operation.status}")
    if operation.output is None or wire.status == 204:
        return found + (["a body"] if wire.body else [])
    if "payload" in operation.output.serialization:
        return found
    if not wire.headers["content-type"].startswith("application/json"):
        found.append(f"content-type {wire.headers['content-type']}")
    return found + list(problems(operation.output, json.loads(wire.body or b"{}"), operation.output.name))


def problems_of_error(operation: Operation, wire: Wire, code: str) -> list[str]:
    """What an error has that the model does not, and the other way round."""
    found = [] if "x-amzn-requestid" in wire.headers else ["no x-amzn-RequestId"]
    if wire.headers.get("x-amzn-errortype") != code:
        found.append(f"x-amzn-errortype {wire.headers.get('x-amzn-errortype')}")
    body = json.loads(wire.body)
    if body.get("Type") != ("User" if wire.status < 500 else "Service"):
        found.append(f"Type {body.get('Type')} at {wire.status}")
    shape = next((s for s in model.service().error_shapes if s.name == code), None)
    if shape is None:
        known = set() if code in FRONT else {f"{code} is neither in the model nor of AWS's front"}
        return [*found, *known, *([] if set(body) == {"Type", "message"} else [f"members {sorted(body)}"])]
    if shape.name not in {s.name for s in model.service().operation_model(operation.name).error_shapes}:
        found.append(f"{operation.name} has no {code} in the model")
    if wire.status != shape.metadata["error"]["httpStatusCode"]:
        found.append(f"status {wire.status}")
    headers = {s.serialization["name"].lower() for s in shape.members.values() if "location" in s.serialization}
    found += [f"no header {name}" for name in headers - set(wire.headers)]
    inside = {name for name, s in shape.members.items() if "location" not in s.serialization}
    found += [f"no {name}" for name in inside - set(body)]
    return found + list(problems(shape, body, code))


def problems(shape: Shape, value: Any, path: str) -> Iterator[str]:
    """Types, enums, patterns, lengths, times; members that are not in the model, or must be there and are not."""
    kinds = _PYTHON[shape.type_name]
    if not isinstance(value, kinds) or (isinstance(value, bool) and bool not in kinds):
        yield f"{path}: {value!r} is no {shape.type_name}"
        return
    match shape.type_name:
        case "structure":
            yield from _of_members(shape, value, path)
        case "list":
            for number, item in enumerate(value):
                yield from problems(shape.member, item, f"{path}[{number}]")
        case "map":
            for key, item in value.items():
                yield from problems(shape.key, key, f"{path}.{key}")
                yield from problems(shape.value, item, f"{path}.{key}")
        case "string":
            yield from _of_text(shape, value, path)
        case "integer" | "long":
            if "min" in shape.metadata and value < shape.metadata["min"]:
                yield f"{path}: {value} is under {shape.metadata['min']}"


def _of_members(shape: StructureShape, value: Mapping[str, Any], path: str) -> Iterator[str]:
    body = {name: s for name, s in shape.members.items() if "location" not in s.serialization}
    yield from (f"{path}: {name} is not in the model" for name in value.keys() - body.keys())
    must = (ALWAYS.get(shape.name, frozenset()) | set(shape.required_members)) & body.keys()
    yield from (f"{path}: no {name}" for name in sorted(must - value.keys()))
    for name in value.keys() & body.keys():
        yield from problems(body[name], value[name], f"{path}.{name}")


def _of_text(shape: Shape, value: str, path: str) -> Iterator[str]:
    enum, pattern = shape.metadata.get("enum"), shape.metadata.get("pattern")
    if enum and value not in enum and shape.name != "Runtime":
        yield f"{path}: {value} is none of {enum}"
    if pattern and shape.name != "RoleArn" and not regex.fullmatch(pattern, value):
        yield f"{path}: {value} does not match {pattern}"
    if not shape.metadata.get("min", 0) <= len(value) <= shape.metadata.get("max", len(value)):
        yield f"{path}: {value} has {len(value)} characters"
    if shape.name == "Timestamp" and not _TIME.fullmatch(value):
        yield f"{path}: {value} is no time"
