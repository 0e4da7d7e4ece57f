"""What ``thaw doctor`` looks at: gathered here, judged in :mod:`thaw.cli.doctor_checks`."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Sequence
from typing import TypeVar

import aiohttp

from thaw import names
from thaw.api.v1alpha1 import PLURALS, FunctionVersion, Snapshot
from thaw.cli import gateway
from thaw.cli.credentials import Asked, NoCredentials
from thaw.cli.doctor_seen import Call, Seen
from thaw.cli.session import Session
from thaw.errors import ClusterError, Forbidden, ThawError
from thaw.kube.client import Kube, Object
from thaw.kube.kinds import (
    ADMISSION_BINDING,
    CRD,
    DAEMON_SET,
    DEPLOYMENT,
    FUNCTION_VERSION,
    NODE,
    POD,
    RUNTIME_CLASS,
    SECRET,
    SNAPSHOT,
    Kind,
)
from thaw.kube.portforward import forward

PATIENCE = 10.0
"""Seconds for each thing that is looked at."""
_T = TypeVar("_T")


async def look(session: Session, asked: Asked) -> Seen:
    """Looks at the cluster.

    :raises UserError: there is no kubeconfig, or it is broken.
    """
    kube, system = await session.kube(), asked.system_namespace
    server = (await session.access()).server
    version = await _tried(kube.server_version())
    if isinstance(version, ClusterError):
        return Seen(server, version, system=system)
    kinds = list(PLURALS)
    crds = await asyncio.gather(*(_get(kube, CRD, "", f"{PLURALS[kind]}.{names.GROUP}") for kind in kinds))
    pods = await _list(kube, POD, system, labels="app.kubernetes.io/name=thaw")
    return Seen(
        server,
        version,
        crds=dict(zip(kinds, crds, strict=True)),
        operator=await _get(kube, DEPLOYMENT, system, "thaw-operator"),
        gateway=await _get(kube, DEPLOYMENT, system, "thaw-gateway"),
        agent=await _get(kube, DAEMON_SET, system, "thaw-agent"),
        pods=pods,
        runtime_class=await _get(kube, RUNTIME_CLASS, "", names.RUNTIME_CLASS),
        admission=await _get(kube, ADMISSION_BINDING, "", names.ADMISSION_POLICY),
        access_key=await _get(kube, SECRET, system, names.DEFAULT_ACCESS_KEY),
        nodes=await _list(kube, NODE, ""),
        health=await _health(session, system),
        call=await _call(session, asked),
        versions=await _objects(session, FUNCTION_VERSION, FunctionVersion),
        snapshots=await _objects(session, SNAPSHOT, Snapshot),
        system=system,
    )


async def _tried(call: Awaitable[_T]) -> _T | ClusterError:
    try:
        async with asyncio.timeout(PATIENCE):
            return await call
    except ClusterError as e:
        return e
    except TimeoutError:
        return ClusterError("", "", "", f"no answer within {PATIENCE:g} s")


async def _get(kube: Kube, kind: Kind, namespace: str, name: str) -> Object | ClusterError:
    return await _tried(kube.get(kind, namespace, name))


async def _list(kube: Kube, kind: Kind, namespace: str, labels: str = "") -> Sequence[Object] | ClusterError:
    found = await _tried(kube.list(kind, namespace, labels))
    return found if isinstance(found, ClusterError) else found[0]


async def _objects(session: Session, kind: Kind, model: type[_T]) -> Sequence[_T] | ClusterError:
    """Those of the namespace that was named; else of all, or of the context's if that is all the caller may see."""
    kube = await session.kube()
    found = await _list(kube, kind, session.where.namespace)
    if isinstance(found, Forbidden):
        found = await _list(kube, kind, await session.namespace())
    if isinstance(found, ClusterError):
        return found
    return [model.model_validate(raw) for raw in found]  # type: ignore[attr-defined]


async def _health(session: Session, system: str) -> dict[str, str]:
    """Asks each gateway pod's health check, on the port that no Service shows."""
    try:
        pods = await gateway.pods(session, system)
    except ThawError:
        return {}  # what the pods lack is said by their own check
    kube = await session.kube()
    return {pod: await _healthz(kube, system, pod) for pod in pods}


async def _healthz(kube: Kube, system: str, pod: str) -> str:
    async with forward(kube, system, pod, names.METRICS_PORT) as forwarded, aiohttp.ClientSession() as http:
        try:
            limit = aiohttp.ClientTimeout(total=PATIENCE)
            async with http.get(f"{forwarded.url}/healthz", timeout=limit) as answer:
                return "" if answer.status == 200 else (await answer.text()).strip()
        except (aiohttp.ClientError, TimeoutError, OSError) as e:
            return forwarded.trouble or str(e) or "no answer"


async def _call(session: Session, asked: Asked) -> Call:
    """Lists functions through the gateway, as ``thaw invoke`` would call it."""
    where = asked.endpoint or "a port-forward"
    try:
        async with asyncio.timeout(PATIENCE), gateway.opened(session, asked) as (chosen,):
            await chosen.call("GET", "/2015-03-31/functions", query={"MaxItems": "1"}, timeout=PATIENCE)
            return Call(where, chosen.who.shown)
    except NoCredentials as e:
        return Call(where, trouble=str(e), made=False)
    except ThawError as e:
        return Call(where, trouble=str(e))
    except TimeoutError:
        return Call(where, trouble=f"no answer within {PATIENCE:g} s")
