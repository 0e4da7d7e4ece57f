"""Every operation and every error of the API, as it goes over the wire, is what AWS's model says."""

from __future__ import annotations

import ast
import asyncio
import json
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from botocore import xform_name
from botocore.exceptions import ClientError

import thaw.gateway
from thaw.errors import ClusterError, Unavailable
from thaw.gateway import model
from thaw.kube import kinds
from unit.gateway.conftest import Lambda
from unit.gateway.modelled import FRONT, Wire, problems_of_answer, problems_of_error
from unit.gateway.test_lambda_api import ROLE, arguments
from unit.gateway.test_reading import unchecked
from unit.gateway.world import NAMESPACE, World, package

ARN = "arn:aws:lambda:us-east-1:000000000000:function:fn"
FN = {"FunctionName": "fn"}
Prepare = Callable[[World], Awaitable[None]]

CASES: dict[str, list[dict[str, Any]]] = {
    "CreateFunction": [
        arguments("new", Tags={"a": "b"}, Environment={"Variables": {"AB": "c"}}),
        arguments("new", Publish=True, SnapStart={"ApplyOn": "PublishedVersions"}),
        {"FunctionName": "new", "Role": ROLE, "PackageType": "Image", "Code": {"ImageUri": "app@sha256:ab"}},
    ],
    "GetFunction": [FN, {**FN, "Qualifier": "1"}, {**FN, "Qualifier": "live"}, {"FunctionName": ARN}],
    "GetFunctionConfiguration": [FN, {**FN, "Qualifier": "2"}, {**FN, "Qualifier": "$LATEST"}],
    "UpdateFunctionConfiguration": [{**FN, "Timeout": 9}],
    "UpdateFunctionCode": [
        {**FN, "ZipFile": package("x = 1")},
        {**FN, "ZipFile": package("x = 1"), "DryRun": True},
        {**FN, "ZipFile": package("x = 1"), "Publish": True},
    ],
    "PublishVersion": [{**FN, "Description": "again"}],
    "DeleteFunction": [FN, {**FN, "Qualifier": "3"}],
    "ListFunctions": [{}, {"FunctionVersion": "ALL"}, {"MaxItems": 1}],
    "ListVersionsByFunction": [FN, {**FN, "MaxItems": 1}],
    "CreateAlias": [
        {**FN, "Name": "new", "FunctionVersion": "1"},
        {**FN, "Name": "new", "FunctionVersion": "$LATEST"},
        {**FN, "Name": "new", "FunctionVersion": "1", "RoutingConfig": {"AdditionalVersionWeights": {"2": 0.1}}},
    ],
    "GetAlias": [{**FN, "Name": "live"}],
    "UpdateAlias": [{**FN, "Name": "live", "FunctionVersion": "2", "RoutingConfig": {}}],
    "DeleteAlias": [{**FN, "Name": "live"}, {**FN, "Name": "never"}],
    "ListAliases": [FN, {**FN, "FunctionVersion": "2"}],
    "TagResource": [{"Resource": ARN, "Tags": {"c": "d"}}],
    "UntagResource": [{"Resource": ARN, "TagKeys": ["a", "never"]}],
    "ListTags": [{"Resource": ARN}],
    "PutFunctionConcurrency": [{**FN, "ReservedConcurrentExecutions": 7}],
    "GetFunctionConcurrency": [FN, {"FunctionName": "other"}],
    "DeleteFunctionConcurrency": [FN],
    "PutProvisionedConcurrencyConfig": [{**FN, "Qualifier": "2", "ProvisionedConcurrentExecutions": 1}],
    "GetProvisionedConcurrencyConfig": [{**FN, "Qualifier": "1"}],
    "DeleteProvisionedConcurrencyConfig": [{**FN, "Qualifier": "1"}, {**FN, "Qualifier": "never"}],
    "ListProvisionedConcurrencyConfigs": [FN, {"FunctionName": "other"}],
    "GetAccountSettings": [{}],
    "CreateFunctionUrlConfig": [
        {**FN, "Qualifier": "live", "AuthType": "NONE", "Cors": {"AllowOrigins": ["*"], "MaxAge": 5}},
        {"FunctionName": "other", "AuthType": "AWS_IAM", "InvokeMode": "RESPONSE_STREAM"},
    ],
    "GetFunctionUrlConfig": [FN],
    "UpdateFunctionUrlConfig": [{**FN, "AuthType": "NONE", "Cors": {}}],
    "DeleteFunctionUrlConfig": [FN],
    "ListFunctionUrlConfigs": [FN, {"FunctionName": "other"}],
    "PutFunctionEventInvokeConfig": [
        {**FN, "MaximumRetryAttempts": 0},
        {"FunctionName": "other", "DestinationConfig": {"OnFailure": {"Destination": ARN}}},
    ],
    "UpdateFunctionEventInvokeConfig": [{**FN, "MaximumEventAgeInSeconds": 60}],
    "GetFunctionEventInvokeConfig": [FN],
    "DeleteFunctionEventInvokeConfig": [FN],
    "ListFunctionEventInvokeConfigs": [FN, {"FunctionName": "other"}],
    "InvokeWithResponseStream": [
        FN,
        {**FN, "Qualifier": "live", "LogType": "Tail"},
        {**FN, "InvocationType": "DryRun"},
    ],
    "Invoke": [
        FN,
        {**FN, "Qualifier": "live", "LogType": "Tail"},
        {**FN, "InvocationType": "Event"},
        {**FN, "InvocationType": "DryRun"},
    ],
}


