"""Signature Version 4, verified: pure but for the table of access keys, which an informer keeps.

The canonical request is the AWS General Reference's; tests compare it with what botocore signs.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from urllib.parse import quote, unquote

import structlog

from thaw.errors import InvokeError
from thaw.kube.client import Object

ALGORITHM = "AWS4-HMAC-SHA256"
SERVICE = "lambda"
SKEW = timedelta(minutes=5)
UNSIGNED = "UNSIGNED-PAYLOAD"
LABEL = "thaw.dev/access-key=true"

_AUTHORIZATION = re.compile(
    ALGORITHM + r"\s+Credential=(?P<credential>[^,\s]+),\s*SignedHeaders=(?P<headers>[^,\s]+)"
    r",\s*Signature=(?P<signature>[0-9a-f]{64})"
)
log = structlog.get_logger(__name__)


@dataclass(frozen=True)
class AccessKey:
    """A key and the one namespace it works in."""

    id: str
    secret: str
    namespace: str


@dataclass(frozen=True)
class Request:
    """The parts of an HTTP request that a signature covers, as they came over the wire."""

    method: str
    path: str
    """Raw: still percent-encoded."""
    query: str
    headers: Sequence[tuple[str, str]]

    def header(self, name: str) -> str:
        """All values of a header, as they are signed; empty when there is none."""
        return ",".join(" ".join(v.split()) for k, v in self.headers if k.lower() == name)

    def parameters(self) -> list[tuple[str, str]]:
        """The query, decoded; a plus is a plus."""
        pairs = (p.partition("=") for p in self.query.split("&") if p)
        return [(unquote(k), unquote(v)) for k, _, v in pairs]


@dataclass(frozen=True)
class Signature:
    """What a request says of its signature."""

    key_id: str
    date: str
    region: str
    service: str
    headers: tuple[str, ...]
    value: str
    at: datetime
    valid_for: timedelta | None
    """For presigned URLs."""

    @property
    def scope(self) -> str:
        """The credential scope."""
        return f"{self.date}/{self.region}/{self.service}/aws4_request"


class AccessKeys:
    """The access keys of the cluster: Secrets labelled ``thaw.dev/access-key=true`` in Thaw's own namespace."""

    def __init__(self) -> None:
        self._by_secret: dict[str, AccessKey] = {}

    def on_event(self, type_: str, secret: Object) -> None:
        """Takes an informer's event."""
        name = secret["metadata"]["name"]
        key = None if type_ == "DELETED" else _read(secret)
        if key is None:
            self._by_secret.pop(name, None)
        else:
            self._by_secret[name] = key

    def find(self, key_id: str) -> AccessKey | None:
        """The key of that id."""
        return next((k for k in self._by_secret.values() if k.id == key_id), None)


def _read(secret: Object) -> AccessKey | None:
    data: Mapping[str, str] = secret.get("data") or {}
    try:
        values = [base64.b64decode(data[k]).decode().strip() for k in ("accessKeyId", "secretAccessKey", "namespace")]
    except (KeyError, binascii.Error, UnicodeDecodeError) as e:
        log.warning("access key ignored", secret=secret["metadata"]["name"], error=repr(e))
        return None
    return AccessKey(*values) if all(values) else None


def identify(request: Request, find: Callable[[str], AccessKey | None], now: datetime) -> tuple[Signature, AccessKey]:
    """Reads whose signature this claims to be, before the body is read.

    :raises InvokeError: 403, for what is wrong with it.
    """
    signature = parse(request)
    expired = signature.valid_for is not None and now > signature.at + signature.valid_for
    early = signature.at - now > SKEW
    late = signature.valid_for is None and now - signature.at > SKEW
    if expired or early or late:
        raise _invalid(
            f"Signature expired or not yet valid: signed at {signature.at:%Y%m%dT%H%M%SZ}, it is {now:%Y%m%dT%H%M%SZ}"
        )
    key = find(signature.key_id)
    if key is None:
        raise InvokeError(403, "UnrecognizedClientException", "The security token included in the request is invalid.")
    return signature, key


