"""A function's code: in the manifest, in the code store, or an image. Which of them, and in Thaw's words."""

from __future__ import annotations

import hashlib
import io
import re
import zipfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from thaw.api.packages import MAX_ZIPPED, check_zip
from thaw.errors import UserError
from thaw.iac.node import Node, Unknown
from thaw.iac.template import SAM_FUNCTION, Resource

MAX_INLINE = 150_000
"""Bytes of all files of an inline function: kubectl apply keeps the manifest in an annotation too, of 256 KiB."""
MAX_INLINE_FILES = 64
_INLINE_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_./-]*")
_UNBUILT = ("pom.xml", "build.gradle", "build.gradle.kts")
_EPOCH = (1980, 1, 1, 0, 0, 0)


@dataclass(frozen=True)
class LocalFile:
    """A file of a package."""

    data: bytes
    executable: bool = False


@dataclass(frozen=True)
class LocalCode:
    """A folder or a zip file beside the template.

    :param archive: the zip file's own bytes; empty for a folder.
    """

    files: Mapping[str, LocalFile]
    archive: bytes = b""

    def zipped(self) -> bytes:
        """The package; equal for equal files, whenever and wherever it is made."""
        if self.archive:
            return self.archive
        buffer = io.BytesIO()
        with zipfile.ZipFile(buffer, "w") as archive:
            for name, file in sorted(self.files.items()):
                info = zipfile.ZipInfo(name, _EPOCH)
                info.create_system, info.compress_type = 3, zipfile.ZIP_DEFLATED
                info.external_attr = (0o100755 if file.executable else 0o100644) << 16
                archive.writestr(info, file.data)
        return buffer.getvalue()


Reader = Callable[[str], LocalCode]
"""Gives the folder or zip file at a path, relative to the template; a UserError when it cannot."""


@dataclass(frozen=True)
class Code:
    """``spec.code``, and the package that it names, if any.

    :param path: where the template says so.
    :param needed: why a package is needed, for whoever may not upload one.
    :param unmet: dependencies that are named in the folder and not in it.
    """

    spec: dict[str, Any]
    path: str
    package: bytes = b""
    needed: str = ""
    unmet: str = ""


def read(function: Resource, runtime: str, local: Reader, assets: Mapping[str, str]) -> Code:
    """The code of a function.

    :param runtime: as in the template; empty for an image.
    :param assets: CDK's: object key to a path relative to the template.
    :raises UserError: it is nowhere here.
    """
    properties = function.properties.mapping()
    if function.type == SAM_FUNCTION:
        return _sam(function, properties, runtime, local)
    code = function.properties.required("Code")
    if not isinstance(code.value, Mapping):  # the path of a folder, as for `aws cloudformation package`
        return _local(code.path, code.text(), runtime, local)
    members = code.mapping()
    if strange := sorted(set(members) - {"ZipFile", "ImageUri", "S3Bucket", "S3Key", "S3ObjectVersion"}):
        raise UserError(f"{code.path}.{strange[0]}", "is not known to Thaw", f"--ignore {code.path}.{strange[0]}")
    if "ZipFile" in members:
        return _inline(members["ZipFile"], runtime)
    if "ImageUri" in members:
        return _image(members["ImageUri"])
    path = function.metadata.get("aws:asset:path") if function.metadata.get("aws:asset:property") == "Code" else None
    key = code.required("S3Key")
    path = path or ("" if isinstance(key.value, Unknown) else assets.get(key.text()))
    if path:
        return _local(code.path, path, runtime, local)
    raise _far(code.path, _s3(members.get("S3Bucket"), key))


def _sam(function: Resource, properties: Mapping[str, Node], runtime: str, local: Reader) -> Code:
    if "InlineCode" in properties:
        return _inline(properties["InlineCode"], runtime)
    if "ImageUri" in properties:
        return _image(properties["ImageUri"])
    if "CodeUri" not in properties:
        missing = "ImageUri" if not runtime else "CodeUri"
        fix = "build and push the image first, and give it: " if missing == "ImageUri" else ""
        path = f"{function.properties.path}.{missing}"
        raise UserError(path, "is required", f"{fix}--set {path}=VALUE")
    code = properties["CodeUri"]
    if isinstance(code.value, Mapping):
        raise _far(code.path, _s3(code.required("Bucket"), code.required("Key")))
    if code.text().startswith("s3://"):
        raise _far(code.path, code.text())
    return _local(code.path, code.text(), runtime, local)