async def prepared(world: World) -> None:
    """A function with all that can be said of one, and one of which nothing is said."""
    world.function("other")
    scaling = {"reservedConcurrency": 5, "provisionedConcurrency": {"1": 1}}
    world.function(
        snapStart={"applyOn": "PublishedVersions"},
        tags={"a": "b"},
        scaling=scaling,
        role=ROLE,
        urls={"$LATEST": {"authType": "AWS_IAM", "cors": {"allowMethods": ["GET"]}}},
        eventInvoke={"$LATEST": {"onSuccess": {"destination": "arn:aws:lambda:us-east-1:000000000000:function:other"}}},
    )
    for number in (1, 2, 3):
        await world.publish()
        await world.kube.patch(kinds.FUNCTION, NAMESPACE, "fn", {"spec": {"timeout": 10 + number}})
    spec = {"functionName": "fn", "name": "live", "functionVersion": "1", "additionalVersionWeights": {"2": 0.5}}
    world.kube.put(kinds.FUNCTION_ALIAS, {"metadata": {"name": "fn-live", "namespace": NAMESPACE}, "spec": spec})
    await asyncio.sleep(0.01)


def handled(world: World) -> set[str]:
    return set(world.gateway.front.api.operations)


def test_every_operation_has_a_case(world: World) -> None:
    assert handled(world) == set(CASES)


@pytest.mark.parametrize(
    ("operation", "given"),
    [(name, given) for name, cases in CASES.items() for given in cases],
    ids=[f"{name}-{number}" for name, cases in CASES.items() for number in range(len(cases))],
)
async def test_answers(world: World, lam: Lambda, operation: str, given: dict[str, Any]) -> None:
    await prepared(world)
    wire = Wire.of(lam.client)
    await getattr(lam, xform_name(operation))(**given)
    assert wire.operation == operation
    assert problems_of_answer(model.operations()[operation], wire) == []


# ---------------------------------------------------------------- errors

NOT_THERE, NEVER = {"FunctionName": "never"}, "arn:aws:lambda:us-east-1:000000000000:function:never"
STALE = "00000000-0000-0000-0000-000000000000"


async def pending(world: World) -> None:
    world.next_state = {"state": "Pending", "stateReasonCode": "Creating"}
    await world.publish()


async def failed(world: World) -> None:
    world.next_state = {"state": "Failed", "stateReasonCode": "Timeout", "stateReason": "too long"}
    await world.publish()


async def idle(world: World) -> None:
    await world.kube.patch(kinds.FUNCTION, NAMESPACE, "fn", {"spec": {"runtime": "java21", "scaling": None}})
    world.next_state = {"state": "Inactive", "stateReasonCode": "Idle"}
    await world.publish()


