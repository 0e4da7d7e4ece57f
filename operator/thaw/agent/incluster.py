"""The agent's own identity in the cluster: its token, the cluster's CA, the two servers it calls."""

from __future__ import annotations

import asyncio
import os
import ssl
from pathlib import Path
from typing import Any

import aiohttp

_ACCOUNT = Path("/var/run/secrets/kubernetes.io/serviceaccount")
_TIMEOUT = aiohttp.ClientTimeout(total=10)


class Identity:
    """The service account that is mounted in the agent's pod."""

    def __init__(self, folder: Path = _ACCOUNT) -> None:
        self._folder = folder

    async def headers(self) -> dict[str, str]:
        """The bearer token, read anew: the kubelet renews it."""
        token = await asyncio.to_thread((self._folder / "token").read_text)
        return {"Authorization": f"Bearer {token.strip()}"}

    def trust(self) -> ssl.SSLContext:
        """TLS that trusts the cluster's CA and nothing else."""
        return ssl.create_default_context(cafile=str(self._folder / "ca.crt"))


async def fetch_keys(identity: Identity, session: aiohttp.ClientSession) -> dict[str, Any]:
    """The cluster's JWKS.

    :raises OSError: the API server cannot be reached, or says no (aiohttp's errors are turned into this one).
    """
    host = os.environ.get("KUBERNETES_SERVICE_HOST", "kubernetes.default.svc")
    port = os.environ.get("KUBERNETES_SERVICE_PORT", "443")
    url = f"https://{f'[{host}]' if ':' in host else host}:{port}/openid/v1/jwks"
    try:
        async with session.get(
            url, headers=await identity.headers(), ssl=await asyncio.to_thread(identity.trust), timeout=_TIMEOUT
        ) as answer:
            answer.raise_for_status()
            found: dict[str, Any] = await answer.json(content_type=None)
            return found
    except aiohttp.ClientError as e:
        raise OSError(f"{url}: {e}") from e
