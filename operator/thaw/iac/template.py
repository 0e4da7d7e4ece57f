"""A template's resources, resolved: those whose conditions hold, SAM's Globals merged in, functions named."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from thaw.errors import UserError
from thaw.iac.document import Json, check_shape
from thaw.iac.node import Node, Unknown
from thaw.iac.report import Report
from thaw.iac.resolve import Resolver, read_parameters

FUNCTION = "AWS::Lambda::Function"
SAM_FUNCTION = "AWS::Serverless::Function"
VERSION = "AWS::Lambda::Version"
ALIAS = "AWS::Lambda::Alias"
URL = "AWS::Lambda::Url"
EVENT_INVOKE = "AWS::Lambda::EventInvokeConfig"
FUNCTIONS = (FUNCTION, SAM_FUNCTION)
_TRANSFORMS = ("AWS::Serverless-2016-10-31", "AWS::LanguageExtensions")
_SECTIONS = {
    "AWSTemplateFormatVersion", "Description", "Metadata", "Parameters", "Mappings", "Conditions", "Transform",
    "Globals", "Resources", "Outputs", "Rules",
}  # fmt: skip


@dataclass(frozen=True)
class Resource:
    """One resource of the template."""

    logical_id: str
    type: str
    properties: Node
    metadata: Json

    @property
    def path(self) -> str:
        """Its path in the template."""
        return f"Resources.{self.logical_id}"


@dataclass
class Template:
    """A template whose values can be read."""

    document: Json
    report: Report
    resolver: Resolver
    resources: dict[str, Resource] = field(default_factory=dict)
    names: dict[str, str] = field(default_factory=dict)
    """Logical id of a function to its name in Kubernetes."""
    _asked: list[tuple[str, str]] = field(default_factory=list)

    def of_type(self, *types: str) -> list[Resource]:
        """Resources of some types, by logical id."""
        return sorted((r for r in self.resources.values() if r.type in types), key=lambda r: r.logical_id)

    def properties_of(self, resource: Resource, only: str = "") -> Node:
        """A resource's properties, resolved; of a serverless function with the Globals.

        :param only: the one that is wanted.
        """
        declared = self.document["Resources"][resource.logical_id].get("Properties") or {}
        properties = self.resolver.known(_only(declared, only), f"{resource.path}.Properties")
        shared = (self.document.get("Globals") or {}).get("Function")
        if resource.type == SAM_FUNCTION and shared:
            return merged(self.resolver.known(_only(shared, only), "Globals.Function"), properties)
        return properties

    def arn(self, function: str, qualifier: str = "") -> str | Unknown:
        """A function's ARN as the gateway shows it, where region and account are given."""
        parts = []
        for name in ("AWS::Partition", "AWS::Region", "AWS::AccountId"):
            value = self.resolver.parameters[name]
            if isinstance(value, Unknown):
                return value
            parts.append(str(value))
        partition, region, account = parts
        whole = f"arn:{partition}:lambda:{region}:{account}:function:{function}"
        return f"{whole}:{qualifier}" if qualifier else whole

    def text_of(self, logical_id: str, attribute: str) -> str | Unknown:
        """What ``Ref`` (no attribute) or ``Fn::GetAtt`` of a resource stands for."""
        base, _, generated = logical_id.partition(".")
        resource = self.resources.get(base)
        if resource is None:
            return Unknown(f"{base} is not among the resources that are made")
        if base in self.names and not generated:
            known = {"": self.names[base], "Arn": self.arn(self.names[base])}
            if attribute in known:
                return known[attribute]
        if resource.type == ALIAS and attribute in ("", "AliasArn"):
            function = self._qualified(resource, "", "FunctionName")
            return function if isinstance(function, Unknown) else self._qualified(resource, function, "Name")
        if resource.type == SAM_FUNCTION and generated == "Alias":
            return self._qualified(resource, self.names[base], "AutoPublishAlias")
        what = f"{attribute or 'Ref'} of {logical_id} ({resource.type})"
        if resource.type in (VERSION, *FUNCTIONS):
            return Unknown(f"{what} is known only when it is published")
        return Unknown(f"{what} has a value only in AWS")

    def function_of(self, node: Node) -> tuple[str, str]:
        """The function that a property names, and the qualifier with it.

        :returns: its name in Kubernetes, of this template or not, and an alias, a number or nothing.
        """
        reference = node.reference
        if reference and reference.logical_id in self.names and reference.attribute in ("", "Arn"):
            return self.names[reference.logical_id], ""
        if reference and reference.logical_id in self.resources:
            resource = self.resources[reference.logical_id]
            if resource.type == ALIAS:
                function, _ = self.function_of(resource.properties.required("FunctionName"))
                return function, resource.properties.required("Name").text()
        text = node.text()
        named = re.fullmatch(r"(?:.*:function:)?([A-Za-z0-9_-]+)(?::([A-Za-z0-9_$-]+))?", text)
        if named is None:
            raise node.wrong(f"{text!r} is no function's name or ARN")
        return kubernetes_name(named[1], node.path), named[2] or ""

    def _qualified(self, resource: Resource, function: str, key: str) -> str | Unknown:
        """The ARN of a function's alias that a property names; the function's name, when that is what it names.

        The property is resolved here, and no other: whoever asks may come before its resource, or be part of it.
        """
        if (resource.logical_id, key) in self._asked:
            return Unknown(f"{key} of {resource.logical_id} depends on itself")
        self._asked.append((resource.logical_id, key))
        try:
            node = self.properties_of(resource, key).mapping().get(key)
            if node is None:
                return Unknown(f"{resource.logical_id} has no {key}")
            return self.arn(function, node.text()) if function else self.function_of(node)[0]
        except UserError as error:
            return Unknown(error.message, error.fix if "--parameter" in error.fix else "")
        finally:
            self._asked.pop()


