"""The configuration of asynchronous invocation, by real boto3 and in the Function's spec alike."""

from __future__ import annotations

import asyncio
import base64
import datetime
from typing import Any

import pytest
from botocore.exceptions import ClientError

from thaw.kube.kinds import FUNCTION, SECRET
from unit.gateway.conftest import Lambda
from unit.gateway.world import NAMESPACE, World

ARN = "arn:aws:lambda:us-east-1:000000000000:function:"
EMPTY = {"OnSuccess": {}, "OnFailure": {}}


async def refused(call: Any) -> tuple[str, int, str]:
    with pytest.raises(ClientError) as e:
        await call
    response = e.value.response
    return response["Error"]["Code"], response["ResponseMetadata"]["HTTPStatusCode"], response["Error"]["Message"]


async def spec(world: World) -> Any:
    return (await world.kube.get(FUNCTION, NAMESPACE, "fn"))["spec"]["eventInvoke"]


def shape(answer: Any) -> dict[str, Any]:
    return {key: value for key, value in answer.items() if key not in ("ResponseMetadata", "LastModified")}


async def test_put_replaces_and_update_merges(world: World, lam: Lambda) -> None:
    world.function("sink")
    world.function()
    failure = {"OnFailure": {"Destination": ARN + "sink"}}
    put = await lam.put_function_event_invoke_config(
        FunctionName="fn", MaximumRetryAttempts=1, DestinationConfig=failure
    )
    assert shape(put) == {
        "FunctionArn": ARN + "fn:$LATEST",
        "MaximumRetryAttempts": 1,
        "MaximumEventAgeInSeconds": 21600,
        "DestinationConfig": {"OnSuccess": {}, **failure},
    }
    success = {"OnSuccess": {"Destination": "https://hooks.example.com/x"}}
    updated = await lam.update_function_event_invoke_config(
        FunctionName="fn", MaximumEventAgeInSeconds=60, DestinationConfig=success
    )
    assert shape(updated) == {
        "FunctionArn": ARN + "fn:$LATEST",
        "MaximumRetryAttempts": 1,
        "MaximumEventAgeInSeconds": 60,
        "DestinationConfig": {**success, **failure},
    }
    assert await spec(world) == {
        "$LATEST": {
            "maximumRetryAttempts": 1,
            "maximumEventAgeSeconds": 60,
            "onSuccess": {"destination": "https://hooks.example.com/x"},
            "onFailure": {"destination": ARN + "sink"},
        }
    }
    got = await lam.get_function_event_invoke_config(FunctionName="fn", Qualifier="$LATEST")
    assert shape(got) == shape(updated)
    removed = await lam.update_function_event_invoke_config(
        FunctionName="fn", DestinationConfig={"OnSuccess": {"Destination": ""}}
    )
    assert removed["DestinationConfig"] == {"OnSuccess": {}, **failure}
    again = await lam.put_function_event_invoke_config(FunctionName="fn", MaximumRetryAttempts=0)
    assert (again["MaximumRetryAttempts"], again["DestinationConfig"]) == (0, EMPTY)
    assert again["MaximumEventAgeInSeconds"] == 21600
    await lam.delete_function_event_invoke_config(FunctionName="fn")
    assert await spec(world) == {}


async def test_of_versions_and_aliases_and_listed_in_pages(world: World, lam: Lambda) -> None:
    world.function()
    await world.publish()
    await lam.create_alias(FunctionName="fn", Name="live", FunctionVersion="1")
    for qualifier in ("1", "live", "$LATEST"):
        await lam.put_function_event_invoke_config(FunctionName="fn", Qualifier=qualifier, MaximumRetryAttempts=0)
    listed = await lam.list_function_event_invoke_configs(FunctionName="fn")
    arns = [ARN + "fn:$LATEST", ARN + "fn:1", ARN + "fn:live"]
    assert [c["FunctionArn"] for c in listed["FunctionEventInvokeConfigs"]] == arns
    first = await lam.list_function_event_invoke_configs(FunctionName="fn", MaxItems=2)
    rest = await lam.list_function_event_invoke_configs(FunctionName="fn", Marker=first["NextMarker"])
    assert [c["FunctionArn"] for c in rest["FunctionEventInvokeConfigs"]] == arns[2:]
    by_name = await lam.get_function_event_invoke_config(FunctionName="fn:live")
    assert by_name["FunctionArn"] == ARN + "fn:live"


async def test_what_is_written_by_manifest_is_seen(world: World, lam: Lambda) -> None:
    world.function(eventInvoke={"$LATEST": {"onFailure": {"destination": "https://a.example/"}}})
    got = await lam.get_function_event_invoke_config(FunctionName="fn")
    assert got["MaximumRetryAttempts"] == 2
    assert got["DestinationConfig"] == {"OnSuccess": {}, "OnFailure": {"Destination": "https://a.example/"}}