def _inline(node: Node, runtime: str) -> Code:
    """CloudFormation's ``ZipFile``: one file called ``index``, of Node or Python."""
    text = node.text()
    if runtime.startswith("python"):
        name = "index.py"
    elif runtime.startswith("nodejs"):
        name = "index.js"
    else:
        raise node.wrong(f"code in the template is for Python and Node, not {runtime or 'an image'}")
    if len(text.encode()) > MAX_INLINE:
        raise node.wrong(f"is longer than {MAX_INLINE} bytes", "put it into a folder")
    if re.search(r"\bcfn-?response\b", text):
        raise node.wrong("uses cfnresponse, which answers CloudFormation and is not here", f"--set {node.path}=FILE")
    return Code({"inline": {name: text}}, node.path)


def _image(node: Node) -> Code:
    return Code({"image": node.text()}, node.path)


def _local(path: str, where: str, runtime: str, local: Reader) -> Code:
    try:
        found = local(where)
    except UserError as error:
        raise UserError(path, error.message, error.fix) from error
    if not found.files:
        raise UserError(path, f"{where} is empty")
    if unbuilt := sorted(set(found.files) & set(_UNBUILT)):
        fix = "build it, and import what was built: e.g. sam build, .aws-sam/build/template.yaml"
        raise UserError(path, f"{where} holds {unbuilt[0]}: sources that were not built", fix)
    needed, unmet = _why_package(found, runtime), _unmet(found.files)
    if not needed:
        inline = {name: file.data.decode() for name, file in sorted(found.files.items())}
        return Code({"inline": inline}, path, unmet=unmet)
    package = found.zipped()
    try:
        if len(package) > MAX_ZIPPED:
            raise UserError(path, f"makes a package of more than {MAX_ZIPPED >> 20} MB", "use an image instead")
        with zipfile.ZipFile(io.BytesIO(package)) as archive:
            check_zip(archive.infolist())
    except (UserError, zipfile.BadZipFile) as error:
        raise UserError(path, f"{where}: {error}") from error
    spec = {"zip": {"sha256": hashlib.sha256(package).hexdigest(), "size": len(package)}}
    return Code(spec, path, package, f"{where} {needed}", unmet)


def _why_package(code: LocalCode, runtime: str) -> str:
    """Why a manifest cannot hold the files; empty when it can."""
    if runtime.startswith(("java", "provided")):
        return f"is compiled code for {runtime}"
    if len(code.files) > MAX_INLINE_FILES:
        return f"holds {len(code.files)} files, and a manifest {MAX_INLINE_FILES} at most"
    if sum(len(file.data) for file in code.files.values()) > MAX_INLINE:
        return f"is greater than the {MAX_INLINE} bytes that a manifest may hold"
    return next(filter(None, (_why_not_inline(name, file) for name, file in sorted(code.files.items()))), "")


def _why_not_inline(name: str, file: LocalFile) -> str:
    if file.executable:
        return f"holds {name}, which is executable"
    if not _INLINE_NAME.fullmatch(name) or ".." in name:
        return f"holds {name!r}, a name that a manifest cannot hold"
    return "" if _is_text(file.data) else f"holds {name}, which is not text"


def _unmet(files: Mapping[str, LocalFile]) -> str:
    """Which list of dependencies was not followed, as far as a folder tells; empty for none."""
    listed = files.get("requirements.txt", LocalFile(b"")).data.decode(errors="replace").splitlines()
    if any(line.strip() and not line.strip().startswith("#") for line in listed):
        return "" if any(".dist-info/" in name for name in files) else "requirements.txt"
    named = b'"dependencies"' in files.get("package.json", LocalFile(b"")).data
    return "package.json" if named and not any(name.startswith("node_modules/") for name in files) else ""


def _is_text(data: bytes) -> bool:
    try:
        return "\0" not in data.decode()
    except UnicodeDecodeError:
        return False


def _s3(bucket: Node | None, key: Node) -> str:
    """An S3 address for a message, as far as it is known."""
    name = "BUCKET" if bucket is None or isinstance(bucket.value, Unknown) else bucket.text()
    return f"s3://{name}/{'KEY' if isinstance(key.value, Unknown) else key.text()}"


def _far(path: str, url: str) -> UserError:
    fix = f"fetch it and name the file: aws s3 cp {url} code.zip, then --set {path}=code.zip"
    return UserError(path, f"the code is in AWS: {url}", fix)
