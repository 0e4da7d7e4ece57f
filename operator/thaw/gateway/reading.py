"""What a request to the API says, as the parameters of AWS's model, checked against its constraints.

Where a parameter is in a request (path, query, header, body) and what it may be is botocore's model's to say; this
module only follows it. JSON of other types than the model's is a SerializationException, before anything is validated;
then errors are worded as Lambda's: ``1 validation error detected: Value '…' at '…' failed to satisfy constraint: …``. A
member that the model does not have at all is refused by name: it may be of a newer Lambda than Thaw knows.
"""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Iterator
from typing import Any

import regex
from aiohttp import web
from botocore.model import Shape, StructureShape

from thaw.gateway import answers
from thaw.gateway.model import Operation

Json = dict[str, Any]
_LARGE = 128 * 1024
_SHOWN = 200
_TYPES: dict[str, tuple[type, ...]] = {
    "string": (str,),
    "blob": (str,),
    "integer": (int,),
    "long": (int,),
    "double": (int, float),
    "float": (int, float),
    "boolean": (bool,),
    "list": (list,),
    "map": (dict,),
    "structure": (dict,),
}
_NAMES = {"FunctionName", "Qualifier"}
"""Members whose form :mod:`thaw.gateway.arns` knows: it takes the names that the cluster's Functions may have."""
_OWN_BOUNDS = {
    "RoleArn",
    "Runtime",
    "EnvironmentVariableName",
    "MemorySize",
    "Timeout",
    "EphemeralStorageSize",
    "DestinationArn",
}
"""Shapes whose bounds are the Function's own (:mod:`thaw.api.v1alpha1`), wider or narrower than AWS's of today."""


async def parameters(operation: Operation, request: web.Request) -> Json:
    """The parameters by their names in the model; a payload is not among them.

    :raises InvokeError: 400 InvalidParameterValueException or SerializationException, naming what cannot be.
    """
    given = _outside_the_body(operation, request)
    if not operation.payload and operation.method in ("POST", "PUT", "PATCH"):
        members = await body(request)
        _check_members(operation.input, members)
        given = members | given
    failures = list(_failures(operation.input, given, ""))
    if failures:
        count = f"{len(failures)} validation error{'s' if len(failures) > 1 else ''} detected: "
        raise answers.invalid(count + "; ".join(failures))
    return given


async def body(request: web.Request) -> Json:
    """The body's JSON object; empty when there is no body.

    :raises InvokeError: 400 SerializationException.
    """
    data = await request.read()
    try:
        value = await _parsed(data) if data else {}
    except ValueError as e:
        raise answers.bad_types(f"Could not parse request body into json: {e}") from e
    if not isinstance(value, dict):
        raise answers.bad_types("Could not parse request body into json: it is no object")
    return {key: member for key, member in value.items() if member is not None}


async def parse_json(data: bytes) -> Any:
    """Parses a payload, off the loop when it takes long.

    :raises InvokeError: 400 InvalidRequestContentException.
    """
    try:
        return await _parsed(data)
    except ValueError as e:
        raise answers.bad_content(f"Could not parse request body into json: {e}") from e


async def _parsed(data: bytes) -> Any:
    return json.loads(data) if len(data) < _LARGE else await asyncio.to_thread(json.loads, data)


def _check_members(shape: StructureShape, members: Json) -> None:
    """Refuses members that the model does not have, and values of other types than it has.

    :raises InvokeError: 400 InvalidParameterValueException or SerializationException.
    """
    for name, value in members.items():
        if name not in shape.members:
            raise answers.unsupported(name)
        for problem in _mistyped(shape.members[name], value, _below("", name)):
            raise answers.bad_types(problem)


def _outside_the_body(operation: Operation, request: web.Request) -> Json:
    found: Json = {}
    for name, shape in operation.input.members.items():
        wire = shape.serialization.get("name", name)
        match shape.serialization.get("location"):
            case "uri":
                found[name] = request.match_info[wire]
            case "querystring" if wire in request.query:
                found[name] = _from_text(shape, request.query.getall(wire))
            case "header" if wire in request.headers:
                found[name] = _from_text(shape, [request.headers[wire]])
    return found


