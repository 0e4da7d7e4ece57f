"""What a shell offers after TAB: names from the cluster, if it answers at once; never an error."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import typer

from thaw.api.v1alpha1 import FunctionAlias, FunctionVersion
from thaw.cli.session import Session, Where
from thaw.errors import ThawError
from thaw.kube.kinds import FUNCTION, FUNCTION_ALIAS, FUNCTION_VERSION, SNAPSHOT, Kind
from thaw.names import LATEST

PATIENCE = 2.0
"""Seconds."""


def functions(context: typer.Context, incomplete: str) -> list[str]:
    """Names of functions."""
    return _offered(context, incomplete, lambda session: _names(session, FUNCTION))


def snapshots(context: typer.Context, incomplete: str) -> list[str]:
    """Names of snapshots."""
    return _offered(context, incomplete, lambda session: _names(session, SNAPSHOT))


def qualified(context: typer.Context, incomplete: str) -> list[str]:
    """Names of functions; after a colon, of one's versions and aliases."""
    function, colon, _ = incomplete.partition(":")
    if not colon:
        return functions(context, incomplete)
    return _offered(context, incomplete, lambda session: _qualifiers(session, function))


def _offered(context: typer.Context, incomplete: str, ask: Callable[[Session], Awaitable[list[str]]]) -> list[str]:
    given = {name: context.params.get(name) or "" for name in ("namespace", "context", "kubeconfig")}

    async def bounded() -> list[str]:
        async with asyncio.timeout(PATIENCE), Session(Where(**given)) as session:
            return await ask(session)

    try:
        return [name for name in asyncio.run(bounded()) if name.startswith(incomplete)]
    except (ThawError, OSError, TimeoutError):
        return []


async def _names(session: Session, kind: Kind) -> list[str]:
    kube, namespace = await session.kube(), await session.namespace()
    items, _ = await kube.list(kind, namespace)
    return sorted(item["metadata"]["name"] for item in items)


async def _qualifiers(session: Session, function: str) -> list[str]:
    kube, namespace = await session.kube(), await session.namespace()
    fields = f"spec.functionName={function}"
    versions, _ = await kube.list(FUNCTION_VERSION, namespace, fields=fields)
    aliases, _ = await kube.list(FUNCTION_ALIAS, namespace, fields=fields)
    numbers = {FunctionVersion.model_validate(raw).status.version for raw in versions} - {""}
    named = [FunctionAlias.model_validate(raw).spec.name for raw in aliases]
    return [f"{function}:{it}" for it in (*sorted(named), *sorted(numbers, key=int), LATEST)]
