"""What only the gateway can be told, beside :mod:`thaw.settings`; the same ``THAW_*`` variables."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from thaw.settings import Settings


class GatewaySettings(Settings):
    """Settings of the gateway. Times are seconds, sizes bytes."""

    http_auth: Literal["open", "sigv4"] = "open"
    """Whether plain HTTP (``/{namespace}/{function}/…``) is open to whoever reaches the gateway (``THAW_HTTP_AUTH``).

    ``open`` leaves it to network policies and to the function; ``sigv4`` asks for an access key of that namespace.
    """
    concurrent_executions: int = Field(default=1000, ge=1)
    """Invocations that may run at a time in one namespace, over all gateways; reserved concurrency is taken off it."""
    publish_timeout: float = 20.0
    """How long PublishVersion waits for the operator to give a number."""
    drain_timeout: float = 30.0
    """How long requests under way may take after SIGTERM."""


def load() -> GatewaySettings:
    """Reads the environment once, at start-up.

    :raises pydantic.ValidationError: naming the variable that is wrong.
    """
    return GatewaySettings()