def load(document: Json, parameters: Mapping[str, str], report: Report) -> Template:
    """Reads a template's sections; what is wrong with one of them is in the report.

    :raises UserError: a parameter does not fit, or a section is no object.
    """
    check_shape(document)
    resolver = Resolver(document, read_parameters(document, parameters), lambda *_: Unknown("is a resource"))
    template = Template(document, report, resolver)
    resolver.text_of = template.text_of
    _sections(document, report)
    for logical_id, declared in document["Resources"].items():
        with report.catching():
            if not isinstance(declared, dict) or not isinstance(declared.get("Type"), str):
                raise UserError(f"Resources.{logical_id}", "has no Type")
            _add(template, logical_id, declared)
    # Once all are known: a property may stand for a resource further down.
    for resource in list(template.resources.values()):
        with report.catching():
            template.resources[resource.logical_id] = replace(resource, properties=template.properties_of(resource))
    _warn_of_secrets(document, report)
    return template


def _sections(document: Json, report: Report) -> None:
    transforms = document.get("Transform") or []
    for transform in transforms if isinstance(transforms, list) else [transforms]:
        with report.catching():
            if transform not in _TRANSFORMS:
                fix = "import the template that AWS made of it, or leave it out: --ignore Transform"
                raise UserError("Transform", f"{transform} is run by AWS alone", fix)
    for name in sorted(set(document) - _SECTIONS):
        with report.catching():
            raise UserError(name, "is no section of a template")
    for name in ("Outputs", "Rules"):
        if document.get(name):
            report.note(name, "left out: Kubernetes has nothing like it")


def _add(template: Template, logical_id: str, declared: Json) -> None:
    path = f"Resources.{logical_id}"
    if "Condition" in declared and not template.resolver.condition(str(declared["Condition"])):
        template.report.note(path, f"left out: condition {declared['Condition']} does not hold")
        return
    for attribute in ("DeletionPolicy", "UpdateReplacePolicy"):
        if declared.get(attribute, "Delete") != "Delete":
            template.report.note(f"{path}.{attribute}", "left out: kubectl apply deletes nothing by itself")
    nothing = Node(f"{path}.Properties", {})
    metadata = declared.get("Metadata") or {}
    resource = Resource(logical_id, declared["Type"], nothing, metadata if isinstance(metadata, dict) else {})
    template.resources[logical_id] = resource
    if resource.type in FUNCTIONS:
        # One whose name is wrong has a name all the same, so that only that is told.
        template.names[logical_id] = logical_id
        template.names[logical_id] = _name(template, logical_id, declared)


def _name(template: Template, logical_id: str, declared: Json) -> str:
    path = f"Resources.{logical_id}.Properties.FunctionName"
    given = (declared.get("Properties") or {}).get("FunctionName")
    node = template.resolver.node(given, path) if given is not None else None
    wanted = node.text() if node else logical_id
    name = kubernetes_name(wanted, path)
    if name != wanted or node is None:
        template.report.note(path, f"the function is called {name}" + ("" if node else ", after its logical id"))
    for other, taken in template.names.items():
        if taken == name and other != logical_id:
            raise UserError(path, f"{name} is the name of Resources.{other} too", f"choose one: --set {path}=NAME")
    return name


def kubernetes_name(name: str, path: str) -> str:
    """A function's name as Kubernetes takes it: lower-case letters, digits and dashes.

    :raises UserError: it cannot be made one.
    """
    plain = name.lower().replace("_", "-").strip("-")
    if not re.fullmatch(r"[a-z0-9-]{1,63}", plain):
        raise UserError(path, f"{name!r} cannot be made a name of 1 to 63 letters, digits and -", f"--set {path}=NAME")
    return plain


def _only(properties: Any, key: str) -> Any:
    return {key: properties[key]} if key in properties else {} if key else properties


def merged(shared: Node, own: Node) -> Node:
    """SAM's Globals: objects are merged, lists added to the shared one, anything else replaced.

    Rules: AWS SAM developer guide, "Globals section of the AWS SAM template".
    """
    if isinstance(shared.value, Mapping) and isinstance(own.value, Mapping):
        members = dict(shared.value)
        for key, value in own.value.items():
            members[key] = merged(members[key], value) if key in members else value
        return Node(own.path, members)
    if isinstance(shared.value, tuple) and isinstance(own.value, tuple):
        return Node(own.path, shared.value + own.value)
    return own


def _warn_of_secrets(document: Json, report: Report) -> None:
    for name, declared in (document.get("Parameters") or {}).items():
        if isinstance(declared, dict) and str(declared.get("NoEcho")).lower() == "true":
            text = "is NoEcho, but manifests and snapshots hold what they are given: keep it in a Secret (spec.secrets)"
            report.note(f"Parameters.{name}", text)