async def stopped(world: World) -> None:
    await world.kube.patch(
        kinds.FUNCTION,
        NAMESPACE,
        "fn",
        {"spec": {"scaling": {"reservedConcurrency": 0, "provisionedConcurrency": None}}},
    )
    await asyncio.sleep(0.01)


async def unwatched(world: World) -> None:
    """The operator has not looked at it yet."""
    await world.kube.patch(kinds.FUNCTION, NAMESPACE, "fn", {"status": None})
    world.kube.hooks.clear()
    await world.kube.patch(kinds.FUNCTION, NAMESPACE, "fn", {"status": {"state": "Pending"}})


async def going(world: World) -> None:
    gone = {"metadata": {"deletionTimestamp": "2026-01-01T00:00:00Z"}}
    await world.kube.patch(kinds.FUNCTION, NAMESPACE, "fn", gone)


async def declared(world: World) -> None:
    latest = {"f:$LATEST": {"f:authType": {}, "f:maximumRetryAttempts": {}}}
    fields = {
        "f:spec": {
            "f:timeout": {},
            "f:tags": {"f:a": {}},
            "f:scaling": {"f:reservedConcurrency": {}},
            "f:urls": latest,
            "f:eventInvoke": latest,
        }
    }
    entry = {"manager": "kustomize-controller", "operation": "Apply", "fieldsV1": fields}
    await world.kube.patch(kinds.FUNCTION, NAMESPACE, "fn", {"metadata": {"managedFields": [entry]}})
    entry["fieldsV1"] = {"f:spec": {"f:functionVersion": {}}}
    await world.kube.patch(kinds.FUNCTION_ALIAS, NAMESPACE, "fn-live", {"metadata": {"managedFields": [entry]}})


async def hook_fails(world: World) -> None:
    world.restore_answer = (400, {"errorType": "ValueError", "errorMessage": "no database"})


async def hook_hangs(world: World) -> None:
    world.restore_answer = (408, {"errorType": "Timeout", "errorMessage": "too long"})


async def no_operator(world: World) -> None:
    world.publishes = False
    await world.kube.patch(kinds.FUNCTION, NAMESPACE, "fn", {"spec": {"timeout": 99}})


async def no_agent(world: World) -> None:
    await world.kube.delete(kinds.POD, world.settings.namespace, "agent-1")
    await asyncio.sleep(0.01)


async def no_api_server(world: World) -> None:
    async def fails(*_: Any, **__: Any) -> None:
        raise Unavailable("Function", NAMESPACE, "fn", "no answer")

    world.kube.get = fails  # type: ignore[method-assign]


async def no_room(world: World) -> None:
    world.kube.refuse["Pod"] = ClusterError("Pod", NAMESPACE, "x", "exceeded quota")


