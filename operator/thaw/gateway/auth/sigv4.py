"""PURE: Signature Version 4, read and verified.

Order, types and texts of the refusals are AWS's ("Troubleshoot signed requests for AWS APIs" in the IAM user guide, and
"Common errors" in Lambda's API reference, by which all of them are 403), with the fix where Thaw differs.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import NoReturn

from thaw.errors import InvokeError
from thaw.gateway.auth.canonical import PRESIGNED, SIGNATURE_PARAMETER, Request, canonical_request, digest

ALGORITHM = "AWS4-HMAC-SHA256"
SERVICE = "lambda"
SKEW = timedelta(minutes=5)
LONGEST = 604800
"""Seconds, a week: the longest life of a presigned URL."""
UNSIGNED = "UNSIGNED-PAYLOAD"
_STAMP = "%Y%m%dT%H%M%SZ"
_SHA256 = re.compile(r"[0-9a-f]{64}")
_MISMATCH = (
    "The request signature we calculated does not match the signature you provided. Check your AWS Secret Access Key "
    "and signing method. Consult the service documentation for details."
)


@dataclass(frozen=True)
class Signature:
    """What a request says of its signature."""

    algorithm: str
    credential: str
    headers: tuple[str, ...]
    """The signed ones, in lower case."""
    value: str
    at: datetime
    valid_for: timedelta | None
    """Of presigned URLs; None for a signature in the header."""

    @property
    def key_id(self) -> str:
        """The access key's id."""
        return self.credential.split("/")[0]

    @property
    def scope(self) -> str:
        """The credential scope: date, region, service and terminator."""
        return self.credential.partition("/")[2]


def read(request: Request) -> Signature:
    """Reads the Authorization header, or a presigned URL's parameters.

    :raises InvokeError: 403 MissingAuthenticationTokenException, IncompleteSignatureException or
        InvalidSignatureException.
    """
    header = request.header("authorization")
    presigned = bool(request.parameter("X-Amz-Algorithm") or request.parameter(SIGNATURE_PARAMETER))
    if header and presigned:
        _invalid("Found both 'X-Amz-Algorithm' as a query-string param and 'Authorization' as HTTP header.")
    if presigned:
        return _presigned(request)
    if not header or not header.startswith("AWS4-"):
        raise InvokeError(403, "MissingAuthenticationTokenException", "Missing Authentication Token")
    return _from_header(request, header)


def check(request: Request, signature: Signature, region: str, now: datetime) -> None:
    """All that can be checked without the key: time, signed headers, scope, and that no session token is shown.

    :raises InvokeError: 403.
    """
    _check_time(signature, now)
    _check_headers(request, signature)
    if signature.algorithm != ALGORITHM:
        _incomplete(f"Unsupported AWS 'algorithm': '{signature.algorithm[:40]}' (only {ALGORITHM} for now).")
    _check_scope(signature, region)
    if request.header("x-amz-security-token") is not None or request.parameter("X-Amz-Security-Token"):
        raise InvokeError(
            403,
            "UnrecognizedClientException",
            "The security token included in the request is invalid. Thaw has no session tokens: sign with an access "
            "key alone, without X-Amz-Security-Token (unset AWS_SESSION_TOKEN).",
        )


def declared_payload(request: Request) -> str | None:
    """The payload's hash, or ``UNSIGNED-PAYLOAD``, where the request declares it; the body need not be read for it.

    :raises InvokeError: 403 InvalidSignatureException, for a payload signed in pieces, or a value that is none.
    """
    value = request.header("x-amz-content-sha256")
    if value is None:
        return None
    if value.startswith("STREAMING-"):
        _invalid(
            f"x-amz-content-sha256: {value[:60]} is not supported: Lambda's API takes a payload whole. Give its "
            f"SHA-256, or {UNSIGNED}."
        )
    if value != UNSIGNED and not _SHA256.fullmatch(value):
        _invalid(f"x-amz-content-sha256 must be the payload's SHA-256 in lower-case hexadecimal, or {UNSIGNED}.")
    return value


def verify(request: Request, signature: Signature, secret: str, payload_hash: str) -> None:
    """Checks the signature against the request.

    :param payload_hash: the body's SHA-256, or what :func:`declared_payload` gave.
    :raises InvokeError: 403 InvalidSignatureException.
    """
    text = digest(canonical_request(request, signature.headers, payload_hash))
    expected = sign(secret, signature, "\n".join((ALGORITHM, signature.at.strftime(_STAMP), signature.scope, text)))
    if not hmac.compare_digest(expected.encode(), signature.value.encode(errors="replace")):
        _invalid(_MISMATCH)


def verify_payload(declared: str, payload_hash: str) -> None:
    """Checks a body's hash against the one that its request declared.

    :raises InvokeError: 403 InvalidSignatureException.
    """
    if not hmac.compare_digest(declared, payload_hash):
        _invalid("The payload does not match the header x-amz-content-sha256.")


def sign(secret: str, signature: Signature, text: str) -> str:
    """The signature of a string to sign, in hexadecimal."""
    key = b"AWS4" + secret.encode()
    for part in signature.scope.split("/"):
        key = hmac.new(key, part.encode(errors="replace"), hashlib.sha256).digest()
    return hmac.new(key, text.encode(), hashlib.sha256).hexdigest()


