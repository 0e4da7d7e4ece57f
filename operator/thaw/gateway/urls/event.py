"""PURE: a function URL's request as the event that the function gets: payload format version 2.0.

Lambda developer guide, "Invoking Lambda function URLs", "Request payload format".
"""

from __future__ import annotations

import base64
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from urllib.parse import unquote_plus

Json = dict[str, Any]
_TEXT = re.compile(r"text/.*|application/(json|javascript|xml|.*\+(json|xml))")
"""Types whose body is given as it is; of others it is in base64, a form's and that of none included."""
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


@dataclass(frozen=True)
class UrlRequest:
    """What is known of a request."""

    url_id: str
    method: str
    path: str
    """The function's own, as it came over the wire."""
    query: str
    headers: Iterable[tuple[str, str]]
    body: bytes
    protocol: str
    source_ip: str
    domain: str
    request_id: str
    at: datetime
    account_id: str
    caller: str = ""
    """The access key that signed it; empty where nobody has to."""
    caller_arn: str = ""


def event(request: UrlRequest) -> Json:
    """The event."""
    headers = _headers(request.headers)
    cookies = [c for c in re.split(r"; *", headers.pop("cookie", "")) if c]
    made: Json = {
        "version": "2.0",
        "routeKey": "$default",
        "rawPath": request.path,
        "rawQueryString": request.query,
        **({"cookies": cookies} if cookies else {}),
        "headers": headers,
        "requestContext": _context(request, headers),
        **_body(request.body, headers.get("content-type", "")),
    }
    if request.query:
        made["queryStringParameters"] = _parameters(request.query)
    return made


def _headers(headers: Iterable[tuple[str, str]]) -> dict[str, str]:
    """Names in lower case; several values of one in one, after each other; cookies as in one header."""
    found: dict[str, str] = {}
    for name, value in headers:
        key = name.lower()
        between = "; " if key == "cookie" else ","
        found[key] = f"{found[key]}{between}{value}" if key in found else value
    return found


def _parameters(query: str) -> dict[str, str]:
    found: dict[str, str] = {}
    for pair in filter(None, query.split("&")):
        name, _, value = (unquote_plus(part) for part in pair.partition("="))
        found[name] = f"{found[name]},{value}" if name in found else value
    return found


def _context(request: UrlRequest, headers: Mapping[str, str]) -> Json:
    iam = {
        "accessKey": request.caller,
        "accountId": request.account_id,
        "callerId": request.caller,
        "cognitoIdentity": None,
        "principalOrgId": None,
        "userArn": request.caller_arn,
        "userId": request.caller,
    }
    return {
        "accountId": request.account_id,
        "apiId": request.url_id,
        "authentication": None,
        "authorizer": {"iam": iam} if request.caller else None,
        "domainName": request.domain,
        "domainPrefix": request.url_id,
        "http": {
            "method": request.method,
            "path": request.path,
            "protocol": request.protocol,
            "sourceIp": request.source_ip,
            "userAgent": headers.get("user-agent", ""),
        },
        "requestId": request.request_id,
        "routeKey": "$default",
        "stage": "$default",
        "time": _time(request.at),
        "timeEpoch": int(request.at.timestamp() * 1000),
    }


def _time(at: datetime) -> str:
    """As ``12/Mar/2020:19:03:58 +0000``, in English everywhere."""
    at = at.astimezone(UTC)
    return f"{at.day:02d}/{_MONTHS[at.month - 1]}/{at.year}:{at:%H:%M:%S} +0000"


def _body(body: bytes, content_type: str) -> Json:
    if not body:
        return {"isBase64Encoded": False}
    if _TEXT.fullmatch(content_type.partition(";")[0].strip().lower()):
        try:
            return {"body": body.decode(), "isBase64Encoded": False}
        except UnicodeDecodeError:
            pass
    return {"body": base64.b64encode(body).decode(), "isBase64Encoded": True}
