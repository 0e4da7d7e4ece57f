"""What only the gateway can be told, beside :mod:`thaw.settings`; the same ``THAW_*`` variables."""

from __future__ import annotations

from typing import Literal

from thaw.settings import Settings


class GatewaySettings(Settings):
    """Settings of the gateway. Times are seconds, sizes bytes."""

    http_auth: Literal["open", "sigv4"] = "open"
    """Whether plain HTTP (``/{namespace}/{function}/…``) is open to whoever reaches the gateway (``THAW_HTTP_AUTH``).

    ``open`` leaves it to network policies and to the function; ``sigv4`` asks for an access key of that namespace.
    """
    publish_timeout: float = 20.0
    """How long PublishVersion waits for the operator to give a number."""
    event_retry_delays: tuple[float, ...] = (60.0, 120.0)
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


def load() -> GatewaySettings:
    """Reads the environment once, at start-up.

    :raises pydantic.ValidationError: naming the variable that is wrong.
    """
    return GatewaySettings()
