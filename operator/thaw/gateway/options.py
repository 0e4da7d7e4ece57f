"""What only the gateway can be told, beside :mod:`thaw.settings`; the same ``THAW_*`` variables."""

from __future__ import annotations

from typing import Annotated, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field, IPvAnyNetwork

from thaw.gateway.auth.limits import Limits
from thaw.settings import Settings


def _base(url: str) -> str:
    parts = urlsplit(url)
    if url and (parts.scheme not in ("http", "https") or not parts.netloc or parts.query or parts.fragment):
        raise ValueError("must be as https://host[:port][/path]")
    return url.rstrip("/")


class GatewaySettings(Settings):
    """Settings of the gateway. Times are seconds, sizes bytes."""

    http_auth: Literal["open", "signed"] = "open"
    """Whether plain HTTP (``/{namespace}/{function}/…``) is open to whoever reaches the gateway (``THAW_HTTP_AUTH``).

    ``open`` leaves it to network policies and to the function; ``signed`` asks for a signature by an access key that
    may ``lambda:InvokeFunctionUrl``, or for a bearer token whose user may ``invoke`` the function.
    """
    concurrent_executions: int = Field(default=1000, ge=1)
    """Invocations that may run at a time in one namespace, over all gateways; reserved concurrency is taken off it."""
    token_audiences: tuple[str, ...] = ()
    """Whom bearer tokens must be for (``THAW_TOKEN_AUDIENCES``, JSON); none means the cluster's API server."""
    caller_rate: float = Field(default=0, ge=0)
    """Requests per second of one caller that has no limit of its own, at each gateway; 0 for any number."""
    caller_burst: int = Field(default=0, ge=0)
    """How many of them at once; 0 for those of a second."""
    failures_rate: float = Field(default=1, ge=0)
    """Failed authentications per second from one address, beyond which it is told 429; 0 for any number."""
    failures_burst: int = Field(default=30, ge=1)
    trusted_proxies: tuple[IPvAnyNetwork, ...] = ()
    """Networks of the proxies whose ``X-Forwarded-For`` is believed (``THAW_TRUSTED_PROXIES``, JSON)."""
    public_url: Annotated[str, AfterValidator(_base)] = ""
    """Where callers find the gateway, such as ``https://thaw.example.com``: what function URLs begin with in answers of
    the API (``THAW_PUBLIC_URL``). Empty: where the API's caller found it.
    """
    url_domain: str = Field(default="", pattern=r"^([a-z0-9]([a-z0-9.-]*[a-z0-9])?(:[0-9]+)?)?$")
    """Function URLs are names below this domain, whose wildcard leads here (``THAW_URL_DOMAIN``), not paths."""
    console: bool = True
    """Whether the page at ``/console/`` is served (``THAW_CONSOLE``). What it asks, ``/thaw/v1``, is there anyway."""
    publish_timeout: float = 20.0
    """How long PublishVersion waits for the operator to give a number."""
    event_retry_delays: tuple[float, float] = (60.0, 120.0)
    """Pauses before an asynchronous invocation is tried again after the function's first and second error."""
    event_record_delays: tuple[float, ...] = (1.0, 10.0, 60.0)
    """Pauses before a record that a destination's URL did not take is sent again."""
    event_queue_limit: int = 10000
    """Asynchronous invocations that may wait in the cluster; a function may have the fourth part."""
    event_queue_bytes: int = 64 << 20
    """Of their payloads as they are kept: in the API server's database, so be modest."""
    events_at_once: int = 100
    """Asynchronous invocations that one gateway runs at a time; of a function, the fourth part."""
    destination_hosts: tuple[str, ...] = ()
    """Patterns of the hosts that a destination's URL may name (``["*.example.com"]``); none: any."""
    drain_timeout: float = 30.0
    """How long requests under way may take after SIGTERM."""

    @property
    def limits(self) -> Limits:
        """How often one may call."""
        caller, failures = (self.caller_rate, self.caller_burst), (self.failures_rate, self.failures_burst)
        return Limits.of(caller, failures, self.trusted_proxies)


def load() -> GatewaySettings:
    """Reads the environment once, at start-up.

    :raises pydantic.ValidationError: naming the variable that is wrong.
    """
    return GatewaySettings()
