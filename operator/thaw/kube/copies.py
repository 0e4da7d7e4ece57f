"""The operator's local copies: function pods, agents and nodes change often and are looked at often."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any

from pydantic import ValidationError

from thaw import names
from thaw.api.v1alpha1 import Fingerprint
from thaw.decide.observed import Node, Nodes
from thaw.kube.agents import agents_by_node
from thaw.kube.client import Kube, Object
from thaw.kube.informer import Informer, OnEvent
from thaw.kube.kinds import NODE, POD


def _fingerprint(meta: Object) -> Fingerprint | None:
    """What the node's agent told last, as the operator noted it there."""
    noted = meta.get("annotations", {}).get(names.ANNOTATION_FINGERPRINT)
    try:
        return Fingerprint.model_validate_json(noted) if noted else None
    except ValidationError:
        return None


class Copies:
    """Function pods of all namespaces, Thaw's agent pods, and the nodes that have or had an agent."""

    def __init__(self, kube: Kube, namespace: str, *, on_pod: OnEvent, on_node: OnEvent) -> None:
        self._pods = Informer(kube, POD, labels=names.LABEL_ROLE, on_event=on_pod)
        self._agents = Informer(
            kube, POD, namespace=namespace, labels=f"{names.LABEL_COMPONENT}=agent", on_event=on_node
        )
        self._nodes = Informer(kube, NODE, labels=names.LABEL_CHECKPOINT, on_event=on_node)

    def runs(self) -> list[Coroutine[Any, Any, None]]:
        """What must run for ever."""
        return [self._pods.run(), self._agents.run(), self._nodes.run()]

    async def synced(self) -> None:
        """Returns when the first lists are in."""
        await asyncio.gather(self._pods.synced(), self._agents.synced(), self._nodes.synced())

    def instances(self, namespace: str, version_name: str) -> list[Object]:
        """The pods that serve a version."""
        wanted = {names.LABEL_ROLE: names.ROLE_INSTANCE, names.LABEL_VERSION_NAME: version_name}
        return [
            pod
            for pod in self._pods.list()
            if pod["metadata"]["namespace"] == namespace and wanted.items() <= pod["metadata"]["labels"].items()
        ]

    def agents(self) -> dict[str, str]:
        """Node name → base URL of its agent, of those that are ready."""
        return agents_by_node(self._agents.list())

    def nodes(self) -> Nodes:
        """Where Thaw is, and whom it can ask there."""
        found = []
        for node in self._nodes.list():
            meta = node["metadata"]
            capable = meta["labels"].get(names.LABEL_CHECKPOINT) == "supported"
            reason = meta.get("annotations", {}).get(names.ANNOTATION_CHECKPOINT_REASON, "")
            found.append(Node(meta["name"], capable, reason, _fingerprint(meta)))
        return Nodes(tuple(sorted(found, key=lambda n: n.name)), self.agents())
