"""Intrinsic functions: each one's value, and what cannot be known, with its path."""

from __future__ import annotations

from typing import Any

import pytest

from thaw.errors import UserError
from unit.iac.importing import errors, function, imported, spec, template

SECTIONS: dict[str, Any] = {
    "Parameters": {
        "Stage": {"Type": "String", "Default": "dev"},
        "Zones": {"Type": "CommaDelimitedList", "Default": "a, b"},
        "Size": {"Type": "Number", "Default": 256},
        "NoDefault": {"Type": "String"},
        "Stored": {"Type": "AWS::SSM::Parameter::Value<String>", "Default": "/path/of/it"},
    },
    "Mappings": {"Sizes": {"dev": {"Memory": 512, "Names": ["x", "y"]}}},
    "Conditions": {
        "IsDev": {"Fn::Equals": [{"Ref": "Stage"}, "dev"]},
        "IsProd": {"Fn::Not": [{"Condition": "IsDev"}]},
        "Both": {"Fn::And": [{"Condition": "IsDev"}, {"Condition": "IsProd"}]},
        "Either": {"Fn::Or": [{"Condition": "IsDev"}, {"Condition": "IsProd"}]},
        "Unknown": {"Fn::Equals": [{"Ref": "NoDefault"}, "x"]},
        "Round": {"Condition": "Round"},
    },
}
RESOURCES = {
    "Other": function(FunctionName="Other_One"),
    "OtherVersion": {"Type": "AWS::Lambda::Version", "Properties": {"FunctionName": {"Ref": "Other"}}},
    "OtherAlias": {
        "Type": "AWS::Lambda::Alias",
        "Properties": {"FunctionName": {"Ref": "Other"}, "FunctionVersion": "1", "Name": "live"},
    },
    "Table": {"Type": "AWS::DynamoDB::Table"},
    "Never": {"Type": "AWS::DynamoDB::Table", "Condition": "IsProd"},
}
PLACE = {"AWS::Region": "eu-central-1", "AWS::AccountId": "111122223333"}
PATH = "Resources.Greet.Properties.Environment.Variables.X"


def with_value(value: Any, **options: Any) -> Any:
    greet = {"Greet": function(Environment={"Variables": {"X": value}})}
    return imported(template(greet | RESOURCES, **SECTIONS), **options)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("plain", "plain"),
        (True, "true"),
        (7, "7"),
        (0.5, "0.5"),
        ({"Ref": "Stage"}, "dev"),
        ({"Ref": "Size"}, "256"),
        ({"Ref": "AWS::Partition"}, "aws"),
        ({"Ref": "AWS::Region"}, "eu-central-1"),
        ({"Ref": "Other"}, "other-one"),
        ({"Fn::GetAtt": ["Other", "Arn"]}, "arn:aws:lambda:eu-central-1:111122223333:function:other-one"),
        ({"Fn::GetAtt": "Other.Arn"}, "arn:aws:lambda:eu-central-1:111122223333:function:other-one"),
        ({"Ref": "OtherAlias"}, "arn:aws:lambda:eu-central-1:111122223333:function:other-one:live"),
        ({"Fn::Sub": "${Stage}/${!Stage}/${AWS::Region}/${Other}"}, "dev/${Stage}/eu-central-1/other-one"),
        ({"Fn::Sub": ["${A}-${Stage}", {"A": {"Ref": "Size"}}]}, "256-dev"),
        ({"Fn::Join": ["-", ["a", {"Ref": "Stage"}]]}, "a-dev"),
        ({"Fn::Join": ["", {"Ref": "Zones"}]}, "ab"),
        ({"Fn::Select": ["1", {"Ref": "Zones"}]}, "b"),
        ({"Fn::Select": [2, {"Fn::Split": [",", "a,b,c"]}]}, "c"),
        ({"Fn::If": ["IsDev", "yes", {"Fn::ImportValue": "unread"}]}, "yes"),
        ({"Fn::If": ["Either", {"Fn::If": ["Both", 1, 2]}, 3]}, "2"),
        ({"Fn::FindInMap": ["Sizes", {"Ref": "Stage"}, "Memory"]}, "512"),
        ({"Fn::Select": [1, {"Fn::FindInMap": ["Sizes", "dev", "Names"]}]}, "y"),
        ({"Fn::FindInMap": ["Sizes", "none", "Memory", {"DefaultValue": "64"}]}, "64"),
        ({"Fn::Base64": {"Ref": "Stage"}}, "ZGV2"),
        ({"Fn::ToJsonString": {"a": [1, {"Ref": "Stage"}], "b": True}}, '{"a":[1,"dev"],"b":true}'),
        ({"Fn::Length": {"Ref": "Zones"}}, "2"),
    ],
)
def test_what_a_function_stands_for(value: Any, text: str) -> None:
    assert spec(with_value(value, parameters=PLACE))["environment"] == {"X": text}


