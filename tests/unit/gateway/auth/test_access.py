"""Who gets through the gateway's door, and to what."""

from __future__ import annotations

import asyncio
import copy
import json
from collections.abc import AsyncIterator, Awaitable
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer
from botocore.auth import SigV4Auth, SigV4QueryAuth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from botocore.exceptions import ClientError
from botocore.model import Shape

from thaw.errors import Unavailable
from thaw.gateway import model, server
from thaw.gateway.auth.access import guarded
from thaw.kube import kinds
from thaw.names import NAMESPACE_HEADER
from unit.gateway.conftest import Lambda
from unit.gateway.world import KEY_ID, NAMESPACE, SECRET, Process, World

ROBOT = "system:serviceaccount:default:robot"
FUNCTIONS = "/2015-03-31/functions/"


@pytest.fixture
async def http(world: World) -> AsyncIterator[aiohttp.ClientSession]:
    world.kube.tokens = {"robot": {"username": ROBOT}, "bob": {"username": "bob", "groups": ["devs"]}}
    async with aiohttp.ClientSession(world.endpoint) as session:
        yield session


def bearer(token: str, namespace: str = "") -> dict[str, str]:
    return {"Authorization": f"Bearer {token}", **({NAMESPACE_HEADER: namespace} if namespace else {})}


async def call(
    http: aiohttp.ClientSession, method: str, path: str, **more: Any
) -> tuple[int, str, str, dict[str, Any]]:
    async with http.request(method, path, **more) as answer:
        body = json.loads(await answer.text() or "{}")
        return answer.status, answer.headers.get("x-amzn-errortype", ""), str(body.get("message", "")), body


def denied(error: ClientError) -> str:
    told = error.response["Error"]
    assert told["Code"] == "AccessDeniedException"
    assert error.response["ResponseMetadata"]["HTTPStatusCode"] == 403
    return told["Message"]


# ------------------------------------------------------------ access keys


async def test_a_key_does_what_its_actions_say(world: World, lam: Lambda) -> None:
    world.function()
    world.access_key(actions="lambda:InvokeFunction,lambda:Get*")
    await asyncio.sleep(0)
    assert (await lam.invoke(FunctionName="fn"))["StatusCode"] == 200
    assert (await lam.get_function(FunctionName="fn"))["Configuration"]["FunctionName"] == "fn"
    with pytest.raises(ClientError) as e:
        await lam.delete_function(FunctionName="fn")
    arn = "arn:aws:lambda:us-east-1:000000000000:function:fn"
    assert denied(e.value) == (
        f"User: arn:aws:iam::000000000000:user/{KEY_ID} is not authorized to perform: lambda:DeleteFunction on "
        f"resource: {arn} because no identity-based policy allows the lambda:DeleteFunction action"
    )
    with pytest.raises(ClientError) as e:
        await lam.list_functions()
    assert "on resource: * because" in denied(e.value)
    assert ("Function", NAMESPACE, "fn") in world.kube.objects


async def test_a_key_sees_the_functions_that_it_is_for(world: World, lam: Lambda) -> None:
    world.function("web-1")
    world.function("api")
    world.access_key(functions="web-*")
    await asyncio.sleep(0)
    arn = "arn:aws:lambda:us-east-1:000000000000:function:web-1"
    for name in ("web-1", "web-1:$LATEST", arn, "000000000000:function:web-1"):
        assert (await lam.get_function(FunctionName=name))["Configuration"]["FunctionName"] == "web-1"
    for refused in (
        lam.get_function(FunctionName="api"),
        lam.get_function(FunctionName=arn.replace("web-1", "api")),
        lam.create_function(
            FunctionName="api2", Role="arn:aws:iam::111122223333:role/x", Code={"ImageUri": "x:1"}, PackageType="Image"
        ),
        lam.list_functions(),
    ):
        with pytest.raises(ClientError) as e:
            await refused
        denied(e.value)
    assert ("Function", NAMESPACE, "api2") not in world.kube.objects


@pytest.mark.parametrize(
    ("fields", "type_", "word"),
    [
        ({"expires": "2020-01-01T00:00:00Z"}, "ExpiredTokenException", "is expired"),
        ({"action": "lambda:*"}, "UnrecognizedClientException", "is invalid"),
    ],
)
async def test_a_key_that_opens_nothing(
    world: World, lam: Lambda, fields: dict[str, str], type_: str, word: str
) -> None:
    world.access_key(**fields)
    await asyncio.sleep(0)
    with pytest.raises(ClientError, match=word) as e:
        await lam.list_functions()
    assert e.value.response["Error"]["Code"] == type_


