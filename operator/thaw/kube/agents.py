"""The agents' API, called by the operator and the gateway; its failures as :class:`thaw.errors.NodeError`."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from pathlib import Path
from typing import Any
from urllib.parse import quote

import aiohttp
from pydantic import ValidationError

from thaw import names
from thaw.api.base import Model
from thaw.api.node import (
    CacheInfo,
    ErrorBody,
    GrantRequest,
    GrantResult,
    Kept,
    NodeInfo,
    Removal,
    Report,
    SnapshotJob,
    SnapshotRequest,
)
from thaw.errors import NodeError, NodeInvalid
from thaw.kube.client import Object
from thaw.kube.pods import is_ready

_ANSWER = 10.0
"""Seconds an agent may take beyond what a call says it waits."""
_MATERIALISE = 120.0


def agents_by_node(pods: Iterable[Object]) -> dict[str, str]:
    """Node name → base URL, of the agent pods that are ready."""
    found = {}
    for pod in pods:
        status = pod.get("status", {})
        if is_ready(pod) and status.get("podIP"):
            host = f"[{status['podIP']}]" if ":" in status["podIP"] else status["podIP"]
            found[pod["spec"]["nodeName"]] = f"http://{host}:{names.AGENT_PORT}"
    return found


class Agents:
    """A client of every node's agent. One session; a base URL says which agent.

    :param token_path: the projected service account token for the audience ``thaw-agent``; read at every call, for the
        kubelet renews it.
    """

    def __init__(self, token_path: str) -> None:
        self._token_path = Path(token_path)
        self._session: aiohttp.ClientSession | None = None

    async def close(self) -> None:
        """Closes its connections."""
        if self._session is not None:
            await self._session.close()

    async def node(self, base_url: str) -> NodeInfo:
        """What the node can do."""
        return NodeInfo.model_validate(await self._call("GET", base_url, "/v1/node"))

    async def cache(self, base_url: str) -> CacheInfo:
        """What the node has ready for use."""
        return CacheInfo.model_validate(await self._call("GET", base_url, "/v1/cache"))

    async def grant(self, base_url: str, pod_uid: str, request: GrantRequest) -> GrantResult:
        """Vouches for a pod, and puts its code and snapshot on the node first.

        :raises NodeError: ``SnapshotUnusable`` when this node cannot restore it.
        :raises NodeInvalid: the code cannot be unpacked: it is the same on every node.
        """
        path = f"/v1/pods/{_part(pod_uid)}/grant"
        return GrantResult.model_validate(await self._call("PUT", base_url, path, request, timeout=_MATERIALISE))

    async def report(self, base_url: str, pod_uid: str, wait: float) -> Report:
        """What became of the pod's container, once it has started.

        :raises NodeError: ``NotFound`` when it has not within ``wait`` seconds.
        """
        path = f"/v1/pods/{_part(pod_uid)}?wait={wait:g}"
        return Report.model_validate(await self._call("GET", base_url, path, timeout=wait + _ANSWER))

    async def drop(self, base_url: str, pod_uid: str) -> None:
        """Takes back everything said of a pod."""
        await self._call("DELETE", base_url, f"/v1/pods/{_part(pod_uid)}")

    async def put_code(self, base_url: str, namespace: str, sha256: str, data: bytes) -> None:
        """Stores a namespace's code package under its SHA-256 (hexadecimal)."""
        path = f"/v1/code/{_part(namespace)}/{_part(sha256)}"
        await self._call("PUT", base_url, path, data, timeout=_MATERIALISE)

    async def delete_code(self, base_url: str, namespace: str, sha256: str) -> Removal:
        """Removes a namespace's code package from the store and from that node; what there was."""
        answer = await self._call("DELETE", base_url, f"/v1/code/{_part(namespace)}/{_part(sha256)}")
        return Removal.model_validate(answer)

    async def start_snapshot(self, base_url: str, snapshot_id: str, request: SnapshotRequest) -> SnapshotJob:
        """Begins a snapshot, or tells of the one begun before under this id."""
        answer = await self._call("PUT", base_url, f"/v1/snapshots/{_part(snapshot_id)}", request)
        return SnapshotJob.model_validate(answer)

    async def snapshot(self, base_url: str, snapshot_id: str, wait: float = 0) -> SnapshotJob | None:
        """How far a snapshot is; waits up to ``wait`` seconds for it to end. None when the agent knows of none."""
        try:
            path = f"/v1/snapshots/{_part(snapshot_id)}?wait={wait:g}"
            return SnapshotJob.model_validate(await self._call("GET", base_url, path, timeout=wait + _ANSWER))
        except NodeError as e:
            if e.code == "NotFound":
                return None
            raise

    async def delete_snapshot(self, base_url: str, snapshot_id: str, *, store: bool) -> Removal:
        """Removes a snapshot from that node, and with ``store`` from the store as well; what there was."""
        path = f"/v1/snapshots/{_part(snapshot_id)}" + ("?store=true" if store else "")
        return Removal.model_validate(await self._call("DELETE", base_url, path, timeout=_MATERIALISE))

    async def keep(self, base_url: str, kept: Kept) -> Removal:
        """Tells a node all that exists; it removes what else it has of before."""
        return Removal.model_validate(await self._call("POST", base_url, "/v1/keep", kept, timeout=_MATERIALISE))

    async def uninstall(self, base_url: str) -> None:
        """Takes Thaw's runtime off the node."""
        await self._call("POST", base_url, "/v1/uninstall", timeout=_MATERIALISE)

    async def _call(
        self, method: str, base_url: str, path: str, body: Model | bytes | None = None, *, timeout: float = _ANSWER
    ) -> Any:
        data = body.model_dump_json(by_alias=True).encode() if isinstance(body, Model) else body
        kind = "application/octet-stream" if isinstance(body, bytes) else "application/json"
        try:
            token = await asyncio.to_thread(self._token_path.read_text)
            async with self._open().request(
                method,
                base_url + path,
                data=data,
                headers={"Authorization": f"Bearer {token.strip()}", "Content-Type": kind},
                timeout=aiohttp.ClientTimeout(total=timeout, sock_connect=5),
            ) as answer:
                if answer.status >= 400:
                    raise _error(answer.status, await answer.text())
                return await answer.json() if answer.status != 204 and answer.content_length != 0 else None
        except (aiohttp.ClientError, TimeoutError, OSError) as e:
            raise NodeError("Unreachable", f"the agent at {base_url} did not answer: {e!r}", retryable=True) from e

    def _open(self) -> aiohttp.ClientSession:
        if self._session is None:
            self._session = aiohttp.ClientSession()
        return self._session


def _part(text: str) -> str:
    """One part of a path, whatever is in it.

    :raises ValueError: it would be another path: the client resolves ``.`` and ``..``, also when they are quoted.
    """
    if text in ("", ".", ".."):
        raise ValueError(f"not a part of a path: {text!r}")
    return quote(text, safe="")


def _error(status: int, text: str) -> NodeError:
    try:
        body = ErrorBody.model_validate_json(text)
    except ValidationError:
        return NodeError(f"HTTP{status}", text[:300], retryable=status >= 500)
    kind = NodeInvalid if status == 400 and body.code == "Invalid" else NodeError
    return kind(body.code, body.message, retryable=body.retryable, cause=body.cause)
