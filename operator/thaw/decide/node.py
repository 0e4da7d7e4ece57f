"""Nodes: which of them can checkpoint, as labels that the RuntimeClass selects by."""

from __future__ import annotations

from dataclasses import dataclass

from thaw.api.node import NodeInfo

PATIENCE = 60.0
"""Seconds an agent may be away (its rollout, a restart) before its node is taken out of service."""


@dataclass(frozen=True)
class Mark:
    """The value of label ``thaw.dev/checkpoint``, and of the annotations beside it."""

    label: str
    reason: str
    fingerprint: str = ""
    """JSON; empty leaves what was noted."""
    store: str | None = None
    """Why its store does not work; None leaves what was noted."""


def mark(info: NodeInfo | None, *, known: bool, silent_for: float) -> Mark | None:
    """What a node is to be marked with; None leaves it as it is.

    ===========================  ==============  =================================
    agent                        marked before   mark
    ===========================  ==============  =================================
    answers, can checkpoint      any             supported
    answers, cannot              any             unsupported, its reason
    silent, shorter than a min.  any             left as it is
    silent, longer               yes             unsupported, no agent answers
    silent, longer               no              left: there never was an agent
    ===========================  ==============  =================================
    """
    if info is not None:
        fingerprint = info.fingerprint.model_dump_json(by_alias=True)
        if info.checkpoint:
            return Mark("supported", "", fingerprint, info.store)
        return Mark("unsupported", info.reason or "no reason given", fingerprint, info.store)
    if known and silent_for >= PATIENCE:
        return Mark("unsupported", "no agent answers on this node")
    return None
