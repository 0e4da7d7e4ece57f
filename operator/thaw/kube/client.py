"""The Kubernetes API as plain dictionaries in and out, its failures as :mod:`thaw.errors`.

The official client's generated models cost more time than the calls themselves on the request path, and kopf hands out
dictionaries anyway; so only its configuration, TLS and token refresh are used here.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any, Self
from urllib.parse import urlencode

import aiohttp
from kubernetes.aio import client as k8s
from kubernetes.aio import config as k8s_config

from thaw import errors, names
from thaw.kube.kinds import POD, SERVICE_ACCOUNT, Kind

Object = dict[str, Any]

PORT_FORWARD_PROTOCOL = "v4.channel.k8s.io"
_API_SERVER = Kind("", "v1", "APIServer", "", namespaced=False)
_MERGE = "application/merge-patch+json"
_JSON = "application/json"
_METADATA = "application/json;as=PartialObjectMetadata{};v=v1;g=meta.k8s.io"
_TIMEOUT = 30.0
_WATCH_SECONDS = 240
_NO_SEGMENT = frozenset("/%?#\\")


class WatchExpired(errors.Unavailable):
    """The watch's resource version is gone (410): list again."""


class Kube:
    """A connection to one API server.

    :param manager: the field manager of all that is written.
    """

    def __init__(self, api: k8s.ApiClient, manager: str = "thaw") -> None:
        self._api, self._manager = api, manager

    @classmethod
    async def connect(cls, manager: str = "thaw") -> Self:
        """Connects as the pod's service account, or by ``KUBECONFIG`` outside a cluster."""
        configuration = k8s.Configuration()
        try:
            k8s_config.load_incluster_config(client_configuration=configuration)
        except k8s_config.ConfigException:
            await k8s_config.load_kube_config(client_configuration=configuration)
        return cls(k8s.ApiClient(configuration), manager)

    async def close(self) -> None:
        """Closes its connections."""
        await self._api.close()

    async def get(self, kind: Kind, namespace: str, name: str) -> Object:
        """One object.

        :raises NotFound: it is not there.
        """
        return await self._call("GET", kind, namespace, name)

    async def list(
        self, kind: Kind, namespace: str = "", labels: str = "", fields: str = ""
    ) -> tuple[list[Object], str]:
        """All objects that match, and the resource version to watch from. No namespace means all of them."""
        query = {"labelSelector": labels, "fieldSelector": fields}
        accept = _METADATA.format("List") if kind.metadata_only else _JSON
        answer = await self._call("GET", kind, namespace, query=query, accept=accept)
        items = answer["items"] or []  # an empty list of metadata is null
        for item in items:
            item.setdefault("apiVersion", kind.api_version)
            item.setdefault("kind", kind.kind)
        return items, answer["metadata"]["resourceVersion"]

    async def create(self, kind: Kind, body: Object) -> Object:
        """Makes an object.

        :raises Conflict: it exists already.
        """
        return await self._call("POST", kind, body["metadata"].get("namespace", ""), body=body)

    async def patch(
        self, kind: Kind, namespace: str, name: str, body: Object, *, subresource: str = "", manager: str = ""
    ) -> Object:
        """Merge patch; with ``metadata.resourceVersion`` in the body it is refused if the object changed since.

        :param manager: under which name the fields are managed; the client's own by default.
        :raises Conflict: it changed.
        """
        return await self._call(
            "PATCH", kind, namespace, name, subresource, body=body, manager=manager, content_type=_MERGE
        )

    async def delete(
        self, kind: Kind, namespace: str, name: str, *, uid: str = "", grace_seconds: int | None = None
    ) -> None:
        """Deletes an object; one that is gone already is fine.

        :param uid: delete only this very object, not a namesake made since.
        """
        body: Object = {"kind": "DeleteOptions", "apiVersion": "v1", "propagationPolicy": "Background"}
        if uid:
            body["preconditions"] = {"uid": uid}
        if grace_seconds is not None:
            body["gracePeriodSeconds"] = grace_seconds
        try:
            await self._call("DELETE", kind, namespace, name, body=body)
        except errors.NotFound:
            return

    async def logs(self, namespace: str, pod: str, container: str, *, tail_lines: int = 20) -> str:
        """The last lines a container wrote; empty if it never started."""
        query = {"container": container, "tailLines": str(tail_lines)}
        try:
            status, data = await self._send("GET", POD.path(namespace, pod, "log"), query=query)
            self._raise_for(status, data, POD, namespace, pod)
        except (errors.ClusterError, aiohttp.ClientError, TimeoutError):
            return ""
        return data.decode(errors="replace")

    async def stream_logs(
        self,
        namespace: str,
        pod: str,
        container: str,
        *,
        follow: bool = False,
        tail_lines: int | None = None,
        since_seconds: int | None = None,
    ) -> AsyncIterator[str]:
        """A container's lines, each after its time (RFC 3339) and a space.

        :param follow: go on until the container ends.
        :raises Unavailable: the connection broke off.
        """
        query = {"container": container, "timestamps": "true", "follow": "true" if follow else ""}
        query |= {"tailLines": str(tail_lines)} if tail_lines is not None else {}
        query |= {"sinceSeconds": str(since_seconds)} if since_seconds is not None else {}
        timeout = aiohttp.ClientTimeout(total=None, sock_connect=_TIMEOUT, sock_read=None if follow else _TIMEOUT)
        url, headers = self._url(POD.path(namespace, pod, "log"), query), await self._headers()
        try:
            async with self._session().get(url, headers=headers, timeout=timeout) as answer:
                if answer.status != 200:
                    self._raise_for(answer.status, await answer.read(), POD, namespace, pod)
                async for line in answer.content:
                    yield line.decode(errors="replace").rstrip("\n")
        except (aiohttp.ClientError, TimeoutError) as e:
            raise errors.Unavailable(POD.kind, namespace, pod, f"its log broke off: {e!r}") from e

    async def token(self, namespace: str, service_account: str) -> str:
        """A token of a service account, for the API server's own audience, good for ten minutes."""
        body = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {"expirationSeconds": 600}}
        answer = await self._call("POST", SERVICE_ACCOUNT, namespace, service_account, "token", body=body)
        return str(answer["status"]["token"])

    async def server_version(self) -> str:
        """The API server's own version, e.g. ``v1.37.0``.

        :raises Unavailable: it does not answer.
        """
        try:
            status, data = await self._send("GET", "/version")
        except (aiohttp.ClientError, TimeoutError, OSError) as e:
            raise errors.Unavailable("APIServer", "", self._url("", {}), f"no answer: {e}") from e
        self._raise_for(status, data, _API_SERVER, "", self._url("", {}))
        return str(json.loads(data)["gitVersion"])

    @asynccontextmanager
    async def forwarded(self, namespace: str, pod: str, port: int) -> AsyncIterator[aiohttp.ClientWebSocketResponse]:
        """A WebSocket that carries one connection to a pod's port; :mod:`thaw.kube.portforward` speaks over it.

        :raises ClusterError: the API server refused it.
        """
        url = self._url(POD.path(namespace, pod, "portforward"), {"ports": str(port)})
        headers = await self._headers() | {"Accept": "*/*"}
        try:
            socket = await self._session().ws_connect(
                url, protocols=(PORT_FORWARD_PROTOCOL,), headers=headers, max_msg_size=0
            )
        except aiohttp.WSServerHandshakeError as e:
            self._raise_for(e.status, b"port-forward refused: " + e.message.encode(), POD, namespace, pod)
            raise errors.ClusterError(POD.kind, namespace, pod, f"port-forward refused: {e.message}") from e
        except (aiohttp.ClientError, TimeoutError, OSError) as e:
            raise errors.Unavailable(POD.kind, namespace, pod, f"port-forward: {e}") from e
        async with socket:
            yield socket

    async def watch(
        self, kind: Kind, namespace: str = "", labels: str = "", fields: str = "", *, resource_version: str
    ) -> AsyncIterator[tuple[str, Object]]:
        """Events (``ADDED``, ``MODIFIED``, ``DELETED``, ``BOOKMARK``) since a version, until the server ends the watch.

        :raises WatchExpired: list again.
        :raises Unavailable: the connection broke off.
        """
        query = {
            "watch": "true",
            "allowWatchBookmarks": "true",
            "labelSelector": labels,
            "fieldSelector": fields,
            "resourceVersion": resource_version,
            "timeoutSeconds": str(_WATCH_SECONDS),
        }
        timeout = aiohttp.ClientTimeout(total=None, sock_connect=_TIMEOUT, sock_read=_WATCH_SECONDS + _TIMEOUT)
        session = self._session()
        url, headers = self._url(kind.path(namespace), query), await self._headers()
        if kind.metadata_only:
            headers["Accept"] = _METADATA.format("")
        try:
            async with session.get(url, headers=headers, timeout=timeout) as answer:
                if answer.status != 200:
                    self._raise_for(answer.status, await answer.read(), kind, namespace, "")
                async for line in answer.content:
                    event = json.loads(line)
                    if event["type"] == "ERROR":
                        raise WatchExpired(kind.kind, namespace, "", event["object"].get("message", "watch expired"))
                    yield event["type"], event["object"]
        except (aiohttp.ClientError, TimeoutError) as e:
            raise errors.Unavailable(kind.kind, namespace, "", f"the watch broke off: {e!r}") from e

    async def _call(
        self,
        method: str,
        kind: Kind,
        namespace: str,
        name: str = "",
        subresource: str = "",
        *,
        body: Object | None = None,
        query: Mapping[str, str] | None = None,
        manager: str = "",
        content_type: str = _JSON,
        accept: str = _JSON,
    ) -> Object:
        _possible(kind, namespace, name)
        path = kind.path(namespace, name, subresource)
        if method in ("POST", "PATCH"):
            query = {**(query or {}), "fieldManager": manager or self._manager}
        shown = name or ((body or {}).get("metadata", {}).get("name", ""))
        try:
            status, data = await self._send(
                method, path, body=body, query=query, content_type=content_type, accept=accept
            )
        except (aiohttp.ClientError, TimeoutError) as e:
            raise errors.Unavailable(kind.kind, namespace, shown, f"the API server did not answer: {e!r}") from e
        self._raise_for(status, data, kind, namespace, shown)
        answer: Object = json.loads(data)
        return answer

    async def _send(
        self,
        method: str,
        path: str,
        *,
        body: Object | None = None,
        query: Mapping[str, str] | None = None,
        content_type: str = _JSON,
        accept: str = _JSON,
    ) -> tuple[int, bytes]:
        headers = await self._headers() | {"Content-Type": content_type, "Accept": accept}
        data = json.dumps(body).encode() if body is not None else None
        async with self._session().request(
            method,
            self._url(path, query or {}),
            data=data,
            headers=headers,
            timeout=aiohttp.ClientTimeout(total=_TIMEOUT),
        ) as answer:
            return answer.status, await answer.read()

    def _session(self) -> aiohttp.ClientSession:
        rest = self._api.rest_client
        if rest.pool_manager is None:
            rest.pool_manager = rest._create_pool_manager()
        session: aiohttp.ClientSession = rest.pool_manager
        return session

    async def _headers(self) -> dict[str, str]:
        headers: dict[str, str] = {"Accept": _JSON}
        await self._api.update_params_for_auth(headers, [], ["BearerToken"], None, None, None)
        return headers

    def _url(self, path: str, query: Mapping[str, str]) -> str:
        query = {k: v for k, v in query.items() if v}
        host: str = self._api.configuration.host
        return host.rstrip("/") + path + (f"?{urlencode(query)}" if query else "")

    @staticmethod
    def _raise_for(status: int, data: bytes, kind: Kind, namespace: str, name: str) -> None:
        if status < 400:
            return
        try:
            message = json.loads(data).get("message", "")
        except ValueError:
            message = data[:200].decode(errors="replace")
        error: type[errors.ClusterError]
        match status:
            case 404:
                error = errors.NotFound
            case 409:
                error = errors.Conflict
            case 410:
                error = WatchExpired
            case 401 | 403:
                error = errors.Forbidden
            case 429 | 500 | 502 | 503 | 504:
                error = errors.Unavailable
            case _:
                error = errors.ClusterError
        raise error(kind.kind, namespace, name, message or f"HTTP {status}")


def _possible(kind: Kind, namespace: str, name: str) -> None:
    """Refuses what would make another path of an object's.

    Names come from users too, such as a version's ``spec.functionName``, and the calls are made with Thaw's own rights.

    :raises NotFound: the API server can have no object of that name (its own rule, ``IsValidPathSegmentName``).
    """
    for part in (namespace, name):
        if part in (".", "..") or not _NO_SEGMENT.isdisjoint(part):
            raise errors.NotFound(kind.kind, namespace, name, "no object can have that name")


async def connect_with_retry(manager: str, attempts: int = 30) -> Kube:
    """Connects, waiting for an API server that is still starting.

    :param manager: the field manager of all that is written.
    :raises Unavailable: after ``attempts`` seconds without an answer.
    """
    kube = await Kube.connect(manager)
    for left in range(attempts, 0, -1):
        try:
            await kube.list(POD, names.SYSTEM_NAMESPACE)
            return kube
        except errors.Unavailable:
            if left == 1:
                raise
            await asyncio.sleep(1)
    return kube
