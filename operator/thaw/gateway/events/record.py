"""PURE: the invocation record that a destination gets (AWS, "Capturing records of Lambda asynchronous invocations")."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from thaw.gateway.events.decide import Condition
from thaw.gateway.invoke import Outcome

Json = dict[str, Any]


@dataclass(frozen=True)
class Subject:
    """Which event a record is of."""

    request_id: str
    arn: str
    """Qualified, as it was invoked."""
    payload: bytes
    invocations: int
    """How often the function was run for it."""


def invocation_record(subject: Subject, condition: Condition, outcome: Outcome | None, now: datetime) -> Json:
    """The record.

    :param outcome: the function's last answer; without one the record has no response.
    """
    record: Json = {
        "version": "1.0",
        "timestamp": now.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        "requestContext": {
            "requestId": subject.request_id,
            "functionArn": subject.arn,
            "condition": condition,
            "approximateInvokeCount": subject.invocations,
        },
        "requestPayload": _value(subject.payload),
    }
    if outcome is not None:
        error = {"functionError": outcome.function_error} if outcome.function_error else {}
        record["responseContext"] = {"statusCode": 200, "executedVersion": outcome.version, **error}
        record["responsePayload"] = _value(outcome.payload)
    return record


def _value(data: bytes) -> Any:
    """JSON as what it says; what is none (a runtime may answer anything) as text."""
    if not data:
        return None
    try:
        return json.loads(data)
    except ValueError:
        return data.decode(errors="replace")