PUT = {**FN, "Qualifier": "2", "ProvisionedConcurrentExecutions": 1}
WEIGHTED = {**FN, "Name": "new", "FunctionVersion": "1"}
ERRORS: list[tuple[str, dict[str, Any], str, str, Prepare | None]] = [
    ("CreateFunction", arguments(), "ResourceConflictException", "Function already exist: fn", None),
    ("CreateFunction", arguments("new", VpcConfig={"SubnetIds": ["subnet-1"]}), "InvalidParameterValueException",
     "VpcConfig", None),
    ("CreateFunction", arguments("fn:1"), "InvalidParameterValueException", "qualifier", None),
    ("CreateFunction", arguments("new"), "ServiceUnavailableException", "agent", no_agent),
    ("CreateFunction", arguments("new", Code={"ZipFile": b"x" * (51 << 20)}), "RequestEntityTooLargeException",
     "52428800", None),
    ("GetFunction", NOT_THERE, "ResourceNotFoundException", f"Function not found: {NEVER}", None),
    ("GetFunction", {**FN, "Qualifier": "9"}, "ResourceNotFoundException", f"{ARN}:9", None),
    ("GetFunction", FN, "ResourceNotFoundException", ARN, going),
    ("GetFunction", FN, "ServiceException", "no answer", no_api_server),
    ("GetFunctionConfiguration", NOT_THERE, "ResourceNotFoundException", NEVER, None),
    ("UpdateFunctionConfiguration", {**NOT_THERE, "Timeout": 9}, "ResourceNotFoundException", NEVER, None),
    ("UpdateFunctionConfiguration", {**FN, "Timeout": 901}, "InvalidParameterValueException", "timeout", None),
    ("UpdateFunctionConfiguration", {"FunctionName": "fn:1", "Timeout": 9}, "InvalidParameterValueException",
     "must not have a qualifier", None),
    ("UpdateFunctionConfiguration", {**FN, "Timeout": 9, "RevisionId": STALE}, "PreconditionFailedException",
     "Revision Id", None),
    ("UpdateFunctionConfiguration", {**FN, "Timeout": 9}, "ResourceConflictException",
     "spec.timeout is managed by kustomize-controller: change it there", declared),
    ("UpdateFunctionConfiguration", {**FN, "Timeout": 9}, "ResourceConflictException", "being deleted", going),
    ("UpdateFunctionConfiguration", {**FN, "Timeout": 9}, "ResourceConflictException", "state: Pending", unwatched),
    ("UpdateFunctionConfiguration", {**FN, "Timeout": "9"}, "SerializationException", "'timeout'", None),
    ("UpdateFunctionCode", {**FN, "ImageUri": "x:1"}, "InvalidParameterValueException", "PackageType", None),
    ("UpdateFunctionCode", {**FN, "ZipFile": package(), "RevisionId": STALE}, "PreconditionFailedException", "", None),
    ("UpdateFunctionCode", {**FN, "ZipFile": package()}, "ResourceConflictException", "deleted", going),
    ("PublishVersion", {**FN, "CodeSha256": "AAAA"}, "InvalidParameterValueException", "CodeSHA256", None),
    ("PublishVersion", {**FN, "RevisionId": STALE}, "PreconditionFailedException", "", None),
    ("PublishVersion", {**FN, "PublishTo": "LATEST_PUBLISHED"}, "InvalidParameterValueException", "PublishTo", None),
    ("PublishVersion", FN, "ServiceException", "thaw-operator", no_operator),
    ("DeleteFunction", NOT_THERE, "ResourceNotFoundException", NEVER, None),
    ("DeleteFunction", {**FN, "Qualifier": "$LATEST"}, "InvalidParameterValueException", "$LATEST", None),
    ("DeleteFunction", {**FN, "Qualifier": "live"}, "InvalidParameterValueException", "aliases", None),
    ("DeleteFunction", {**FN, "Qualifier": "1"}, "ResourceConflictException", "[live]", None),
    ("DeleteFunction", {**FN, "Qualifier": "4"}, "ResourceConflictException", "state: Pending", pending),
    ("DeleteFunction", FN, "ResourceConflictException", "managed by kustomize-controller: delete it there", declared),
    ("ListFunctions", {"Marker": "never"}, "InvalidParameterValueException", "Marker", None),
    ("ListFunctions", {"MasterRegion": "ALL"}, "InvalidParameterValueException", "MasterRegion", None),
    ("ListVersionsByFunction", NOT_THERE, "ResourceNotFoundException", NEVER, None),
    ("CreateAlias", {**FN, "Name": "live", "FunctionVersion": "1"}, "ResourceConflictException", "Alias already", None),
    ("CreateAlias", {**FN, "Name": "new", "FunctionVersion": "9"}, "ResourceNotFoundException", f"{ARN}:9", None),
    ("CreateAlias", {**WEIGHTED, "RoutingConfig": {"AdditionalVersionWeights": {"1": 0.5}}},
     "InvalidParameterValueException", "another version", None),
    ("CreateAlias", {**WEIGHTED, "RoutingConfig": {"AdditionalVersionWeights": {"2": 0.5, "3": 0.1}}},
     "InvalidParameterValueException", "two versions at the most", None),
    ("CreateAlias", {**WEIGHTED, "FunctionVersion": "$LATEST", "RoutingConfig": {"AdditionalVersionWeights": {"2": 1}}},
     "InvalidParameterValueException", "$LATEST is not supported for an alias pointing to more than 1 version", None),
    ("CreateAlias", {**WEIGHTED, "FunctionVersion": "$LATEST.PUBLISHED"}, "InvalidParameterValueException",
     "$LATEST.PUBLISHED", None),
    ("GetAlias", {**FN, "Name": "never"}, "ResourceNotFoundException", f"Cannot find alias arn: {ARN}:never", None),
    ("UpdateAlias", {**FN, "Name": "never"}, "ResourceNotFoundException", "never", None),
    ("UpdateAlias", {**FN, "Name": "live", "FunctionVersion": "2"}, "InvalidParameterValueException",
     "another version", None),
    ("UpdateAlias", {**FN, "Name": "live", "RevisionId": STALE}, "PreconditionFailedException", "", None),
    ("UpdateAlias", {**FN, "Name": "live", "FunctionVersion": "3"}, "ResourceConflictException",
     "spec.functionVersion is managed by kustomize-controller", declared),
    ("DeleteAlias", {**NOT_THERE, "Name": "live"}, "ResourceNotFoundException", NEVER, None),
    ("DeleteAlias", {**FN, "Name": "live"}, "ResourceConflictException", "delete it there", declared),
    ("ListAliases", NOT_THERE, "ResourceNotFoundException", NEVER, None),
    ("TagResource", {"Resource": NEVER, "Tags": {"a": "b"}}, "ResourceNotFoundException", NEVER, None),
    ("TagResource", {"Resource": ARN + ":1", "Tags": {"a": "b"}}, "InvalidParameterValueException", ARN, None),
    ("TagResource", {"Resource": ARN, "Tags": {"": "b"}}, "InvalidParameterValueException", "or equal to 1", None),
    ("TagResource", {"Resource": ARN, "Tags": {"aws:a": "b"}}, "InvalidParameterValueException", "aws:", None),
    ("TagResource", {"Resource": ARN, "Tags": {str(n): "" for n in range(50)}}, "InvalidParameterValueException",
     "50 tags", None),
    ("TagResource", {"Resource": ARN, "Tags": {"a": "c"}}, "ResourceConflictException", "spec.tags.a", declared),
    ("UntagResource", {"Resource": ARN, "TagKeys": ["a"]}, "ResourceConflictException", "spec.tags.a", declared),
    ("ListTags", {"Resource": NEVER}, "ResourceNotFoundException", NEVER, None),
    ("PutFunctionConcurrency", {**FN, "ReservedConcurrentExecutions": 901}, "InvalidParameterValueException",
     "below its minimum value of [100]", None),
    ("PutFunctionConcurrency", {**FN, "ReservedConcurrentExecutions": 0}, "InvalidParameterValueException",
     "total provisioned concurrency [1]", None),
    ("PutFunctionConcurrency", {**NOT_THERE, "ReservedConcurrentExecutions": 1}, "ResourceNotFoundException", "", None),
    ("GetFunctionConcurrency", NOT_THERE, "ResourceNotFoundException", NEVER, None),
    ("DeleteFunctionConcurrency", FN, "ResourceConflictException", "spec.scaling.reservedConcurrency", declared),
    ("PutProvisionedConcurrencyConfig", {**PUT, "Qualifier": "$LATEST"}, "InvalidParameterValueException",
     "unpublished", None),
    ("PutProvisionedConcurrencyConfig", {**PUT, "Qualifier": "live"}, "InvalidParameterValueException",
     "Alias with weights can not be used with Provisioned Concurrency", None),
    ("PutProvisionedConcurrencyConfig", {**PUT, "ProvisionedConcurrentExecutions": 5}, "InvalidParameterValueException",
     "reservedConcurrentExecution", None),
    ("PutProvisionedConcurrencyConfig", {**PUT, "Qualifier": "9"}, "ResourceNotFoundException", f"{ARN}:9", None),
    ("PutProvisionedConcurrencyConfig", {**PUT, "Qualifier": "no"}, "ResourceNotFoundException", "alias arn", None),
    ("PutProvisionedConcurrencyConfig", {**PUT, "Qualifier": "4"}, "ResourceConflictException", "Pending", pending),
    ("GetProvisionedConcurrencyConfig", {**FN, "Qualifier": "2"}, "ProvisionedConcurrencyConfigNotFoundException",
     "No Provisioned Concurrency Config found for this function", None),
    ("DeleteProvisionedConcurrencyConfig", {**NOT_THERE, "Qualifier": "1"}, "ResourceNotFoundException", NEVER, None),
    ("ListProvisionedConcurrencyConfigs", NOT_THERE, "ResourceNotFoundException", NEVER, None),
    ("CreateFunctionUrlConfig", {**FN, "AuthType": "NONE"}, "ResourceConflictException", "exists", None),
    ("CreateFunctionUrlConfig", {**FN, "Qualifier": "1", "AuthType": "NONE"}, "InvalidParameterValueException",
     "'1' at 'qualifier'", None),
    ("CreateFunctionUrlConfig", {**FN, "Qualifier": "no", "AuthType": "NONE"}, "ResourceNotFoundException", "no", None),
    ("CreateFunctionUrlConfig", {**FN, "AuthType": "SOME"}, "InvalidParameterValueException", "'authType'", None),
    ("GetFunctionUrlConfig", {"FunctionName": "other"}, "ResourceNotFoundException", "does not exist", None),
    ("UpdateFunctionUrlConfig", {**FN, "AuthType": "NONE"}, "ResourceConflictException",
     "spec.urls.$LATEST.authType is managed by kustomize-controller", declared),
    ("DeleteFunctionUrlConfig", FN, "ResourceConflictException", "spec.urls.$LATEST", declared),
    ("ListFunctionUrlConfigs", NOT_THERE, "ResourceNotFoundException", NEVER, None),
    ("PutFunctionEventInvokeConfig", FN, "InvalidParameterValueException", "at least one", None),
    ("PutFunctionEventInvokeConfig", {**FN, "MaximumRetryAttempts": 3}, "InvalidParameterValueException", "'3'", None),
    ("PutFunctionEventInvokeConfig", {**FN, "DestinationConfig": {"OnFailure": {"Destination": NEVER}}},
     "InvalidParameterValueException", "there is no such function", None),
    ("PutFunctionEventInvokeConfig", {**FN, "MaximumRetryAttempts": 1}, "ResourceConflictException",
     "spec.eventInvoke.$LATEST.maximumRetryAttempts is managed by kustomize-controller", declared),
    ("UpdateFunctionEventInvokeConfig", {"FunctionName": "other", "MaximumRetryAttempts": 1},
     "ResourceNotFoundException", "EventInvokeConfig", None),
    ("GetFunctionEventInvokeConfig", {**FN, "Qualifier": "9"}, "ResourceNotFoundException", f"{ARN}:9", None),
    ("DeleteFunctionEventInvokeConfig", FN, "ResourceConflictException", "spec.eventInvoke.$LATEST", declared),
    ("ListFunctionEventInvokeConfigs", NOT_THERE, "ResourceNotFoundException", NEVER, None),
    ("InvokeWithResponseStream", NOT_THERE, "ResourceNotFoundException", NEVER, None),
    ("InvokeWithResponseStream", FN, "TooManyRequestsException", "reserved concurrency of 0", stopped),
    ("Invoke", NOT_THERE, "ResourceNotFoundException", NEVER, None),
    ("Invoke", {**FN, "Payload": b"{no"}, "InvalidRequestContentException", "json", None),
    ("Invoke", {**FN, "Payload": b" " * (7 << 20)}, "RequestTooLargeException", "6291456", None),
    ("Invoke", {**FN, "TenantId": "a"}, "InvalidParameterValueException", "TenantId", None),
    ("Invoke", {**FN, "Qualifier": "4"}, "ResourceConflictException", "state: Pending", pending),
    ("Invoke", {**FN, "Qualifier": "4"}, "InvalidRuntimeException", "too long", failed),
    ("Invoke", {**FN, "Qualifier": "4"}, "SnapStartNotReadyException", "Inactive", idle),
    ("Invoke", {**FN, "Qualifier": "1"}, "SnapStartException", "no database", hook_fails),
    ("Invoke", {**FN, "Qualifier": "1"}, "SnapStartTimeoutException", "too long", hook_hangs),
    ("Invoke", FN, "TooManyRequestsException", "reserved concurrency of 0", stopped),
    ("Invoke", FN, "ServiceException", "exceeded quota", no_room),
    ("ListLayers", {}, "NotImplementedException", "Thaw does not have ListLayers", None),
]  # fmt: skip


