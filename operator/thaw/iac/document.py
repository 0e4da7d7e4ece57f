"""A template's text as plain data: YAML's short tags in their long form, nothing twice, dates left as text."""

from __future__ import annotations

import json
from typing import Any

import yaml

from thaw.errors import UserError

Json = dict[str, Any]
_UNPREFIXED = ("Ref", "Condition")


class _Loader(yaml.SafeLoader):
    """YAML 1.1 as CloudFormation reads it."""


# "2012-10-17" is a string wherever a template says it.
_Loader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if tag != "tag:yaml.org,2002:timestamp"]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}


def _mapping(loader: _Loader, node: yaml.MappingNode) -> Json:
    seen: set[str] = set()
    for key, _ in node.value:
        if key.tag == "tag:yaml.org,2002:merge":
            continue
        if key.value in seen:
            raise yaml.constructor.ConstructorError(None, None, f"{key.value} comes twice", key.start_mark)
        seen.add(key.value)
    loader.flatten_mapping(node)
    return {str(key): value for key, value in loader.construct_mapping(node, deep=True).items()}


def _short(loader: _Loader, suffix: str, node: yaml.Node) -> Json:
    """``!Sub x`` is ``{"Fn::Sub": x}``."""
    value: Any
    if isinstance(node, yaml.MappingNode):
        value = _mapping(loader, node)
    elif isinstance(node, yaml.SequenceNode):
        value = loader.construct_sequence(node, deep=True)
    else:
        value = node.value
    return {suffix if suffix in _UNPREFIXED else f"Fn::{suffix}": value}


def _number(loader: _Loader, node: yaml.ScalarNode) -> Any:
    """A number, unless it would be written otherwise: ``0644``, ``1.10`` and ``80:80`` are meant as they stand."""
    read = loader.construct_yaml_float if node.tag.endswith("float") else loader.construct_yaml_int
    value = read(node)
    return value if str(value) == node.value else node.value


_Loader.add_constructor("tag:yaml.org,2002:map", _mapping)
_Loader.add_constructor("tag:yaml.org,2002:int", _number)
_Loader.add_constructor("tag:yaml.org,2002:float", _number)
_Loader.add_multi_constructor("!", _short)


def parse(text: str) -> Json:
    """Reads a template, YAML or JSON.

    :raises UserError: it is neither, says something twice, or has no resources. The message has the line.
    """
    try:
        # JSON that a program wrote is JSON, and much faster read as such.
        found = _json(text) if text.lstrip().startswith("{") else yaml.load(text, _Loader)  # noqa: S506  # a SafeLoader
    except (yaml.YAMLError, ValueError) as error:
        raise UserError("TEMPLATE", f"cannot be read: {' '.join(str(error).split())}") from error
    if not isinstance(found, dict) or not isinstance(found.get("Resources"), dict):
        raise UserError("TEMPLATE", "has no Resources", "name a CloudFormation or SAM template")
    return found


def check_shape(document: Json) -> None:
    """Makes sure that what has to be an object or a list is one, so that nobody else need ask.

    :raises UserError: something is not; the first is named.
    """
    for section in ("Parameters", "Mappings", "Conditions", "Globals", "Resources"):
        _must_be(dict, document, section, section)
    for name in document.get("Parameters") or {}:
        _must_be(dict, document["Parameters"], name, f"Parameters.{name}")
        _must_be(list, document["Parameters"][name] or {}, "AllowedValues", f"Parameters.{name}.AllowedValues")
    _must_be(dict, document.get("Globals") or {}, "Function", "Globals.Function")
    for name in document["Resources"]:
        path = f"Resources.{name}"
        if name.startswith("Fn::"):
            raise UserError(path, "is run by AWS alone", "import the template that AWS made of it")
        _must_be(dict, document["Resources"], name, path)
        for part in ("Properties", "Metadata"):
            _must_be(dict, document["Resources"][name] or {}, part, f"{path}.{part}")


def _must_be(kind: type, holder: Json, key: str, path: str) -> None:
    if holder.get(key) is not None and not isinstance(holder[key], kind):
        raise UserError(path, f"must be {'an object' if kind is dict else 'a list'}")


def _json(text: str) -> Any:
    try:
        return json.loads(text, object_pairs_hook=_unique)
    except json.JSONDecodeError:
        return yaml.load(text, _Loader)  # noqa: S506  # YAML in flow style begins with a brace too


def _unique(pairs: list[tuple[str, Any]]) -> Json:
    found = dict(pairs)
    if len(found) < len(pairs):
        names = [name for name, _ in pairs]
        raise ValueError(f"{next(n for n in names if names.count(n) > 1)} comes twice")
    return found
