"""What only the gateway can be told, beside :mod:`thaw.settings`; the same ``THAW_*`` variables."""

from __future__ import annotations

from typing import Annotated, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field

from thaw.settings import Settings


def _base(url: str) -> str:
    parts = urlsplit(url)
    if url and (parts.scheme not in ("http", "https") or not parts.netloc or parts.query or parts.fragment):
        raise ValueError("must be as https://host[:port][/path]")
    return url.rstrip("/")


class GatewaySettings(Settings):
    """Settings of the gateway. Times are seconds, sizes bytes."""

    http_auth: Literal["open", "sigv4"] = "open"
    """Whether plain HTTP (``/{namespace}/{function}/…``) is open to whoever reaches the gateway (``THAW_HTTP_AUTH``).

    ``open`` leaves it to network policies and to the function; ``sigv4`` asks for an access key of that namespace.
    """
    public_url: Annotated[str, AfterValidator(_base)] = ""
    """Where callers find the gateway, such as ``https://thaw.example.com``: what function URLs begin with in answers of
    the API (``THAW_PUBLIC_URL``). Empty: where the API's caller found it.
    """
    url_domain: str = Field(default="", pattern=r"^([a-z0-9]([a-z0-9.-]*[a-z0-9])?(:[0-9]+)?)?$")
    """Function URLs are names below this domain, whose wildcard leads here (``THAW_URL_DOMAIN``), not paths."""
    publish_timeout: float = 20.0
    """How long PublishVersion waits for the operator to give a number."""
    drain_timeout: float = 30.0
    """How long requests under way may take after SIGTERM."""


def load() -> GatewaySettings:
    """Reads the environment once, at start-up.

    :raises pydantic.ValidationError: naming the variable that is wrong.
    """
    return GatewaySettings()
