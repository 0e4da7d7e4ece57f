"""What a pod's status says."""

from __future__ import annotations

from thaw.kube.client import Object


def is_ready(pod: Object) -> bool:
    """Whether it can serve, and is to go on doing so."""
    conditions = pod.get("status", {}).get("conditions", [])
    ready = any(c["type"] == "Ready" and c["status"] == "True" for c in conditions)
    return ready and not pod["metadata"].get("deletionTimestamp")
