"""The console's files at ``/console/``, open to whoever reaches the gateway: all that is in them is public."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import resources

from aiohttp import web

from thaw.errors import InvokeError
from thaw.gateway.auth.access import guarded

PREFIX = "/console/"
_INDEX = "index.html"
_TYPES = {
    "css": "text/css; charset=utf-8",
    "html": "text/html; charset=utf-8",
    "js": "text/javascript; charset=utf-8",
    "svg": "image/svg+xml",
}
HEADERS = {
    "Content-Security-Policy": "; ".join(
        (
            "default-src 'none'",
            "script-src 'self'",
            "style-src 'self'",
            "img-src 'self'",
            "connect-src 'self'",
            "base-uri 'none'",
            "form-action 'none'",
            "frame-ancestors 'none'",
            "require-trusted-types-for 'script'",
            "trusted-types 'none'",
        )
    ),
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "Cache-Control": "no-cache",
}
"""Nothing from elsewhere, no script in the page itself, no markup made of text, no frame around it."""


@dataclass(frozen=True)
class _File:
    body: bytes
    etag: str
    kind: str


class Pages:
    """The files, read once."""

    def __init__(self) -> None:
        self._files = dict(_read())

    def routes(self) -> list[web.RouteDef]:
        """``/console/`` and what is below it."""
        return [
            web.get(PREFIX.rstrip("/"), _to_the_page),
            web.get(PREFIX + "{file:.*}", self.serve),
        ]

    @guarded
    async def serve(self, request: web.Request) -> web.Response:
        """One file; 304 when the browser has it."""
        found = self._files.get(request.match_info["file"] or _INDEX)
        if found is None:
            raise InvokeError(404, "ResourceNotFoundException", f"The console has no file {request.path}.")
        headers = {**HEADERS, "ETag": found.etag}
        if request.headers.get("If-None-Match") == found.etag:
            return web.Response(status=304, headers=headers)
        response = web.Response(body=found.body, headers={**headers, "Content-Type": found.kind})
        response.enable_compression()
        return response


def _read() -> Iterator[tuple[str, _File]]:
    for file in resources.files(__package__).joinpath("static").iterdir():
        body = file.read_bytes()
        etag = f'"{hashlib.sha256(body).hexdigest()[:16]}"'
        yield file.name, _File(body, etag, _TYPES[file.name.rpartition(".")[2]])


@guarded
async def _to_the_page(_request: web.Request) -> web.Response:
    return web.Response(status=308, headers={"Location": PREFIX.lstrip("/")})
