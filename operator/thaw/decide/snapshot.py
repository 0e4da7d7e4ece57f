"""A Snapshot: its version writes its status while it lives; here it is removed, byte by byte."""

from __future__ import annotations

from datetime import timedelta

from thaw.decide import purge
from thaw.decide.actions import PurgeSnapshot
from thaw.decide.observed import ObservedSnapshot
from thaw.decide.plan import Plan

DRAIN = timedelta(minutes=15)
"""The longest that an invocation may take: an instance whose snapshot is replaced serves what it has to its end."""


def decide(seen: ObservedSnapshot) -> Plan:
    """What to do about a snapshot.

    ==========================================  =======================================================
    what is observed                            what is done
    ==========================================  =======================================================
    not deleted                                 nothing: its version does all there is to do
    deleted; instances restored from it         phase Deleting; gateways end each after what it serves; waits
    deleted; 15 min later they are still there  they are deleted
    deleted; pods that make it                  they are deleted, waits until they are gone
    deleted; a node's agent is not ready        waits, naming the node
    deleted                                     every agent removes its bytes, then it is released
    ==========================================  =======================================================

    The phase is written before anything is removed, so that no gateway begins a restore of what is going.
    """
    meta, before = seen.snapshot.metadata, seen.snapshot.status
    if meta.deletion_timestamp is None:
        return Plan()
    before = before.model_copy(update={"phase": "Deleting"})
    drained = seen.now - meta.deletion_timestamp >= DRAIN
    going = seen.pods + (seen.instances if drained else ())
    if seen.pods or seen.instances:
        text = purge.text("pods", seen.pods + seen.instances)
        return purge.waiting(before, meta, purge.pods(going), text, now=seen.now)
    if seen.nodes.silent:
        return purge.blocked(before, meta, seen.nodes, "its bytes", now=seen.now)
    return Plan(status=before, cleanup=(PurgeSnapshot(meta.uid, seen.nodes.urls),), released=True)
