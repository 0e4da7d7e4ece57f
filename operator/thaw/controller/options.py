"""What only the operator can be told, beside :mod:`thaw.settings`; the same ``THAW_*`` variables."""

from __future__ import annotations

from thaw import names
from thaw.settings import Settings


class OperatorSettings(Settings):
    """Settings of the operator."""

    default_access_key_namespace: str = ""
    """If set, an access key is made at the first start, for functions of that namespace."""
    metrics_port: int = names.METRICS_PORT
    """Serves ``/metrics`` and ``/healthz``."""
    uninstall_timeout: float = 120.0
    """Seconds ``thaw-operator uninstall`` tries to reach every agent."""


def load() -> OperatorSettings:
    """Reads the environment once, at start-up.

    :raises pydantic.ValidationError: naming the variable that is wrong.
    """
    return OperatorSettings()
