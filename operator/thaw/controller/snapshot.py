"""Handlers of Snapshots."""

from __future__ import annotations

from typing import Any

import kopf

from thaw.api.v1alpha1 import SnapshotStatus
from thaw.controller import lifecycle, reconcilers
from thaw.controller.context import Context
from thaw.controller.wakes import own
from thaw.kube.kinds import SNAPSHOT

_WHICH = (SNAPSHOT.group, SNAPSHOT.version, SNAPSHOT.plural)


@kopf.on.event(*_WHICH)
async def changed(
    memo: kopf.Memo, event: kopf.RawEvent, namespace: str | None, name: str, spec: kopf.Spec, **_: Any
) -> None:
    """Counts it, wakes it and its version."""
    context: Context = memo.context
    where, gone = namespace or "", event["type"] == "DELETED"
    status = SnapshotStatus.model_validate(event["object"].get("status") or {})
    context.metrics.saw_snapshot(event["object"]["metadata"]["uid"], None if gone else status)
    context.wakes.notify(own("Snapshot", where, name), own("FunctionVersion", where, str(spec.get("versionName"))))


@kopf.on.delete(*_WHICH)
async def purge(memo: kopf.Memo, body: kopf.Body, **_: Any) -> None:
    """Removes every byte of it from nodes and store."""
    context: Context = memo.context
    await lifecycle.purge(context, reconcilers.snapshots(context), body)
