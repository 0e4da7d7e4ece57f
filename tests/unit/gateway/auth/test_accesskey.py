"""What a Secret says of a key, and what the key then may do."""

from __future__ import annotations

import base64
from datetime import UTC, datetime

import pytest

from thaw.errors import UserError
from thaw.gateway.auth import accesskey
from thaw.gateway.auth.accesskey import AccessKey
from thaw.gateway.auth.bucket import Rate

PLAIN = {"accessKeyId": "AKIATEST", "secretAccessKey": "0123456789abcdef", "namespace": "team-a"}


def read(**fields: str | None) -> AccessKey:
    data = {k: v for k, v in (PLAIN | fields).items() if v is not None}
    return accesskey.read({k: base64.b64encode(v.encode()).decode() for k, v in data.items()})


def test_the_three_fields_suffice() -> None:
    key = read()
    assert key == AccessKey("AKIATEST", "0123456789abcdef", "team-a", ("lambda:*",), ("*",), None, None)
    assert key.allows("lambda:CreateFunction", "any")
    assert key.allows("lambda:ListFunctions", "")


def test_all_fields() -> None:
    key = read(
        actions="lambda:InvokeFunction,\n  lambda:Get*\n",
        functions="web-*, job?",
        requestsPerSecond="2.5",
        burst="10",
        expires="2030-01-31T13:00:00+01:00",
    )
    assert key.actions == ("lambda:InvokeFunction", "lambda:Get*")
    assert key.functions == ("web-*", "job?")
    assert key.rate == Rate(2.5, 10)
    assert key.expires == datetime(2030, 1, 31, 12, tzinfo=UTC)


def test_a_last_newline_is_no_part_of_a_value() -> None:
    key = read(accessKeyId="AKIATEST\n", secretAccessKey=" 0123456789abcdef\n", namespace="team-a\n")
    assert (key.id, key.secret, key.namespace) == ("AKIATEST", "0123456789abcdef", "team-a")


def test_burst_is_a_second_unless_it_is_given() -> None:
    assert read(requestsPerSecond="0.1").rate == Rate(0.1, 1)
    assert read(requestsPerSecond="2.5").rate == Rate(2.5, 3)


@pytest.mark.parametrize(
    ("fields", "field", "word"),
    [
        *(({name: None}, name, "missing") for name in PLAIN),
        *(({name: " \n"}, name, "missing or empty") for name in (*PLAIN, "actions", "functions", "burst", "expires")),
        ({"action": "lambda:Get*"}, "action", "no such field"),
        ({"Actions": "lambda:Get*"}, "Actions", "no such field"),
        ({"accessKeyId": "AKIA/20260101"}, "accessKeyId", "cannot be"),
        ({"accessKeyId": "AKÍA"}, "accessKeyId", "cannot be"),
        ({"accessKeyId": "abc"}, "accessKeyId", "cannot be"),
        ({"secretAccessKey": "short"}, "secretAccessKey", "too short"),
        ({"namespace": "Team"}, "namespace", "cannot be"),
        ({"namespace": "a,b"}, "namespace", "cannot be"),
        ({"namespace": "*"}, "namespace", "cannot be"),
        ({"namespace": "a" * 64}, "namespace", "cannot be"),
        ({"actions": "lambda:GetFuncton"}, "actions", "'lambda:GetFuncton' fits no action"),
        ({"actions": "lambda:Get*,s3:*"}, "actions", "'s3:*' fits no action"),
        ({"actions": "*"}, "actions", "'*' fits no action"),
        ({"actions": ", ,"}, "actions", "no pattern"),
        ({"functions": "web/x"}, "functions", "cannot be"),
        ({"functions": "arn:aws:lambda:us-east-1:0:function:x"}, "functions", "cannot be"),
        ({"functions": ","}, "functions", "no pattern"),
        ({"requestsPerSecond": "0"}, "requestsPerSecond", "above 0"),
        ({"requestsPerSecond": "-1"}, "requestsPerSecond", "cannot be"),
        ({"requestsPerSecond": "inf"}, "requestsPerSecond", "cannot be"),
        ({"requestsPerSecond": "nan"}, "requestsPerSecond", "cannot be"),
        ({"requestsPerSecond": "many"}, "requestsPerSecond", "cannot be"),
        ({"requestsPerSecond": "1", "burst": "0"}, "burst", "cannot be"),
        ({"requestsPerSecond": "1", "burst": "1.5"}, "burst", "cannot be"),
        ({"burst": "5"}, "burst", "without requestsPerSecond"),
        ({"expires": "2030-01-31"}, "expires", "cannot be"),
        ({"expires": "2030-01-31T12:00:00"}, "expires", "cannot be"),
        ({"expires": "1900000000"}, "expires", "cannot be"),
        ({"expires": "2030-02-31T12:00:00Z"}, "expires", "is no time"),
    ],
)
def test_what_cannot_be_refuses_the_whole_secret(fields: dict[str, str | None], field: str, word: str) -> None:
    with pytest.raises(UserError) as e:
        read(**fields)
    assert e.value.field == f"data.{field}"
    assert word in str(e.value)
    assert e.value.fix
    assert PLAIN["secretAccessKey"] not in str(e.value)


