"""The kubelet's checkpoint call, on this node only."""

from __future__ import annotations

import json
import re
import ssl
from pathlib import Path

import aiohttp

from thaw import names
from thaw.agent.incluster import Identity
from thaw.agent.options import AgentSettings
from thaw.errors import CheckpointError

_MARGIN = 15.0
"""Seconds beyond the kubelet's own timeout before it counts as gone."""
_CRIU_ERROR = re.compile(r"Error \([^)]*\):[^\n\"\\]*")
_CONSEQUENCE = re.compile(r"Dumping FAILED|Can't dump|FAILED|aborted")
_LONGEST = 600
_OFF = "its checkpoint API is off (feature gate ContainerCheckpoint)"
_NOBODY = "thaw-preflight"


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
        try:
            status, text = await self._post(f"checkpoint/{namespace}/{pod}/{container}")
        except TimeoutError as e:
            wait = self._settings.checkpoint_timeout
            raise CheckpointError("Timeout", f"the kubelet took longer than {wait:g} s", retryable=True) from e
        except (aiohttp.ClientError, OSError) as e:
            raise CheckpointError("Unreachable", f"the kubelet did not answer: {e}", retryable=True) from e
        if status != 200:
            raise failure(status, text)
        return _archive(text)

    async def preflight(self) -> str:
        """Why this kubelet would checkpoint nothing; empty when it would, or cannot be asked just now.

        It is asked for a pod that cannot be: a kubelet whose checkpoint API is on says that there is no such pod.
        """
        try:
            status, text = await self._post(f"checkpoint/{names.SYSTEM_NAMESPACE}/{_NOBODY}/{_NOBODY}")
        except (TimeoutError, aiohttp.ClientError, OSError):
            return ""
        return f"the kubelet answered 404: {_OFF}" if status == 404 and not _knows_the_call(text) else ""

    async def _post(self, path: str) -> tuple[int, str]:
        ip = self._settings.node_ip
        url = f"https://{f'[{ip}]' if ':' in ip else ip}:{self._settings.kubelet_port}/{path}"
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
        known = _knows_the_call(text)
        why = text.strip()[:_LONGEST] if known else _OFF
        return CheckpointError("NotFound", f"the kubelet answered 404: {why}", retryable=known)
    if status in (401, 403):
        return CheckpointError(
            "Forbidden",
            f"the agent's service account may not create nodes/checkpoint: {text.strip()[:200]}",
            retryable=False,
        )
    return CheckpointError("CheckpointFailed", criu_line(text), retryable=True)


def _knows_the_call(text: str) -> bool:
    """Whether a 404 is about a pod or a container ("pod does not exist"), and not about the path itself."""
    lower = text.lower()
    return "does not exist" in lower or ("not found" in lower and "page not found" not in lower)


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
