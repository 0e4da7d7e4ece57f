"""A Lambda function's properties, CloudFormation's and SAM's, as a Function's spec.

Each property is in one of three tables: mapped, left out with a note (it is around the function), or refused (the
function would not do what it does on AWS). What is in none is refused too.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping

from thaw.iac.draft import Draft
from thaw.iac.node import Node, Unknown
from thaw.iac.report import Report
from thaw.iac.template import SAM_FUNCTION, Resource, Template

DEFAULT_MEMORY = 128
"""MiB of a function that says nothing, on Lambda; a Function's own default is another."""
_ENV_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]*")
_ENV_RESERVED = re.compile(
    r"(AWS_LAMBDA_|THAW_|AWS_CONTAINER_).*|LAMBDA_TASK_ROOT|LAMBDA_RUNTIME_DIR|AWS_REGION|AWS_DEFAULT_REGION"
    r"|AWS_EXECUTION_ENV|AWS_ACCESS_KEY_ID|AWS_SECRET_ACCESS_KEY|AWS_SESSION_TOKEN"
)

Mapped = Callable[[Draft, Node, Report], None]


def build(function: Resource, template: Template) -> Draft:
    """The Function of a resource, without its code; what is wrong is in the report."""
    report = template.report
    draft = Draft("Function", template.names[function.logical_id], function.path)
    for name, node in sorted(function.properties.mapping().items()):
        with report.catching():
            _property(function, name, node, draft, report)
    if "memorySize" not in draft.spec:
        draft.put(DEFAULT_MEMORY, f"{function.properties.path}.MemorySize", "memorySize")
    return draft


def is_image(function: Resource) -> bool:
    """Whether the function brings its own image."""
    properties = function.properties.mapping()
    kind = properties.get("PackageType")
    code = properties.get("Code")
    inner = code.value if code and isinstance(code.value, Mapping) else {}
    return (kind is not None and kind.text() == "Image") or "ImageUri" in properties or "ImageUri" in inner


def runtime_of(function: Resource) -> str:
    """The runtime as the template names it; empty for an image.

    :raises UserError: there is none, though the code needs one; or no handler.
    """
    if is_image(function):
        return ""
    function.properties.required("Handler")
    return function.properties.required("Runtime").text()


def _property(function: Resource, name: str, node: Node, draft: Draft, report: Report) -> None:
    sam = function.type == SAM_FUNCTION
    if name in _MAPPED:
        if name not in ("Runtime", "Handler") or not is_image(function):
            _MAPPED[name](draft, node, report)
    elif name in _ELSEWHERE:
        return
    elif name in _NOTED or (sam and name in _SAM_NOTED):
        report.note(node.path, f"left out: {_NOTED.get(name) or _SAM_NOTED[name]}")
    elif sam and name in _SAM_MAPPED:
        _SAM_MAPPED[name](draft, node, report)
    elif node.value not in ((), {}, ""):
        why = _REFUSED.get(name) or "is not known to Thaw"
        raise node.wrong(why, f"to do without: --ignore {name}")


# ---------------------------------------------------------------- mapped


def _text(*way: str) -> Mapped:
    return lambda draft, node, _: draft.put(node.text(), node.path, *way)


def _integer(*way: str) -> Mapped:
    return lambda draft, node, _: draft.put(node.integer(), node.path, *way)


def _member(key: str, inner: Mapped, others: Mapping[str, str] | None = None) -> Mapped:
    """One member of an object; the others are noted if they are listed, else refused."""

    def mapped(draft: Draft, node: Node, report: Report) -> None:
        for name, value in sorted(node.mapping().items()):
            with report.catching():
                if name == key:
                    inner(draft, value, report)
                elif others and name in others:
                    report.note(value.path, f"left out: {others[name]}")
                else:
                    raise value.wrong("is not known to Thaw", f"to do without: --ignore {value.path}")

    return mapped


def _environment(draft: Draft, node: Node, report: Report) -> None:
    for name, value in node.mapping().items():
        with report.catching():
            if not _ENV_NAME.fullmatch(name):
                raise value.wrong("a name begins with a letter and holds letters, digits and underscores")
            if _ENV_RESERVED.fullmatch(name):
                raise value.wrong("is reserved for the runtime", f"to do without: --ignore {value.path}")
            draft.put(value.text(), value.path, "environment", name)


def _role(draft: Draft, node: Node, report: Report) -> None:
    reference = node.reference
    if reference and isinstance(reference.text, Unknown):
        text = f"left out: {reference.logical_id} is made by AWS alone, so the function gets no AWS credentials"
        report.note(node.path, f"{text}; give the ARN of a role or a Secret's name: --set {node.path}=ROLE")
        return
    draft.put(node.text(), node.path, "role")


def _architectures(_draft: Draft, node: Node, report: Report) -> None:
    wanted = ", ".join(item.text() for item in node.sequence())
    report.note(node.path, f"left out: the function runs on this cluster's nodes, which have to be {wanted}")


