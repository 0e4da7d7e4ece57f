"""Events of function URLs, by the example and the table of Lambda's developer guide."""

from __future__ import annotations

import base64
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from thaw.gateway.urls.event import UrlRequest, event

GUIDE = UrlRequest(
    url_id="abc",
    method="POST",
    path="/my/path%20x",
    query="parameter1=value1&parameter1=value2&parameter2=value",
    headers=[
        ("Header1", "value1"),
        ("Header2", "value1"),
        ("header2", "value2"),
        ("User-Agent", "agent"),
        ("Cookie", "cookie1; cookie2=x"),
        ("cookie", "cookie3"),
        ("Content-Type", "text/plain; charset=utf-8"),
    ],
    body=b"Hello from client!",
    protocol="HTTP/1.1",
    source_ip="123.123.123.123",
    domain="abc.lambda-url.example.com",
    request_id="id",
    at=datetime(2020, 3, 2, 19, 3, 58, 390000, UTC),
    account_id="123456789012",
)


def test_the_guides_example() -> None:
    assert event(GUIDE) == {
        "version": "2.0",
        "routeKey": "$default",
        "rawPath": "/my/path%20x",
        "rawQueryString": "parameter1=value1&parameter1=value2&parameter2=value",
        "cookies": ["cookie1", "cookie2=x", "cookie3"],
        "headers": {
            "header1": "value1",
            "header2": "value1,value2",
            "user-agent": "agent",
            "content-type": "text/plain; charset=utf-8",
        },
        "queryStringParameters": {"parameter1": "value1,value2", "parameter2": "value"},
        "requestContext": {
            "accountId": "123456789012",
            "apiId": "abc",
            "authentication": None,
            "authorizer": None,
            "domainName": "abc.lambda-url.example.com",
            "domainPrefix": "abc",
            "http": {
                "method": "POST",
                "path": "/my/path%20x",
                "protocol": "HTTP/1.1",
                "sourceIp": "123.123.123.123",
                "userAgent": "agent",
            },
            "requestId": "id",
            "routeKey": "$default",
            "stage": "$default",
            "time": "02/Mar/2020:19:03:58 +0000",
            "timeEpoch": 1583175838390,
        },
        "body": "Hello from client!",
        "isBase64Encoded": False,
    }


def test_the_caller_of_a_signed_request() -> None:
    arn = "arn:aws:iam::123456789012:user/AKIA"
    found = event(replace(GUIDE, caller="AKIA", caller_arn=arn))
    assert found["requestContext"]["authorizer"] == {
        "iam": {
            "accessKey": "AKIA",
            "accountId": "123456789012",
            "callerId": "AKIA",
            "cognitoIdentity": None,
            "principalOrgId": None,
            "userArn": arn,
            "userId": "AKIA",
        }
    }


def test_nothing_to_say() -> None:
    found = event(replace(GUIDE, headers=[], query="", body=b""))
    assert not {"body", "cookies", "queryStringParameters"} & set(found)
    assert (found["headers"], found["rawQueryString"], found["isBase64Encoded"]) == ({}, "", False)


def test_parameters_are_decoded() -> None:
    found = event(replace(GUIDE, query="a=1%2C2&b&c=x+y&%C3%A9=%26"))
    assert found["queryStringParameters"] == {"a": "1,2", "b": "", "c": "x y", "é": "&"}


@pytest.mark.parametrize(
    ("content_type", "body", "is_text"),
    [
        ("application/json", b"{}", True),
        ("application/problem+json; x=y", b"{}", True),
        ("Application/XML", b"<a/>", True),
        ("text/css", "é".encode(), True),
        ("text/css", b"\xff", False),
        ("application/x-www-form-urlencoded", b"a=b", False),
        ("image/png", b"abc", False),
        ("", b"abc", False),
    ],
)
def test_what_is_no_text_is_in_base64(content_type: str, body: bytes, is_text: bool) -> None:
    found = event(replace(GUIDE, headers=[("content-type", content_type)], body=body))
    expected = body.decode() if is_text else base64.b64encode(body).decode()
    assert (found["body"], found["isBase64Encoded"]) == (expected, not is_text)
