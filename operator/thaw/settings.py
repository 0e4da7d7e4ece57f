"""What an administrator can set, read from ``THAW_*`` environment variables that the chart writes."""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator, Field
from pydantic_settings import BaseSettings, SettingsConfigDict

from thaw import names
from thaw.api import durations


def _checked(text: str) -> str:
    durations.parse(text)
    return text


Lasting = Annotated[str, AfterValidator(_checked)]
"""A duration as in a manifest."""


class Settings(BaseSettings):
    """Settings that all three programs share. Times are seconds, sizes bytes."""

    model_config = SettingsConfigDict(env_prefix="THAW_", frozen=True)

    namespace: str = names.SYSTEM_NAMESPACE
    """Where Thaw itself runs; its access keys live there."""
    pod_name: str = "local"
    node_name: str = ""
    log_level: str = "info"
    region: str = "us-east-1"
    account_id: str = "000000000000"
    """The account in the ARNs that the Lambda API shows."""
    runtimes: dict[str, str] = Field(default_factory=lambda: {"python3.13": "thaw.dev/runtime-python3.13:dev"})
    """Runtime name → image that holds its runtime interface client (``THAW_RUNTIMES``, JSON)."""
    sts_endpoint: str = ""
    """URL of the STS at which functions' roles are assumed; empty for none."""
    sts_audience: str = "sts.amazonaws.com"
    """Audience of the service account tokens shown there."""
    sts_ca_bundle: str = ""
    """Certificates in PEM, for an STS whose authority images do not know."""
    agent_token_path: str = "/var/run/secrets/thaw/agent-token"  # noqa: S105
    """A projected token for the audience ``thaw-agent``."""
    store_url: str = "file:///var/lib/thaw/store"
    store_shared: bool = False
    """Whether all nodes reach the same store; else each keeps its own."""
    store_compression_level: int = 1
    init_attempts: int = 3
    """How often an initialisation is tried where another try can help."""
    inactive_after: Lasting = "14d"
    """A version not invoked for so long becomes Inactive; a duration such as 14d or 36h, or Never."""
    recycle_after: Lasting = "7d"
    """A snapshot of that age is made anew."""
    recycle_retry: Lasting = "1h"
    """How long after a recycle that failed it is tried again; doubled by each failure in a row, up to a day."""
    recycles_at_once: int = 2
    """How many snapshots may be made anew at one time, in the whole cluster."""
    queue_limit: int = 1000
    """Requests that may wait for an instance of one version, per gateway."""
    start_timeout: float = 60.0
    """How long a request waits for an instance before it is told 503."""
