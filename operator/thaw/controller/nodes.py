"""Labels nodes by what their agents say of them, so that function pods are scheduled where they can be restored."""

from __future__ import annotations

import asyncio
import time

import structlog

from thaw import names
from thaw.api.node import NodeInfo
from thaw.controller.context import Context
from thaw.controller.wakes import NODES, Listener
from thaw.decide.node import Mark, mark
from thaw.errors import ClusterError, NodeError, NotFound
from thaw.kube.client import Object
from thaw.kube.kinds import NODE

POLL_SECONDS = 15.0
_REASON, _FINGERPRINT = names.ANNOTATION_CHECKPOINT_REASON, names.ANNOTATION_FINGERPRINT
_STORE = names.ANNOTATION_STORE_REASON
log = structlog.get_logger(__name__)


class Labeller:
    """Asks the agents, marks the nodes."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._heard: dict[str, float] = {}
        """Node → when its agent last answered, or was first missed."""

    async def run(self) -> None:
        """Every 15 s, and at once when an agent comes or goes."""
        listener = Listener(self._context.wakes)
        listener.listen([NODES])
        await self._context.copies.synced()
        while True:
            listener.event.clear()
            try:
                await self.once()
            except ClusterError as e:
                log.warning("nodes not labelled", error=str(e))
            await listener.wait(POLL_SECONDS)

    async def once(self) -> None:
        """One round over all nodes."""
        agents = self._context.copies.agents()
        answers = await asyncio.gather(*(self._ask(url) for url in agents.values()))
        infos = dict(zip(agents, answers, strict=True))
        known = {node.name for node in self._context.copies.nodes().nodes}
        now = time.monotonic()
        for name in sorted(known | set(infos)):
            info = infos.get(name)
            if info is not None or name not in self._heard:
                self._heard[name] = now
            wanted = mark(info, known=name in known, silent_for=now - self._heard[name])
            if wanted is not None:
                await self._write(name, wanted)

    async def _ask(self, url: str) -> NodeInfo | None:
        try:
            return await self._context.agents.node(url)
        except NodeError as e:
            log.warning("agent did not say what its node can do", agent=url, error=str(e))
            return None

    async def _write(self, name: str, wanted: Mark) -> None:
        try:
            node = await self._context.kube.get(NODE, "", name)
        except NotFound:
            return
        meta: Object = node["metadata"]
        labels, annotations = meta.get("labels", {}), meta.get("annotations", {})
        noted = {key: annotations.get(key, "") for key in (_REASON, _FINGERPRINT, _STORE)}
        told = {
            _REASON: wanted.reason,
            _FINGERPRINT: wanted.fingerprint or noted[_FINGERPRINT],
            _STORE: noted[_STORE] if wanted.store is None else wanted.store,
        }
        if labels.get(names.LABEL_CHECKPOINT) == wanted.label and noted == told:
            return
        body = {
            "metadata": {
                "labels": {names.LABEL_CHECKPOINT: wanted.label},
                "annotations": {key: value or None for key, value in told.items()},
            }
        }
        await self._context.kube.patch(NODE, "", name, body)
        log.info("node labelled", node=name, checkpoint=wanted.label, reason=wanted.reason, store=told[_STORE])
