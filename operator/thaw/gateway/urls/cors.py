"""PURE: cross-origin resource sharing of function URLs, by the Fetch standard.

Where a URL says what browsers may do, the gateway answers their questions itself and speaks for the function; where it
says nothing, all is the function's (Lambda developer guide, "Cross-origin resource sharing (CORS)").
"""

from __future__ import annotations

from collections.abc import Mapping

from thaw.api.v1alpha1 import Cors

_ANY = "*"
_OURS = "access-control-"


def is_preflight(method: str, headers: Mapping[str, str]) -> bool:
    """Whether a browser asks what a page may send.

    :param headers: looked up in any case, as aiohttp's.
    """
    return method == "OPTIONS" and "Origin" in headers and "Access-Control-Request-Method" in headers


def preflight(cors: Cors, origin: str, method: str) -> dict[str, str]:
    """The headers of the answer to that; none that allow anything, for an origin or method that may not."""
    headers = _origin(cors, origin)
    methods = cors.allow_methods
    if "access-control-allow-origin" not in headers or (_ANY not in methods and method not in methods):
        return {"vary": headers["vary"]}
    headers["access-control-allow-methods"] = ",".join(methods) if _ANY not in methods else method
    if cors.allow_headers:
        headers["access-control-allow-headers"] = ",".join(cors.allow_headers)
    if cors.max_age:
        headers["access-control-max-age"] = str(cors.max_age)
    return headers


def applied(cors: Cors | None, origin: str, headers: Mapping[str, str]) -> dict[str, str]:
    """The headers of an answer, with what the URL says instead of what the function says.

    :param headers: the function's, names in lower case.
    """
    if cors is None:
        return dict(headers)
    kept = {name: value for name, value in headers.items() if not name.startswith(_OURS)}
    added = _origin(cors, origin)
    if vary := kept.get("vary"):
        added["vary"] = f"{vary}, {added['vary']}"
    if "access-control-allow-origin" in added and cors.expose_headers:
        added["access-control-expose-headers"] = ",".join(cors.expose_headers)
    return kept | added


def _origin(cors: Cors, origin: str) -> dict[str, str]:
    headers = {"vary": "Origin"}
    if origin and (origin in cors.allow_origins or _ANY in cors.allow_origins):
        headers["access-control-allow-origin"] = origin if origin in cors.allow_origins else _ANY
        if cors.allow_credentials:
            headers["access-control-allow-credentials"] = "true"
    return headers