@pytest.mark.parametrize(
    ("operation", "given", "code", "text", "prepare"),
    ERRORS,
    ids=[f"{number}-{operation}-{code}" for number, (operation, _, code, _, _) in enumerate(ERRORS)],
)
async def test_errors(
    world: World, operation: str, given: dict[str, Any], code: str, text: str, prepare: Prepare | None
) -> None:
    await prepared(world)
    if prepare is not None:
        await prepare(world)
        await asyncio.sleep(0.01)
    client = unchecked(world)
    wire = Wire.of(client)
    with pytest.raises(ClientError) as e:
        await asyncio.to_thread(getattr(client, xform_name(operation)), **given)
    assert e.value.response["Error"]["Code"] == code
    assert text in e.value.response["Error"]["Message"]
    assert problems_of_error(model.operations()[operation], wire, code) == []


async def test_who_calls(world: World) -> None:
    """Errors before an operation is known: nobody signed, a wrong secret, no such path."""
    await prepared(world)
    for key, secret, code in (
        ("AKIAWRONG", "wrong", "UnrecognizedClientException"),
        ("AKIATHAWTHAWTHAWTHAW", "wrong", "InvalidSignatureException"),
    ):
        client = Lambda(world.endpoint, key, secret).client
        wire = Wire.of(client)
        with pytest.raises(ClientError):
            await asyncio.to_thread(client.list_functions)
        assert problems_of_error(model.operations()["ListFunctions"], wire, code) == []


