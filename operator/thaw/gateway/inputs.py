"""PURE: what Lambda's create and update calls say, as parts of a Function's spec; the rest is refused by name."""

from __future__ import annotations

import base64
import binascii
import hashlib
import io
import zipfile
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError

from thaw import names
from thaw.api.packages import MAX_UNZIPPED, MAX_ZIPPED, check_zip
from thaw.api.v1alpha1 import FunctionSpec
from thaw.errors import UserError
from thaw.gateway import answers

Json = dict[str, Any]

_PLAIN = {
    "Role": "role",
    "Handler": "handler",
    "Runtime": "runtime",
    "Description": "description",
    "Timeout": "timeout",
    "MemorySize": "memorySize",
}
_NESTED = {
    "Environment": ("Variables", "environment"),
    "EphemeralStorage": ("Size", "ephemeralStorage"),
    "LoggingConfig": ("LogFormat", "logFormat"),
}
_CONFIGURATION = {*_PLAIN, *_NESTED, "SnapStart"}
TAKEN: Mapping[str, Collection[str]] = {
    "CreateFunction": {*_CONFIGURATION, "FunctionName", "Code", "Publish", "PackageType", "Architectures", "Tags"},
    "UpdateFunctionConfiguration": {*_CONFIGURATION, "FunctionName", "RevisionId"},
    "UpdateFunctionCode": {
        *("FunctionName", "ZipFile", "ImageUri", "Publish", "DryRun", "RevisionId", "Architectures"),
    },
    "PublishVersion": {"FunctionName", "CodeSha256", "Description", "RevisionId"},
}
"""Members that each operation understands; the others of AWS's model are refused by name, unless they say nothing."""
TAGS_MOST = 50
_HARMLESS: Mapping[str, Collection[Any]] = {
    "TracingConfig": ({"Mode": "PassThrough"},),
    "SnapStart": (),
}
_CODE = {"ZipFile", "ImageUri"}
_HINTS = {
    "Code.S3Bucket": "send the package in Code.ZipFile, or an image in Code.ImageUri.",
    "Code.S3Key": "send the package in Code.ZipFile, or an image in Code.ImageUri.",
    "S3Bucket": "send the package in ZipFile, or an image in ImageUri.",
    "S3Key": "send the package in ZipFile, or an image in ImageUri.",
    "Layers": "put the layers' files into the package.",
    "VpcConfig": "functions run in the cluster's own network; use network policies.",
}


@dataclass(frozen=True)
class Package:
    """Uploaded code, checked: a zip's bytes, or an image's name."""

    zip: bytes = b""
    image: str = ""

    @property
    def sha256(self) -> str:
        """Of the zip, in hexadecimal."""
        return hashlib.sha256(self.zip).hexdigest()

    def to_spec(self) -> Json:
        """``spec.code``."""
        if self.image:
            return {"image": self.image}
        return {"zip": {"sha256": self.sha256, "size": len(self.zip)}}


def create(body: Json, *, machine: str, runtimes: Collection[str]) -> tuple[Json, Package]:
    """CreateFunction's body as a spec, and its package.

    :raises InvokeError: naming the field.
    """
    _refuse_others(body, TAKEN["CreateFunction"])
    code = body.get("Code")
    if not isinstance(code, dict):
        raise answers.invalid("Code is required: an object with ZipFile or ImageUri")
    _refuse_others(code, _CODE, "Code.")
    _check_architectures(body, machine)
    package = read_package(code, "Code.")
    kind = body.get("PackageType") or ("Image" if package.image else "Zip")
    if kind != ("Image" if package.image else "Zip"):
        raise answers.invalid(f"PackageType {kind} does not go with the code given")
    if not body.get("Role"):
        raise answers.invalid(
            "1 validation error detected: Value null at 'role' failed to satisfy constraint: Member must not be null"
        )
    if not package.image:
        for field in ("Runtime", "Handler"):
            if not body.get(field):
                raise answers.invalid(f"{field} is mandatory for functions created with deployment packages.")
    spec = _configuration(body, runtimes) | {"code": package.to_spec()}
    if body.get("Tags"):
        spec["tags"] = tags(body["Tags"], {})
    return _checked(spec), package


