"""Intrinsic functions: what a template says by way of parameters, mappings, conditions and other resources.

The functions and what they take are those of the CloudFormation user guide, "Intrinsic function reference". What needs
AWS (``Fn::ImportValue``, attributes of other services' resources, dynamic references) resolves to an
:class:`~thaw.iac.node.Unknown`, which is an error only where somebody reads it.
"""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from thaw.errors import UserError
from thaw.iac.document import Json
from thaw.iac.node import Node, Reference, Unknown

_PSEUDO = {"AWS::Partition": "aws", "AWS::URLSuffix": "amazonaws.com"}
"""What is the same wherever the template is deployed, outside China and GovCloud; others are given as parameters."""
_ASKED = ("AWS::Region", "AWS::AccountId", "AWS::StackName", "AWS::StackId", "AWS::NotificationARNs")
_VARIABLE = re.compile(r"\$\{(!?)([^}]*)\}")
_DYNAMIC = re.compile(r"\{\{resolve:[^}]*\}\}")

TextOf = Callable[[str, str], "str | Unknown"]
"""Logical id and attribute (empty for ``Ref``) to what a reference stands for as text."""


@dataclass
class Resolver:
    """Resolves values of one template.

    :param parameters: known parameters, and why the others are not known.
    :param text_of: what references to resources stand for.
    """

    document: Json
    parameters: Mapping[str, str | tuple[str, ...] | Unknown]
    text_of: TextOf
    _open_conditions: list[str] = field(default_factory=list)

    def node(self, value: Any, path: str) -> Node | None:
        """A value with all intrinsic functions resolved; None for ``AWS::NoValue``."""
        if isinstance(value, dict):
            name = next(iter(value), "")
            if len(value) == 1 and (name == "Ref" or name.startswith("Fn::")):
                return self._function(name, value[name], path)
            members = ((key, self.node(inner, f"{path}.{key}")) for key, inner in value.items())
            return Node(path, {key: inner for key, inner in members if inner is not None})
        if isinstance(value, list):
            items = (self.node(inner, f"{path}[{index}]") for index, inner in enumerate(value))
            return Node(path, tuple(inner for inner in items if inner is not None))
        if isinstance(value, str) and (dynamic := _DYNAMIC.search(value)):
            return Node(path, Unknown(f"{dynamic[0]} is resolved by AWS alone"))
        return Node(path, Unknown("is empty") if value is None else value)

    def known(self, value: Any, path: str) -> Node:
        """Like :meth:`node`, where something has to be.

        :raises UserError: it is ``AWS::NoValue``.
        """
        found = self.node(value, path)
        if found is None:
            raise UserError(path, "is AWS::NoValue, where a value is needed")
        return found

    def condition(self, name: str) -> bool:
        """Whether a condition of the template holds.

        :raises UserError: there is none of that name, or it rests on what is unknown.
        """
        conditions = self.document.get("Conditions") or {}
        if name not in conditions:
            raise UserError(f"Conditions.{name}", f"there is no condition {name}")
        if name in self._open_conditions:
            raise UserError(f"Conditions.{name}", f"condition {name} depends on itself")
        self._open_conditions.append(name)
        try:
            return self._holds(conditions[name], f"Conditions.{name}")
        finally:
            self._open_conditions.pop()

    def _holds(self, value: Any, path: str) -> bool:
        if str(value).lower() in ("true", "false"):  # as --set gives it
            return str(value).lower() == "true"
        name, argument = next(iter(value.items())) if isinstance(value, dict) and len(value) == 1 else ("", None)
        if name == "Condition":
            return self.condition(str(argument))
        inner = argument if isinstance(argument, list) else []
        here = f"{path}.{name}"
        match name:
            case "Fn::Equals" if len(inner) == 2:
                left, right = (self.known(item, f"{here}[{i}]").text() for i, item in enumerate(inner))
                return left == right
            case "Fn::And":
                return all(self._holds(item, f"{here}[{i}]") for i, item in enumerate(inner))
            case "Fn::Or":
                return any(self._holds(item, f"{here}[{i}]") for i, item in enumerate(inner))
            case "Fn::Not" if len(inner) == 1:
                return not self._holds(inner[0], f"{here}[0]")
        raise UserError(path, f"{name or value} is no condition that can be decided here", f"--set {path}=true")

    def _function(self, name: str, argument: Any, path: str) -> Node | None:
        """A function's value, at the function's own path; of a chosen branch, at the branch's."""
        try:
            if name not in _FUNCTIONS:
                raise UserError(path, f"{name} cannot be resolved here")
            return _FUNCTIONS[name](self, argument, path)
        except UserError as error:
            plain_name = name in ("Ref", "Fn::GetAtt") or name in error.message
            told = error.message if plain_name else f"{name}: {error.message}"
            return Node(path, Unknown(told, error.fix if "--parameter" in error.fix else ""))

    def _ref(self, name: Any, path: str) -> Node | None:
        if name == "AWS::NoValue":
            return None
        found = self.parameters.get(str(name))
        if isinstance(found, tuple):
            return Node(path, tuple(Node(f"{path}[{i}]", item) for i, item in enumerate(found)))
        if found is not None:
            return Node(path, found)
        return self._reference(str(name), "", path)

    def _get_att(self, argument: Any, path: str) -> Node:
        parts = argument.split(".", 1) if isinstance(argument, str) else argument
        logical_id, attribute = _arguments("Fn::GetAtt", parts, 2)
        return self._reference(str(logical_id), self.known(attribute, f"{path}.Fn::GetAtt[1]").text(), path)

    def _reference(self, logical_id: str, attribute: str, path: str) -> Node:
        if logical_id.partition(".")[0] not in self.document["Resources"]:
            raise UserError(path, f"there is no parameter or resource {logical_id} in the template")
        return Node(path, Reference(logical_id, attribute, self.text_of(logical_id, attribute)))

    def _if(self, argument: Any, path: str) -> Node | None:
        condition, *branches = _arguments("Fn::If", argument, 3)
        chosen = 1 if self.condition(str(condition)) else 2
        return self.node(branches[chosen - 1], f"{path}.Fn::If[{chosen}]")

    def _select(self, argument: Any, path: str) -> Node:
        index, items = _arguments("Fn::Select", argument, 2)
        found = self.known(items, f"{path}.Fn::Select[1]").sequence()
        number = self.known(index, f"{path}.Fn::Select[0]").integer()
        if not 0 <= number < len(found):
            raise UserError(path, f"there is no item {number} in a list of {len(found)}")
        return Node(path, found[number].value)

    def _split(self, argument: Any, path: str) -> Node:
        delimiter, text = _arguments("Fn::Split", argument, 2)
        by = self.known(delimiter, f"{path}.Fn::Split[0]").text()
        if not by:
            raise UserError(path, "the delimiter is empty")
        parts = self.known(text, f"{path}.Fn::Split[1]").text().split(by)
        return Node(path, tuple(Node(f"{path}[{i}]", part) for i, part in enumerate(parts)))

    def _find_in_map(self, argument: Any, path: str) -> Node | None:
        here = f"{path}.Fn::FindInMap"
        names, default = (argument[:3], argument[3:]) if isinstance(argument, list) else (argument, [])
        keys = _arguments("Fn::FindInMap", names, 3)
        found: Any = self.document.get("Mappings") or {}
        way = [self.known(key, f"{here}[{i}]").text() for i, key in enumerate(keys)]
        for key in way:
            if isinstance(found, dict) and key in found:
                found = found[key]
            elif default and isinstance(default[0], dict) and "DefaultValue" in default[0]:
                return self.node(default[0]["DefaultValue"], f"{here}[3].DefaultValue")
            else:
                raise UserError(path, f"there is no {'.'.join(['Mappings', *way])}")
        return self.node(found, path)

    def _sub(self, argument: Any, path: str) -> Node:
        template, given = argument if isinstance(argument, list) and len(argument) == 2 else (argument, {})
        if not isinstance(template, str) or not isinstance(given, dict):
            raise UserError(path, "takes a text, or a list of a text and an object")

        def value(match: re.Match[str]) -> str:
            literal, name = match[1], match[2].strip()
            if literal:
                return f"${{{match[2]}}}"
            if name in given:
                return self.known(given[name], f"{path}.Fn::Sub[1].{name}").text()
            found = self._get_att(name, path) if "." in name else self._ref(name, path)
            if found is None:
                raise UserError(path, "AWS::NoValue is no text")
            return found.text()

        return Node(path, _VARIABLE.sub(value, template))

    def _join(self, argument: Any, path: str) -> Node:
        delimiter, items = _arguments("Fn::Join", argument, 2)
        parts = [item.text() for item in self.known(items, f"{path}.Fn::Join[1]").sequence()]
        return Node(path, self.known(delimiter, f"{path}.Fn::Join[0]").text().join(parts))

    def _base64(self, argument: Any, path: str) -> Node:
        text = self.known(argument, f"{path}.Fn::Base64").text()
        return Node(path, base64.b64encode(text.encode()).decode())

    def _to_json(self, argument: Any, path: str) -> Node:
        found = plain(self.known(argument, f"{path}.Fn::ToJsonString"))
        return Node(path, json.dumps(found, separators=(",", ":")))

    def _length(self, argument: Any, path: str) -> Node:
        return Node(path, len(self.known(argument, f"{path}.Fn::Length").sequence()))


