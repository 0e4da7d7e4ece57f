"""Signatures, against what botocore itself signs, and AWS's words for what is wrong with them."""

from __future__ import annotations

import hashlib
import hmac
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlsplit

import pytest
from botocore.auth import S3SigV4Auth, SigV4Auth, SigV4QueryAuth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from thaw.errors import InvokeError
from thaw.gateway.auth import sigv4
from thaw.gateway.auth.canonical import Request, without_signature

ID, SECRET, REGION = "AKIAEXAMPLE", "wJalrXUtnFEMI/K7MDENG", "eu-central-1"
HOST = "http://gateway.example:8080"
INVOKE = "/2015-03-31/functions/fn/invocations"
NOW = datetime(2026, 3, 1, 12, 0, 0, tzinfo=UTC)


@pytest.fixture(autouse=True)
def clock(monkeypatch: pytest.MonkeyPatch) -> None:
    """botocore signs at NOW."""
    monkeypatch.setattr("botocore.auth.get_current_datetime", lambda: NOW.replace(tzinfo=None))


def signed(
    method: str = "POST",
    path: str = INVOKE,
    body: bytes = b'{"a": 1}',
    headers: dict[str, str] | None = None,
    secret: str = SECRET,
    token: str | None = None,
    signer: Any = SigV4Auth,
    service: str = "lambda",
    region: str = REGION,
    **more: Any,
) -> Request:
    request = AWSRequest(method=method, url=HOST + path, data=body, headers=headers or {})
    signer(Credentials(ID, secret, token), service, region, **more).add_auth(request)
    url = urlsplit(request.url)
    sent = [("Host", url.netloc), *((k, v) for k, v in request.headers.items() if k.lower() != "host")]
    return Request(method, url.path, url.query, sent)


def presigned(path: str = "/2015-03-31/functions/?MaxItems=1", expires: int = 60, **more: Any) -> Request:
    return signed("GET", path, b"", signer=SigV4QueryAuth, expires=expires, **more)


def check(request: Request, body: bytes = b'{"a": 1}', late: timedelta = timedelta()) -> str:
    """The gateway's own order; the key's id."""
    signature = sigv4.read(request)
    sigv4.check(request, signature, REGION, NOW + late)
    declared = sigv4.declared_payload(request)
    actual = hashlib.sha256(body).hexdigest()
    sigv4.verify(request, signature, SECRET, declared or actual)
    if declared not in (None, sigv4.UNSIGNED):
        sigv4.verify_payload(declared, actual)
    return signature.key_id


def refusal(*arguments: Any, **more: Any) -> tuple[str, str]:
    with pytest.raises(InvokeError) as e:
        check(*arguments, **more)
    assert e.value.status == 403
    return e.value.type, e.value.message


def changed(request: Request, **more: Any) -> Request:
    parts = {"method": request.method, "path": request.path, "query": request.query, "headers": request.headers}
    return Request(**(parts | more))


def with_header(request: Request, name: str, value: str | None) -> Request:
    """The same with one header changed, added, or gone."""
    kept = [(k, v) for k, v in request.headers if k.lower() != name.lower()]
    return changed(request, headers=kept if value is None else [*kept, (name, value)])


ODD_PATHS = [
    INVOKE,
    "/",
    "/2015-03-31/functions/",
    "/2015-03-31//functions/./x/../fn",
    "/a/../../b/",
    "/2015-03-31/functions/arn%3Aaws%3Alambda%3Aus-east-1%3A0%3Afunction%3Afn/invocations?Qualifier=%24LATEST",
    "/2015-03-31/functions/arn:aws:lambda:us-east-1:0:function:fn?Qualifier=%24LATEST",
    "/2015-03-31/functions?Marker=a%2Bb%2F%3D&MaxItems=5&FunctionVersion=ALL",
    "/x%20y/%C3%BC/%2F/~-._/(a)!*'",
    "/x?b=2&a=1&a=0&B=3",
    "/x?empty=&bare",
    "/x?a=%20&b=%2B&c=%25&d=%26&e=%3D",
    "/x?%C3%BC=%E2%82%AC&z=~-._",
    "/x?a=%FF",
    "/x?aa=1&a=2&a-=3&a%3D=4",
]