async def test_only_who_knows_the_secret_learns_that_a_key_is_expired(world: World) -> None:
    world.access_key(expires="2020-01-01T00:00:00Z")
    await asyncio.sleep(0)
    with pytest.raises(ClientError) as e:
        await Lambda(world.endpoint, secret="another-secret-entirely").list_functions()
    assert e.value.response["Error"]["Code"] == "InvalidSignatureException"


async def test_a_presigned_url(world: World, http: aiohttp.ClientSession) -> None:
    world.function()
    request = AWSRequest("GET", f"{world.endpoint}{FUNCTIONS}fn")
    SigV4QueryAuth(Credentials(KEY_ID, SECRET), "lambda", "us-east-1", expires=60).add_auth(request)
    async with http.get(request.url) as answer:
        assert (await answer.json())["Configuration"]["FunctionName"] == "fn"


async def test_a_body_that_was_declared_is_not_read_when_its_signature_is_wrong(
    world: World, http: aiohttp.ClientSession
) -> None:
    """Nor is one whose key is unknown: whoever sends it is told at once, not after the last byte."""

    async def endless() -> AsyncIterator[bytes]:
        yield b"x"
        await asyncio.Event().wait()

    url = f"{world.endpoint}{FUNCTIONS}fn/invocations"
    for key, payload in ((KEY_ID, "0" * 64), ("AKIAUNKNOWN", "")):
        headers = {"X-Amz-Content-Sha256": payload} if payload else {}
        request = AWSRequest("POST", url, headers=headers)
        SigV4Auth(Credentials(key, "another-secret-entirely"), "lambda", "us-east-1").add_auth(request)
        async with asyncio.timeout(5), http.post(url, headers=dict(request.headers), data=endless()) as answer:
            assert answer.status == 403


async def test_a_key_may_name_its_own_namespace_and_no_other(world: World, http: aiohttp.ClientSession) -> None:
    def signed(namespace: str) -> dict[str, str]:
        request = AWSRequest("GET", f"{world.endpoint}{FUNCTIONS}", headers={NAMESPACE_HEADER: namespace})
        SigV4Auth(Credentials(KEY_ID, SECRET), "lambda", "us-east-1").add_auth(request)
        return dict(request.headers)

    assert (await call(http, "GET", FUNCTIONS, headers=signed(NAMESPACE)))[0] == 200
    assert (await call(http, "GET", FUNCTIONS, headers=signed("other")))[:2] == (403, "AccessDeniedException")


# ------------------------------------------------------------ bearer tokens


async def test_a_token_does_what_its_user_may(world: World, http: aiohttp.ClientSession) -> None:
    world.function()
    world.kube.rights = {(ROBOT, "invoke", NAMESPACE, "fn"), ("bob", "get", NAMESPACE, "")}
    invoke, robot = f"{FUNCTIONS}fn/invocations", bearer("robot")
    async with http.post(invoke, data=b"{}", headers=robot) as answer:
        assert (answer.status, answer.headers["X-Amz-Executed-Version"]) == (200, "$LATEST")
    status, type_, message, _ = await call(http, "POST", f"{FUNCTIONS}fn/versions", headers=robot)
    assert (status, type_) == (403, "AccessDeniedException")
    assert message == (
        f"User: {ROBOT} is not authorized to perform: lambda:PublishVersion on resource: "
        "arn:aws:lambda:us-east-1:000000000000:function:fn because they may not publish functions.thaw.dev "
        '"fn" in the namespace "default"'
    )
    assert (await call(http, "GET", f"{FUNCTIONS}fn", headers=bearer("bob", NAMESPACE)))[0] == 200
    assert (await call(http, "DELETE", f"{FUNCTIONS}fn", headers=bearer("bob", NAMESPACE)))[0] == 403
    assert (await call(http, "GET", FUNCTIONS, headers=bearer("bob", NAMESPACE)))[0] == 403


