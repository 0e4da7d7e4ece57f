"""Which nodes have which snapshot at hand, as a gateway tells."""

from __future__ import annotations

from collections.abc import Mapping

from pydantic import ValidationError

from thaw.api.base import Model
from thaw.cli import gateway
from thaw.cli.credentials import Asked
from thaw.cli.session import Session
from thaw.errors import ThawError

PATH = "/thaw/v1/nodes"


class CachedSnapshot(Model):
    """A snapshot in a node's cache."""

    namespace: str
    name: str


class Cache(Model):
    """What a node has ready for use."""

    snapshots: tuple[CachedSnapshot, ...] = ()


class Node(Model):
    """A node."""

    name: str
    cache: Cache | None = None
    """None where its agent did not say."""


class Nodes(Model):
    """What a gateway tells of them."""

    nodes: tuple[Node, ...] = ()

    def by_snapshot(self, namespace: str) -> dict[str, list[str]]:
        """Name of a snapshot of that namespace → nodes that have it. Who may see all namespaces is told of all."""
        found: dict[str, list[str]] = {}
        for node in self.nodes:
            for snapshot in node.cache.snapshots if node.cache else ():
                if snapshot.namespace == namespace:
                    found.setdefault(snapshot.name, []).append(node.name)
        return found


async def ask(session: Session, asked: Asked) -> Mapping[str, list[str]] | None:
    """Snapshot's name → nodes that have it; None where no gateway tells, for the list of snapshots needs none."""
    try:
        async with gateway.opened(session, asked) as (chosen,):
            answer = await chosen.call("GET", PATH)
            return Nodes.model_validate_json(answer.body).by_snapshot(await session.namespace())
    except (ThawError, ValidationError):
        return None
