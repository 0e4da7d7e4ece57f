"""Takes Thaw's runtime off every node, before the agents that can do it are deleted.

Function pods go first: containerd cannot delete their containers without thaw-runc, so an agent refuses while there are
any. Gateways may still make new ones, therefore it is done in every round.
"""

from __future__ import annotations

import asyncio
import contextlib
import time

import structlog

from thaw import names
from thaw.controller.options import OperatorSettings
from thaw.errors import Conflict, ThawError
from thaw.kube.agents import Agents, agents_by_node
from thaw.kube.client import Kube, connect_with_retry
from thaw.kube.kinds import NODE, POD

_PAUSE = 2.0
log = structlog.get_logger(__name__)


async def run(settings: OperatorSettings) -> int:
    """Asks until every node that has an agent has answered; the exit status says whether all did."""
    kube, agents = await connect_with_retry(names.MANAGER_OPERATOR), Agents(settings.agent_token_path)
    try:
        left = await _every_node(kube, agents, settings)
        if left:
            log.error("Thaw's runtime is still on some nodes", nodes=sorted(left))
            return 1
        log.info("Thaw's runtime is off every node")
        return 0
    finally:
        await agents.close()
        await kube.close()


async def _every_node(kube: Kube, agents: Agents, settings: OperatorSettings) -> set[str]:
    """The nodes that did not answer in time."""
    deadline, done = time.monotonic() + settings.uninstall_timeout, set[str]()
    while True:
        pods, _ = await kube.list(POD, settings.namespace, f"{names.LABEL_COMPONENT}=agent")
        ready = agents_by_node(pods)
        wanted = {p["spec"]["nodeName"] for p in pods if p["spec"].get("nodeName")}
        await _delete_function_pods(kube)
        left = sorted(set(ready) - done)
        answers = await asyncio.gather(*(_one_node(kube, agents, node, ready[node]) for node in left))
        done |= {node for node, off in zip(left, answers, strict=True) if off}
        if wanted <= done or time.monotonic() >= deadline:
            return wanted - done
        await asyncio.sleep(_PAUSE)


async def _one_node(kube: Kube, agents: Agents, node: str, agent: str) -> bool:
    try:
        await agents.uninstall(agent)
        await _unlabel(kube, node)
    except ThawError as e:
        log.warning("not off the node yet", node=node, error=str(e))
        return False
    log.info("off the node", node=node)
    return True


async def _delete_function_pods(kube: Kube) -> None:
    pods, _ = await kube.list(POD, labels=names.LABEL_ROLE)
    for pod in pods:
        meta = pod["metadata"]
        with contextlib.suppress(Conflict):
            await kube.delete(POD, meta["namespace"], meta["name"], uid=meta["uid"])


async def _unlabel(kube: Kube, node: str) -> None:
    meta = {
        "labels": {names.LABEL_CHECKPOINT: None},
        "annotations": {names.ANNOTATION_CHECKPOINT_REASON: None},
    }
    await kube.patch(NODE, "", node, {"metadata": meta})
