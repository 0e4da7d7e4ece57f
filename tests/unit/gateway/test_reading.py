"""A request's parameters against the constraints of AWS's model, in Lambda's words."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import aiohttp
import boto3
import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.config import Config
from botocore.credentials import Credentials
from botocore.exceptions import ClientError

from unit.gateway.conftest import Lambda
from unit.gateway.world import KEY_ID, SECRET, World


def unchecked(world: World) -> Any:
    """A client that sends what its own validation would refuse."""
    config = Config(parameter_validation=False, retries={"max_attempts": 0})
    return boto3.client(
        "lambda",
        endpoint_url=world.endpoint,
        region_name="us-east-1",
        aws_access_key_id=KEY_ID,
        aws_secret_access_key=SECRET,
        config=config,
    )


@pytest.mark.parametrize(
    ("operation", "arguments", "message"),
    [
        (
            "create_alias",
            {"FunctionName": "fn", "FunctionVersion": "1"},
            "1 validation error detected: Value null at 'name' failed to satisfy constraint: Member must not be null",
        ),
        (
            "create_alias",
            {"FunctionName": "fn", "Name": "7", "FunctionVersion": "one"},
            "2 validation errors detected: Value '7' at 'name' failed to satisfy constraint: Member must satisfy "
            "regular expression pattern: (?!^[0-9]+$)([a-zA-Z0-9-_]+); Value 'one' at 'functionVersion'",
        ),
        (
            "update_alias",
            {"FunctionName": "fn", "Name": "a", "RoutingConfig": {"AdditionalVersionWeights": {"2": 1.5}}},
            "Value '1.5' at 'routingConfig.additionalVersionWeights.2.member' failed to satisfy constraint: Member "
            "must have value less than or equal to 1.0",
        ),
        ("list_functions", {"MaxItems": 0}, "Value '0' at 'maxItems'"),
        (
            "list_functions",
            {"MaxItems": "many"},
            "Value 'many' at 'maxItems' failed to satisfy constraint: Member must",
        ),
        ("list_functions", {"FunctionVersion": "SOME"}, "Member must satisfy enum value set: [ALL]"),
        ("invoke", {"FunctionName": "fn", "InvocationType": "Later"}, "Value 'Later' at 'invocationType'"),
        (
            "update_function_configuration",
            {"FunctionName": "fn", "Description": "x" * 257},
            "less than or equal to 256",
        ),
    ],
)
async def test_what_the_model_does_not_allow(
    world: World, operation: str, arguments: dict[str, Any], message: str
) -> None:
    world.function()
    with pytest.raises(ClientError) as e:
        await asyncio.to_thread(getattr(unchecked(world), operation), **arguments)
    assert e.value.response["Error"]["Code"] == "InvalidParameterValueException"
    assert message in e.value.response["Error"]["Message"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"Timeout": True}, "TRUE_VALUE cannot be converted at 'timeout'; expected: integer"),
        ({"Timeout": "9"}, "STRING_VALUE cannot be converted at 'timeout'; expected: integer"),
        ({"Handler": 9}, "NUMBER_VALUE cannot be converted at 'handler'; expected: string"),
        ({"Layers": "a"}, "STRING_VALUE cannot be converted at 'layers'; expected: list"),
        ({"Description": ["a"]}, "Start of list found where not expected at 'description'; expected: string"),
        (
            {"Environment": {"Variables": {"A": {}}}},
            "Start of structure or map found where not expected at 'environment.variables.A.member'; expected: string",
        ),
    ],
)
async def test_json_of_other_types(world: World, arguments: dict[str, Any], message: str) -> None:
    world.function()
    body = json.dumps(arguments).encode()
    code, status, text = await put(world, "/2015-03-31/functions/fn/configuration", body)
    assert (code, status, text) == ("SerializationException", 400, message)


async def test_a_member_of_a_newer_lambda_is_refused_by_name(world: World) -> None:
    world.function()
    answer = await put(world, "/2017-10-31/functions/fn/concurrency", b'{"ReservedConcurrentExecutions": 1, "New": 1}')
    assert answer == ("InvalidParameterValueException", 400, "Thaw does not support New; leave it out.")


async def test_a_body_that_is_no_json(world: World) -> None:
    code, status, _ = await put(world, "/2015-03-31/functions/fn/configuration", b"{")
    assert (code, status) == ("SerializationException", 400)


async def put(world: World, path: str, body: bytes) -> tuple[str, int, str]:
    """A signed PUT whose body botocore would never write."""
    request = AWSRequest("PUT", world.endpoint + path, data=body, headers={"Content-Type": "application/json"})
    SigV4Auth(Credentials(KEY_ID, SECRET), "lambda", "us-east-1").add_auth(request)
    async with (
        aiohttp.ClientSession() as http,
        http.put(world.endpoint + path, data=body, headers=dict(request.headers)) as answer,
    ):
        return answer.headers["x-amzn-errortype"], answer.status, (await answer.json())["message"]


async def test_names_that_only_thaw_takes(world: World, lam: Lambda) -> None:
    world.function()
    changed = await lam.update_function_configuration(FunctionName="fn", Environment={"Variables": {"A": "1"}})
    assert changed["Environment"] == {"Variables": {"A": "1"}}


async def test_a_path_that_is_none_of_lambdas(world: World) -> None:
    async with aiohttp.ClientSession(world.endpoint) as http, http.get("/2015-03-31/everything") as answer:
        assert answer.status == 403, "who does not sign is not told what there is"