def tags(given: Mapping[str, str], before: Mapping[str, str]) -> Json:
    """Tags to be added, checked by Lambda's rules that are not in its model ("Using tags on Lambda functions").

    :param before: what the function has.
    """
    for key in given:
        if key.lower().startswith("aws:"):
            raise answers.invalid(f"Tag key '{key}' must not begin with aws:, which is AWS's own")
    if len({**before, **given}) > TAGS_MOST:
        raise answers.invalid(f"A function can have {TAGS_MOST} tags at the most")
    return dict(given)


def without(spec: Json, qualifier: str) -> Json:
    """The merge patch that takes away what a spec says of a qualifier; empty when it says nothing."""
    patch: Json = {name: {qualifier: None} for name in ("urls", "eventInvoke") if qualifier in spec.get(name, {})}
    if qualifier in spec.get("scaling", {}).get("provisionedConcurrency", {}):
        patch["scaling"] = {"provisionedConcurrency": {qualifier: None}}
    return patch


def update_configuration(body: Json, current: Json, *, runtimes: Collection[str]) -> Json:
    """UpdateFunctionConfiguration's body as a merge patch of the spec.

    :param current: the spec as it is, to remove variables that are no longer there.
    """
    _refuse_others(body, TAKEN["UpdateFunctionConfiguration"])
    patch = _configuration(body, runtimes)
    _checked({**current, **patch})
    if "environment" in patch:
        gone = dict.fromkeys(set(current.get("environment") or {}) - set(patch["environment"]))
        patch["environment"] = {**patch["environment"], **gone}
    return patch


def update_code(body: Json, current: Json, *, machine: str) -> tuple[Json, Package]:
    """UpdateFunctionCode's body as a merge patch of the spec, and its package."""
    _refuse_others(body, TAKEN["UpdateFunctionCode"])
    _check_architectures(body, machine)
    package = read_package(body, "")
    return replace_code(package, current), package


def check_publish(body: Json) -> None:
    """Refuses what PublishVersion does not take."""
    _refuse_others(body, TAKEN["PublishVersion"])


def replace_code(package: Package, current: Json) -> Json:
    """The merge patch of the spec that puts a package in the place of the one it has."""
    is_image = "image" in (current.get("code") or {})
    if bool(package.image) != is_image:
        kind = "Image" if is_image else "Zip"
        raise answers.invalid(
            f"The function's PackageType is {kind}; it cannot be changed. "
            f"Please provide {'ImageUri' if is_image else 'ZipFile'}."
        )
    code = package.to_spec()
    _checked({**current, "code": code})
    gone = dict.fromkeys(set(current.get("code") or {}) - set(code))
    return {"code": {**code, **gone}}


def read_package(code: Json, prefix: str) -> Package:
    """Reads and checks ZipFile or ImageUri."""
    image, encoded = code.get("ImageUri"), code.get("ZipFile")
    if bool(image) == bool(encoded):
        raise answers.invalid(
            f"Please provide a source for function code: exactly one of {prefix}ZipFile and {prefix}ImageUri"
        )
    if image:
        return Package(image=str(image))
    try:
        data = base64.b64decode(str(encoded), validate=True)
    except (binascii.Error, ValueError) as e:
        raise answers.invalid(f"{prefix}ZipFile is not base64") from e
    _check_zip(data)
    return Package(zip=data)