def test_no_value_is_no_property() -> None:
    assert "environment" not in spec(with_value({"Ref": "AWS::NoValue"}))


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ({"Fn::ImportValue": "x"}, ["Fn::ImportValue cannot be resolved here", f"--set {PATH}=VALUE"]),
        ({"Fn::GetAZs": ""}, ["Fn::GetAZs cannot be resolved here"]),
        ({"Ref": "NoDefault"}, ["parameter NoDefault has no Default", "--parameter NoDefault=VALUE"]),
        ({"Ref": "Stored"}, ["parameter Stored is in AWS's parameter store", "--parameter Stored=VALUE"]),
        ({"Ref": "AWS::Region"}, ["AWS::Region depends on where it is deployed", "--parameter AWS::Region=VALUE"]),
        ({"Fn::GetAtt": ["Other", "Arn"]}, ["AWS::Region depends", "--parameter AWS::Region=VALUE"]),
        ({"Ref": "Table"}, ["Ref of Table (AWS::DynamoDB::Table) has a value only in AWS", f"--set {PATH}=VALUE"]),
        ({"Fn::Sub": "a-${Table.Arn}"}, ["Fn::Sub: Arn of Table", f"--set {PATH}=VALUE"]),
        ({"Fn::Sub": "${NoDefault}"}, ["parameter NoDefault", "--parameter NoDefault=VALUE"]),
        ({"Fn::GetAtt": ["OtherVersion", "Version"]}, ["known only when it is published"]),
        ({"Ref": "Never"}, ["Never is not among the resources that are made"]),
        ({"Ref": "Nothing"}, ["there is no parameter or resource Nothing in the template"]),
        ({"Fn::If": ["Unknown", 1, 2]}, ["parameter NoDefault has no Default", "--parameter NoDefault=VALUE"]),
        ({"Fn::If": ["Round", 1, 2]}, ["condition Round depends on itself"]),
        ({"Fn::If": ["Absent", 1, 2]}, ["there is no condition Absent"]),
        ({"Fn::If": ["IsDev", 1]}, ["takes a list of 3"]),
        ({"Fn::Select": [5, {"Ref": "Zones"}]}, ["there is no item 5 in a list of 2"]),
        ({"Fn::FindInMap": ["Sizes", "prod", "Memory"]}, ["there is no Mappings.Sizes.prod.Memory"]),
        ("{{resolve:secretsmanager:db:SecretString:password}}", ["is resolved by AWS alone"]),
        (["a"], ["must be text"]),
        (None, ["is empty"]),
    ],
)
def test_what_cannot_be_known_is_told_with_path_and_fix(value: Any, words: list[str]) -> None:
    told = errors(with_value(value))
    assert len(told) == 1
    assert told[0].startswith(f"{PATH}: ")
    assert all(word in told[0] for word in words), told[0]


def test_what_is_named_by_itself_is_told_and_not_followed_for_ever() -> None:
    alias = {"FunctionName": "greet", "FunctionVersion": "1", "Name": {"Ref": "A"}}
    told = errors(imported(template({"A": {"Type": "AWS::Lambda::Alias", "Properties": alias}}), parameters=PLACE))
    assert told == [
        "Resources.A.Properties.Name: Name of A depends on itself (give it: --set Resources.A.Properties.Name=VALUE)"
    ]


def test_a_serverless_function_may_name_its_own_alias() -> None:
    properties = {"Runtime": "python3.13", "Handler": "a.h", "CodeUri": "src", "AutoPublishAlias": "live"}
    properties["Environment"] = {"Variables": {"ME": {"Ref": "Greet.Alias"}}}
    found = imported(
        {"Resources": {"Greet": {"Type": "AWS::Serverless::Function", "Properties": properties}}}, parameters=PLACE
    )
    assert spec(found)["environment"] == {"ME": "arn:aws:lambda:eu-central-1:111122223333:function:greet:live"}


def test_all_errors_are_told_at_once() -> None:
    variables = {"A": {"Fn::ImportValue": "a"}, "B": {"Ref": "Table"}, "C": "fine"}
    greet = {"Greet": function(Environment={"Variables": variables}, Timeout="soon"), "Table": {"Type": "T"}}
    places = [error.split(":")[0].rpartition(".")[2] for error in errors(imported({"Resources": greet}))]
    assert sorted(places) == ["A", "B", "Timeout"]


@pytest.mark.parametrize(
    ("declared", "given", "words"),
    [
        ({"AllowedValues": ["dev", "prod"]}, "test", "'test' is none of dev, prod"),
        ({"AllowedPattern": "[a-z]+"}, "A1", "'A1' does not match [a-z]+"),
        ({"Type": "Number", "MaxValue": 3}, "4", "'4' is not within"),
        ({"MinLength": 2}, "x", "'x' is not within"),
        ({"Type": "Number"}, "x", "must be a number"),
    ],
)
def test_parameters_are_checked_as_declared(declared: dict[str, Any], given: str, words: str) -> None:
    with pytest.raises(UserError, match=r"Parameters\.P") as error:
        imported(template(Parameters={"P": {"Type": "String", **declared}}), parameters={"P": given})
    assert words in str(error.value)


def test_a_parameter_that_the_template_does_not_have_is_refused() -> None:
    with pytest.raises(UserError, match=r"--parameter Stge: the template has no such parameter"):
        imported(template(**SECTIONS), parameters={"Stge": "x"})