async def test_the_namespace_that_a_token_is_for(world: World, http: aiohttp.ClientSession) -> None:
    world.kube.rights = {(ROBOT, "list", NAMESPACE, ""), (ROBOT, "list", "other", ""), ("bob", "list", NAMESPACE, "")}
    world.function()
    world.function("theirs", namespace="other")

    async def names(headers: dict[str, str]) -> list[str]:
        return [f["FunctionName"] for f in (await call(http, "GET", FUNCTIONS, headers=headers))[3]["Functions"]]

    assert await names(bearer("robot")) == ["fn"]
    assert await names(bearer("robot", "other")) == ["theirs"]
    assert await names(bearer("bob", NAMESPACE)) == ["fn"]
    status, _, message, _ = await call(http, "GET", FUNCTIONS, headers=bearer("bob"))
    assert (status, NAMESPACE_HEADER in message) == (400, True)
    status, _, message, _ = await call(http, "GET", FUNCTIONS, headers=bearer("bob", "../other"))
    assert (status, NAMESPACE_HEADER in message) == (400, True)


@pytest.mark.parametrize("authorization", ["Bearer nobody", "bearer nobody", "Bearer", "Bearer  "])
async def test_a_token_that_proves_nothing(world: World, http: aiohttp.ClientSession, authorization: str) -> None:
    async with http.get(FUNCTIONS, headers={"Authorization": authorization}) as answer:
        assert (answer.status, answer.headers["WWW-Authenticate"]) == (401, "Bearer")
        assert answer.headers["x-amzn-errortype"] == "UnrecognizedClientException"


async def test_an_api_server_that_is_away_opens_nothing(world: World, http: aiohttp.ClientSession) -> None:
    world.kube.rights = {(ROBOT, "list", NAMESPACE, "")}
    world.kube.refuse["TokenReview"] = Unavailable("TokenReview", "", "", "away")
    assert (await call(http, "GET", FUNCTIONS, headers=bearer("robot")))[:2] == (503, "ServiceUnavailableException")
    world.kube.refuse = {"SubjectAccessReview": Unavailable("SubjectAccessReview", "", "", "away")}
    assert (await call(http, "GET", FUNCTIONS, headers=bearer("robot")))[:2] == (503, "ServiceUnavailableException")
    world.kube.refuse = {}
    assert (await call(http, "GET", FUNCTIONS, headers=bearer("robot")))[0] == 200


async def test_a_token_is_asked_about_once(world: World, http: aiohttp.ClientSession) -> None:
    world.kube.rights = {(ROBOT, "list", NAMESPACE, "")}
    calls = (call(http, "GET", FUNCTIONS, headers=bearer("robot")) for _ in range(5))
    assert {answer[0] for answer in await asyncio.gather(*calls)} == {200}
    assert [r["kind"] for r in world.kube.reviewed] == ["TokenReview", "SubjectAccessReview"]


# ------------------------------------------------------------ plain HTTP


async def keep(process: Process, request: web.Request) -> web.Response:
    seen = [k for k in request.headers if k.lower() == "authorization"]
    return web.json_response({"path": request.path_qs, "authorization": seen})


@pytest.mark.parametrize("world", [{"http_auth": "signed"}], indirect=True)
async def test_plain_http_by_token(world: World, http: aiohttp.ClientSession) -> None:
    world.plain = keep
    world.http_function()
    world.kube.rights = {(ROBOT, "invoke", NAMESPACE, "web")}
    async with http.get("/default/web/x?a=1", headers=bearer("robot")) as answer:
        assert await answer.json() == {"path": "/x?a=1", "authorization": []}
    assert (await call(http, "GET", "/default/web/x", headers=bearer("bob")))[:2] == (403, "AccessDeniedException")
    assert (await call(http, "GET", "/default/web/x", headers=bearer("nobody")))[0] == 401
    assert (await call(http, "GET", "/other/web/x", headers=bearer("robot")))[0] == 403


@pytest.mark.parametrize("world", [{"http_auth": "signed"}], indirect=True)
async def test_plain_http_by_presigned_url(world: World, http: aiohttp.ClientSession) -> None:
    """The function gets the address without the signature, with which it could call again."""
    world.plain = keep
    world.http_function()
    for query, arrives in (("?a=1", "/x?a=1"), ("", "/x")):
        request = AWSRequest("GET", f"{world.endpoint}/default/web/x{query}")
        SigV4QueryAuth(Credentials(KEY_ID, SECRET), "lambda", "us-east-1", expires=60).add_auth(request)
        async with http.get(request.url) as answer:
            assert (await answer.json())["path"] == arrives


