"""The operations on function URLs by real boto3, and the spec that they write."""

from __future__ import annotations

import asyncio
import re
from typing import Any

import pytest
from botocore.exceptions import ClientError

from thaw.kube import kinds
from unit.gateway.conftest import Lambda
from unit.gateway.world import NAMESPACE, World

CORS = {"AllowOrigins": ["https://page.example"], "AllowMethods": ["GET"], "AllowHeaders": ["x-a"], "MaxAge": 60}


async def refused(call: Any) -> tuple[str, str]:
    with pytest.raises(ClientError) as e:
        await call
    error = e.value.response["Error"]
    return error["Code"], error["Message"]


async def spec(world: World) -> dict[str, Any]:
    found: dict[str, Any] = (await world.kube.get(kinds.FUNCTION, NAMESPACE, "fn"))["spec"]
    return found.get("urls", {})


async def with_alias(world: World, lam: Lambda) -> None:
    world.function()
    await world.publish()
    await lam.create_alias(FunctionName="fn", Name="live", FunctionVersion="1")


async def test_create_get_update_and_delete(world: World, lam: Lambda) -> None:
    world.function()
    made = await lam.create_function_url_config(FunctionName="fn", AuthType="AWS_IAM", Cors=CORS)
    assert made["ResponseMetadata"]["HTTPStatusCode"] == 201
    assert re.fullmatch(world.endpoint + "/lambda-url/[a-z2-7]{32}/", made["FunctionUrl"])
    assert made["FunctionArn"] == "arn:aws:lambda:us-east-1:000000000000:function:fn"
    assert (made["AuthType"], made["InvokeMode"], made["Cors"]) == ("AWS_IAM", "BUFFERED", CORS)
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", made["CreationTime"])
    assert "LastModifiedTime" not in made
    assert (await spec(world))["$LATEST"]["cors"]["allowOrigins"] == ["https://page.example"]

    cors = {"AllowOrigins": ["*"], "ExposeHeaders": ["x-b"]}
    await lam.update_function_url_config(FunctionName="fn", InvokeMode="RESPONSE_STREAM", Cors=cors)
    found = await lam.get_function_url_config(FunctionName="fn")
    assert (found["FunctionUrl"], found["CreationTime"]) == (made["FunctionUrl"], made["CreationTime"])
    assert (found["AuthType"], found["InvokeMode"], found["Cors"]) == ("AWS_IAM", "RESPONSE_STREAM", cors)
    assert found["LastModifiedTime"]

    await lam.update_function_url_config(FunctionName="fn", Cors={})
    assert "Cors" not in await lam.get_function_url_config(FunctionName="fn")
    assert (await lam.delete_function_url_config(FunctionName="fn"))["ResponseMetadata"]["HTTPStatusCode"] == 204
    assert await spec(world) == {}
    assert await refused(lam.get_function_url_config(FunctionName="fn")) == (
        "ResourceNotFoundException",
        "The resource you requested does not exist.",
    )


async def test_an_alias_has_a_url_of_its_own(world: World, lam: Lambda) -> None:
    await with_alias(world, lam)
    latest = await lam.create_function_url_config(FunctionName="fn", AuthType="NONE")
    alias = await lam.create_function_url_config(FunctionName="fn", Qualifier="live", AuthType="NONE")
    assert latest["FunctionUrl"] != alias["FunctionUrl"]
    assert alias["FunctionArn"].endswith(":function:fn:live")
    listed = await lam.list_function_url_configs(FunctionName="fn")
    assert [c["FunctionUrl"] for c in listed["FunctionUrlConfigs"]] == [latest["FunctionUrl"], alias["FunctionUrl"]]
    page = await lam.list_function_url_configs(FunctionName="fn", MaxItems=1)
    rest = await lam.list_function_url_configs(FunctionName="fn", Marker=page["NextMarker"])
    assert [len(p["FunctionUrlConfigs"]) for p in (page, rest)] == [1, 1]


async def test_what_is_refused(world: World, lam: Lambda) -> None:
    await with_alias(world, lam)
    world.http_function()
    await lam.create_function_url_config(FunctionName="fn", AuthType="NONE")
    create = lam.create_function_url_config
    assert (await refused(create(FunctionName="fn", AuthType="NONE")))[0] == "ResourceConflictException"
    code, message = await refused(create(FunctionName="fn", Qualifier="1", AuthType="NONE"))
    assert (code, "a version's number has no URL" in message) == ("InvalidParameterValueException", True)
    code, message = await refused(create(FunctionName="fn", Qualifier="gone", AuthType="NONE"))
    assert (code, "function:fn:gone" in message) == ("ResourceNotFoundException", True)
    code, message = await refused(create(FunctionName="fn", Qualifier="live", AuthType="OPEN"))
    assert (code, "authType" in message) == ("InvalidParameterValueException", True)
    code, message = await refused(create(FunctionName="web", AuthType="NONE"))
    assert (code, "speaks plain HTTP" in message) == ("InvalidParameterValueException", True)
    assert (await refused(create(FunctionName="no", AuthType="NONE")))[0] == "ResourceNotFoundException"
    for call in (lam.update_function_url_config, lam.delete_function_url_config, lam.get_function_url_config):
        assert (await refused(call(FunctionName="fn", Qualifier="live")))[0] == "ResourceNotFoundException"


@pytest.mark.parametrize(
    ("world", "expected"),
    [
        ({"public_url": "https://thaw.example/x/"}, r"https://thaw\.example/x/lambda-url/[a-z2-7]{32}/"),
        ({"url_domain": "fn.example:8443"}, r"http://[a-z2-7]{32}\.fn\.example:8443/"),
        ({"public_url": "https://thaw.example", "url_domain": "fn.example"}, r"https://[a-z2-7]{32}\.fn\.example/"),
    ],
    indirect=["world"],
)
async def test_where_urls_are_is_the_administrators_choice(world: World, lam: Lambda, expected: str) -> None:
    world.function()
    made = await lam.create_function_url_config(FunctionName="fn", AuthType="NONE")
    assert re.fullmatch(expected, made["FunctionUrl"])


async def test_a_url_of_a_manifest_is_a_url(world: World, lam: Lambda) -> None:
    world.function(urls={"$LATEST": {"authType": "NONE"}})
    await asyncio.sleep(0)
    found = await lam.get_function_url_config(FunctionName="fn")
    assert (found["AuthType"], found["CreationTime"]) == ("NONE", "2026-01-01T00:00:00.000Z")


async def test_a_url_changes_nothing_that_runs(world: World, lam: Lambda) -> None:
    world.function()
    await lam.invoke(FunctionName="fn")
    await lam.create_function_url_config(FunctionName="fn", AuthType="NONE")
    answer = await lam.invoke(FunctionName="fn")
    assert answer["ResponseMetadata"]["HTTPHeaders"]["x-thaw-start"] == "warm"
