"""What can be a destination."""

from __future__ import annotations

import pytest

from thaw.errors import InvokeError
from thaw.gateway.arns import Arns
from thaw.gateway.events.destinations import ToFunction, ToUrl, parse

OWN = Arns("us-east-1", "000000000000")
LAMBDA = "arn:aws:lambda:us-east-1:000000000000:function:"


@pytest.mark.parametrize(
    ("text", "found"),
    [
        (LAMBDA + "b", ToFunction("b", "")),
        (LAMBDA + "b:live", ToFunction("b", "live")),
        (LAMBDA + "b:$LATEST", ToFunction("b", "$LATEST")),
        ("https://a.example/x?y=1", ToUrl("https://a.example/x?y=1")),
        ("http://web.team.svc:8080/", ToUrl("http://web.team.svc:8080/")),
        ("HTTP://[fd00::1]/", ToUrl("HTTP://[fd00::1]/")),
    ],
)
def test_good(text: str, found: object) -> None:
    assert parse(text, OWN, ()) == found


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("arn:aws:sqs:us-east-1:000000000000:q", "it is an SQS queue, which Thaw does not send to"),
        ("arn:aws:sns:us-east-1:000000000000:t", "it is an SNS topic"),
        ("arn:aws:events:us-east-1:000000000000:event-bus/default", "it is an EventBridge event bus"),
        ("arn:aws:s3:::bucket", "it is an S3 bucket"),
        ("arn:aws:kinesis:us-east-1:000000000000:stream/s", "it is of the service kinesis"),
        ("arn:aws:lambda:us-east-1:111122223333:function:b", "this is account 000000000000 in us-east-1"),
        ("arn:aws:lambda:eu-west-1:000000000000:function:b", "no other can be reached"),
        (LAMBDA + "..", "is no function name or ARN"),
        ("kafka://topic", "neither a function's ARN nor an http:// or https:// URL"),
        ("ftp://a.example/", "neither"),
        ("https:///path", "names no host"),
        ("https://a.example:x/", "Port could not be cast"),
        ("https://user:secret@a.example/", "must not hold credentials"),
    ],
)
def test_refused_by_name(text: str, why: str) -> None:
    with pytest.raises(InvokeError, match=why) as e:
        parse(text, OWN, ())
    assert e.value.status == 400


@pytest.mark.parametrize(
    ("url", "allowed"),
    [
        ("https://hooks.example.com/", True),
        ("https://HOOKS.example.com/", True),
        ("https://example.com/", False),
        ("https://hooks.example.com.evil.net/", False),
        ("https://10.1.2.3/", True),
        ("https://10.2.2.3/", False),
    ],
)
def test_hosts_that_an_administrator_allows(url: str, allowed: bool) -> None:
    if allowed:
        assert parse(url, OWN, ("*.Example.com", "10.1.*")) == ToUrl(url)
    else:
        with pytest.raises(InvokeError, match="none of those that an administrator allows"):
            parse(url, OWN, ("*.example.com", "10.1.*"))
