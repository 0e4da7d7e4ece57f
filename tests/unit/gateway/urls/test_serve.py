"""Function URLs as their callers meet them."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from botocore.auth import SigV4Auth, SigV4QueryAuth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from thaw.kube import kinds
from thaw.names import url_id
from unit.gateway.streams import Streaming
from unit.gateway.world import KEY_ID, NAMESPACE, SECRET, Process, World

INTEGRATION = "application/vnd.awslambda.http-integration-response"
HEAD = b'{"statusCode": 201, "headers": {"Content-Type": "text/plain"}, "cookies": ["a=b", "c=d"]}' + bytes(8)


@pytest.fixture
async def http() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar()) as session:
        yield session


async def made(world: World, qualifier: str = "$LATEST", **url: Any) -> str:
    """A function with a URL, and where that is."""
    item = world.function(urls={qualifier: {"authType": "NONE", **url}})
    await world.gateway.watch.until(lambda: world.gateway.watch.function(NAMESPACE, "fn"), 2)
    return f"{world.endpoint}/lambda-url/{url_id(item['metadata']['uid'], qualifier)}"


def says(world: World, answer: Any, **headers: str) -> None:
    async def answering(process: Process, given: dict[str, str], payload: bytes) -> web.StreamResponse:
        return web.json_response(answer, headers=headers)

    world.invoke = answering


def signed(url: str, body: bytes = b"", key: str = KEY_ID, secret: str = SECRET, *, query: bool = False) -> AWSRequest:
    request = AWSRequest("POST", url, data=body, headers={"Content-Type": "text/plain"})
    sign = SigV4QueryAuth if query else SigV4Auth
    sign(Credentials(key, secret), "lambda", "us-east-1").add_auth(request)
    return request


async def post(http: aiohttp.ClientSession, request: AWSRequest) -> tuple[int, Any]:
    url, headers = aiohttp.client.URL(request.url, encoded=True), dict(request.headers)
    async with http.post(url, data=request.body or b"", headers=headers) as answer:
        return answer.status, await answer.json(content_type=None)


async def test_the_event_and_what_is_inferred(world: World, http: aiohttp.ClientSession) -> None:
    url = await made(world)
    headers = {"X-A": "b", "Cookie": "c=d", "Content-Type": "application/json"}
    async with http.put(f"{url}/my/p%C3%A4th?a=1&a=2", data=b'{"x": 1}', headers=headers) as answer:
        event = (await answer.json())["event"]
        assert (answer.status, answer.headers["X-Thaw-Start"]) == (200, "cold")
        assert event["requestContext"]["requestId"] == answer.headers["X-Amzn-RequestId"]
    assert (event["rawPath"], event["rawQueryString"]) == ("/my/p%C3%A4th", "a=1&a=2")
    assert (event["queryStringParameters"], event["cookies"]) == ({"a": "1,2"}, ["c=d"])
    assert (event["body"], event["isBase64Encoded"]) == ('{"x": 1}', False)
    assert {"x-a": "b", "x-forwarded-proto": "http", "x-forwarded-for": "127.0.0.1"}.items() <= event["headers"].items()
    context = event["requestContext"]
    assert (context["http"]["method"], context["http"]["sourceIp"]) == ("PUT", "127.0.0.1")
    assert (context["domainName"], context["apiId"]) == ("127.0.0.1", url.rpartition("/")[2])
    async with http.get(url) as answer:
        assert (await answer.json())["event"]["rawPath"] == "/"


async def test_a_custom_answer(world: World, http: aiohttp.ClientSession) -> None:
    url = await made(world)
    says(world, {"statusCode": 418, "headers": {"X-A": "b"}, "body": "tea", "cookies": ["a=b", "c=d"]})
    async with http.get(url + "/") as answer:
        assert (answer.status, await answer.text()) == (418, "tea")
        assert (answer.headers["X-A"], answer.headers.getall("Set-Cookie")) == ("b", ["a=b", "c=d"])


@pytest.mark.parametrize("mode", ["BUFFERED", "RESPONSE_STREAM"])
async def test_a_function_that_fails_is_a_bad_gateway(world: World, http: aiohttp.ClientSession, mode: str) -> None:
    url = await made(world, invokeMode=mode)
    says(world, {"errorMessage": "secret"}, **{"Thaw-Function-Error": "Unhandled"})
    async with http.get(url) as answer:
        assert (answer.status, await answer.json()) == (502, {"Message": "Internal Server Error"})
        assert answer.headers["X-Thaw-Start"] == "cold"
    says(world, {"statusCode": "many"})
    async with http.get(url) as answer:
        assert (answer.status, await answer.json()) == (502, {"Message": "Internal Server Error"})


async def test_what_is_not_there(world: World, http: aiohttp.ClientSession) -> None:
    url = await made(world, qualifier="gone")
    for path in (url, f"{world.endpoint}/lambda-url/{'a' * 32}/x", f"{world.endpoint}/lambda-url/fn"):
        async with http.get(path) as answer:
            assert (answer.status, await answer.json()) == (404, {"Message": "Not Found"})


async def test_a_url_ends_with_its_function(world: World, http: aiohttp.ClientSession) -> None:
    url = await made(world)
    await world.kube.patch(kinds.FUNCTION, NAMESPACE, "fn", {"spec": {"urls": {"$LATEST": None}}})
    await asyncio.sleep(0)
    async with http.get(url) as answer:
        assert answer.status == 404
    await world.kube.patch(kinds.FUNCTION, NAMESPACE, "fn", {"spec": {"urls": {"$LATEST": {"authType": "NONE"}}}})
    await asyncio.sleep(0)
    async with http.get(url) as answer:
        assert answer.status == 200
    await world.kube.delete(kinds.FUNCTION, NAMESPACE, "fn")
    await asyncio.sleep(0)
    async with http.get(url) as answer:
        assert answer.status == 404


@pytest.mark.parametrize("world", [{"queue_limit": 0}], indirect=True)
async def test_too_many_requests(world: World, http: aiohttp.ClientSession) -> None:
    url = await made(world)
    world.schedule = False
    await world.kube.patch(kinds.FUNCTION, NAMESPACE, "fn", {"spec": {"scaling": {"maxInstances": 1}}})
    await asyncio.sleep(0)

    async def get() -> tuple[int, Any]:
        async with http.get(url) as answer:
            return answer.status, await answer.json()

    first = asyncio.create_task(get())
    await world.gateway.watch.until(lambda: world.instances() or None, 5)
    assert await get() == (429, {"Message": "Too Many Requests"})
    first.cancel()


@pytest.mark.parametrize("content_type", ["text/plain", "image/png"])
async def test_too_large_a_request(world: World, http: aiohttp.ClientSession, content_type: str) -> None:
    url = await made(world)
    limit = 6 << 20 if content_type == "text/plain" else 5 << 20  # in base64 it is a third longer
    async with http.post(url, data=b"x" * limit, headers={"Content-Type": content_type}) as answer:
        assert (answer.status, await answer.json()) == (413, {"Message": "Request Entity Too Large"})
    assert world.instances() == []


async def test_aws_iam_asks_for_a_signature_of_the_namespace(world: World, http: aiohttp.ClientSession) -> None:
    url = await made(world, authType="AWS_IAM")
    forbidden = (403, {"Message": "Forbidden"})
    assert await post(http, AWSRequest("POST", url)) == forbidden
    assert await post(http, signed(url, secret="wrong")) == forbidden
    assert await post(http, signed(url, key="AKIAUNKNOWN")) == forbidden
    tampered = signed(url + "/a?b=c", b"hello")
    tampered.data = b"other"
    assert await post(http, tampered) == forbidden
    world.kube.put(kinds.SECRET, _key("AKIAELSEWHERE", "elsewhere"))
    world.kube.put(kinds.SECRET, _key("AKIAINVOKESONLY", NAMESPACE, actions="lambda:InvokeFunction"))
    await asyncio.sleep(0)
    assert await post(http, signed(url, key="AKIAELSEWHERE")) == forbidden
    assert await post(http, signed(url, key="AKIAINVOKESONLY")) == forbidden
    assert world.instances() == []
    status, answer = await post(http, signed(url + "/a%20b?c=d", b"hello"))
    assert (status, answer["event"]["body"]) == (200, "hello")
    iam = answer["event"]["requestContext"]["authorizer"]["iam"]
    assert (iam["accessKey"], iam["userArn"]) == (KEY_ID, f"arn:aws:iam::000000000000:user/{KEY_ID}")
    assert "authorization" not in answer["event"]["headers"]
    status, answer = await post(http, signed(url + "/x?a=b", query=True))
    assert (status, answer["event"]["rawQueryString"]) == (200, "a=b")


def _key(key: str, namespace: str, **more: str) -> dict[str, Any]:
    data = {"accessKeyId": key, "secretAccessKey": SECRET, "namespace": namespace, **more}
    encoded = {k: base64.b64encode(v.encode()).decode() for k, v in data.items()}
    labels = {"thaw.dev/access-key": "true"}
    return {"metadata": {"name": key.lower(), "namespace": "thaw-system", "labels": labels}, "data": encoded}


async def test_a_preflight_is_answered_for_the_function(world: World, http: aiohttp.ClientSession) -> None:
    cors = {"allowOrigins": ["https://page.example"], "allowMethods": ["PUT"]}
    url = await made(world, authType="AWS_IAM", cors=cors)
    headers = {"Origin": "https://page.example", "Access-Control-Request-Method": "PUT"}
    async with http.options(url, headers=headers) as answer:
        assert (answer.status, answer.headers["Access-Control-Allow-Methods"]) == (200, "PUT")
    assert world.instances() == []
    async with http.put(url, headers=headers) as answer:
        assert (answer.status, answer.headers["Access-Control-Allow-Origin"]) == (403, "https://page.example")


async def test_a_preflight_is_the_functions_where_the_url_says_nothing(
    world: World, http: aiohttp.ClientSession
) -> None:
    url = await made(world)
    headers = {"Origin": "https://page.example", "Access-Control-Request-Method": "PUT"}
    async with http.options(url, headers=headers) as answer:
        assert (await answer.json())["event"]["requestContext"]["http"]["method"] == "OPTIONS"


async def test_a_streamed_answer_with_a_head(world: World, http: aiohttp.ClientSession) -> None:
    url = await made(world, invokeMode="RESPONSE_STREAM", cors={"allowOrigins": ["*"]})
    world.invoke = function = Streaming(HEAD[:20], HEAD[20:] + b"first", b"second", content_type=INTEGRATION)
    async with http.get(url, headers={"Origin": "https://x.example"}) as answer:
        assert (answer.status, answer.headers["Content-Type"]) == (201, "text/plain")
        assert answer.headers.getall("Set-Cookie") == ["a=b", "c=d"]
        assert (answer.headers["X-Thaw-Start"], answer.headers["Access-Control-Allow-Origin"]) == ("cold", "*")
        assert answer.headers["X-Amzn-RequestId"] == function.event["requestContext"]["requestId"]
        assert await answer.read() == b"firstsecond"


async def test_pieces_arrive_as_they_are_made(world: World, http: aiohttp.ClientSession) -> None:
    url = await made(world, invokeMode="RESPONSE_STREAM")
    world.invoke = function = Streaming(b"first", b"second", content_type="text/event-stream")
    function.go.clear()
    async with http.get(url) as answer:
        assert (answer.status, answer.headers["Content-Type"]) == (200, "text/event-stream")
        assert await answer.content.readexactly(5) == b"first"
        function.go.set()
        assert await answer.read() == b"second"


async def test_a_stream_that_fails_is_not_whole(world: World, http: aiohttp.ClientSession) -> None:
    url = await made(world, invokeMode="RESPONSE_STREAM")
    world.invoke = Streaming(b"first", functionError="Unhandled", error="{}")
    with pytest.raises(aiohttp.ClientPayloadError):
        async with http.get(url) as answer:
            await answer.read()


@pytest.mark.parametrize("pieces", [(b"{}",), (b"{" + bytes(8), b"more"), (b"x" * (300 << 10), b"more")])
async def test_a_streamed_answer_without_a_proper_head(
    world: World, http: aiohttp.ClientSession, pieces: tuple[bytes, ...]
) -> None:
    url = await made(world, invokeMode="RESPONSE_STREAM")
    world.invoke = Streaming(*pieces, content_type=INTEGRATION)
    async with http.get(url) as answer:
        assert (answer.status, await answer.json()) == (502, {"Message": "Internal Server Error"})


async def test_one_that_does_not_stream_behind_a_url_that_would(world: World, http: aiohttp.ClientSession) -> None:
    url = await made(world, invokeMode="RESPONSE_STREAM")
    says(world, {"statusCode": 202, "body": "ok"})
    async with http.get(url) as answer:
        assert (answer.status, await answer.text()) == (202, "ok")


async def test_one_that_streams_behind_a_url_that_does_not(world: World, http: aiohttp.ClientSession) -> None:
    url = await made(world)
    world.invoke = Streaming(HEAD, b"body", content_type=INTEGRATION)
    async with http.get(url) as answer:
        assert (answer.status, answer.headers["Content-Length"], await answer.text()) == (201, "4", "body")


@pytest.mark.parametrize("mode", ["BUFFERED", "RESPONSE_STREAM"])
async def test_head_has_no_body(world: World, http: aiohttp.ClientSession, mode: str) -> None:
    url = await made(world, invokeMode=mode)
    world.invoke = Streaming(HEAD, b"body", content_type=INTEGRATION)
    for _ in range(2):
        async with http.head(url) as answer:
            assert (answer.status, await answer.read()) == (201, b"")


async def test_an_alias_is_served_by_its_version(world: World, http: aiohttp.ClientSession) -> None:
    url = await made(world, qualifier="live")
    await world.kube.patch(kinds.FUNCTION, NAMESPACE, "fn", {"spec": {"snapStart": {"applyOn": "PublishedVersions"}}})
    await world.publish()
    world.kube.put(
        kinds.FUNCTION_ALIAS,
        {"metadata": {"name": "fn-live"}, "spec": {"functionName": "fn", "name": "live", "functionVersion": "1"}},
    )
    await asyncio.sleep(0)
    async with http.get(url) as answer:
        assert (answer.status, answer.headers["X-Thaw-Start"]) == (200, "restore")


@pytest.mark.parametrize("world", [{"url_domain": "fn.example:8443"}], indirect=True)
async def test_a_name_of_its_own(world: World, http: aiohttp.ClientSession) -> None:
    by_path = await made(world)
    host = f"{by_path.rpartition('/')[2]}.fn.example"
    for path in ("/", "/2015-03-31/functions", "/default/fn/x", "/lambda-url/x"):
        async with http.get(world.endpoint + path, headers={"Host": host}) as answer:
            event = (await answer.json())["event"]
            assert (event["rawPath"], event["requestContext"]["domainName"]) == (path, host)
    async with http.get(world.endpoint + "/x", headers={"Host": f"{'a' * 32}.fn.example"}) as answer:
        assert (answer.status, await answer.json()) == (404, {"Message": "Not Found"})
    assert b"thaw_gateway_api_requests_total{" not in world.gateway.front.metrics.render()


async def test_a_namespace_of_that_name_is_not_reached_by_plain_http(world: World, http: aiohttp.ClientSession) -> None:
    item = world.http_function()
    item["metadata"]["namespace"] = "lambda-url"
    world.kube.put(kinds.FUNCTION, item)
    await asyncio.sleep(0)
    async with http.get(f"{world.endpoint}/lambda-url/web/") as answer:
        assert (answer.status, await answer.json()) == (404, {"Message": "Not Found"})


def test_ids_are_stable_and_not_made_of_names() -> None:
    found = {url_id(uid, qualifier) for uid in ("a", "b") for qualifier in ("$LATEST", "live")}
    assert len(found) == 4
    assert all(len(i) == 32 and i.isalnum() and i == i.lower() for i in found)
    assert found == {url_id(uid, qualifier) for uid in ("a", "b") for qualifier in ("$LATEST", "live")}