@pytest.mark.parametrize("world", [{"http_auth": "signed"}], indirect=True)
async def test_plain_http_needs_the_action_of_urls(world: World, http: aiohttp.ClientSession) -> None:
    world.http_function()
    world.access_key(actions="lambda:InvokeFunction")
    url = f"{world.endpoint}/default/web/"
    request = AWSRequest("GET", url)
    SigV4Auth(Credentials(KEY_ID, SECRET), "lambda", "us-east-1").add_auth(request)
    status, _, message, _ = await call(http, "GET", url, headers=dict(request.headers))
    assert (status, "lambda:InvokeFunctionUrl" in message) == (403, True)


async def test_open_plain_http_is_the_functions_own_affair(world: World, http: aiohttp.ClientSession) -> None:
    world.plain = keep
    world.http_function()
    async with http.get("/default/web/", headers={"Authorization": "Basic YTpi"}) as answer:
        assert (await answer.json())["authorization"] == ["Authorization"]
    assert world.kube.reviewed == []


# ------------------------------------------------------------ other handlers


async def test_what_is_neither_the_api_nor_a_function(world: World, http: aiohttp.ClientSession) -> None:
    for path, status in (("/", 404), ("/thaw/v1/functions", 404)):
        assert (await call(http, "GET", path))[0] == status, "nothing is there, and nobody is asked who they are"


async def test_handlers_of_others(world: World, http: aiohttp.ClientSession) -> None:
    """Files are for anybody; other handlers get a caller, and ask what they may."""
    access = world.gateway.front.access

    @guarded
    async def files(_request: web.Request) -> web.Response:
        return web.json_response({})

    async def functions(request: web.Request) -> web.Response:
        caller = await access.require(request, "list", request.match_info["namespace"])
        return web.json_response({"name": caller.name})

    app = web.Application(middlewares=server.middlewares(world.gateway.front))
    app.router.add_get("/files/{path:.*}", files)
    app.router.add_get("/thaw/v1/{namespace}/functions", functions)
    world.kube.rights = {(ROBOT, "list", NAMESPACE, "")}
    world.access_key("second", accessKeyId="AKIASECOND", actions="lambda:Get*")

    async with TestClient(TestServer(app)) as client:

        async def status(method: str, path: str, headers: dict[str, str] | None = None) -> int:
            return (await client.request(method, path, headers=headers)).status

        def signed(key: str) -> dict[str, str]:
            request = AWSRequest("GET", str(client.make_url(listing)))
            SigV4Auth(Credentials(key, SECRET), "lambda", "us-east-1").add_auth(request)
            return dict(request.headers)

        assert [await status(m, "/files/app.js") for m in ("GET", "HEAD", "POST")] == [200, 200, 405]
        listing, others = "/thaw/v1/default/functions", "/thaw/v1/other/functions"
        assert await status("GET", listing) == 403
        assert [await status("GET", path, bearer("robot")) for path in (listing, others)] == [200, 403]
        assert await status("GET", listing, bearer("bob")) == 403
        assert [await status("GET", listing, signed(key)) for key in (KEY_ID, "AKIASECOND")] == [200, 403]
        listing = others
        assert await status("GET", listing, signed(KEY_ID)) == 403


# ------------------------------------------------------------ limits


async def test_a_caller_that_calls_too_often(world: World, lam: Lambda) -> None:
    world.access_key(requestsPerSecond="0.001", burst="2")
    await asyncio.sleep(0)
    for _ in range(2):
        await lam.list_functions()
    with pytest.raises(ClientError) as e:
        await lam.list_functions()
    response = e.value.response
    assert response["Error"]["Code"] == "TooManyRequestsException"
    assert response["Reason"] == "CallerRateLimitExceeded"  # type: ignore[typeddict-item]
    assert response["ResponseMetadata"]["HTTPStatusCode"] == 429
    assert 0 < int(response["ResponseMetadata"]["HTTPHeaders"]["retry-after"]) <= 1000
    world.access_key("second", accessKeyId="AKIASECOND")
    await asyncio.sleep(0)
    await Lambda(world.endpoint, "AKIASECOND").list_functions()