@pytest.mark.parametrize("path", ODD_PATHS)
@pytest.mark.parametrize(("method", "body"), [("GET", b""), ("POST", b"\x00\xff body"), ("DELETE", b"")])
def test_what_botocore_signs_is_accepted(method: str, body: bytes, path: str) -> None:
    if path == "/x?empty=&bare":
        path = "/x?empty=&bare="  # botocore leaves out a parameter without its equal sign
    assert check(signed(method, path, body), body) == ID


@pytest.mark.parametrize("path", [p for p in ODD_PATHS if "%FF" not in p])
def test_what_botocore_presigns_is_accepted(path: str) -> None:
    assert check(presigned(path), b"") == ID


@pytest.mark.parametrize(
    "headers",
    [
        {"X-Amz-Client-Context": "  a   b  "},
        {"X-Amz-Meta": "ü €"},
        {"X-Amz-Empty": ""},
        {"X-Amz-Tab": "a\t b"},
        {"Content-Type": "application/json; charset=utf-8", "Accept": "*/*"},
        {"Date": "anything: botocore sets the time"},
        {"X-Amz-Content-SHA256": hashlib.sha256(b'{"a": 1}').hexdigest()},
    ],
)
def test_odd_headers(headers: dict[str, str]) -> None:
    assert check(signed(headers=headers)) == ID


def test_a_header_that_came_twice_is_signed_as_one() -> None:
    request = signed(headers={"X-Amz-Twice": "a,b"})
    kept = [(k, v) for k, v in request.headers if k != "X-Amz-Twice"]
    assert check(changed(request, headers=[*kept, ("X-Amz-Twice", " a "), ("X-Amz-Twice", "b")])) == ID


def test_latin_1_on_the_wire_is_the_text_that_was_signed() -> None:
    """Python's HTTP client sends ``ü`` as one byte, which aiohttp gives as a surrogate."""
    assert check(with_header(signed(headers={"X-Amz-Meta": "ü"}), "X-Amz-Meta", "\udcfc")) == ID


def test_a_plus_in_the_query_is_a_space() -> None:
    """What is signed is what the API then reads."""
    assert check(changed(signed(path="/x?a=b%20c"), query="a=b+c")) == ID
    assert refusal(changed(signed(path="/x?a=b%2Bc"), query="a=b+c"))[0] == "InvalidSignatureException"


def test_the_example_of_the_general_reference() -> None:
    """The derived key of AWS's documentation, so that not everything here is compared with botocore alone."""
    credential = "AKIDEXAMPLE/20150830/us-east-1/iam/aws4_request"
    signature = sigv4.Signature("", credential, (), "", NOW, None)
    text = (
        "AWS4-HMAC-SHA256\n20150830T123600Z\n20150830/us-east-1/iam/aws4_request\n"
        "f536975d06c0309214f805bb90ccff089219ecd68b2577efef23edd43b7e1a59"
    )
    secret = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"
    expected = "5d672d79c15b13162d9279b0855cfba6789a8edb4c82c400e06b5924a6f2b5d7"
    assert sigv4.sign(secret, signature, text) == expected


def test_payload_by_header() -> None:
    """A client may declare its payload's hash, or that it signs none."""
    unsigned = signed(headers={"X-Amz-Content-SHA256": sigv4.UNSIGNED})
    assert check(unsigned, body=b"anything") == ID
    declared = signed(headers={"X-Amz-Content-SHA256": "0" * 64})
    assert refusal(declared) == (
        "InvalidSignatureException",
        "The payload does not match the header x-amz-content-sha256.",
    )
    s3 = signed(signer=S3SigV4Auth, path="/x")
    assert check(s3) == ID