def _check_zip(data: bytes) -> None:
    """What the agents would refuse to unpack is refused here, as far as the zip's directory tells."""
    if len(data) > MAX_ZIPPED:
        raise answers.entity_too_large(MAX_ZIPPED, "CreateFunction or UpdateFunctionCode")
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            infos = archive.infolist()
    except (zipfile.BadZipFile, ValueError, NotImplementedError) as e:
        raise answers.invalid("Could not unzip uploaded file. Please check your file, then try to upload again.") from e
    if sum(info.file_size for info in infos) > MAX_UNZIPPED:
        raise answers.invalid(f"Unzipped size must be smaller than {MAX_UNZIPPED} bytes")
    try:
        check_zip(infos)
    except UserError as e:
        raise answers.invalid(f"Could not unzip uploaded file: {e.message}.") from e


def alias(body: Json) -> Json:
    """Create- or UpdateAlias's body as parts of a FunctionAlias's spec."""
    _refuse_others(body, {"Name", "FunctionName", "FunctionVersion", "Description", "RoutingConfig", "RevisionId"})
    spec: Json = {}
    for field, key in (("Name", "name"), ("FunctionVersion", "functionVersion"), ("Description", "description")):
        if body.get(field) is not None:
            spec[key] = body[field]
    if body.get("RoutingConfig") is not None:
        spec["additionalVersionWeights"] = body["RoutingConfig"].get("AdditionalVersionWeights") or {}
    return spec


def check_routing(version: str, weights: Mapping[str, float]) -> None:
    """Lambda's rules of an alias that points to two versions ("Create an alias with routing", developer guide).

    :raises InvokeError: they do not go together.
    """
    if version == f"{names.LATEST}.PUBLISHED":
        raise answers.unsupported(version, "name a version's number, or $LATEST.")
    if len(weights) > 1:
        raise answers.invalid("An alias can send requests to two versions at the most")
    if weights and names.LATEST in (version, *weights):
        raise answers.invalid(f"{names.LATEST} is not supported for an alias pointing to more than 1 version")
    if version in weights:
        text = f"AdditionalVersionWeights must name another version than FunctionVersion, which is {version} as well"
        raise answers.invalid(text)


def _configuration(body: Json, runtimes: Collection[str]) -> Json:
    spec: Json = {key: body[field] for field, key in _PLAIN.items() if body.get(field) is not None}
    if "runtime" in spec and spec["runtime"] not in runtimes:
        raise answers.invalid(
            f"Value {spec['runtime']} at 'runtime' failed to satisfy constraint: "
            f"Member must satisfy enum value set: [{', '.join(sorted(runtimes))}] or be a valid ARN"
        )
    for field, (inner, key) in _NESTED.items():
        given = body.get(field)
        if given is not None:
            if not isinstance(given, dict):
                raise answers.invalid(f"{field} must be an object")
            _refuse_others(given, {inner}, f"{field}.")
            spec[key] = given.get(inner) or ({} if key == "environment" else None)
    if body.get("SnapStart") is not None:
        spec["snapStart"] = {"applyOn": body["SnapStart"].get("ApplyOn") or "None"}
    return {k: v for k, v in spec.items() if v is not None}


def _refuse_others(given: Json, known: Collection[str], prefix: str = "") -> None:
    for field, value in given.items():
        if field not in known and not _says_nothing(value) and value not in _HARMLESS.get(field, ()):
            raise answers.unsupported(prefix + field, _HINTS.get(prefix + field, ""))


def _says_nothing(value: Any) -> bool:
    if isinstance(value, dict):
        return all(_says_nothing(v) for v in value.values())
    return value is None or value is False or value in ("", [])


def _check_architectures(body: Json, machine: str) -> None:
    wanted = body.get("Architectures") or [machine]
    if wanted != [machine]:
        raise answers.unsupported(f"Architectures {wanted}", f"this cluster's is {machine}.")


def _checked(spec: Json) -> Json:
    try:
        FunctionSpec.model_validate(spec)
    except ValidationError as e:
        first = e.errors(include_url=False)[0]
        where = ".".join(str(part) for part in first["loc"])
        raise answers.invalid(f"Value {first['input']!r} at '{where}': {first['msg']}") from e
    return spec
