"""A function's properties: mapped, noted or refused, and nothing else."""

from __future__ import annotations

from typing import Any

import pytest

from unit.iac.importing import errors, function, good, imported, notes, spec, template

HERE = "Resources.Greet.Properties"


def one(**properties: Any) -> Any:
    return imported({"Resources": {"Greet": function(**properties)}})


def sam(shared: dict[str, Any] | None = None, **properties: Any) -> Any:
    whole = {"Runtime": "python3.13", "Handler": "app.handler", "CodeUri": "src"} | properties
    sections = {"Globals": {"Function": shared}} if shared else {}
    return imported({"Resources": {"Greet": {"Type": "AWS::Serverless::Function", "Properties": whole}}, **sections})


@pytest.mark.parametrize(
    ("given", "made"),
    [
        ({"MemorySize": "512"}, {"memorySize": 512}),
        ({"Timeout": 30}, {"timeout": 30}),
        ({"Description": "greets"}, {"description": "greets"}),
        ({"EphemeralStorage": {"Size": 1024}}, {"ephemeralStorage": 1024}),
        ({"LoggingConfig": {"LogFormat": "JSON"}}, {"logFormat": "JSON"}),
        ({"SnapStart": {"ApplyOn": "PublishedVersions"}}, {"snapStart": {"applyOn": "PublishedVersions"}}),
        ({"ReservedConcurrentExecutions": 0}, {"scaling": {"reservedConcurrency": 0}}),
        ({"Tags": [{"Key": "a", "Value": "b"}]}, {"tags": {"a": "b"}}),
        ({"Runtime": "nodejs22.x"}, {"runtime": "nodejs22.x"}),
        ({"Role": "keys"}, {"role": "keys"}),
        ({"PackageType": "Zip"}, {}),
    ],
)
def test_a_property_becomes_a_field(given: dict[str, Any], made: dict[str, Any]) -> None:
    assert made.items() <= spec(one(**given)).items()


def test_memory_is_lambdas_default_not_thaws() -> None:
    assert spec(one())["memorySize"] == 128


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"Runtime": None}, "Runtime: is required"),
        ({"Handler": None}, "Handler: is required"),
        ({"Code": None}, "Code: is required"),
        ({"Timeout": 901}, "Timeout: timeout: Input should be less than or equal to 900, not 901"),
        ({"MemorySize": "much"}, "MemorySize: must be a whole number, not much"),
        ({"SnapStart": {"ApplyOn": "Always"}}, "SnapStart.ApplyOn: snapStart.applyOn: Input should be"),
        ({"SnapStart": {"Applyon": "None"}}, "SnapStart.Applyon: is not known to Thaw"),
        ({"Environment": {"Variables": {"AWS_LAMBDA_EXEC_WRAPPER": "/x"}}}, "is reserved for the runtime"),
        ({"Environment": {"Variables": {"_X": "1"}}}, "a name begins with a letter"),
        ({"Environment": "x"}, "Environment: must be an object"),
        ({"Role": "arn:aws:iam::1:user/x"}, "Role: role: String should match pattern"),
        ({"PackageType": "Tar"}, "PackageType: must be Zip or Image, not Tar"),
        ({"Layers": ["arn"]}, "Layers: layers are not supported"),
        ({"FileSystemConfigs": [{}]}, "FileSystemConfigs: file systems are not supported"),
        ({"KmsKeyArn": "arn"}, "KmsKeyArn: the environment is not encrypted"),
        ({"DeadLetterConfig": {"TargetArn": "arn"}}, "DeadLetterConfig: there is no dead-letter queue"),
        ({"ImageConfig": {"Command": ["a"]}}, "ImageConfig: an image runs as it was built"),
        ({"TenancyConfig": {"TenantIsolationMode": "PER_TENANT"}}, "TenancyConfig: is not known to Thaw"),
    ],
)
def test_what_would_not_be_what_it_is_on_aws_is_refused_at_its_path(given: dict[str, Any], words: str) -> None:
    told = errors(one(**given))
    assert len(told) == 1
    assert told[0].startswith(f"{HERE}.{next(iter(given))}")
    assert words in told[0]


@pytest.mark.parametrize(
    "given",
    [
        {"VpcConfig": {"SubnetIds": []}},
        {"TracingConfig": {"Mode": "Active"}},
        {"RecursiveLoop": "Allow"},
        {"RuntimeManagementConfig": {"UpdateRuntimeOn": "Manual"}},
        {"Architectures": ["arm64"]},
    ],
)
def test_what_is_around_the_function_is_noted(given: dict[str, Any]) -> None:
    found = one(**given)
    assert spec(found) == spec(one())
    assert [note.split(":")[0] for note in notes(found)] == [f"{HERE}.{next(iter(given))}"]