def _from_text(shape: Shape, texts: list[str]) -> Any:
    """A value of the query or a header; text that is none of the type stays text, and is refused as such."""
    if shape.type_name == "list":
        return texts
    text = texts[0]
    if shape.type_name in ("integer", "long") and re.fullmatch(r"-?\d{1,18}", text):
        return int(text)
    if shape.type_name == "boolean" and text.lower() in ("true", "false"):
        return text.lower() == "true"
    return text


def _failures(shape: Shape, value: Any, path: str) -> Iterator[str]:
    if not _is_of_type(shape, value):
        yield _failed(value, path, f"Member must be of type {shape.type_name}")
        return
    if shape.name in _OWN_BOUNDS:
        return
    match shape.type_name:
        case "structure":
            yield from _of_structure(shape, value, path)
        case "list":
            yield from _length(shape, value, path)
            for number, item in enumerate(value, 1):
                yield from _failures(shape.member, item, f"{path}.{number}.member")
        case "map":
            for key, item in value.items():
                yield from _failures(shape.key, key, path)
                yield from _failures(shape.value, item, f"{path}.{key}.member")
        case "string":
            yield from _of_string(shape, value, path)
        case "integer" | "long" | "double" | "float":
            yield from _of_number(shape, value, path)


def _mistyped(shape: Shape, value: Any, path: str) -> Iterator[str]:
    """What a JSON value is that it must not be, in the words of AWS's own deserialiser."""
    if not _is_of_type(shape, value):
        yield f"{_kind(value)} at '{path}'; expected: {shape.type_name}"
        return
    match shape.type_name:
        case "structure":
            for name, member in shape.members.items():
                if value.get(name) is not None:
                    yield from _mistyped(member, value[name], _below(path, name))
        case "list":
            for number, item in enumerate(value, 1):
                yield from _mistyped(shape.member, item, f"{path}.{number}.member")
        case "map":
            for key, item in value.items():
                yield from _mistyped(shape.value, item, f"{path}.{key}.member")


def _kind(value: Any) -> str:
    match value:
        case dict():
            return "Start of structure or map found where not expected"
        case list():
            return "Start of list found where not expected"
        case bool():
            return f"{str(value).upper()}_VALUE cannot be converted"
        case int() | float():
            return "NUMBER_VALUE cannot be converted"
        case None:
            return "NULL_VALUE cannot be converted"
        case _:
            return "STRING_VALUE cannot be converted"


def _is_of_type(shape: Shape, value: Any) -> bool:
    kinds = _TYPES[shape.type_name]
    return isinstance(value, kinds) and (not isinstance(value, bool) or bool in kinds)


def _of_structure(shape: StructureShape, value: Json, path: str) -> Iterator[str]:
    for name in shape.required_members:
        if value.get(name) is None:
            yield f"Value null at '{_below(path, name)}' failed to satisfy constraint: Member must not be null"
    for name, member in shape.members.items():
        if value.get(name) is not None and name not in _NAMES:
            yield from _failures(member, value[name], _below(path, name))


def _of_string(shape: Shape, value: str, path: str) -> Iterator[str]:
    enum = shape.metadata.get("enum")
    if enum and value not in enum:
        yield _failed(value, path, f"Member must satisfy enum value set: [{', '.join(enum)}]")
    pattern = shape.metadata.get("pattern")
    if pattern and not regex.fullmatch(pattern, value):
        yield _failed(value, path, f"Member must satisfy regular expression pattern: {pattern}")
    yield from _length(shape, value, path)


def _length(shape: Shape, value: Any, path: str) -> Iterator[str]:
    least, most = shape.metadata.get("min"), shape.metadata.get("max")
    if least is not None and len(value) < least:
        yield _failed(value, path, f"Member must have length greater than or equal to {least}")
    if most is not None and len(value) > most:
        yield _failed(value, path, f"Member must have length less than or equal to {most}")


def _of_number(shape: Shape, value: float, path: str) -> Iterator[str]:
    least, most = shape.metadata.get("min"), shape.metadata.get("max")
    if least is not None and value < least:
        yield _failed(value, path, f"Member must have value greater than or equal to {least}")
    if most is not None and value > most:
        yield _failed(value, path, f"Member must have value less than or equal to {most}")


def _failed(value: Any, path: str, constraint: str) -> str:
    return f"Value '{str(value)[:_SHOWN]}' at '{path}' failed to satisfy constraint: {constraint}"


def _below(path: str, name: str) -> str:
    member = name[:1].lower() + name[1:]
    return f"{path}.{member}" if path else member