@pytest.mark.parametrize("world", [{"caller_rate": 0.001, "caller_burst": 1}], indirect=True)
async def test_the_gateways_own_limit_is_for_who_has_none(world: World, lam: Lambda, http: Any) -> None:
    world.kube.rights = {("bob", "list", NAMESPACE, "")}
    await lam.list_functions()
    with pytest.raises(ClientError, match="Rate exceeded"):
        await lam.list_functions()
    assert (await call(http, "GET", FUNCTIONS, headers=bearer("bob", NAMESPACE)))[0] == 200
    assert (await call(http, "GET", FUNCTIONS, headers=bearer("bob", NAMESPACE)))[0] == 429
    world.access_key(requestsPerSecond="1000")
    await asyncio.sleep(0)
    for _ in range(3):
        await lam.list_functions()


@pytest.mark.parametrize("world", [{"failures_rate": 0.001, "failures_burst": 2}], indirect=True)
async def test_guessing_is_slow_and_locks_nobody_else_out(world: World, lam: Lambda, http: Any) -> None:
    world.kube.rights = {(ROBOT, "list", NAMESPACE, "")}
    world.access_key("second", accessKeyId="AKIASECOND")
    assert (await call(http, "GET", FUNCTIONS, headers=bearer("robot")))[0] == 200

    async def code(attempt: Lambda) -> str:
        with pytest.raises(ClientError) as e:
            await attempt.list_functions()
        return e.value.response["Error"]["Code"]

    wrong = Lambda(world.endpoint, secret="another-secret-entirely")
    assert [await code(wrong) for _ in range(3)] == [*["InvalidSignatureException"] * 2, "TooManyRequestsException"]
    unknown = [Lambda(world.endpoint, f"AKIA{n}UNKNOWN") for n in range(3)]
    assert [await code(u) for u in unknown] == [*["UnrecognizedClientException"] * 2, "TooManyRequestsException"]
    statuses = [(await call(http, "GET", FUNCTIONS, headers=bearer(f"guess {n}")))[0] for n in range(3)]
    assert statuses == [401, 401, 429]
    assert await code(lam) == "TooManyRequestsException", "the key that was guessed at, from the same address"
    await Lambda(world.endpoint, "AKIASECOND").list_functions()
    assert (await call(http, "GET", FUNCTIONS, headers=bearer("robot")))[0] == 200, "known a moment ago"


@pytest.mark.parametrize("world", [{"failures_rate": 0.001, "failures_burst": 2}], indirect=True)
async def test_guesses_sent_all_at_once_are_counted_one_by_one(world: World, http: aiohttp.ClientSession) -> None:
    request = AWSRequest("GET", f"{world.endpoint}{FUNCTIONS}")
    SigV4Auth(Credentials(KEY_ID, "another-secret-entirely"), "lambda", "us-east-1").add_auth(request)
    calls = (call(http, "GET", FUNCTIONS, headers=dict(request.headers)) for _ in range(10))
    assert sorted(answer[0] for answer in await asyncio.gather(*calls)) == [403] * 2 + [429] * 8


@pytest.mark.parametrize(
    "world", [{"failures_rate": 0.001, "failures_burst": 1, "trusted_proxies": ("127.0.0.0/8",)}], indirect=True
)
async def test_behind_a_trusted_proxy_each_client_has_its_own_failures(world: World, http: Any) -> None:
    async def status(client: str, token: str) -> int:
        headers = {**bearer(token), "X-Forwarded-For": client}
        return (await call(http, "GET", FUNCTIONS, headers=headers))[0]

    clients = ("192.0.2.1", "192.0.2.1", "192.0.2.2")
    assert [await status(client, f"guess {n}") for n, client in enumerate(clients)] == [401, 429, 401]


# ------------------------------------------------------------ isolation

_SAMPLES = {
    "FunctionName": "theirs",
    "Resource": "arn:aws:lambda:us-east-1:000000000000:function:theirs",
    "Role": "arn:aws:iam::111122223333:role/x",
    "FunctionVersion": "1",
    "Qualifier": "1",
    "Name": "live",
}


def sample(shape: Shape, name: str) -> Any:
    """The least that AWS's model lets pass."""
    if name in _SAMPLES:
        return _SAMPLES[name]
    match shape.type_name:
        case "structure":
            return {n: sample(shape.members[n], n) for n in shape.required_members}
        case "list":
            return [sample(shape.member, "")]
        case "map":
            return {"key": "value"}
        case "integer" | "long":
            return shape.metadata.get("min", 1) or 1
        case "boolean":
            return True
        case "blob":
            return b"{}"
        case _:
            return (shape.metadata.get("enum") or ["x"])[0]


def methods() -> dict[str, str]:
    client = Lambda("http://127.0.0.1:1").client
    return {operation: method for method, operation in client.meta.method_to_api_mapping.items()}


