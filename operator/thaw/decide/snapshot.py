"""A Snapshot: its version writes its status while it lives; here it is removed, byte by byte."""

from __future__ import annotations

from thaw.decide import purge
from thaw.decide.actions import PurgeSnapshot
from thaw.decide.observed import ObservedSnapshot
from thaw.decide.plan import Plan


def decide(seen: ObservedSnapshot) -> Plan:
    """What to do about a snapshot.

    ==========================================  =======================================================
    what is observed                            what is done
    ==========================================  =======================================================
    not deleted                                 nothing: its version does all there is to do
    deleted; pods initialised or restored       phase Deleting; they are deleted, waits until they are gone
    deleted; a node's agent is not ready        waits, naming the node
    deleted                                     every agent removes its bytes, then it is released
    ==========================================  =======================================================

    The phase is written before anything is removed, so that no gateway begins a restore of what is going.
    """
    meta, before = seen.snapshot.metadata, seen.snapshot.status
    if meta.deletion_timestamp is None:
        return Plan()
    before = before.model_copy(update={"phase": "Deleting"})
    if seen.pods:
        return purge.waiting(before, meta, purge.pods(seen.pods), purge.text("pods", seen.pods), now=seen.now)
    if seen.nodes.silent:
        return purge.blocked(before, meta, seen.nodes, "its bytes", now=seen.now)
    return Plan(status=before, cleanup=(PurgeSnapshot(meta.uid, seen.nodes.urls),), released=True)
