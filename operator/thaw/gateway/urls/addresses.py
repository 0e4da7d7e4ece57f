"""Where function URLs are: below a path of the gateway, or at names below a domain."""

from __future__ import annotations

import re
from dataclasses import dataclass

from aiohttp import web

from thaw.gateway.options import GatewaySettings

PREFIX = "/lambda-url/"
"""No namespace of this name is reached by plain HTTP."""
_ID = re.compile(r"[a-z2-7]{32}")


@dataclass(frozen=True)
class Addresses:
    """Makes addresses, and reads them."""

    public_url: str
    """Where callers find the gateway, without a slash at its end; empty: where the request at hand found it."""
    domain: str
    """The domain below which each URL has a name of its own; empty for none."""

    @classmethod
    def of(cls, settings: GatewaySettings) -> Addresses:
        """As the administrator says."""
        return cls(settings.public_url, settings.url_domain)

    def address(self, url_id: str, request: web.Request) -> str:
        """The URL of that id, as callers are told it."""
        base = self.public_url or f"{request.scheme}://{request.host}"
        if not self.domain:
            return f"{base}{PREFIX}{url_id}/"
        return f"{base.partition('://')[0]}://{url_id}.{self.domain}/"

    def by_host(self, request: web.Request) -> str:
        """The id that a request's host names; empty when it names none."""
        if not self.domain:
            return ""
        name, _, domain = _without_port(request.host).partition(".")
        return name if domain == _without_port(self.domain) and _ID.fullmatch(name) else ""


def below_prefix(path: str) -> str:
    """The part of a path that is the function's."""
    return "/" + path.removeprefix(PREFIX).partition("/")[2]


def _without_port(host: str) -> str:
    return host.lower().partition(":")[0]
