"""Answers of function URLs, by the examples of Lambda's developer guide."""

from __future__ import annotations

import json
from typing import Any

import pytest

from thaw.gateway.urls.response import INTEGRATION, Head, Malformed, Prelude, whole

JSON = {"content-type": "application/json"}


def answered(value: Any) -> tuple[Head, bytes]:
    return whole(json.dumps(value).encode(), "application/json")


@pytest.mark.parametrize("payload", [b'"Hello, world!"', b'{\n  "message": "Hello, world!"\n}', b"null", b"[1]", b"7"])
def test_json_without_a_status_is_the_body(payload: bytes) -> None:
    assert whole(payload, "application/json") == (Head(200, JSON), payload)


def test_no_function_places_a_service_worker_before_the_gateways_other_pages() -> None:
    head, _ = answered({"statusCode": 200, "headers": {"Service-Worker-Allowed": "/"}})
    assert "service-worker-allowed" not in head.headers


def test_a_custom_answer() -> None:
    head, body = answered(
        {
            "statusCode": 201,
            "headers": {"Content-Type": "text/html", "My-Custom-Header": "Custom Value", "X-Count": 3, "X-Is": True},
            "body": "<p>é</p>",
            "cookies": ["Cookie_1=Value1; Expires=21 Oct 2021 07:48 GMT", "Cookie_2=Value2; Max-Age=78000"],
            "isBase64Encoded": False,
        }
    )
    assert (head.status, body) == (201, "<p>é</p>".encode())
    assert head.headers == {
        "content-type": "text/html",
        "my-custom-header": "Custom Value",
        "x-count": "3",
        "x-is": "true",
    }
    assert head.cookies == ("Cookie_1=Value1; Expires=21 Oct 2021 07:48 GMT", "Cookie_2=Value2; Max-Age=78000")


def test_defaults_and_base64() -> None:
    assert answered({"statusCode": "204"}) == (Head(204, JSON), b"")
    assert answered({"statusCode": 200, "body": "AP8=", "isBase64Encoded": True}) == (Head(200, JSON), b"\x00\xff")


def test_headers_of_the_connection_are_the_servers() -> None:
    head, _ = answered({"statusCode": 200, "headers": {"Content-Length": "9", "Connection": "close", "A": "b"}})
    assert head.headers == {**JSON, "a": "b"}


@pytest.mark.parametrize(
    "answer",
    [
        {"statusCode": None},
        {"statusCode": True},
        {"statusCode": "many"},
        {"statusCode": 99},
        {"statusCode": 101},
        {"statusCode": 600},
        {"statusCode": 200, "headers": ["a"]},
        {"statusCode": 200, "headers": {"a b": "c"}},
        {"statusCode": 200, "headers": {"a": ["b"]}},
        {"statusCode": 200, "headers": {"a": "b\r\nset-cookie: c"}},
        {"statusCode": 200, "cookies": "a=b"},
        {"statusCode": 200, "cookies": ["a=b\n"]},
        {"statusCode": 200, "body": {"a": 1}},
        {"statusCode": 200, "body": "?", "isBase64Encoded": True},
    ],
)
def test_what_http_does_not_have(answer: dict[str, Any]) -> None:
    with pytest.raises(Malformed):
        answered(answer)


def test_what_is_no_json_is_what_the_function_calls_it() -> None:
    assert whole(b"hello", "text/plain") == (Head(200, {"content-type": "text/plain"}), b"hello")
    assert whole(b"\xff", "") == (Head(200, {"content-type": "application/octet-stream"}), b"\xff")


def test_an_answer_with_its_head_before_it_in_one_piece() -> None:
    payload = b'{"statusCode":201,"headers":{"X-A":"b"},"cookies":["c=d"]}' + bytes(8) + b"body" + bytes(9)
    head, body = whole(payload, INTEGRATION)
    assert head == Head(201, {"content-type": "application/octet-stream", "x-a": "b"}, ("c=d",))
    assert body == b"body" + bytes(9)


def test_a_head_in_any_pieces() -> None:
    payload = b'{"statusCode": 404}' + bytes(8) + b"rest"
    prelude = Prelude()
    done = [prelude.add(payload[i : i + 1]) for i in range(len(payload) - 4)]
    assert done == [False] * (len(payload) - 5) + [True]
    assert (prelude.head().status, prelude.body) == (404, b"")


@pytest.mark.parametrize("head", [b"", b"[]", b"{", b'{"statusCode":1}'])
@pytest.mark.parametrize("end", [bytes(7), bytes(8)])
def test_a_head_that_is_none(head: bytes, end: bytes) -> None:
    with pytest.raises(Malformed):
        whole(head + end, INTEGRATION)


def test_a_head_without_an_end() -> None:
    prelude = Prelude()
    assert not prelude.add(b"x" * 256 * 1024)
    with pytest.raises(Malformed, match="not complete"):
        prelude.add(b"x")


def test_a_head_that_says_nothing() -> None:
    assert whole(b"{}" + bytes(8), INTEGRATION) == (Head(200, {"content-type": "application/octet-stream"}), b"")