_FUNCTIONS: Mapping[str, Callable[[Resolver, Any, str], Node | None]] = {
    "Ref": Resolver._ref,
    "Fn::GetAtt": Resolver._get_att,
    "Fn::If": Resolver._if,
    "Fn::Select": Resolver._select,
    "Fn::Split": Resolver._split,
    "Fn::FindInMap": Resolver._find_in_map,
    "Fn::Sub": Resolver._sub,
    "Fn::Join": Resolver._join,
    "Fn::Base64": Resolver._base64,
    "Fn::ToJsonString": Resolver._to_json,
    "Fn::Length": Resolver._length,
}


def _arguments(name: str, given: Any, count: int) -> list[Any]:
    if not isinstance(given, list) or len(given) != count:
        raise UserError(name, f"takes a list of {count}")
    return given


def plain(node: Node) -> Any:
    """A node as plain data.

    :raises UserError: part of it is unknown.
    """
    if isinstance(node.value, Mapping):
        return {key: plain(inner) for key, inner in node.value.items()}
    if isinstance(node.value, tuple):
        return [plain(inner) for inner in node.value]
    return node.value if isinstance(node.value, int | float) else node.text()


def read_parameters(document: Json, given: Mapping[str, str]) -> dict[str, str | tuple[str, ...] | Unknown]:
    """All parameters by name, pseudo parameters among them.

    :param given: what the user says they are (``--parameter``).
    :raises UserError: a parameter is given that the template does not have.
    """
    declared = document.get("Parameters") or {}
    if strange := sorted(set(given) - set(declared) - set(_PSEUDO) - set(_ASKED)):
        raise UserError(f"--parameter {strange[0]}", "the template has no such parameter")
    found: dict[str, str | tuple[str, ...] | Unknown] = {
        name: Unknown(f"{name} depends on where it is deployed", f"give it: --parameter {name}=VALUE")
        for name in _ASKED
    }
    found |= _PSEUDO
    found |= {name: given[name] for name in given if name not in declared}
    return found | {name: _parameter(name, declared[name], given.get(name)) for name in declared}


