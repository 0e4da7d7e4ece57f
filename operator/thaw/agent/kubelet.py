"""The kubelet's checkpoint call, on this node only."""

from __future__ import annotations

import json
import re
import ssl
from pathlib import Path

import aiohttp

from thaw.agent.incluster import Identity
from thaw.agent.options import AgentSettings
from thaw.errors import CheckpointError

_MARGIN = 15.0
"""Seconds beyond the kubelet's own timeout before it counts as gone."""
_CRIU_ERROR = re.compile(r"Error \([^)]*\):[^\n\"\\]*")
_CONSEQUENCE = re.compile(r"Dumping FAILED|Can't dump|FAILED|aborted")
_LONGEST = 600


class Kubelet:
    """Asks this node's kubelet for checkpoints.

    :param session: the agent's HTTP client.
    """

    def __init__(self, settings: AgentSettings, identity: Identity, session: aiohttp.ClientSession) -> None:
        self._settings, self._identity, self._session = settings, identity, session
        self._tls: ssl.SSLContext | bool | None = None

    async def checkpoint(self, namespace: str, pod: str, container: str) -> Path:
        """Checkpoints a container, which goes on running, and tells where the archive lies.

        :raises CheckpointError: with CRIU's line that matters, where there is one.
        """
        ip = self._settings.node_ip
        host = f"[{ip}]" if ":" in ip else ip
        url = f"https://{host}:{self._settings.kubelet_port}/checkpoint/{namespace}/{pod}/{container}"
        try:
            status, text = await self._post(url)
        except TimeoutError as e:
            wait = self._settings.checkpoint_timeout
            raise CheckpointError("Timeout", f"the kubelet took longer than {wait:g} s", retryable=True) from e
        except (aiohttp.ClientError, OSError) as e:
            raise CheckpointError("Unreachable", f"the kubelet at {host} did not answer: {e}", retryable=True) from e
        if status != 200:
            raise failure(status, text)
        return _archive(text)

    async def _post(self, url: str) -> tuple[int, str]:
        if self._tls is None:
            self._tls = self._identity.trust()
        try:
            return await self._send(url, self._tls)
        except aiohttp.ClientConnectorCertificateError:
            if not self._settings.kubelet_insecure_tls:
                raise
            # It signed its own certificate: see AgentSettings.kubelet_insecure_tls.
            self._tls = False
            return await self._send(url, False)

    async def _send(self, url: str, tls: ssl.SSLContext | bool) -> tuple[int, str]:
        wait = self._settings.checkpoint_timeout
        async with self._session.post(
            url,
            params={"timeout": f"{wait:.0f}"},
            headers=await self._identity.headers(),
            ssl=tls,
            timeout=aiohttp.ClientTimeout(total=wait + _MARGIN, sock_connect=5),
        ) as answer:
            return answer.status, await answer.text(errors="replace")


def failure(status: int, text: str) -> CheckpointError:
    """The kubelet's no, and whether it may be a yes later."""
    if status == 404:
        known = "not found" in text.lower() and "page not found" not in text.lower()
        why = text.strip()[:_LONGEST] if known else "its checkpoint API is off (feature gate ContainerCheckpoint)"
        return CheckpointError("NotFound", f"the kubelet answered 404: {why}", retryable=known)
    if status in (401, 403):
        return CheckpointError(
            "Forbidden",
            f"the agent's service account may not create nodes/checkpoint: {text.strip()[:200]}",
            retryable=False,
        )
    return CheckpointError("CheckpointFailed", criu_line(text), retryable=True)


def criu_line(text: str) -> str:
    """The line of an error that tells the cause: the first of CRIU's errors that is not just a consequence."""
    errors: list[str] = [found.strip() for found in _CRIU_ERROR.findall(text)]
    causes = [line for line in errors if not _CONSEQUENCE.search(line)]
    return (causes or errors or [text.strip() or "the kubelet gave no reason"])[0][:_LONGEST]


def _archive(text: str) -> Path:
    try:
        items = json.loads(text)["items"]
        if len(items) == 1 and isinstance(items[0], str):
            return Path(items[0])
    except (ValueError, KeyError, TypeError):
        pass
    raise CheckpointError("CheckpointFailed", f"the kubelet's answer names no archive: {text[:200]!r}", retryable=True)
