"""PURE: the JSON of ``/thaw/v1`` out of Thaw's objects: camelCase, times as RFC 3339, sizes in bytes."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from thaw.api.node import CacheInfo, NodeInfo
from thaw.api.v1alpha1 import Function, FunctionVersion, Snapshot
from thaw.gateway.recent import Served

Json = dict[str, Any]


@dataclass(frozen=True)
class Pods:
    """Instances that the gateways have of a version or of ``$LATEST``."""

    ready: int
    starting: int


def function(
    found: Function,
    versions: Sequence[FunctionVersion],
    snapshot: Callable[[str], Snapshot | None],
    pods: Callable[[str], Pods],
) -> Json:
    """A function with its versions, newest first.

    :param snapshot: finds a snapshot by its object's name.
    :param pods: counts instances by version number.
    """
    spec, status = found.spec, found.status
    return {
        "name": found.metadata.name,
        "namespace": found.metadata.namespace,
        "protocol": spec.protocol,
        "runtime": spec.runtime or "",
        "applyOn": spec.snap_start.apply_on,
        "state": status.state or "Pending",
        "stateReason": status.state_reason,
        "versions": [_version(v, snapshot(v.status.snapshot_ref), pods(v.status.version)) for v in reversed(versions)],
    }


def _version(version: FunctionVersion, taken: Snapshot | None, pods: Pods) -> Json:
    status = version.status
    return {
        "version": status.version,
        "name": version.metadata.name,
        "description": version.spec.description,
        "createdAt": time(version.metadata.creation_timestamp),
        "state": status.state or "Pending",
        "stateReason": status.state_reason,
        "stateReasonCode": status.state_reason_code,
        "applyOn": status.snap_start.apply_on,
        "optimizationStatus": status.snap_start.optimization_status,
        "initDurationMs": status.init_duration_ms,
        "lastRestoreMs": status.last_restore_ms,
        "lastInvokedTime": time(status.last_invoked_time),
        "recycle": status.recycle.cause if status.recycle else None,
        "snapshot": snapshot_of(taken, in_use=True) if taken else None,
        "instances": {
            "ready": pods.ready,
            "starting": pods.starting,
            "standby": status.instances.standby,
            "slots": status.instances.slots,
        },
    }


def snapshot_of(found: Snapshot, *, in_use: bool) -> Json:
    """A snapshot.

    :param in_use: whether new instances of its version are restored from it.
    """
    spec, status = found.spec, found.status
    return {
        "name": found.metadata.name,
        "function": spec.function_name,
        "version": spec.version,
        "phase": status.phase or "Creating",
        "inUse": in_use,
        "sizeBytes": status.size_bytes,
        "storedBytes": status.stored_bytes,
        "createdAt": time(status.created_at or found.metadata.creation_timestamp),
        "node": status.node,
        "digest": status.digest,
        "initDurationMs": status.init_duration_ms,
        "checkpointMs": status.checkpoint_ms,
        "trialRestoreMs": status.trial_restore_ms,
        "message": status.message,
    }


def starts(since: datetime, served: Sequence[Served]) -> Json:
    """Recent starts."""
    return {
        "since": time(since),
        "starts": [
            {
                "function": s.function,
                "version": s.version,
                "start": s.start,
                "totalMs": round(s.total_ms, 1),
                "restoreMs": round(s.restore_ms, 1),
                "at": time(s.at),
            }
            for s in served
        ],
    }


def node(
    name: str,
    info: NodeInfo | None,
    cache: CacheInfo | None,
    problem: str,
    shown: Mapping[str, Snapshot],
    *,
    everything: bool,
) -> Json:
    """A node, with what it has ready for use.

    :param info: None when its agent did not say, as of the cache.
    :param problem: why something of its agent is missing; empty when nothing is.
    :param shown: the snapshots that may be shown, by UID.
    :param everything: whether these are all, and the sums of the whole node may be shown too.
    """
    kept = cache.snapshots if cache else ()
    return {
        "name": name,
        "agentReady": info is not None,
        "problem": problem,
        "checkpoint": info.checkpoint if info else None,
        "reason": info.reason if info else "",
        "version": info.version if info else "",
        "fingerprint": info.fingerprint.to_json() if info else {},
        "cache": {
            "snapshots": [_cached(shown[s.id], s.bytes) for s in kept if s.id in shown],
            "code": {"count": cache.code_count, "bytes": cache.code_bytes} if everything else None,
        }
        if cache
        else None,
    }


def _cached(found: Snapshot, size: int) -> Json:
    return {
        "namespace": found.metadata.namespace,
        "name": found.metadata.name,
        "function": found.spec.function_name,
        "version": found.spec.version,
        "bytes": size,
    }


def time(at: datetime | None) -> str | None:
    """RFC 3339 in UTC, with milliseconds."""
    return at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z") if at else None