def raised() -> list[tuple[str, int | None, str]]:
    """File, status and type of every InvokeError that is written out in the gateway, but the plain HTTP proxy's."""
    found = []
    for path in Path(thaw.gateway.__file__).parent.rglob("*.py"):
        calls = [n for n in ast.walk(ast.parse(path.read_text())) if isinstance(n, ast.Call) and len(n.args) >= 2]
        for call in calls:
            type_ = call.args[1]
            if getattr(call.func, "id", "") == "InvokeError" and isinstance(type_, ast.Constant):
                status = call.args[0].value if isinstance(call.args[0], ast.Constant) else None
                found.append((path.name, status, type_.value))
    return [row for row in found if row[0] != "proxy.py"]


@pytest.mark.parametrize(("file", "status", "type_"), sorted(set(raised()), key=str))
def test_every_error_has_a_case_and_the_models_status(file: str, status: int | None, type_: str) -> None:
    shape = next((s for s in model.service().error_shapes if s.name == type_), None)
    if shape is None:
        assert type_ in FRONT
    else:
        assert status == shape.metadata["error"]["httpStatusCode"]
        assert type_ in {code for _, _, code, _, _ in ERRORS}


@pytest.mark.parametrize(
    ("broken", "problem"),
    [
        ({"State": "Sleeping"}, "Sleeping is none of"),
        ({"Timeout": "3"}, "'3' is no integer"),
        ({"Timeout": True}, "True is no integer"),
        ({"Surprise": 1}, "Surprise is not in the model"),
        ({"LastModified": "2026-01-01T00:00:00Z"}, "is no time"),
        ({"FunctionArn": "arn:x"}, "does not match"),
        ({"Layers": [{"Arn": 1}]}, "Layers[0].Arn: 1 is no string"),
        ({"RevisionId": None}, "None is no string"),
    ],
)
async def test_the_validator_finds(world: World, lam: Lambda, broken: dict[str, Any], problem: str) -> None:
    await prepared(world)
    wire = Wire.of(lam.client)
    await lam.get_function_configuration(FunctionName="fn")
    wire.body = json.dumps(json.loads(wire.body) | broken).encode()
    (found,) = problems_of_answer(model.operations()["GetFunctionConfiguration"], wire)
    assert problem in found