def test_what_says_nothing_is_not_refused() -> None:
    assert spec(one(Layers=[], ImageConfig={}, KmsKeyArn="")) == spec(one())


def test_a_role_of_the_template_is_no_role_here() -> None:
    role = {"Greet": function(Role={"Fn::GetAtt": ["Role", "Arn"]}), "Role": {"Type": "AWS::IAM::Role"}}
    found = imported(template(role))
    assert "role" not in spec(found)
    assert (
        f"{HERE}.Role: left out: Role is made by AWS alone, so the function gets no AWS credentials" in notes(found)[0]
    )


def test_a_role_that_a_parameter_should_name_is_asked_for() -> None:
    found = imported(template({"Greet": function(Role={"Ref": "R"})}, Parameters={"R": {"Type": "String"}}))
    assert errors(found) == [f"{HERE}.Role: parameter R has no Default (give it: --parameter R=VALUE)"]


@pytest.mark.parametrize(("given", "name"), [("My_Function", "my-function"), ("greet", "greet"), (None, "greet")])
def test_names_become_kubernetes_own(given: str | None, name: str) -> None:
    assert good(one(FunctionName=given))[0]["metadata"]["name"] == name


def test_two_functions_of_one_name_are_refused() -> None:
    found = imported(template({"Other": function(FunctionName="GREET")}))
    assert "Resources.Other.Properties.FunctionName: greet is the name of Resources.Greet too" in errors(found)[0]


def test_a_name_that_kubernetes_cannot_have_is_refused() -> None:
    assert f"{HERE}.FunctionName: 'a.b' cannot be made a name" in errors(one(FunctionName="a.b"))[0]
    assert "cannot be made a name" in errors(one(FunctionName="x" * 64))[0]


def test_globals_are_merged_objects_by_key_and_everything_else_by_the_functions_own() -> None:
    shared = {"Timeout": 5, "MemorySize": 512, "Environment": {"Variables": {"A": "shared", "B": "shared"}}}
    made = spec(sam(shared, MemorySize=256, Environment={"Variables": {"B": "own"}}))
    assert (made["timeout"], made["memorySize"]) == (5, 256)
    assert made["environment"] == {"A": "shared", "B": "own"}


def test_errors_in_globals_name_the_globals() -> None:
    assert errors(sam({"Timeout": 901}))[0].startswith("Globals.Function.Timeout: timeout: ")
    assert errors(sam({"Layers": ["x"]}))[0].startswith("Globals.Function.Layers: ")


def test_sams_alias_url_events_and_concurrency_are_of_the_alias() -> None:
    made = spec(
        sam(
            AutoPublishAlias="live",
            ProvisionedConcurrencyConfig={"ProvisionedConcurrentExecutions": 3},
            FunctionUrlConfig={"AuthType": "NONE"},
            EventInvokeConfig={"MaximumRetryAttempts": 0},
            Tags={"a": 1},
        )
    )
    assert made["autoPublishAlias"] == "live"
    assert made["scaling"] == {"provisionedConcurrency": {"live": 3}}
    assert made["urls"] == {"live": {"authType": "NONE"}}
    assert made["eventInvoke"] == {"live": {"maximumRetryAttempts": 0}}
    assert made["tags"] == {"a": "1"}


def test_without_an_alias_they_are_of_latest() -> None:
    made = spec(sam(FunctionUrlConfig={"AuthType": "AWS_IAM"}, EventInvokeConfig={}))
    assert made["urls"] == {"$LATEST": {"authType": "AWS_IAM"}}
    assert made["eventInvoke"] == {"$LATEST": {}}
    told = errors(sam(ProvisionedConcurrencyConfig={"ProvisionedConcurrentExecutions": 3}))
    assert told == [f"{HERE}.ProvisionedConcurrencyConfig: needs AutoPublishAlias"]


def test_a_gradual_deployment_is_refused_and_one_at_once_is_not() -> None:
    told = errors(sam(AutoPublishAlias="live", DeploymentPreference={"Type": "Canary10Percent5Minutes"}))
    assert told[0].startswith(f"{HERE}.DeploymentPreference.Type: shifts requests bit by bit")
    assert good(sam(AutoPublishAlias="live", DeploymentPreference={"Type": "AllAtOnce"}))


def test_an_image_needs_no_runtime_and_takes_none_from_globals() -> None:
    made = spec(
        sam({"Runtime": "python3.13"}, PackageType="Image", ImageUri="r/app@sha256:0", CodeUri={"Ref": "AWS::NoValue"})
    )
    assert made["code"] == {"image": "r/app@sha256:0"}
    assert "runtime" not in made
    assert "handler" not in made


def test_snapstart_that_nothing_publishes_is_noted() -> None:
    found = one(SnapStart={"ApplyOn": "PublishedVersions"})
    assert "Resources.Greet: nothing publishes it" in notes(found)[0]