@pytest.mark.parametrize(
    ("value", "word"),
    [
        ("STREAMING-AWS4-HMAC-SHA256-PAYLOAD", "takes a payload whole"),
        ("STREAMING-UNSIGNED-PAYLOAD-TRAILER", "takes a payload whole"),
        ("ABC", "SHA-256 in lower-case"),
        ("0" * 63, "SHA-256 in lower-case"),
        ("A" * 64, "SHA-256 in lower-case"),
        ("", "SHA-256 in lower-case"),
    ],
)
def test_payload_that_cannot_be(value: str, word: str) -> None:
    type_, message = refusal(signed(headers={"X-Amz-Content-SHA256": value}))
    assert type_ == "InvalidSignatureException"
    assert word in message


@pytest.mark.parametrize(
    ("late", "message"),
    [
        (timedelta(minutes=5), ""),
        (timedelta(minutes=-5), ""),
        (
            timedelta(minutes=5, seconds=1),
            "Signature expired: 20260301T120000Z is now earlier than 20260301T120001Z (20260301T120501Z - 5 min.)",
        ),
        (
            timedelta(minutes=-5, seconds=-1),
            "Signature not yet current: 20260301T120000Z is still later than 20260301T115959Z "
            "(20260301T115459Z + 5 min.)",
        ),
    ],
)
@pytest.mark.parametrize("headers", [{}, {"Date": "x"}])
def test_clock_skew(late: timedelta, message: str, headers: dict[str, str]) -> None:
    request = signed(headers=headers)
    if message:
        assert refusal(request, late=late) == ("InvalidSignatureException", message)
    else:
        assert check(request, late=late) == ID


@pytest.mark.parametrize(
    ("seconds", "message"),
    [
        (60, ""),
        (-300, ""),
        (61, "Signature expired: 20260301T120000Z is now earlier than 20260301T120001Z (20260301T120101Z - 1 min.)"),
        (-301, "Signature not yet current: "),
    ],
)
def test_presigned_in_time(seconds: int, message: str) -> None:
    late = timedelta(seconds=seconds)
    if message:
        type_, told = refusal(presigned(), b"", late)
        assert (type_, told[: len(message)]) == ("InvalidSignatureException", message)
    else:
        assert check(presigned(), b"", late) == ID


@pytest.mark.parametrize(("expires", "fine"), [(1, True), (604800, True), (0, False), (604801, False), (-1, False)])
def test_presigned_life(expires: int, fine: bool) -> None:
    request = presigned(expires=expires)
    if fine:
        assert check(request, b"") == ID
    else:
        assert refusal(request, b"") == (
            "IncompleteSignatureException",
            f"X-Amz-Expires must be a number of seconds from 1 to 604800 (a week), not '{expires}'.",
        )


@pytest.mark.parametrize("expires", ["", "x", "1.5", "٣", "1e3", "9" * 400])
def test_presigned_life_that_is_no_number(expires: str) -> None:
    query = presigned().query.replace("X-Amz-Expires=60", f"X-Amz-Expires={expires}")
    request = changed(presigned(), query=query)
    if not expires:
        assert refusal(request, b"")[0] == "InvalidSignatureException"  # as if it were not there, but not signed so
    else:
        assert refusal(request, b"")[0] == "IncompleteSignatureException"


@pytest.mark.parametrize(
    "name", ["X-Amz-Algorithm", "X-Amz-Credential", "X-Amz-Date", "X-Amz-SignedHeaders", "X-Amz-Signature"]
)
def test_presigned_parameter_that_is_missing_or_there_twice(name: str) -> None:
    request = presigned()
    parts = request.query.split("&")
    without = changed(request, query="&".join(p for p in parts if not p.startswith(f"{name}=")))
    assert refusal(without, b"") == (
        "IncompleteSignatureException",
        f"AWS query-string parameters must include '{name}'. Re-examine the query-string parameters.",
    )
    twice = changed(request, query=f"{request.query}&{next(p for p in parts if p.startswith(f'{name}='))}")
    assert refusal(twice, b"")[0] == "IncompleteSignatureException"


