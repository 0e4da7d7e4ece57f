"""Addresses of Thaw's own pods and services, and of the API server: asked for at each delivery, so current."""

from __future__ import annotations

from collections.abc import Iterable

from thaw.errors import NotFound
from thaw.kube.client import Kube, Object
from thaw.kube.kinds import ENDPOINT_SLICE, POD, SERVICE

_API_SERVER = "kubernetes"
"""Its Service and EndpointSlice, in the namespace default, are the API server's own work."""


async def addresses(kube: Kube, namespace: str) -> frozenset[str]:
    """The addresses, as text.

    :param namespace: Thaw's own.
    :raises ClusterError: they cannot be found out.
    """
    pods, _ = await kube.list(POD, namespace)
    services, _ = await kube.list(SERVICE, namespace)
    services.append(await kube.get(SERVICE, "default", _API_SERVER))
    found = [ip for pod in pods for ip in _of_pod(pod)]
    found += [ip for service in services for ip in _of_service(service)]
    return frozenset(found + await _of_servers(kube))


async def _of_servers(kube: Kube) -> list[str]:
    """The API servers themselves; some clusters do not tell (``--endpoint-reconciler-type=none``)."""
    try:
        servers = await kube.get(ENDPOINT_SLICE, "default", _API_SERVER)
    except NotFound:
        return []
    return [ip for endpoint in servers.get("endpoints") or [] for ip in endpoint["addresses"]]


def _of_pod(pod: Object) -> Iterable[str]:
    return (entry["ip"] for entry in pod.get("status", {}).get("podIPs", []))


def _of_service(service: Object) -> Iterable[str]:
    spec, status = service["spec"], service.get("status", {})
    yield from (ip for ip in spec.get("clusterIPs", []) if ip != "None")
    yield from spec.get("externalIPs", [])
    yield from (i["ip"] for i in status.get("loadBalancer", {}).get("ingress", []) if "ip" in i)
