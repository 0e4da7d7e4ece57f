"""A template's Versions and Aliases, and what hangs on them.

A version's number is given by the operator at publish, and a template names versions by resources. So:

======================================================================  ==============================================
in the template                                                         becomes
======================================================================  ==============================================
the function's only Version, with one Alias on it and without weights   ``autoPublishAlias`` of the Function
any other Version                                                       a FunctionVersion
any other Alias, of literal numbers                                     a FunctionAlias of those
any other Alias, of the function's only Version                         a FunctionAlias of ``1``, and a note
any other Alias, of one of several Versions                             an error: their numbers depend on the past
======================================================================  ==============================================
"""

from __future__ import annotations

from dataclasses import dataclass, field

from thaw import names
from thaw.build.objects import alias_object
from thaw.errors import UserError
from thaw.iac.attached import put_events, put_provisioned, put_url, unknown
from thaw.iac.draft import Draft
from thaw.iac.node import Node
from thaw.iac.template import ALIAS, EVENT_INVOKE, SAM_FUNCTION, URL, VERSION, Resource, Template

FIRST = "1"


@dataclass
class Versions:
    """Completes the drafts of a template's Functions and makes those of versions and aliases.

    :param functions: the Functions, by name.
    """

    template: Template
    functions: dict[str, Draft]
    made: list[Draft] = field(default_factory=list)
    _automatic: dict[str, str] = field(default_factory=dict)
    """Logical id of a Version or Alias that autoPublishAlias stands for, to that alias."""

    def read(self) -> list[Draft]:
        """FunctionVersions and FunctionAliases; what is wrong is in the report."""
        readers = (
            (ALIAS, self._automate),
            (VERSION, self._version),
            (ALIAS, self._alias),
            (URL, self._url),
            (EVENT_INVOKE, self._events),
            (SAM_FUNCTION, self._serverless),
        )
        for kind, reader in readers:
            for resource in self.template.of_type(kind):
                with self.template.report.catching():
                    reader(resource)
        return self.made

    def _automate(self, alias: Resource) -> None:
        """Makes an alias and its version the function's ``autoPublishAlias``, where that is what they say."""
        properties, report = alias.properties, self.template.report
        version = self._version_of(properties.mapping().get("FunctionVersion"))
        if version is None or not self._is_only(version) or "RoutingConfig" in properties.mapping():
            return
        named = [self._version_of(a.properties.mapping().get("FunctionVersion")) for a in self.template.of_type(ALIAS)]
        function = self._function_of(alias)
        draft = self.functions.get(function)
        if draft is None or named.count(version) > 1:
            return
        name = properties.required("Name").text()
        draft.put(name, f"{properties.path}.Name", "autoPublishAlias")
        self._automatic |= {version.logical_id: name, alias.logical_id: name}
        becomes = f"becomes autoPublishAlias of {function}"
        report.note(version.path, f"{becomes}: every change of the function is published")
        report.note(alias.path, f"{becomes}: {name} moves to each version once it is Active")

    def _version(self, version: Resource) -> None:
        function, report = self._function_of(version), self.template.report
        automatic = self._automatic.get(version.logical_id)
        draft = Draft("FunctionVersion", names.imported_version(function, version.logical_id), version.path)
        draft.put(function, f"{version.properties.path}.FunctionName", "functionName")
        for name, node in sorted(version.properties.mapping().items()):
            with report.catching():
                match name:
                    case "Description" | "CodeSha256" if automatic:
                        report.note(node.path, "left out: autoPublishAlias publishes without one")
                    case "Description":
                        draft.put(node.text(), node.path, "description")
                    case "CodeSha256":
                        self._code_sha256(draft, node, function)
                    case "ProvisionedConcurrencyConfig":
                        qualifier = automatic or self._number_of(version, node.path)
                        put_provisioned(self._function(function, node.path), qualifier, node)
                    case "RuntimePolicy":
                        report.note(node.path, "left out: the chart's value runtimes says which image a runtime has")
                    case "FunctionName":
                        continue
                    case _:
                        raise unknown(node)
        if not self._is_only(version):
            text = f"{function} has more of them: what is published while nothing has changed is one version"
            report.note(version.path, text)
        if not automatic:
            self.made.append(draft)

    def _alias(self, alias: Resource) -> None:
        function, report, properties = self._function_of(alias), self.template.report, alias.properties
        automatic = alias.logical_id in self._automatic
        name = properties.required("Name").text()
        draft = Draft("FunctionAlias", alias_object(function, name), alias.path)
        draft.put(function, f"{properties.path}.FunctionName", "functionName")
        for key, node in sorted(properties.mapping().items()):
            with report.catching():
                match key:
                    case "Description" if automatic:
                        report.note(node.path, "left out: the alias that autoPublishAlias makes has none")
                    case "Name" | "Description":
                        draft.put(node.text(), node.path, key.lower())
                    case "ProvisionedConcurrencyConfig":
                        put_provisioned(self._function(function, node.path), name, node)
                    case "FunctionVersion" if not automatic:
                        draft.put(self._number(node), node.path, "functionVersion")
                    case "RoutingConfig":
                        self._weights(draft, node)
                    case "FunctionName" | "FunctionVersion":
                        continue
                    case _:
                        raise unknown(node)
        if not automatic:
            properties.required("FunctionVersion")
            self.made.append(draft)

    def _weights(self, draft: Draft, node: Node) -> None:
        for weight in node.required("AdditionalVersionWeights").sequence():
            share = weight.required("FunctionWeight")
            number = self._number(weight.required("FunctionVersion"))
            draft.put(share.number(), share.path, "additionalVersionWeights", number)

    def _code_sha256(self, draft: Draft, node: Node, function: str) -> None:
        code = self.functions[function].spec.get("code", {}) if function in self.functions else {}
        if "inline" in code or "image" in code:
            text = "is the package's on AWS, and here the code is no package"
            raise node.wrong(text, f"to do without: --ignore {node.path}")
        draft.put(node.text(), node.path, "codeSha256")

    def _url(self, url: Resource) -> None:
        target, given = url.properties.required("TargetFunctionArn"), url.properties.mapping().get("Qualifier")
        function, qualifier = self.template.function_of(target)
        qualifier = (given.text() if given else qualifier) or names.LATEST
        put_url(self._function(function, target.path), qualifier, url.properties, self.template.report)

    def _events(self, config: Resource) -> None:
        qualifier = config.properties.required("Qualifier")
        key = self._number(qualifier) if self._version_of(qualifier) else qualifier.text()
        put_events(self._function(self._function_of(config), config.path), key, config.properties, self.template.report)

    def _serverless(self, function: Resource) -> None:
        """What a serverless function says of its alias or, without one, of ``$LATEST``."""
        draft, report = self.functions[self.template.names[function.logical_id]], self.template.report
        alias = draft.spec.get("autoPublishAlias", "")
        for name, node in sorted(function.properties.mapping().items()):
            with report.catching():
                match name:
                    case "FunctionUrlConfig":
                        put_url(draft, alias or names.LATEST, node, report)
                    case "EventInvokeConfig":
                        put_events(draft, alias or names.LATEST, node, report)
                    case "ProvisionedConcurrencyConfig" if alias:
                        put_provisioned(draft, alias, node)
                    case "ProvisionedConcurrencyConfig":
                        raise node.wrong("needs AutoPublishAlias")

    def _number(self, node: Node) -> str:
        """The number that a property stands for."""
        if version := self._version_of(node):
            return self._number_of(version, node.path)
        number = node.text()
        if not number.isdigit():
            raise node.wrong(f"{number} is no published version's number", f"--set {node.path}=NUMBER")
        return number

    def _number_of(self, version: Resource, path: str) -> str:
        """The number that a Version of the template will have, for whoever names it at ``path``."""
        if not self._is_only(version):
            text = f"the number of {version.logical_id} depends on what was published before"
            raise UserError(path, text, f"give it: --set {path}=NUMBER")
        text = f"assumes that {version.logical_id} is the function's first version, number {FIRST}"
        self.template.report.note(path, f"{text}; otherwise give it: --set {path}=NUMBER")
        return FIRST

    def _version_of(self, node: Node | None) -> Resource | None:
        """The Version whose number a property is, ``!GetAtt Greet1.Version``."""
        reference = node.reference if node else None
        if reference is None or reference.attribute != "Version":
            return None
        found = self.template.resources.get(reference.logical_id)
        return found if found and found.type == VERSION else None

    def _is_only(self, version: Resource) -> bool:
        """Whether the template has no other Version of the same function."""
        return [self._function_of(v) for v in self.template.of_type(VERSION)].count(self._function_of(version)) == 1

    def _function_of(self, resource: Resource) -> str:
        return self.template.function_of(resource.properties.required("FunctionName"))[0]

    def _function(self, name: str, path: str) -> Draft:
        """The draft of a function, to add to.

        :raises UserError: it is not in the template.
        """
        if name not in self.functions:
            raise UserError(path, f"function {name} is not in the template", "add it there, or change it by itself")
        return self.functions[name]
