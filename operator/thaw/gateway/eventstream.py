"""PURE: messages of ``application/vnd.amazon.eventstream``, as InvokeWithResponseStream answers with.

A message is its length, its headers' length, a checksum of both, headers, payload, and a checksum of all before.
Numbers are 4 bytes, highest first, checksums CRC-32 (https://smithy.io/2.0/aws/amazon-eventstream.html). botocore only
decodes.
"""

from __future__ import annotations

import json
import struct
import zlib
from collections.abc import Mapping

CONTENT_TYPE = "application/vnd.amazon.eventstream"
_STRING = 7
"""The type of a header's value."""
_PRELUDE, _CHECKSUM = 12, 4


def payload_chunk(piece: bytes) -> bytes:
    """A piece of the function's answer."""
    return _event("PayloadChunk", "application/octet-stream", piece)


def invoke_complete(*, error_code: str = "", error_details: str = "", log_result: str = "") -> bytes:
    """The last event: how the invocation ended."""
    members = {"ErrorCode": error_code, "ErrorDetails": error_details, "LogResult": log_result}
    body = json.dumps({name: value for name, value in members.items() if value})
    return _event("InvokeComplete", "application/json", body.encode())


def message(headers: Mapping[str, str], payload: bytes) -> bytes:
    """One message; its headers' values are strings."""
    encoded = b"".join(_header(name.encode(), value.encode()) for name, value in headers.items())
    size = _PRELUDE + len(encoded) + len(payload) + _CHECKSUM
    prelude = struct.pack(">II", size, len(encoded))
    whole = b"".join((prelude, struct.pack(">I", zlib.crc32(prelude)), encoded, payload))
    return whole + struct.pack(">I", zlib.crc32(whole))


def _event(kind: str, content_type: str, payload: bytes) -> bytes:
    headers = {":message-type": "event", ":event-type": kind, ":content-type": content_type}
    return message(headers, payload)


def _header(name: bytes, value: bytes) -> bytes:
    return struct.pack(">B", len(name)) + name + struct.pack(">BH", _STRING, len(value)) + value