def _parameter(name: str, declared: Any, given: str | None) -> str | tuple[str, ...] | Unknown:
    """One parameter's value, checked as CloudFormation would."""
    if not isinstance(declared, dict) or "Type" not in declared:
        raise UserError(f"Parameters.{name}", "has no Type")
    kind, fix = str(declared["Type"]), f"give it: --parameter {name}=VALUE"
    if given is None and "Default" not in declared:
        return Unknown(f"parameter {name} has no Default", fix)
    if given is None and kind.startswith("AWS::SSM::Parameter::Value"):
        return Unknown(f"parameter {name} is in AWS's parameter store", fix)
    default = Node("", declared.get("Default", ""))
    text = default.text() if given is None else given
    items = tuple(item.strip() for item in text.split(",")) if "List" in kind else (text,)
    for item in items:
        _check_parameter(name, declared, kind, item)
    return items if "List" in kind else text


def _check_parameter(name: str, declared: Json, kind: str, value: str) -> None:
    path = f"Parameters.{name}"
    allowed = [Node(path, choice).text() for choice in declared.get("AllowedValues") or ()]
    if allowed and value not in allowed:
        raise UserError(path, f"{value!r} is none of {', '.join(allowed)}", f"give another: --parameter {name}=VALUE")
    if (pattern := declared.get("AllowedPattern")) and not re.fullmatch(str(pattern), value):
        raise UserError(path, f"{value!r} does not match {pattern}", f"give another: --parameter {name}=VALUE")
    size = Node(path, value).number() if "Number" in kind else float(len(value))
    least, most = ("MinValue", "MaxValue") if "Number" in kind else ("MinLength", "MaxLength")
    if size < float(declared.get(least, size)) or size > float(declared.get(most, size)):
        text = f"{value!r} is not within {least} {declared.get(least, '-')} and {most} {declared.get(most, '-')}"
        raise UserError(path, text, f"give another: --parameter {name}=VALUE")
