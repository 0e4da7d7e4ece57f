"""The Lambda API through real boto3: botocore's service model parses every answer."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import io
import json
import zipfile
from typing import Any

import pytest
from botocore.exceptions import ClientError

from thaw.errors import ClusterError
from thaw.kube import kinds
from unit.gateway.conftest import Lambda
from unit.gateway.world import NAMESPACE, World, package

ROLE = "arn:aws:iam::111122223333:role/x"


def zipped(*names: str) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as package:
        for name in names:
            package.writestr(name, "x")
    return out.getvalue()


def arguments(name: str = "fn", **more: Any) -> dict[str, Any]:
    base = {"FunctionName": name, "Runtime": "python3.13", "Handler": "app.handler", "Role": ROLE}
    return {**base, "Code": {"ZipFile": package()}, **more}


async def refused(call: Any) -> tuple[str, int, str]:
    with pytest.raises(ClientError) as e:
        await call
    response = e.value.response
    return response["Error"]["Code"], response["ResponseMetadata"]["HTTPStatusCode"], response["Error"]["Message"]


async def test_create_get_and_delete(world: World, lam: Lambda) -> None:
    data = package()
    made = await lam.create_function(
        **arguments(
            Code={"ZipFile": data},
            Timeout=10,
            MemorySize=512,
            Description="hello",
            Environment={"Variables": {"A": "b"}},
            EphemeralStorage={"Size": 1024},
            LoggingConfig={"LogFormat": "JSON"},
            SnapStart={"ApplyOn": "PublishedVersions"},
        )
    )
    sha = base64.b64encode(hashlib.sha256(data).digest()).decode()
    assert made["ResponseMetadata"]["HTTPStatusCode"] == 201
    assert made["FunctionArn"] == "arn:aws:lambda:us-east-1:000000000000:function:fn"
    assert world.agents.code == {hashlib.sha256(data).hexdigest(): data}
    found = await lam.get_function(FunctionName="fn")
    shape = found["Configuration"]
    expected = {
        "Runtime": "python3.13",
        "Handler": "app.handler",
        "Role": ROLE,
        "Timeout": 10,
        "MemorySize": 512,
        "Description": "hello",
        "Environment": {"Variables": {"A": "b"}},
        "EphemeralStorage": {"Size": 1024},
        "LoggingConfig": {"LogFormat": "JSON", "LogGroup": "/aws/lambda/fn"},
        "SnapStart": {"ApplyOn": "PublishedVersions", "OptimizationStatus": "Off"},
        "CodeSha256": sha,
        "CodeSize": len(data),
        "Version": "$LATEST",
        "PackageType": "Zip",
        "LastUpdateStatus": "Successful",
    }
    assert {k: shape[k] for k in expected} == expected
    assert found["Code"] == {"RepositoryType": "S3"}
    assert (await lam.get_function_configuration(FunctionName="fn"))["State"] == "Active"
    assert (await lam.delete_function(FunctionName="fn"))["ResponseMetadata"]["HTTPStatusCode"] == 204
    code, status, _ = await refused(lam.get_function(FunctionName="fn"))
    assert (code, status) == ("ResourceNotFoundException", 404)


@pytest.mark.parametrize(
    "name",
    [
        "fn",
        "function:fn",
        "000000000000:function:fn",
        "arn:aws:lambda:us-east-1:000000000000:function:fn",
        "arn:aws:lambda:us-east-1:000000000000:function:fn:$LATEST",
    ],
)
async def test_names_by_arn(world: World, lam: Lambda, name: str) -> None:
    world.function()
    assert (await lam.get_function_configuration(FunctionName=name))["FunctionName"] == "fn"


async def test_image_function(world: World, lam: Lambda) -> None:
    made = await lam.create_function(
        FunctionName="img", Role=ROLE, PackageType="Image", Code={"ImageUri": "app@sha256:ab"}
    )
    assert made["PackageType"] == "Image"
    assert made["CodeSha256"] == "ab"
    assert "Runtime" not in made
    code = (await lam.get_function(FunctionName="img"))["Code"]
    assert code == {"RepositoryType": "ECR", "ImageUri": "app@sha256:ab", "ResolvedImageUri": "app@sha256:ab"}


@pytest.mark.parametrize(
    ("more", "field"),
    [
        ({"VpcConfig": {"SubnetIds": ["subnet-1"], "SecurityGroupIds": []}}, "VpcConfig"),
        ({"Layers": ["arn:aws:lambda:us-east-1:000000000000:layer:x:1"]}, "Layers"),
        ({"KMSKeyArn": "arn:aws:kms:us-east-1:000000000000:key/1"}, "KMSKeyArn"),
        ({"DeadLetterConfig": {"TargetArn": "arn:aws:sqs:us-east-1:000000000000:q"}}, "DeadLetterConfig"),
        ({"TracingConfig": {"Mode": "Active"}}, "TracingConfig"),
        ({"Tags": {"a": "b"}}, "Tags"),
        ({"Code": {"S3Bucket": "bucket", "S3Key": "key"}}, "Code.S3Bucket"),
        ({"Runtime": "python2.7"}, "runtime"),
        ({"Code": {"ZipFile": b"no zip"}}, "unzip"),
        ({"Code": {"ZipFile": zipped("a", "a/b")}}, "'a' is both a file and a folder"),
        ({"Code": {"ZipFile": zipped("../a")}}, "'../a' is not a plain relative path"),
        ({"Timeout": 901}, "timeout"),
    ],
)
async def test_what_cannot_be_is_refused_by_name(world: World, lam: Lambda, more: dict[str, Any], field: str) -> None:
    code, status, message = await refused(lam.create_function(**arguments(**more)))
    assert (code, status) == ("InvalidParameterValueException", 400)
    assert field in message
    assert not world.kube.all(kinds.FUNCTION)


async def test_harmless_empties_are_accepted(world: World, lam: Lambda) -> None:
    await lam.create_function(
        **arguments(
            VpcConfig={"SubnetIds": [], "SecurityGroupIds": []},
            Layers=[],
            KMSKeyArn="",
            DeadLetterConfig={"TargetArn": ""},
            TracingConfig={"Mode": "PassThrough"},
            Tags={},
        )
    )


async def test_the_api_servers_refusal_is_passed_on(world: World, lam: Lambda) -> None:
    world.kube.refuse["Function"] = ClusterError("Function", NAMESPACE, "Fn", "metadata.name: must be lower case")
    code, _, message = await refused(lam.create_function(**arguments("Fn")))
    assert code == "InvalidParameterValueException"
    assert "must be lower case" in message


async def test_existing_function_conflicts(world: World, lam: Lambda) -> None:
    world.function()
    code, status, message = await refused(lam.create_function(**arguments()))
    assert (code, status) == ("ResourceConflictException", 409)
    assert message == "Function already exist: fn"


async def test_update_configuration(world: World, lam: Lambda) -> None:
    world.function(environment={"OLD": "1", "KEPT": "1"})
    before = await lam.get_function_configuration(FunctionName="fn")
    changed = await lam.update_function_configuration(
        FunctionName="fn", Timeout=30, Environment={"Variables": {"KEPT": "2"}}, RevisionId=before["RevisionId"]
    )
    assert changed["Timeout"] == 30
    assert changed["Environment"] == {"Variables": {"KEPT": "2"}}
    assert changed["RevisionId"] != before["RevisionId"]
    stale = lam.update_function_configuration(FunctionName="fn", Timeout=5, RevisionId=before["RevisionId"])
    assert (await refused(stale))[:2] == ("PreconditionFailedException", 412)


async def test_update_code(world: World, lam: Lambda) -> None:
    await lam.create_function(**arguments())
    second = package("def handler(e, c): return 2\n")
    sha = base64.b64encode(hashlib.sha256(second).digest()).decode()
    tried = await lam.update_function_code(FunctionName="fn", ZipFile=second, DryRun=True)
    assert tried["CodeSha256"] == sha
    assert (await lam.get_function_configuration(FunctionName="fn"))["CodeSha256"] != sha
    changed = await lam.update_function_code(FunctionName="fn", ZipFile=second, Publish=True)
    assert (changed["CodeSha256"], changed["Version"]) == (sha, "1")
    wrong = lam.update_function_code(FunctionName="fn", ImageUri="x:1")
    assert (await refused(wrong))[0] == "InvalidParameterValueException"


async def test_publish(world: World, lam: Lambda) -> None:
    await lam.create_function(**arguments(SnapStart={"ApplyOn": "PublishedVersions"}))
    first = await lam.publish_version(FunctionName="fn", Description="one")
    assert (first["Version"], first["Description"], first["State"]) == ("1", "one", "Active")
    assert first["FunctionArn"].endswith(":function:fn:1")
    assert first["SnapStart"] == {"ApplyOn": "PublishedVersions", "OptimizationStatus": "On"}
    assert (await lam.publish_version(FunctionName="fn"))["Version"] == "1", "nothing changed"
    assert len(world.kube.all(kinds.FUNCTION_VERSION)) == 1, "the duplicate is taken away"
    await lam.update_function_configuration(FunctionName="fn", Timeout=9)
    assert (await lam.publish_version(FunctionName="fn"))["Version"] == "2"
    versions = (await lam.list_versions_by_function(FunctionName="fn"))["Versions"]
    assert [v["Version"] for v in versions] == ["$LATEST", "1", "2"]
    assert [v["Timeout"] for v in versions] == [9, 3, 9]
    wrong = lam.publish_version(FunctionName="fn", CodeSha256="AAAA")
    assert (await refused(wrong))[0] == "InvalidParameterValueException"


async def test_publish_without_an_operator(world: World, lam: Lambda) -> None:
    world.publishes = False
    world.function()
    code, status, message = await refused(lam.publish_version(FunctionName="fn"))
    assert (code, status) == ("ServiceException", 500)
    assert "thaw-operator" in message
    assert not world.kube.all(kinds.FUNCTION_VERSION)


async def test_publish_at_creation(world: World, lam: Lambda) -> None:
    assert (await lam.create_function(**arguments(Publish=True)))["Version"] == "1"


async def test_delete_version(world: World, lam: Lambda) -> None:
    world.function()
    await world.publish()
    bad = lam.delete_function(FunctionName="fn", Qualifier="$LATEST")
    assert (await refused(bad))[0] == "InvalidParameterValueException"
    await lam.create_alias(FunctionName="fn", Name="live", FunctionVersion="1")
    code, status, message = await refused(lam.delete_function(FunctionName="fn", Qualifier="1"))
    assert (code, status) == ("ResourceConflictException", 409)
    assert "live" in message
    await lam.delete_alias(FunctionName="fn", Name="live")
    await lam.delete_function(FunctionName="fn", Qualifier="1")
    gone = lam.invoke(FunctionName="fn", Qualifier="1")
    assert (await refused(gone))[:2] == ("ResourceNotFoundException", 404)


async def test_pages(world: World, lam: Lambda) -> None:
    for i in range(5):
        world.function(f"fn-{i}")
    await asyncio.sleep(0.01)
    paginator = lam.client.get_paginator("list_functions")

    def names() -> list[list[str]]:
        return [
            [f["FunctionName"] for f in p["Functions"]] for p in paginator.paginate(PaginationConfig={"PageSize": 2})
        ]

    assert await asyncio.to_thread(names) == [["fn-0", "fn-1"], ["fn-2", "fn-3"], ["fn-4"]]
    await world.publish("fn-0")
    everything = (await lam.list_functions(FunctionVersion="ALL"))["Functions"]
    assert [f["Version"] for f in everything] == ["$LATEST", "1", *["$LATEST"] * 4]


async def test_aliases(world: World, lam: Lambda) -> None:
    world.function()
    await world.publish()
    await lam.update_function_configuration(FunctionName="fn", Timeout=7)
    await world.publish()
    made = await lam.create_alias(FunctionName="fn", Name="Live_1", FunctionVersion="1", Description="d")
    assert made["AliasArn"].endswith(":function:fn:Live_1")
    again = lam.create_alias(FunctionName="fn", Name="Live_1", FunctionVersion="1")
    assert (await refused(again))[0] == "ResourceConflictException"
    missing = lam.create_alias(FunctionName="fn", Name="no", FunctionVersion="9")
    assert (await refused(missing))[0] == "ResourceNotFoundException"
    weighted = {"AdditionalVersionWeights": {"2": 1.0}}
    changed = await lam.update_alias(FunctionName="fn", Name="Live_1", RoutingConfig=weighted)
    assert changed["RoutingConfig"] == weighted
    assert (await lam.invoke(FunctionName="fn", Qualifier="Live_1"))["ExecutedVersion"] == "2"
    await lam.update_alias(FunctionName="fn", Name="Live_1", RoutingConfig={})
    assert "RoutingConfig" not in await lam.get_alias(FunctionName="fn", Name="Live_1")
    assert (await lam.invoke(FunctionName="fn", Qualifier="Live_1"))["ExecutedVersion"] == "1"
    assert (await lam.get_function_configuration(FunctionName="fn", Qualifier="Live_1"))["Version"] == "1"
    assert len((await lam.list_aliases(FunctionName="fn"))["Aliases"]) == 1
    await lam.delete_alias(FunctionName="fn", Name="Live_1")
    assert (await refused(lam.get_alias(FunctionName="fn", Name="Live_1")))[0] == "ResourceNotFoundException"


async def test_absent_operations_say_what_there_is(world: World, lam: Lambda) -> None:
    code, status, message = await refused(lam.list_layers())
    assert (code, status) == ("NotImplementedException", 501)
    assert "Thaw does not have ListLayers" in message
    assert "PublishVersion" in message


async def test_operations_that_share_a_path_are_told_apart(world: World, lam: Lambda) -> None:
    by_arn = lam.get_layer_version_by_arn(Arn="arn:aws:lambda:us-east-1:000000000000:layer:x:1")
    assert "does not have GetLayerVersionByArn" in (await refused(by_arn))[2]


async def test_invoke_kinds(world: World, lam: Lambda) -> None:
    world.function()
    answer = await lam.invoke(FunctionName="fn", Payload=b'{"a": 1}')
    assert answer["StatusCode"] == 200
    assert answer["ExecutedVersion"] == "$LATEST"
    assert "FunctionError" not in answer
    assert json.loads(answer["Body"])["event"] == {"a": 1}
    headers = answer["ResponseMetadata"]["HTTPHeaders"]
    assert (headers["x-thaw-start"], headers["x-thaw-restore-ms"]) == ("cold", "0.0")
    assert headers["x-amzn-requestid"]
    warm = await lam.invoke(FunctionName="fn")
    assert warm["ResponseMetadata"]["HTTPHeaders"]["x-thaw-start"] == "warm"
    assert (await lam.invoke(FunctionName="fn", InvocationType="DryRun"))["StatusCode"] == 204
    accepted = await lam.invoke(FunctionName="fn", InvocationType="Event", Payload=b'{"later": 1}')
    assert (accepted["StatusCode"], accepted["Body"]) == (202, b"")


async def test_event_is_run(world: World, lam: Lambda) -> None:
    seen: asyncio.Queue[bytes] = asyncio.Queue()

    async def take(process: Any, headers: Any, payload: bytes) -> Any:
        await seen.put(payload)
        from aiohttp import web

        return web.json_response(None)

    world.invoke = take
    world.function()
    await lam.invoke(FunctionName="fn", InvocationType="Event", Payload=b'{"later": 1}')
    assert await asyncio.wait_for(seen.get(), 5) == b'{"later": 1}'


async def test_bad_bodies(world: World, lam: Lambda) -> None:
    world.function()
    assert (await refused(lam.invoke(FunctionName="fn", Payload=b"{not json")))[:2] == (
        "InvalidRequestContentException",
        400,
    )
    large = json.dumps("x" * (6 << 20)).encode()
    assert (await refused(lam.invoke(FunctionName="fn", Payload=large)))[:2] == ("RequestTooLargeException", 413)
    medium = json.dumps("x" * (1 << 20)).encode()
    event = lam.invoke(FunctionName="fn", Payload=medium, InvocationType="Event")
    assert (await refused(event))[:2] == ("RequestTooLargeException", 413)
    assert (await lam.invoke(FunctionName="fn", Payload=medium))["StatusCode"] == 200


async def test_states_that_do_not_serve(world: World, lam: Lambda) -> None:
    world.function(snapStart={"applyOn": "PublishedVersions"})
    world.next_state = {"state": "Pending", "stateReasonCode": "Creating"}
    await world.publish()
    code, status, message = await refused(lam.invoke(FunctionName="fn", Qualifier="1"))
    assert (code, status) == ("ResourceConflictException", 409)
    assert "currently in the following state: Pending" in message
    assert (await refused(lam.delete_function(FunctionName="fn", Qualifier="1")))[0] == "ResourceConflictException"
    world.next_state = {"state": "Failed", "stateReasonCode": "FunctionError", "stateReason": "no database today"}
    await lam.update_function_configuration(FunctionName="fn", Timeout=8)
    await world.publish()
    code, status, message = await refused(lam.invoke(FunctionName="fn", Qualifier="2"))
    assert (code, status) == ("InvalidRuntimeException", 502)
    assert "no database today" in message
    shape = await lam.get_function_configuration(FunctionName="fn", Qualifier="2")
    assert (shape["State"], shape["StateReason"]) == ("Failed", "no database today")


async def test_wrong_keys(world: World) -> None:
    unknown = Lambda(world.endpoint, key="AKIAWRONG", secret="wrong")
    assert (await refused(unknown.list_functions()))[:2] == ("UnrecognizedClientException", 403)
    wrong = Lambda(world.endpoint, secret="wrong")
    assert (await refused(wrong.list_functions()))[:2] == ("InvalidSignatureException", 403)