@pytest.mark.parametrize("value", ["!", "%%%", base64.b64encode(b"\xff\xfe").decode()])
def test_what_is_no_text(value: str) -> None:
    with pytest.raises(UserError, match=r"data\.namespace: it is no text"):
        accesskey.read({"namespace": value})


@pytest.mark.parametrize(
    ("actions", "functions", "action", "function", "allowed"),
    [
        ("lambda:*", "*", "lambda:DeleteFunction", "fn", True),
        ("lambda:InvokeFunction", "*", "lambda:InvokeFunction", "fn", True),
        ("lambda:invokefunction", "*", "lambda:InvokeFunction", "fn", True),
        ("lambda:InvokeFunction", "*", "lambda:InvokeFunctionUrl", "fn", False),
        ("lambda:InvokeFunction", "*", "lambda:GetFunction", "fn", False),
        ("lambda:Get*", "*", "lambda:GetFunctionConfiguration", "fn", True),
        ("lambda:Get*", "*", "lambda:ListFunctions", "", False),
        ("lambda:GetFunctio?", "*", "lambda:GetFunction", "fn", True),
        ("lambda:GetFunctio?", "*", "lambda:GetFunctionConfiguration", "fn", False),
        ("lambda:*", "web-*", "lambda:GetFunction", "web-1", True),
        ("lambda:*", "web-*", "lambda:GetFunction", "Web-1", False),
        ("lambda:*", "web-*", "lambda:GetFunction", "api", False),
        ("lambda:*", "web-*", "lambda:GetFunction", "a-web-1", False),
        ("lambda:*", "web.x", "lambda:GetFunction", "webyx", False),
        ("lambda:*", "web-*", "lambda:ListFunctions", "", False),
        ("lambda:*", "web-*,*", "lambda:ListFunctions", "", True),
        ("lambda:*", "web,api", "lambda:GetFunction", "api", True),
    ],
)
def test_what_a_key_may(actions: str, functions: str, action: str, function: str, allowed: bool) -> None:
    assert read(actions=actions, functions=functions).allows(action, function) is allowed


def test_time_over() -> None:
    key = read(expires="2030-01-31T12:00:00Z")
    assert not key.expired(datetime(2030, 1, 31, 11, 59, 59, tzinfo=UTC))
    assert key.expired(datetime(2030, 1, 31, 12, 0, 0, tzinfo=UTC))
    assert not read().expired(datetime.max.replace(tzinfo=UTC))


def test_a_key_never_shows_its_secret() -> None:
    assert "0123456789abcdef" not in f"{read()!r} {read()}"
