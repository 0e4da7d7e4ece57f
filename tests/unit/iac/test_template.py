"""Sections, options and everything else that is told or refused."""

from __future__ import annotations

from typing import Any

import pytest
import yaml

from thaw.errors import UserError
from thaw.iac.write import to_yaml
from unit.iac.importing import errors, function, good, imported, notes, spec, template

LAYERED = {"Greet": function(Layers=["x"], Environment={"Variables": {"A": "1", "B": {"Fn::ImportValue": "b"}}})}
VARIABLES = "Resources.Greet.Properties.Environment.Variables"


def test_set_gives_what_cannot_be_resolved_and_adds_what_is_not_there() -> None:
    sets = [(f"{VARIABLES}.B", "2"), ("Resources.Greet.Properties.Timeout", "9")]
    made = spec(imported({"Resources": LAYERED}, sets=sets, ignores=["Layers"]))
    assert made["environment"] == {"A": "1", "B": "2"}
    assert made["timeout"] == 9


def test_set_decides_a_condition() -> None:
    conditions = {"C": {"Fn::Equals": [{"Ref": "AWS::Region"}, "x"]}}
    greet = {"Greet": function(Timeout={"Fn::If": ["C", 5, 6]})}
    for given, timeout in (("true", 5), ("false", 6)):
        found = imported(template(greet, Conditions=conditions), sets=[("Conditions.C", given)])
        assert spec(found)["timeout"] == timeout


@pytest.mark.parametrize("path", ["Resources.Nobody.Properties.A", "Resources.Greet.Properties.Layers[3]", "Nothing.A"])
def test_set_at_no_place_of_the_template_is_refused(path: str) -> None:
    with pytest.raises(UserError, match="--set: the template has no"):
        imported({"Resources": LAYERED}, sets=[(path, "x")])


@pytest.mark.parametrize(
    "what", ["Layers", "Resources.Greet.Properties.Layers", "Resources.Greet.Properties.Layers[0]"]
)
def test_ignore_leaves_out_a_property_and_says_so(what: str) -> None:
    found = imported({"Resources": {"Greet": function(Layers=["x"])}}, ignores=[what])
    assert good(found)
    assert f"left out, as --ignore {what} says" in notes(found)[0]


def test_ignore_leaves_out_what_cannot_be_resolved_and_all_of_a_type() -> None:
    url = {"Type": "AWS::Lambda::Url", "Properties": {"TargetFunctionArn": "elsewhere", "AuthType": "NONE"}}
    resources = template(LAYERED | {"U": url, "W": url})
    found = imported(resources, ignores=["Layers", f"{VARIABLES}.B", "AWS::Lambda::Url"])
    assert spec(found)["environment"] == {"A": "1"}
    assert {note.split(":")[0] for note in notes(found)} == {
        "Resources.Greet.Properties.Layers",
        f"{VARIABLES}.B",
        "Resources.U",
        "Resources.W",
    }


@pytest.mark.parametrize(
    "what", ["", "Layer", "AWS::Lambda::Alias", "Resources.Greet.Properties.VpcConfig", "Resources"]
)
def test_ignore_of_what_is_not_there_is_refused(what: str) -> None:
    with pytest.raises(UserError, match="--ignore: the template has no"):
        imported({"Resources": LAYERED}, ignores=[what])


def test_sections_that_nobody_reads_are_told() -> None:
    found = imported(template(Outputs={"A": {"Value": {"Ref": "Nothing"}}}, Rules={"R": {}}))
    assert good(found)
    assert [note.split(":")[0] for note in notes(found)] == ["Outputs", "Rules"]


@pytest.mark.parametrize(
    ("sections", "words"),
    [
        ({"Transform": "MyMacro"}, "Transform: MyMacro is run by AWS alone"),
        ({"Transform": ["AWS::Serverless-2016-10-31", "AWS::Include"]}, "Transform: AWS::Include is run by AWS alone"),
        ({"Resuorces": {}}, "Resuorces: is no section of a template"),
    ],
)
def test_sections_that_cannot_be_followed_are_refused(sections: dict[str, Any], words: str) -> None:
    assert words in errors(imported(template(**sections)))[0]


@pytest.mark.parametrize(
    ("sections", "words"),
    [
        ({"Parameters": []}, "Parameters: must be an object"),
        ({"Parameters": {"P": {"Type": "String", "AllowedValues": "a"}}}, "Parameters.P.AllowedValues: must be a list"),
        ({"Globals": {"Function": []}}, "Globals.Function: must be an object"),
        ({"Conditions": "x"}, "Conditions: must be an object"),
        ({"_resources": {"Fn::ForEach::X": ["a", ["b"], {}]}}, "Resources.Fn::ForEach::X: is run by AWS alone"),
        ({"_resources": {"Other": ["x"]}}, "Resources.Other: must be an object"),
        ({"_resources": {"Other": {"Type": "T", "Properties": "x"}}}, "Resources.Other.Properties: must be an object"),
    ],
)
def test_sections_of_another_shape_are_refused(sections: dict[str, Any], words: str) -> None:
    with pytest.raises(UserError, match=words):
        imported(template(**sections))


def test_other_resources_are_told_with_what_they_are() -> None:
    found = imported(template({"Map": {"Type": "AWS::Lambda::EventSourceMapping"}, "Role": {"Type": "AWS::IAM::Role"}}))
    assert notes(found) == [
        "Resources.Map: AWS::Lambda::EventSourceMapping is left out: nothing reads events for the function; "
        "have it called through the gateway",
        "Resources.Role: AWS::IAM::Role is left out: it is not a function",
    ]


def test_a_template_without_functions_is_refused() -> None:
    assert errors(imported({"Resources": {"T": {"Type": "AWS::DynamoDB::Table"}}})) == [
        "Resources: hold no function, version or alias"
    ]


def test_secrets_in_parameters_are_warned_of() -> None:
    found = imported(template(Parameters={"P": {"Type": "String", "NoEcho": "true", "Default": "x"}}))
    assert notes(found)[0].startswith("Parameters.P: is NoEcho, but manifests and snapshots hold")


def test_what_is_kept_or_conditional_is_told() -> None:
    kept = function() | {"DeletionPolicy": "Retain"}
    conditional = {"Type": "AWS::Lambda::Function", "Condition": "C", "Properties": {}}
    sections = {"Conditions": {"C": {"Fn::Equals": ["a", "b"]}}}
    found = imported(template({"Greet": kept, "Other": conditional}, **sections))
    assert [note.split(":")[0] for note in notes(found)] == ["Resources.Greet.DeletionPolicy", "Resources.Other"]
    assert [one["metadata"]["name"] for one in good(found)] == ["greet"]


def test_manifests_are_the_same_in_any_order_of_the_template() -> None:
    resources = {name: function(FunctionName=name.lower()) for name in ("B", "A", "C")}
    there, back = (imported({"Resources": dict(order)}) for order in (resources.items(), reversed(resources.items())))
    assert to_yaml(good(there)) == to_yaml(good(back))
    assert [one["metadata"]["name"] for one in good(there)] == ["a", "b", "c"]


def test_yaml_is_what_was_meant_whatever_the_text() -> None:
    texts = ["a\nb\n", "a\n", "no", "1.0", "trailing \nspace", "tab\there\nx", "ü\n", "", "line\r\nend", "'quoted'"]
    manifests = [{"kind": "Function", "spec": {"inline": {str(i): text for i, text in enumerate(texts)}}}]
    assert list(yaml.safe_load_all(to_yaml(manifests))) == manifests