def _package_type(_draft: Draft, node: Node, _report: Report) -> None:
    if node.text() not in ("Zip", "Image"):
        raise node.wrong(f"must be Zip or Image, not {node.text()}")


def _tags(draft: Draft, node: Node, report: Report) -> None:
    """CloudFormation has a list, SAM an object."""
    pairs = (
        [(key, value) for key, value in node.value.items()]
        if isinstance(node.value, Mapping)
        else [(item.required("Key").text(), item.required("Value")) for item in node.sequence()]
    )
    for key, value in pairs:
        with report.catching():
            draft.put(value.text(), value.path, "tags", key)


def _alias(draft: Draft, node: Node, report: Report) -> None:
    draft.put(node.text(), node.path, "autoPublishAlias")
    report.note(node.path, "every change of the function is published, not of its code alone")


def _only(allowed: tuple[str, ...], why: str) -> Mapped:
    """A property that may say only what holds here anyway."""

    def mapped(_draft: Draft, node: Node, _report: Report) -> None:
        if node.text().lower() not in allowed:
            raise node.wrong(why, f"to do without: --ignore {node.path}")

    return mapped


_DEPLOYMENTS = _member(
    "Type",
    _only(("allatonce",), "shifts requests bit by bit; here the alias moves at once when the version is Active"),
    {"Enabled": "the alias moves at once", "Role": "there is no CodeDeploy"},
)


def _deployment(draft: Draft, node: Node, report: Report) -> None:
    enabled = node.mapping().get("Enabled")
    if enabled is None or enabled.boolean():
        _DEPLOYMENTS(draft, node, report)


_MAPPED: Mapping[str, Mapped] = {
    "Runtime": _text("runtime"),
    "Handler": _text("handler"),
    "Description": _text("description"),
    "MemorySize": _integer("memorySize"),
    "Timeout": _integer("timeout"),
    "EphemeralStorage": _member("Size", _integer("ephemeralStorage")),
    "Environment": _member("Variables", _environment),
    "LoggingConfig": _member(
        "LogFormat",
        _text("logFormat"),
        {
            "LogGroup": "logs are the pods' own",
            "ApplicationLogLevel": "nothing is filtered from the log",
            "SystemLogLevel": "nothing is filtered from the log",
        },
    ),
    "SnapStart": _member("ApplyOn", _text("snapStart", "applyOn")),
    "Role": _role,
    "Architectures": _architectures,
    "PackageType": _package_type,
    "ReservedConcurrentExecutions": _integer("scaling", "reservedConcurrency"),
    "Tags": _tags,
}
_SAM_MAPPED: Mapping[str, Mapped] = {"AutoPublishAlias": _alias, "DeploymentPreference": _deployment}

_ELSEWHERE = (
    "FunctionName",
    "Code",
    "CodeUri",
    "InlineCode",
    "ImageUri",
    "ProvisionedConcurrencyConfig",
    "FunctionUrlConfig",
    "EventInvokeConfig",
)
"""Read by :mod:`~thaw.iac.template`, :mod:`~thaw.iac.code` and :mod:`~thaw.iac.versions`."""

_NOTED: Mapping[str, str] = {
    "VpcConfig": "functions run in the cluster's own network; use network policies",
    "TracingConfig": "there is no X-Ray",
    "RecursiveLoop": "loops are not looked for",
    "RuntimeManagementConfig": "the chart's value runtimes says which image a runtime has",
}
_SAM_NOTED: Mapping[str, str] = {
    "Events": "nothing calls the function by itself; have it called through the gateway",
    "Policies": "permissions are AWS's; role gives the function credentials",
    "PermissionsBoundary": "permissions are AWS's",
    "AssumeRolePolicyDocument": "permissions are AWS's",
    "RolePath": "permissions are AWS's",
    "Tracing": "there is no X-Ray",
    "PropagateTags": "only the function has tags",
    "VersionDescription": "the versions that autoPublishAlias makes have none",
    "AutoPublishAliasAllProperties": "every change of the function is published",
    "AutoPublishCodeSha256": "every change of the function is published",
    "VersionDeletionPolicy": "a version stays until it is deleted",
}
_REFUSED: Mapping[str, str] = {
    "Layers": "layers are not supported: put what they hold into the package",
    "FileSystemConfigs": "file systems are not supported",
    "KmsKeyArn": "the environment is not encrypted with a key of yours: keep secrets in a Secret (spec.secrets)",
    "SourceKMSKeyArn": "packages are not encrypted with a key of yours",
    "CodeSigningConfigArn": "signatures of packages are not checked",
    "DeadLetterConfig": "there is no dead-letter queue: use EventInvokeConfig with a URL for failures",
    "DeadLetterQueue": "there is no dead-letter queue: use EventInvokeConfig with a URL for failures",
    "ImageConfig": "an image runs as it was built: set its entrypoint and command there",
}
