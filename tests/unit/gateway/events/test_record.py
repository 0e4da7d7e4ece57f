"""The invocation record, as AWS documents it."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from thaw.gateway.events.record import Subject, invocation_record
from thaw.gateway.invoke import Outcome

ARN = "arn:aws:lambda:us-east-2:123456789012:function:my-function:$LATEST"
NOW = datetime(2019, 11, 14, 18, 16, 5, 568123, tzinfo=UTC)
ERROR = Outcome(b'{"errorMessage": "Process exited"}', "$LATEST", "warm", function_error="Unhandled")


def test_a_failure_is_the_documented_example() -> None:
    subject = Subject("e4b46cbf-b738-xmpl-8880-a18cdf61200e", ARN, b'{"ORDER_IDS": ["9e07af03"]}', 3)
    assert invocation_record(subject, "RetriesExhausted", ERROR, NOW) == {
        "version": "1.0",
        "timestamp": "2019-11-14T18:16:05.568Z",
        "requestContext": {
            "requestId": "e4b46cbf-b738-xmpl-8880-a18cdf61200e",
            "functionArn": ARN,
            "condition": "RetriesExhausted",
            "approximateInvokeCount": 3,
        },
        "requestPayload": {"ORDER_IDS": ["9e07af03"]},
        "responseContext": {"statusCode": 200, "executedVersion": "$LATEST", "functionError": "Unhandled"},
        "responsePayload": {"errorMessage": "Process exited"},
    }


@pytest.mark.parametrize(
    ("payload", "value"),
    [(b"null", None), (b"", None), (b"[1]", [1]), (b"plain <text>", "plain <text>"), (b"\xff", "\ufffd")],
)
def test_what_a_function_answers_is_json_or_else_text(payload: bytes, value: Any) -> None:
    record = invocation_record(Subject("r", ARN, b"{}", 1), "Success", Outcome(payload, "3", "warm"), NOW)
    assert record["responseContext"] == {"statusCode": 200, "executedVersion": "3"}
    assert record["responsePayload"] == value


def test_without_an_answer_there_is_no_response() -> None:
    record = invocation_record(Subject("r", ARN, b"{}", 0), "EventAgeExceeded", None, NOW)
    assert not {"responseContext", "responsePayload"} & set(record)
    assert record["requestContext"]["approximateInvokeCount"] == 0
