"""PURE: what a function answers as what its URL's caller sees.

Lambda developer guide, "Invoking Lambda function URLs", "Response payload format". Of a streamed answer the head comes
before the body, when the function says so by its content type: JSON, eight zero bytes, then the body, as
``awslambda.HttpResponseStream.from`` writes it.
"""

from __future__ import annotations

import base64
import binascii
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from thaw.gateway.origin import WORKER_SCOPE

INTEGRATION = "application/vnd.awslambda.http-integration-response"
"""The content type of an answer with a head before its body."""
_JSON = "application/json"
_BYTES = "application/octet-stream"
_DELIMITER = bytes(8)
_MOST_HEAD = 256 * 1024
"""Bytes in which a head must be complete."""
_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_DROPPED = {
    *("connection", "content-length", "keep-alive", "te", "trailer", "transfer-encoding", "upgrade"),
    WORKER_SCOPE,
}
"""Headers that the server itself writes, and one that no function may."""


class Malformed(ValueError):
    """The function's answer is none that HTTP could have: the caller sees 502."""


@dataclass(frozen=True)
class Head:
    """Status, headers and cookies."""

    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    """Names in lower case."""
    cookies: tuple[str, ...] = ()


def whole(payload: bytes, content_type: str) -> tuple[Head, bytes]:
    """An answer that is here whole.

    :raises Malformed: it says what HTTP has not.
    """
    if content_type == INTEGRATION:
        prelude = Prelude()
        if not prelude.add(payload):
            raise Malformed("the head is not complete")
        return prelude.head(), prelude.body
    try:
        answer = json.loads(payload)
    except ValueError:
        return opening(content_type), payload
    if not isinstance(answer, dict) or "statusCode" not in answer:
        return Head(headers={"content-type": _JSON}), payload
    return _head(answer, _JSON), _body(answer)


def opening(content_type: str) -> Head:
    """The head of an answer that comes without one."""
    return Head(headers={"content-type": content_type or _BYTES})


class Prelude:
    """A head that comes in pieces before the body."""

    def __init__(self) -> None:
        self._data = b""
        self.body = b""
        """What came of the body together with the end of the head."""

    def add(self, piece: bytes) -> bool:
        """Takes a piece; whether the head is complete.

        :raises Malformed: it is longer than any.
        """
        self._data += piece
        if _DELIMITER in self._data:
            self._data, _, self.body = self._data.partition(_DELIMITER)
            return True
        if len(self._data) > _MOST_HEAD:
            raise Malformed(f"the head is not complete in {_MOST_HEAD} bytes")
        return False

    def head(self) -> Head:
        """The head.

        :raises Malformed: it is no object, or says what HTTP has not.
        """
        try:
            said = json.loads(self._data)
        except ValueError as e:
            raise Malformed(f"the head is no JSON: {e}") from e
        if not isinstance(said, dict):
            raise Malformed("the head is no JSON object")
        return _head({"statusCode": 200, **said}, _BYTES)


def _head(said: Mapping[str, Any], content_type: str) -> Head:
    return Head(_status(said["statusCode"]), {"content-type": content_type, **_headers(said)}, _cookies(said))


def _status(value: Any) -> int:
    number = int(value) if isinstance(value, str) and re.fullmatch(r"[0-9]{3}", value, re.ASCII) else value
    if not isinstance(number, int) or isinstance(number, bool) or not 200 <= number <= 599:
        raise Malformed(f"statusCode is {value!r}, not 200 to 599")
    return number


def _headers(said: Mapping[str, Any]) -> dict[str, str]:
    headers = said.get("headers") or {}
    if not isinstance(headers, dict):
        raise Malformed("headers is no object")
    found: dict[str, str] = {}
    for name, value in headers.items():
        if not _NAME.fullmatch(name) or not isinstance(value, str | int | float):
            raise Malformed(f"header {name!r} is none")
        if name.lower() not in _DROPPED:
            found[name.lower()] = _line(str(value).lower() if isinstance(value, bool) else str(value))
    return found


def _cookies(said: Mapping[str, Any]) -> tuple[str, ...]:
    cookies = said.get("cookies") or []
    if not isinstance(cookies, list) or not all(isinstance(c, str) for c in cookies):
        raise Malformed("cookies is no list of strings")
    return tuple(_line(c) for c in cookies)


def _line(value: str) -> str:
    if any(c in value for c in "\r\n\0"):
        raise Malformed("a header's value has a line break")
    return value


def _body(answer: Mapping[str, Any]) -> bytes:
    body = answer.get("body")
    if body is None:
        return b""
    if not isinstance(body, str):
        raise Malformed("body is no string")
    if not answer.get("isBase64Encoded"):
        return body.encode(errors="replace")
    try:
        return base64.b64decode(body, validate=True)
    except (binascii.Error, ValueError) as e:
        raise Malformed(f"body is no base64: {e}") from e