def _from_header(request: Request, header: str) -> Signature:
    algorithm, _, rest = header.partition(" ")
    fields: dict[str, str] = {}
    for part in rest.replace(",", " ").split():
        name, equals, value = part.partition("=")
        if not equals:
            _incomplete(f"'{part[:100]}' not a valid key=value pair (missing equal-sign) in Authorization header.")
        if name in fields:
            _incomplete(f"Authorization header has '{name[:40]}' more than once.")
        fields[name] = value
    stamp = request.header("x-amz-date") or request.header("date") or ""
    missing = [
        f"Authorization header requires '{name}' parameter."
        for name in ("Credential", "Signature", "SignedHeaders")
        if not fields.get(name)
    ]
    if not stamp:
        missing.append("Authorization header requires existence of either a 'X-Amz-Date' or a 'Date' header.")
    if missing:
        _incomplete(" ".join(missing))
    return Signature(
        algorithm, fields["Credential"], _names(fields["SignedHeaders"]), fields["Signature"], _time(stamp), None
    )


def _presigned(request: Request) -> Signature:
    given: dict[str, str] = {}
    wrong: list[str] = []
    for name in sorted(PRESIGNED):
        values = request.parameter(name)
        if len(values) > 1:
            wrong.append(f"AWS query-string parameters must include '{name}' only once.")
        elif values and values[0]:
            given[name] = values[0]
        elif name != "X-Amz-Expires":
            wrong.append(f"AWS query-string parameters must include '{name}'.")
    if wrong:
        _incomplete(" ".join((*wrong, "Re-examine the query-string parameters.")))
    return Signature(
        given["X-Amz-Algorithm"],
        given["X-Amz-Credential"],
        _names(given["X-Amz-SignedHeaders"]),
        given[SIGNATURE_PARAMETER],
        _time(given["X-Amz-Date"]),
        _lifetime(given),
    )


def _lifetime(given: Mapping[str, str]) -> timedelta:
    """Without X-Amz-Expires a presigned URL lives as long as a signature in the header."""
    text = given.get("X-Amz-Expires", str(int(SKEW.total_seconds())))
    if not re.fullmatch(r"\d{1,9}", text, re.ASCII) or not 1 <= int(text) <= LONGEST:
        _incomplete(f"X-Amz-Expires must be a number of seconds from 1 to {LONGEST} (a week), not '{text[:40]}'.")
    return timedelta(seconds=int(text))


def _names(text: str) -> tuple[str, ...]:
    return tuple(text.lower().split(";"))


def _time(text: str) -> datetime:
    """``X-Amz-Date``, or a ``Date`` in that form or in HTTP's."""
    try:
        return datetime.strptime(text, _STAMP).replace(tzinfo=UTC)
    except ValueError:
        pass
    try:
        return parsedate_to_datetime(text).astimezone(UTC)
    except (ValueError, OverflowError):
        _incomplete(
            f"Date must be in ISO-8601 'basic format'. Got '{text[:40]}'. See http://en.wikipedia.org/wiki/ISO_8601"
        )


def _check_time(signature: Signature, now: datetime) -> None:
    at, allowed = signature.at, signature.valid_for or SKEW
    if at < now - allowed:
        _invalid(
            f"Signature expired: {at:{_STAMP}} is now earlier than {now - allowed:{_STAMP}} "
            f"({now:{_STAMP}} - {_shown(allowed)}.)"
        )
    if at > now + SKEW:
        _invalid(
            f"Signature not yet current: {at:{_STAMP}} is still later than {now + SKEW:{_STAMP}} "
            f"({now:{_STAMP}} + {_shown(SKEW)}.)"
        )


def _shown(time: timedelta) -> str:
    seconds = int(time.total_seconds())
    return f"{seconds // 60} min" if seconds % 60 == 0 else f"{seconds} sec"


def _check_headers(request: Request, signature: Signature) -> None:
    if "host" not in signature.headers:
        _invalid("'Host' or ':authority' must be a 'SignedHeader' in the AWS Authorization.")
    for name in signature.headers:
        if request.header(name) is None:
            _invalid(f"SignedHeaders names '{name[:100]}', which the request does not have.")
    for name, _ in request.headers:
        if name.lower().startswith("x-amz-") and name.lower() not in signature.headers:
            _invalid(f"'{name}' must be a 'SignedHeader' in the AWS Authorization.")


def _check_scope(signature: Signature, region: str) -> None:
    parts = signature.credential.split("/")
    if len(parts) != 5:
        _incomplete(
            "Credential must have exactly 5 slash-delimited elements, e.g. keyid/date/region/service/term, "
            f"got '{signature.credential[:200]}'"
        )
    _, date, given_region, service, term = parts
    wrong = []
    if given_region != region:
        wrong.append(
            f"Credential should be scoped to a valid region, not '{given_region[:40]}': this gateway's is '{region}'."
        )
    if service != SERVICE:
        wrong.append(f"Credential should be scoped to correct service: '{SERVICE}'.")
    if term != "aws4_request":
        wrong.append(f"Credential should be scoped with a valid terminator: 'aws4_request', not '{term[:40]}'.")
    if date != f"{signature.at:%Y%m%d}":
        wrong.append(
            "Date in Credential scope does not match YYYYMMDD from ISO-8601 version of date from HTTP: "
            f"'{date[:40]}' != '{signature.at:%Y%m%d}', from '{signature.at:{_STAMP}}'."
        )
    if wrong:
        _invalid(" ".join(wrong))


def _invalid(message: str) -> NoReturn:
    raise InvokeError(403, "InvalidSignatureException", message)


def _incomplete(message: str) -> NoReturn:
    raise InvokeError(403, "IncompleteSignatureException", message)