def test_a_signature_in_both_places() -> None:
    both = with_header(presigned(), "Authorization", dict(signed().headers)["Authorization"])
    assert refusal(both) == (
        "InvalidSignatureException",
        "Found both 'X-Amz-Algorithm' as a query-string param and 'Authorization' as HTTP header.",
    )


MISMATCH = "The request signature we calculated does not match the signature you provided."


def tampered() -> list[Request]:
    one, url = signed(headers={"X-Amz-Log-Type": "None"}), presigned()
    return [
        changed(one, method="PUT"),
        changed(one, path="/other"),
        changed(one, path=INVOKE + "/"),
        changed(one, query="a=1"),
        with_header(one, "Host", "elsewhere"),
        with_header(one, "X-Amz-Log-Type", "Tail"),
        with_header(one, "X-Amz-Log-Type", ""),
        with_header(one, "X-Amz-Date", "20260301T120001Z"),
        signed(secret="other"),
        signed(body=b"other"),
        changed(url, query=url.query.replace("MaxItems=1", "MaxItems=2")),
        changed(url, query=url.query.replace("Expires=60", "Expires=6000")),
        changed(url, query=url.query + "&more=1"),
        changed(url, query=url.query + "0"),
        changed(url, query=url.query + "%C3%BC"),
    ]


def test_tampering() -> None:
    for request in tampered():
        body = b"" if "X-Amz-Signature" in request.query else b'{"a": 1}'
        type_, message = refusal(request, body)
        assert type_ == "InvalidSignatureException", request
        assert message.startswith(MISMATCH), request


@pytest.mark.parametrize(
    ("authorization", "date", "type_", "message"),
    [
        ("", "", "MissingAuthenticationTokenException", "Missing Authentication Token"),
        ("Basic YTpi", "", "MissingAuthenticationTokenException", "Missing Authentication Token"),
        (
            "AWS4-HMAC-SHA256",
            "",
            "IncompleteSignatureException",
            "Authorization header requires 'Credential' parameter. "
            "Authorization header requires 'Signature' parameter. "
            "Authorization header requires 'SignedHeaders' parameter. "
            "Authorization header requires existence of either a 'X-Amz-Date' or a 'Date' header.",
        ),
        (
            "AWS4-HMAC-SHA256 Credential=a b/c, SignedHeaders=host, Signature=x",
            "20260301T120000Z",
            "IncompleteSignatureException",
            "'b/c' not a valid key=value pair (missing equal-sign) in Authorization header.",
        ),
        (
            "AWS4-HMAC-SHA256 Credential=a, Credential=b, SignedHeaders=host, Signature=x",
            "20260301T120000Z",
            "IncompleteSignatureException",
            "Authorization header has 'Credential' more than once.",
        ),
        (
            "AWS4-HMAC-SHA256 Credential=a, SignedHeaders=host, Signature=x",
            "201",
            "IncompleteSignatureException",
            "Date must be in ISO-8601 'basic format'. Got '201'. See http://en.wikipedia.org/wiki/ISO_8601",
        ),
        (
            "AWS4-HMAC-SHA256 Credential=a, SignedHeaders=x-amz-date, Signature=x",
            "20260301T120000Z",
            "InvalidSignatureException",
            "'Host' or ':authority' must be a 'SignedHeader' in the AWS Authorization.",
        ),
        (
            "AWS4-HMAC-SHA512 Credential=a, SignedHeaders=host;x-amz-date, Signature=x",
            "20260301T120000Z",
            "IncompleteSignatureException",
            "Unsupported AWS 'algorithm': 'AWS4-HMAC-SHA512' (only AWS4-HMAC-SHA256 for now).",
        ),
        (
            "AWS4-HMAC-SHA256 Credential=a/b/c, SignedHeaders=host;x-amz-date, Signature=x",
            "20260301T120000Z",
            "IncompleteSignatureException",
            "Credential must have exactly 5 slash-delimited elements, e.g. keyid/date/region/service/term, got 'a/b/c'",
        ),
        (
            "AWS4-HMAC-SHA256 Credential=a/20260302/us-east-1/s3/aws3, SignedHeaders=host;x-amz-date, Signature=x",
            "20260301T120000Z",
            "InvalidSignatureException",
            "Credential should be scoped to a valid region, not 'us-east-1': this gateway's is 'eu-central-1'. "
            "Credential should be scoped to correct service: 'lambda'. "
            "Credential should be scoped with a valid terminator: 'aws4_request', not 'aws3'. "
            "Date in Credential scope does not match YYYYMMDD from ISO-8601 version of date from HTTP: "
            "'20260302' != '20260301', from '20260301T120000Z'.",
        ),
        (
            f"AWS4-HMAC-SHA256 Credential=a/20260301/{REGION}/lambda/aws4_request,"
            "SignedHeaders=host;x-amz-date,Signature=ü",
            "20260301T120000Z",
            "InvalidSignatureException",
            f"{MISMATCH} Check your AWS Secret Access Key and signing method. Consult the service documentation for "
            "details.",
        ),
    ],
)
def test_in_the_words_of_aws(authorization: str, date: str, type_: str, message: str) -> None:
    headers = [("Host", "h"), ("Authorization", authorization), ("X-Amz-Date", date)]
    request = Request("GET", "/", "", [(k, v) for k, v in headers if v])
    assert refusal(request, b"") == (type_, message)