def verify(request: Request, signature: Signature, key: AccessKey, body: bytes) -> None:
    """Checks the signature against the whole request.

    :raises InvokeError: 403 InvalidSignatureException.
    """
    claimed = request.header("x-amz-content-sha256")
    actual = hashlib.sha256(body).hexdigest()
    if claimed and claimed not in (UNSIGNED, actual):
        raise _invalid("The payload does not match the header x-amz-content-sha256.")
    canonical = canonical_request(request, signature, claimed or actual)
    stamp = signature.at.strftime("%Y%m%dT%H%M%SZ")
    digest = hashlib.sha256(canonical.encode()).hexdigest()
    expected = sign(key.secret, signature, "\n".join((ALGORITHM, stamp, signature.scope, digest)))
    if not hmac.compare_digest(expected, signature.value):
        raise _invalid(
            "The request signature we calculated does not match the signature you provided. "
            "Check your AWS Secret Access Key and signing method."
        )


def parse(request: Request) -> Signature:
    """Reads the Authorization header, or a presigned URL's parameters.

    :raises InvokeError: 403 when there is none, or it cannot be read.
    """
    parameters = dict(request.parameters())
    if "X-Amz-Signature" in parameters:
        return _presigned(parameters)
    header = request.header("authorization")
    if not header:
        raise InvokeError(403, "MissingAuthenticationTokenException", "Missing Authentication Token")
    match = _AUTHORIZATION.fullmatch(header)
    if match is None:
        raise _invalid(f"Authorization must be an {ALGORITHM} signature with Credential, SignedHeaders and Signature.")
    at = request.header("x-amz-date")
    return _signature(match["credential"], match["headers"], match["signature"], at, None)


def _presigned(parameters: Mapping[str, str]) -> Signature:
    try:
        if parameters["X-Amz-Algorithm"] != ALGORITHM:
            raise _invalid(f"X-Amz-Algorithm must be {ALGORITHM}.")
        lifetime = timedelta(seconds=int(parameters["X-Amz-Expires"]))
        return _signature(
            parameters["X-Amz-Credential"],
            parameters["X-Amz-SignedHeaders"],
            parameters["X-Amz-Signature"],
            parameters["X-Amz-Date"],
            min(lifetime, timedelta(days=7)),
        )
    except (KeyError, ValueError, OverflowError) as e:
        raise _invalid(f"The presigned URL's parameters cannot be read: {e!r}") from e


def _signature(credential: str, headers: str, value: str, at: str, valid_for: timedelta | None) -> Signature:
    parts = credential.rsplit("/", 4)
    if len(parts) != 5 or parts[4] != "aws4_request":
        raise _invalid("Credential must be key/date/region/service/aws4_request.")
    key_id, date, region, service, _ = parts
    try:
        when = datetime.strptime(at, "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
    except ValueError as e:
        raise _invalid("X-Amz-Date must be given as 20060102T150405Z.") from e
    if date != at[:8] or service != SERVICE:
        raise _invalid(f"Credential should be scoped to the request's date and the service {SERVICE}.")
    signed = tuple(headers.lower().split(";"))
    if "host" not in signed:
        raise _invalid("The header host must be signed.")
    return Signature(key_id, date, region, service, signed, value, when, valid_for)


def canonical_request(request: Request, signature: Signature, payload_hash: str) -> str:
    """The text whose hash is signed."""
    query = sorted(
        (quote(k, safe="-_.~"), quote(v, safe="-_.~")) for k, v in request.parameters() if k != "X-Amz-Signature"
    )
    return "\n".join(
        (
            request.method.upper(),
            quote(_without_dots(request.path), safe="/~"),
            "&".join(f"{k}={v}" for k, v in query),
            *(f"{name}:{request.header(name)}" for name in signature.headers),
            "",
            ";".join(signature.headers),
            payload_hash,
        )
    )


def _without_dots(path: str) -> str:
    """RFC 3986 5.2.4, and no empty segments; what the signer does for every service but S3."""
    kept: list[str] = []
    for part in path.split("/"):
        if part == "..":
            kept = kept[:-1]
        elif part not in ("", "."):
            kept.append(part)
    tail = "/" if path.endswith("/") and kept else ""
    return "/" + "/".join(kept) + tail


def sign(secret: str, signature: Signature, text: str) -> str:
    """The signature of a string to sign, in hexadecimal."""
    key = b"AWS4" + secret.encode()
    for part in (signature.date, signature.region, signature.service, "aws4_request"):
        key = hmac.new(key, part.encode(), hashlib.sha256).digest()
    return hmac.new(key, text.encode(), hashlib.sha256).hexdigest()


def _invalid(message: str) -> InvokeError:
    return InvokeError(403, "InvalidSignatureException", message)
