"""Encoded here, decoded by botocore."""

from __future__ import annotations

import json

from botocore.eventstream import EventStreamBuffer, EventStreamMessage

from thaw.gateway import eventstream


def decoded(data: bytes) -> list[EventStreamMessage]:
    """Botocore checks both checksums of each."""
    buffer = EventStreamBuffer()
    buffer.add_data(data)
    return list(buffer)


def test_a_piece() -> None:
    for piece in (b"", b"abc", bytes(range(256)) * 4096):
        (message,) = decoded(eventstream.payload_chunk(piece))
        assert message.payload == piece
        assert message.headers == {
            ":message-type": "event",
            ":event-type": "PayloadChunk",
            ":content-type": "application/octet-stream",
        }


def test_the_end_has_what_there_is_to_say() -> None:
    (message,) = decoded(eventstream.invoke_complete())
    assert (message.headers[":event-type"], message.payload) == ("InvokeComplete", b"{}")
    (message,) = decoded(eventstream.invoke_complete(error_code="Unhandled", error_details="é", log_result="bG9n"))
    assert json.loads(message.payload) == {"ErrorCode": "Unhandled", "ErrorDetails": "é", "LogResult": "bG9n"}


def test_messages_follow_each_other() -> None:
    data = eventstream.payload_chunk(b"a") + eventstream.payload_chunk(b"b") + eventstream.invoke_complete()
    assert [m.headers[":event-type"] for m in decoded(data)] == ["PayloadChunk", "PayloadChunk", "InvokeComplete"]