async def answered(request: Awaitable[Any]) -> tuple[str, int]:
    """All that an answer says, and its status."""
    try:
        answer = await request
    except ClientError as e:
        answer = e.response
    return str(answer), answer["ResponseMetadata"]["HTTPStatusCode"]


def theirs(world: World) -> dict[Any, Any]:
    return {key: copy.deepcopy(item) for key, item in world.kube.objects.items() if key[1] == "other"}


async def settled(world: World, namespace: str) -> None:
    """Waits until the operator has seen the function."""
    while "status" not in world.kube.objects[("Function", namespace, "theirs")]:
        await asyncio.sleep(0)


async def of_another(world: World) -> None:
    """A function of another namespace, and an alias of it."""
    world.function("theirs", namespace="other", description="a-secret-of-theirs")
    spec = {"functionName": "theirs", "name": "live", "functionVersion": "1"}
    world.kube.put(kinds.FUNCTION_ALIAS, {"metadata": {"name": "theirs-live", "namespace": "other"}, "spec": spec})
    await settled(world, "other")


@pytest.mark.parametrize("name", ["theirs", "theirs:1", "theirs:live"])
async def test_nothing_of_another_namespace_is_seen_or_changed(world: World, lam: Lambda, name: str) -> None:
    """Every operation that Thaw has, with a key for all of its own namespace."""
    await of_another(world)
    before, named = theirs(world), methods()
    for operation in world.gateway.front.api.handled:
        arguments = sample(model.operations()[operation].input, "")
        if "FunctionName" in arguments and operation != "CreateFunction":
            arguments["FunctionName"] = name
        answer, status = await answered(getattr(lam, named[operation])(**arguments))
        assert "a-secret-of-theirs" not in answer, operation
        assert status in (200, 400, 404, 409), (operation, answer)
        assert theirs(world) == before, operation
    assert all(pod["metadata"]["namespace"] == NAMESPACE for pod in world.instances())


@pytest.mark.parametrize(
    ("arn", "status"),
    [
        ("arn:aws:lambda:us-east-1:999999999999:function:theirs", 403),
        ("999999999999:function:theirs", 403),
        ("arn:aws:lambda:eu-west-1:000000000000:function:theirs", 404),
        ("arn:aws:lambda:eu-west-1:999999999999:function:theirs:live", 404),
    ],
)
async def test_no_operation_takes_another_accounts_or_regions_arn(
    world: World, lam: Lambda, arn: str, status: int
) -> None:
    world.function("theirs")
    await settled(world, NAMESPACE)
    named = methods()
    before = copy.deepcopy(world.kube.objects)
    for operation in world.gateway.front.api.handled:
        arguments = sample(model.operations()[operation].input, "")
        key = next((k for k in ("FunctionName", "Resource") if k in arguments), None)
        if key is None or (key == "Resource" and not arn.startswith("arn:")):
            continue
        arguments[key] = arn
        arguments.pop("Qualifier", None)
        if "Qualifier" in model.operations()[operation].input.required_members:
            arguments["Qualifier"] = "live"
        with pytest.raises(ClientError) as e:
            await getattr(lam, named[operation])(**arguments)
        assert e.value.response["ResponseMetadata"]["HTTPStatusCode"] == status, (operation, e.value)
        expected = "AccessDeniedException" if status == 403 else "ResourceNotFoundException"
        assert e.value.response["Error"]["Code"] == expected
    assert world.kube.objects == before


async def test_no_operation_reaches_where_a_tokens_user_may_nothing(world: World, lam: Lambda) -> None:
    await of_another(world)
    world.kube.tokens = {"robot": {"username": ROBOT}}
    verbs = ("invoke", "publish", "get", "list", "create", "update", "delete")
    world.kube.rights = {(ROBOT, verb, NAMESPACE, "") for verb in verbs}

    def as_robot(request: Any, **_: Any) -> None:
        request.headers["Authorization"] = "Bearer robot"
        request.headers[NAMESPACE_HEADER] = "other"

    lam.client.meta.events.register("before-send.lambda.*", as_robot)
    before, named = theirs(world), methods()
    for operation in world.gateway.front.api.handled:
        with pytest.raises(ClientError) as e:
            await getattr(lam, named[operation])(**sample(model.operations()[operation].input, ""))
        assert 'in the namespace "other"' in denied(e.value)
    assert theirs(world) == before
