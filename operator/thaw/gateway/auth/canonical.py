"""PURE: a request as a signature sees it.

The canonical request is that of "Create a signed AWS API request" in the IAM user guide, for services other than S3:
the path is normalised and encoded once more. Tests compare it with what botocore signs.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from urllib.parse import quote, unquote_to_bytes

SIGNATURE_PARAMETER = "X-Amz-Signature"
PRESIGNED = frozenset(
    {
        "X-Amz-Algorithm",
        "X-Amz-Credential",
        "X-Amz-Date",
        "X-Amz-Expires",
        "X-Amz-SignedHeaders",
        SIGNATURE_PARAMETER,
    }
)
"""The query parameters that make a URL a presigned one."""
_UNRESERVED = "-_.~"


@dataclass(frozen=True)
class Request:
    """The parts of an HTTP request that a signature covers, as they came over the wire."""

    method: str
    path: str
    """Raw: still percent-encoded."""
    query: str
    headers: Sequence[tuple[str, str]]

    def header(self, name: str) -> str | None:
        """All values of a header, as they are signed; None when there is none.

        :param name: in lower case.
        """
        values = [" ".join(_text(v).split()) for k, v in self.headers if k.lower() == name]
        return ",".join(values) if values else None

    def parameters(self) -> list[tuple[bytes, bytes]]:
        """The query, decoded; a plus is a space, as it is to whoever reads the parameters afterwards."""
        pairs = (part.partition("=") for part in self.query.replace("+", "%20").split("&") if part)
        return [(unquote_to_bytes(_bytes(k)), unquote_to_bytes(_bytes(v))) for k, _, v in pairs]

    def parameter(self, name: str) -> list[str]:
        """All values of a query parameter."""
        return [value.decode(errors="replace") for key, value in self.parameters() if key == name.encode()]


def canonical_request(request: Request, signed: Sequence[str], payload_hash: str) -> str:
    """The text whose hash is signed.

    :param signed: the signed headers, in lower case and in the signer's order.
    """
    query = sorted(
        (quote(k, safe=_UNRESERVED), quote(v, safe=_UNRESERVED))
        for k, v in request.parameters()
        if k != SIGNATURE_PARAMETER.encode()
    )
    return "\n".join(
        (
            request.method.upper(),
            quote(_bytes(_normalised(request.path)), safe="/~"),
            "&".join(f"{k}={v}" for k, v in query),
            *(f"{name}:{request.header(name) or ''}" for name in signed),
            "",
            ";".join(signed),
            payload_hash,
        )
    )


def digest(text: str) -> str:
    """SHA-256 of a text, in hexadecimal."""
    return hashlib.sha256(text.encode()).hexdigest()


def without_signature(query: str) -> str:
    """A raw query without what made it a presigned one."""
    names = {name.encode() for name in PRESIGNED}
    return "&".join(part for part in query.split("&") if unquote_to_bytes(_bytes(part.partition("=")[0])) not in names)


def _normalised(path: str) -> str:
    """Without dot segments (RFC 3986, 5.2.4) and empty ones."""
    kept: list[str] = []
    for part in path.split("/"):
        if part == "..":
            kept = kept[:-1]
        elif part not in ("", "."):
            kept.append(part)
    tail = "/" if path.endswith("/") and kept else ""
    return "/" + "/".join(kept) + tail


def _bytes(text: str) -> bytes:
    """What came over the wire, of what aiohttp made of it."""
    return text.encode(errors="surrogateescape")


def _text(value: str) -> str:
    """A header's value: UTF-8, or else Latin-1, in which Python's own HTTP client sends what its signer saw as text."""
    raw = _bytes(value)
    try:
        return raw.decode()
    except UnicodeDecodeError:
        return raw.decode("latin-1")