async def test_last_modified_is_that_of_the_field(world: World, lam: Lambda) -> None:
    world.function(eventInvoke={"$LATEST": {"maximumRetryAttempts": 1}, "1": {"maximumRetryAttempts": 1}})
    path = {"f:spec": {"f:eventInvoke": {"f:$LATEST": {"f:maximumRetryAttempts": {}}}}}
    fields = [
        {"manager": "kubectl", "time": "2026-02-01T00:00:00Z", "fieldsV1": path},
        {"manager": "other", "time": "2026-05-01T00:00:00Z", "fieldsV1": {"f:spec": {"f:timeout": {}}}},
        {"manager": "operator", "time": "2026-06-01T00:00:00Z", "fieldsV1": path, "subresource": "status"},
    ]
    await world.kube.patch(FUNCTION, NAMESPACE, "fn", {"metadata": {"managedFields": fields}})
    got = await lam.get_function_event_invoke_config(FunctionName="fn")
    assert got["LastModified"] == datetime.datetime(2026, 2, 1, tzinfo=datetime.UTC)


@pytest.mark.parametrize(
    ("arguments", "code", "text"),
    [
        ({"FunctionName": "gone"}, "ResourceNotFoundException", "Function not found"),
        ({"Qualifier": "7"}, "ResourceNotFoundException", ARN + "fn:7"),
        ({"Qualifier": "nobody"}, "ResourceNotFoundException", ARN + "fn:nobody"),
        ({"MaximumRetryAttempts": None}, "InvalidParameterValueException", "at least one of error handling"),
    ],
)
async def test_what_does_not_exist(world: World, lam: Lambda, arguments: Any, code: str, text: str) -> None:
    world.function()
    given = {"FunctionName": "fn", "MaximumRetryAttempts": 1, **arguments}
    call = lam.put_function_event_invoke_config(**{k: v for k, v in given.items() if v is not None})
    found = await refused(call)
    assert found[0] == code
    assert text in found[2]


@pytest.mark.parametrize(
    ("destination", "text"),
    [
        ("arn:aws:sqs:us-east-1:000000000000:queue", "an SQS queue, which Thaw does not send to"),
        (ARN + "nobody", "there is no such function"),
        (ARN + "sink:7", "there is no such function"),
        (ARN + "fn:$LATEST", "You can't specify the function as a destination for itself."),
        ("http://user:secret@a.example/", "must not hold credentials"),
    ],
)
async def test_destinations_that_cannot_be(world: World, lam: Lambda, destination: str, text: str) -> None:
    world.function("sink")
    world.function()
    config = {"OnSuccess": {"Destination": destination}}
    code, status, message = await refused(
        lam.put_function_event_invoke_config(FunctionName="fn", DestinationConfig=config)
    )
    assert (code, status) == ("InvalidParameterValueException", 400)
    assert text in message


@pytest.mark.parametrize("world", [{"destination_hosts": ("*.example.com",)}], indirect=True)
async def test_hosts_that_are_not_allowed(world: World, lam: Lambda) -> None:
    world.function()
    config = {"OnSuccess": {"Destination": "https://example.org/"}}
    call = lam.put_function_event_invoke_config(FunctionName="fn", DestinationConfig=config)
    assert "none of those that an administrator allows" in (await refused(call))[2]


async def test_there_is_none_yet(world: World, lam: Lambda) -> None:
    world.function()
    for operation in ("get", "delete"):
        call = getattr(lam, f"{operation}_function_event_invoke_config")(FunctionName="fn")
        code, status, message = await refused(call)
        assert (code, status) == ("ResourceNotFoundException", 404)
        assert message == f"The function {ARN}fn:$LATEST doesn't have an EventInvokeConfig"
    call = lam.update_function_event_invoke_config(FunctionName="fn", MaximumRetryAttempts=1)
    assert (await refused(call))[1] == 404
    assert (await lam.list_function_event_invoke_configs(FunctionName="fn"))["FunctionEventInvokeConfigs"] == []


async def test_who_makes_a_function_a_destination_must_be_allowed_to_invoke_it(world: World) -> None:
    """Or else a key for one function would have another one invoked."""
    data = {"accessKeyId": "AKIALIMITED", "secretAccessKey": "0123456789abcdef0123", "namespace": NAMESPACE}
    data |= {"actions": "lambda:*FunctionEventInvokeConfig,lambda:InvokeFunction", "functions": "fn,mine"}
    encoded = {key: base64.b64encode(value.encode()).decode() for key, value in data.items()}
    meta = {"name": "limited", "namespace": world.settings.namespace, "labels": {"thaw.dev/access-key": "true"}}
    world.kube.put(SECRET, {"metadata": meta, "data": encoded})
    for name in ("fn", "mine", "theirs"):
        world.function(name)
    await asyncio.sleep(0)
    limited = Lambda(world.endpoint, "AKIALIMITED", "0123456789abcdef0123")
    allowed = {"OnSuccess": {"Destination": ARN + "mine"}, "OnFailure": {"Destination": "https://a.example/"}}
    await limited.put_function_event_invoke_config(FunctionName="fn", DestinationConfig=allowed)
    denied = {"OnFailure": {"Destination": ARN + "theirs"}}
    for operation in (limited.put_function_event_invoke_config, limited.update_function_event_invoke_config):
        code, status, message = await refused(operation(FunctionName="fn", DestinationConfig=denied))
        assert (code, status) == ("AccessDeniedException", 403)
        assert "lambda:InvokeFunction" in message
        assert "function:theirs" in message
    assert (await spec(world))["$LATEST"]["onFailure"] == {"destination": "https://a.example/"}
