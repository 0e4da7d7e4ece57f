"""Versions and aliases: what their numbers are, and when that cannot be said."""

from __future__ import annotations

from typing import Any

import pytest

from unit.iac.importing import errors, good, imported, notes, spec, template

NUMBER = {"Fn::GetAtt": ["V", "Version"]}


def version(function: Any = None, **properties: Any) -> dict[str, Any]:
    named = {"FunctionName": function or {"Ref": "Greet"}}
    return {"Type": "AWS::Lambda::Version", "Properties": named | properties}


def alias(name: str = "live", number: Any = None, **properties: Any) -> dict[str, Any]:
    whole = {"FunctionName": {"Ref": "Greet"}, "Name": name, "FunctionVersion": number or NUMBER} | properties
    return {"Type": "AWS::Lambda::Alias", "Properties": whole}


def weighted(number: Any, weight: float = 0.1) -> dict[str, Any]:
    return {"AdditionalVersionWeights": [{"FunctionVersion": number, "FunctionWeight": weight}]}


def kinds(found: Any) -> list[tuple[str, str]]:
    return [(one["kind"], one["metadata"]["name"]) for one in good(found)]


def made(found: Any, kind: str) -> list[dict[str, Any]]:
    return [one["spec"] for one in good(found) if one["kind"] == kind]


def test_one_alias_on_the_only_version_is_auto_publish_alias() -> None:
    found = imported(template({"V": version(Description="x"), "A": alias()}))
    assert kinds(found) == [("Function", "greet")]
    assert spec(found)["autoPublishAlias"] == "live"
    told = "\n".join(notes(found))
    assert "Resources.V: becomes autoPublishAlias of greet" in told
    assert "Resources.A: becomes autoPublishAlias of greet: live moves" in told
    assert "Resources.V.Properties.Description: left out" in told


def test_a_version_alone_is_published_by_a_manifest() -> None:
    found = imported(template({"V": version({"Fn::GetAtt": ["Greet", "Arn"]}, Description="first")}))
    assert made(found, "FunctionVersion") == [{"functionName": "greet", "description": "first"}]
    assert kinds(found)[1] == ("FunctionVersion", "greet-v")


def test_two_aliases_on_the_only_version_are_on_number_one() -> None:
    found = imported(template({"V": version(), "A": alias(), "B": alias("test")}))
    assert [one["functionVersion"] for one in made(found, "FunctionAlias")] == ["1", "1"]
    assert len(made(found, "FunctionVersion")) == 1
    assert any("assumes that V is the function's first version, number 1" in note for note in notes(found))


def test_weights_between_a_number_and_the_only_version() -> None:
    found = imported(template({"V": version(), "A": alias(RoutingConfig=weighted("7"))}))
    only = {"functionName": "greet", "name": "live", "functionVersion": "1", "additionalVersionWeights": {"7": 0.1}}
    assert made(found, "FunctionAlias") == [only]


def test_numbers_of_several_versions_are_asked_for_and_can_be_given() -> None:
    resources = {"V": version(), "W": version(), "A": alias(RoutingConfig=weighted({"Fn::GetAtt": ["W", "Version"]}))}
    paths = [
        "Resources.A.Properties.FunctionVersion",
        "Resources.A.Properties.RoutingConfig.AdditionalVersionWeights[0].FunctionVersion",
    ]
    told = errors(imported(template(resources)))
    assert [error.split(":")[0] for error in told] == paths
    assert f"the number of V depends on what was published before (give it: --set {paths[0]}=NUMBER)" in told[0]
    found = imported(template(resources), sets=[(paths[0], "3"), (paths[1], "4")])
    assert made(found, "FunctionAlias")[0]["additionalVersionWeights"] == {"4": 0.1}
    assert made(found, "FunctionAlias")[0]["functionVersion"] == "3"


def test_latest_is_no_version_for_an_alias() -> None:
    assert "$LATEST is no published version's number" in errors(imported(template({"A": alias(number="$LATEST")})))[0]


def test_an_alias_that_sam_makes_too_is_refused() -> None:
    function = {
        "Type": "AWS::Serverless::Function",
        "Properties": {"Runtime": "python3.13", "Handler": "a.h", "CodeUri": "src", "AutoPublishAlias": "a"},
    }
    told = errors(imported({"Resources": {"Greet": function, "V": version(), "A": alias()}}))
    assert told == [
        "Resources.A.Properties.Name: autoPublishAlias is given by Resources.Greet.Properties.AutoPublishAlias too"
    ]


def test_versions_of_functions_elsewhere_are_published_too() -> None:
    found = imported({"Resources": {"V": version("arn:aws:lambda:us-east-1:111122223333:function:Older_One")}})
    assert made(found, "FunctionVersion") == [{"functionName": "older-one"}]


@pytest.mark.parametrize(("code", "words"), [("src", "here the code is no package")])
def test_a_hash_of_code_that_is_no_package_is_refused(code: str, words: str) -> None:
    assert words in errors(imported(template({"V": version(CodeSha256="abc=")})))[0]


def test_provisioned_concurrency_is_of_the_alias_or_the_first_version() -> None:
    amount = {"ProvisionedConcurrencyConfig": {"ProvisionedConcurrentExecutions": 2}}
    for_alias = spec(imported(template({"V": version(), "A": alias(**amount)})))
    assert for_alias["scaling"] == {"provisionedConcurrency": {"live": 2}}
    for_version = spec(imported(template({"V": version(**amount)})))
    assert for_version["scaling"] == {"provisionedConcurrency": {"1": 2}}


def test_urls_and_events_of_latest_and_of_aliases() -> None:
    resources = {
        "V": version(),
        "A": alias(),
        "U": {"Type": "AWS::Lambda::Url", "Properties": {"TargetFunctionArn": {"Ref": "A"}, "AuthType": "NONE"}},
        "U2": {
            "Type": "AWS::Lambda::Url",
            "Properties": {"TargetFunctionArn": {"Fn::GetAtt": ["Greet", "Arn"]}, "AuthType": "AWS_IAM"},
        },
        "E": {
            "Type": "AWS::Lambda::EventInvokeConfig",
            "Properties": {"FunctionName": "greet", "Qualifier": "live", "MaximumRetryAttempts": 0},
        },
    }
    found = spec(imported(template(resources)))
    assert found["urls"] == {"live": {"authType": "NONE"}, "$LATEST": {"authType": "AWS_IAM"}}
    assert found["eventInvoke"] == {"live": {"maximumRetryAttempts": 0}}


def test_two_urls_of_one_qualifier_and_a_queue_as_destination_are_refused() -> None:
    url = {"Type": "AWS::Lambda::Url", "Properties": {"TargetFunctionArn": "greet", "AuthType": "NONE"}}
    assert "urls.$LATEST is given by Resources.U.Properties too" in errors(imported(template({"U": url, "W": url})))[0]
    queue = {"OnFailure": {"Destination": "arn:aws:sqs:us-east-1:111122223333:q"}}
    events = {"FunctionName": "greet", "Qualifier": "$LATEST", "DestinationConfig": queue}
    resource = {"Type": "AWS::Lambda::EventInvokeConfig", "Properties": events}
    told = errors(imported(template({"E": resource})))
    assert "Resources.E.Properties.DestinationConfig.OnFailure.Destination" in told[0]
    assert "is neither a function's ARN nor a URL" in told[0]


def test_what_hangs_on_a_function_elsewhere_is_refused() -> None:
    url = {"Type": "AWS::Lambda::Url", "Properties": {"TargetFunctionArn": "other", "AuthType": "NONE"}}
    assert "function other is not in the template" in errors(imported(template({"U": url})))[0]
