"""Signatures, against what botocore itself signs."""

from __future__ import annotations

import base64
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlsplit

import pytest
from botocore.auth import SigV4Auth, SigV4QueryAuth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from thaw.errors import InvokeError
from thaw.gateway import auth

KEY = auth.AccessKey("AKIAEXAMPLE", "wJalrXUtnFEMI/K7MDENG", "default")
HOST = "http://gateway.example:8080"


def signed(
    method: str = "POST",
    path: str = "/2015-03-31/functions/fn/invocations",
    body: bytes = b'{"a": 1}',
    headers: dict[str, str] | None = None,
    secret: str = KEY.secret,
    signer: Any = SigV4Auth,
    service: str = "lambda",
    **more: Any,
) -> auth.Request:
    request = AWSRequest(method=method, url=HOST + path, data=body, headers=headers or {})
    signer(Credentials(KEY.id, secret), service, "eu-central-1", **more).add_auth(request)
    url = urlsplit(request.url)
    sent = [("Host", url.netloc), *((k, v) for k, v in request.headers.items() if k.lower() != "host")]
    return auth.Request(method, url.path, url.query, sent)


def check(request: auth.Request, body: bytes = b'{"a": 1}', late: timedelta = timedelta()) -> auth.AccessKey:
    signature, key = auth.identify(request, {KEY.id: KEY}.get, datetime.now(UTC) + late)
    auth.verify(request, signature, key, body)
    return key


def refusal(*arguments: Any, **more: Any) -> str:
    with pytest.raises(InvokeError) as e:
        check(*arguments, **more)
    assert e.value.status == 403
    return e.value.type


@pytest.mark.parametrize(
    "path",
    [
        "/2015-03-31/functions/fn/invocations",
        "/2015-03-31/functions/",
        "/2015-03-31/functions/arn%3Aaws%3Alambda%3Aus-east-1%3A0%3Afunction%3Afn/invocations?Qualifier=%24LATEST",
        "/2015-03-31/functions?Marker=a%2Bb%2F%3D&MaxItems=5&FunctionVersion=ALL",
        "/2015-03-31//functions/./x/../fn?b=2&a=1&a=0&empty=",
        "/",
    ],
)
def test_what_botocore_signs_is_accepted(path: str) -> None:
    assert check(signed(path=path)).namespace == "default"


def test_odd_header_values() -> None:
    assert check(signed(headers={"X-Amz-Client-Context": "  a   b  ", "X-Amz-Meta": "ü"})) == KEY


def test_payload_by_header() -> None:
    """A client may declare its payload's hash, or that it signs none."""
    unsigned = signed(headers={"X-Amz-Content-SHA256": auth.UNSIGNED})
    assert check(unsigned, body=b"anything") == KEY
    declared = signed(headers={"X-Amz-Content-SHA256": "0" * 64})
    assert refusal(declared) == "InvalidSignatureException"


def test_presigned() -> None:
    request = signed("GET", "/2015-03-31/functions/?MaxItems=1", b"", signer=SigV4QueryAuth, expires=60)
    assert check(request, b"") == KEY
    assert check(request, b"", timedelta(seconds=50)) == KEY
    assert refusal(request, b"", timedelta(seconds=70)) == "InvalidSignatureException"


@pytest.mark.parametrize(("minutes", "fine"), [(4, True), (-4, True), (6, False), (-6, False)])
def test_clock_skew(minutes: int, fine: bool) -> None:
    late = timedelta(minutes=minutes)
    if fine:
        assert check(signed(), late=late) == KEY
    else:
        assert refusal(signed(), late=late) == "InvalidSignatureException"


def test_tampering() -> None:
    good = signed()
    assert refusal(signed(secret="other")) == "InvalidSignatureException"
    assert refusal(good, b"other") == "InvalidSignatureException"
    assert refusal(auth.Request("PUT", good.path, good.query, good.headers)) == "InvalidSignatureException"
    assert refusal(auth.Request(good.method, "/other", good.query, good.headers)) == "InvalidSignatureException"
    assert refusal(auth.Request(good.method, good.path, "a=1", good.headers)) == "InvalidSignatureException"
    moved = [(k, "elsewhere" if k == "Host" else v) for k, v in good.headers]
    assert refusal(auth.Request(good.method, good.path, good.query, moved)) == "InvalidSignatureException"
    assert refusal(signed(service="s3")) == "InvalidSignatureException"


@pytest.mark.parametrize(
    ("header", "type_"),
    [
        ("", "MissingAuthenticationTokenException"),
        ("Bearer abc", "InvalidSignatureException"),
        (f"{auth.ALGORITHM} Credential=a, SignedHeaders=host, Signature={'0' * 64}", "InvalidSignatureException"),
        (
            f"{auth.ALGORITHM} Credential=a/20260101/r/lambda/aws4_request, SignedHeaders=x, Signature={'0' * 64}",
            "InvalidSignatureException",
        ),
    ],
)
def test_unreadable(header: str, type_: str) -> None:
    headers = [("Authorization", header), ("X-Amz-Date", "20260101T000000Z")] if header else []
    assert refusal(auth.Request("GET", "/", "", headers)) == type_


def test_unknown_key() -> None:
    with pytest.raises(InvokeError) as e:
        auth.identify(signed(), lambda _id: None, datetime.now(UTC))
    assert (e.value.status, e.value.type) == (403, "UnrecognizedClientException")


def test_keys_follow_their_secrets() -> None:
    keys = auth.AccessKeys()
    encoded = {
        k: base64.b64encode(v.encode()).decode()
        for k, v in {"accessKeyId": "A", "secretAccessKey": "B", "namespace": "team\n"}.items()
    }
    secret = {"metadata": {"name": "s"}, "data": encoded}
    keys.on_event("ADDED", secret)
    assert keys.find("A") == auth.AccessKey("A", "B", "team")
    keys.on_event("MODIFIED", {**secret, "data": {"accessKeyId": "!"}})
    assert keys.find("A") is None, "a Secret that lost its parts opens nothing"
    keys.on_event("ADDED", secret)
    keys.on_event("DELETED", secret)
    assert keys.find("A") is None