def test_every_signed_header_is_there() -> None:
    request = with_header(signed(headers={"X-Amz-Log-Type": "Tail"}), "X-Amz-Log-Type", None)
    type_, message = refusal(request)
    assert type_ == "InvalidSignatureException"
    assert "'x-amz-log-type', which the request does not have" in message


@pytest.mark.parametrize("request_", ["header", "presigned"])
@pytest.mark.parametrize("name", ["X-Amz-Invocation-Type", "x-amz-log-type", "X-Amz-Content-Sha256"])
def test_every_header_of_aws_is_signed(request_: str, name: str) -> None:
    """What was added on the way must not change what is asked for."""
    added = with_header(signed() if request_ == "header" else presigned(), name, "Event")
    type_, message = refusal(added)
    assert type_ == "InvalidSignatureException"
    assert message == f"'{name}' must be a 'SignedHeader' in the AWS Authorization."


def test_other_headers_may_be_added() -> None:
    assert check(with_header(signed(), "X-Forwarded-For", "10.0.0.1")) == ID


@pytest.mark.parametrize("signer", [SigV4Auth, SigV4QueryAuth])
def test_session_tokens_are_none_of_thaws(signer: Any) -> None:
    type_, message = refusal(signed(signer=signer, token="session"))
    assert type_ == "UnrecognizedClientException"
    assert message.startswith("The security token included in the request is invalid.")
    assert "AWS_SESSION_TOKEN" in message


@pytest.mark.parametrize(("service", "region"), [("s3", REGION), ("lambda", "us-east-1"), ("lambda", "")])
def test_scope(service: str, region: str) -> None:
    assert refusal(signed(service=service, region=region))[0] == "InvalidSignatureException"


def test_signatures_are_compared_in_constant_time(monkeypatch: pytest.MonkeyPatch) -> None:
    compared: list[tuple[bytes, bytes]] = []
    real = hmac.compare_digest

    def compare(a: Any, b: Any) -> bool:
        compared.append((a, b))
        return real(a, b)

    monkeypatch.setattr("thaw.gateway.auth.sigv4.hmac.compare_digest", compare)
    request = signed()
    check(request)
    assert [b for _, b in compared] == [sigv4.read(request).value.encode()]


def test_a_query_without_its_signature() -> None:
    query = presigned("/x?a=1&b=%20&X-Amz-Other=2").query
    assert without_signature(query) == "a=1&b=%20&X-Amz-Other=2"
    assert without_signature("a=%FF&b") == "a=%FF&b"
    assert without_signature("") == ""
