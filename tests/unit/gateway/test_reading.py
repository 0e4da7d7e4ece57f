"""A request's parameters against the constraints of AWS's model, in Lambda's words."""

from __future__ import annotations

import asyncio
from typing import Any

import aiohttp
import boto3
import pytest
from botocore.config import Config
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
        ("update_function_configuration", {"FunctionName": "fn", "Timeout": True}, "Member must be of type integer"),
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


async def test_names_that_only_thaw_takes(world: World, lam: Lambda) -> None:
    world.function()
    changed = await lam.update_function_configuration(FunctionName="fn", Environment={"Variables": {"A": "1"}})
    assert changed["Environment"] == {"Variables": {"A": "1"}}


async def test_a_path_that_is_none_of_lambdas(world: World) -> None:
    async with aiohttp.ClientSession(world.endpoint) as http, http.get("/2015-03-31/everything") as answer:
        assert answer.status == 403, "who does not sign is not told what there is"
