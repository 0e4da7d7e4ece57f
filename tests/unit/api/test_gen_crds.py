"""The generated CRDs: invariants of their form; tests/integration/test_crds.py has what they do."""

from __future__ import annotations

import importlib.util
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Annotated, Any

import pytest
from pydantic import Field

from thaw.api.base import Model
from thaw.api.v1alpha1 import RESOURCES, Resource

ROOT = Path(__file__).resolve().parents[3]
Schema = dict[str, Any]


def _load() -> ModuleType:
    spec = importlib.util.spec_from_file_location("gen_crds", ROOT / "hack" / "gen_crds.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["gen_crds"] = module
    spec.loader.exec_module(module)
    return module


gen_crds = _load()
EACH = pytest.mark.parametrize("resource", RESOURCES, ids=lambda resource: resource.kind)


def schema_of(resource: Resource) -> Schema:
    schema: Schema = gen_crds.crd(resource)["spec"]["versions"][0]["schema"]["openAPIV3Schema"]
    return schema


def nodes(schema: Schema, path: str = "") -> Iterator[tuple[str, Schema]]:
    yield path, schema
    for name, child in schema.get("properties", {}).items():
        yield from nodes(child, f"{path}.{name}")
    for key, mark in (("items", "[]"), ("additionalProperties", "{}")):
        if isinstance(schema.get(key), dict):
            yield from nodes(schema[key], path + mark)


def test_the_files_are_what_the_models_say() -> None:
    assert gen_crds.check(gen_crds.outputs()) == 0


def test_check_names_the_file_and_the_command(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(gen_crds, "ROOT", tmp_path)
    drifted, right = tmp_path / "crds" / "a.yaml", tmp_path / "crds" / "b.yaml"
    drifted.parent.mkdir()
    drifted.write_text("old: 1\n")
    right.write_text("same: 1\n")
    assert gen_crds.check({drifted: "new: 1\n", right: "same: 1\n", tmp_path / "crds" / "c.yaml": "c: 1\n"}) == 1
    said = capsys.readouterr().err
    assert "crds/a.yaml is not what operator/thaw/api/v1alpha1.py says" in said
    assert "-old: 1" in said
    assert "crds/c.yaml" in said
    assert "b.yaml" not in said
    assert said.endswith("2 file(s) drifted. Run: hack/gen_crds.py\n")


@EACH
def test_schemas_are_structural(resource: Resource) -> None:
    for path, node in nodes(schema_of(resource)):
        assert "type" in node, path
        assert not {"$ref", "anyOf", "oneOf", "allOf", "title", "$defs"} & set(node), path
        assert not ("properties" in node and "additionalProperties" in node), path


@EACH
def test_everything_is_explained(resource: Resource) -> None:
    for path, node in nodes(schema_of(resource)):
        assert "``" not in node.get("description", ""), f"{path}: kubectl explain prints reStructuredText as it is"
        if path != ".metadata" and not path.endswith(("[]", "{}")):
            assert len(node.get("description", "")) > 9, path


@EACH
def test_a_status_has_no_defaults(resource: Resource) -> None:
    status = schema_of(resource)["properties"]["status"]
    assert [path for path, node in nodes(status) if "default" in node] == []


@EACH
def test_defaults_are_whole_and_never_empty(resource: Resource) -> None:
    for path, node in nodes(schema_of(resource)["properties"]["spec"]):
        if "default" in node:
            assert node["default"] not in ("", None, {}, []), path
            if node["type"] == "object":
                inner = {k: v["default"] for k, v in node["properties"].items() if "default" in v}
                assert node["default"] == inner, path


@EACH
def test_every_rule_answers_in_a_sentence(resource: Resource) -> None:
    for path, node in nodes(schema_of(resource)):
        for rule in node.get("x-kubernetes-validations", []):
            message = rule.get("message") or rule["messageExpression"]
            assert len(message) > 9, path
            assert not re.search(r"\[a-z|self\.", rule.get("message", "")), f"{path}: not for people"


@EACH
def test_strings_in_a_spec_are_bounded(resource: Resource) -> None:
    """The cost estimator, and etcd, want to know how long a string can be."""
    for path, node in nodes(schema_of(resource)["properties"]["spec"]):
        if node["type"] == "string" and "enum" not in node:
            assert "maxLength" in node, path
        if node["type"] == "object" and "additionalProperties" in node:
            assert "maxProperties" in node, path


@EACH
def test_numbers_have_formats_and_conditions_are_a_map(resource: Resource) -> None:
    for path, node in nodes(schema_of(resource)):
        if node["type"] == "integer":
            assert node["format"] in ("int32", "int64"), path
        if node["type"] == "number":
            assert node["format"] == "double", path
        if path.endswith(".conditions"):
            assert node["x-kubernetes-list-map-keys"] == ["type"]
        if path.endswith(("Time", "At")):
            assert node["format"] == "date-time", path


@EACH
def test_columns_and_selectable_fields_exist(resource: Resource) -> None:
    known = {path for path, _ in nodes(schema_of(resource))} | {".metadata.creationTimestamp"}
    for column in resource.columns:
        path = column.path.split("[?")[0]
        assert path in known or path.startswith(".metadata.labels."), column.name
    assert set(resource.selectable) <= known
    assert any(not column.wide and column.name == "Age" for column in resource.columns)


@EACH
def test_scope_names_and_status(resource: Resource) -> None:
    spec = gen_crds.crd(resource)["spec"]
    assert spec["scope"] == "Namespaced"
    assert spec["names"]["categories"] == ["thaw"]
    assert spec["versions"][0].get("subresources") == ({"status": {}} if resource.status_apart else None)


def test_only_an_event_s_status_comes_with_its_creation() -> None:
    """What people write has a status apart; an event is accepted in one write."""
    assert [resource.kind for resource in RESOURCES if not resource.status_apart] == ["EventInvocation"]


@pytest.mark.parametrize("kind", ["FunctionVersion", "Snapshot", "EventInvocation"])
def test_what_never_changes_says_so(kind: str) -> None:
    resource = next(r for r in RESOURCES if r.kind == kind)
    rules = schema_of(resource)["properties"]["spec"]["x-kubernetes-validations"]
    assert "self == oldSelf" in [rule["rule"] for rule in rules]


class Inner(Model):
    """Inside."""

    number: int = Field(default=3, ge=1, le=5, description="A number.")
    word: Annotated[str, Field(max_length=5)] | None = Field(default=None, description="A word.")


class Outer(Model):
    """Outside."""

    always: Inner = Field(default_factory=Inner, description="Always there.")
    maybe: Inner | None = Field(default=None, description="Perhaps there.")
    words: tuple[str, ...] = Field(default=(), description="Words.")


def test_references_unions_and_defaults() -> None:
    inner = {
        "type": "object",
        "properties": {
            "number": {
                "description": "A number.",
                "type": "integer",
                "format": "int32",
                "default": 3,
                "minimum": 1,
                "maximum": 5,
            },
            "word": {"description": "A word.", "type": "string", "maxLength": 5},
        },
    }
    properties = gen_crds.structural(Outer, defaults=True)["properties"]
    assert properties == {
        "always": {"description": "Always there.", **inner, "default": {"number": 3}},
        "maybe": {"description": "Perhaps there.", **inner},
        "words": {"description": "Words.", "type": "array", "items": {"type": "string"}},
    }


class Union(Model):
    """What a CRD cannot say."""

    either: int | str = Field(description="Either.")


def test_what_a_crd_cannot_say_stops_the_generator() -> None:
    with pytest.raises((SystemExit, ValueError)):
        gen_crds.structural(Union, defaults=True)
