"""Handlers of FunctionVersions."""

from __future__ import annotations

from typing import Any

import kopf

from thaw.controller import lifecycle, reconcilers
from thaw.controller.context import Context
from thaw.controller.wakes import of_function, own
from thaw.kube.kinds import FUNCTION_VERSION

_WHICH = (FUNCTION_VERSION.group, FUNCTION_VERSION.version, FUNCTION_VERSION.plural)


@kopf.on.event(*_WHICH)
async def changed(memo: kopf.Memo, event: kopf.RawEvent, namespace: str | None, name: str, **_: Any) -> None:
    """Wakes it; its function, its aliases and its duplicates only if what they look at has changed.

    An invocation and an instance that comes or goes change a version's status as well, once a minute and more.
    """
    context: Context = memo.context
    where, item = namespace or "", event["object"]
    context.wakes.notify(own("FunctionVersion", where, name))
    if context.notable(item["metadata"]["uid"], None if event["type"] == "DELETED" else _notable(item)):
        context.wakes.notify(of_function("FunctionVersion", where, str(item["spec"].get("functionName"))))


def _notable(item: Any) -> tuple[Any, ...]:
    status = item.get("status") or {}
    ready = [(c["reason"], c["message"]) for c in status.get("conditions", ()) if c["type"] == "Ready"]
    told = (status.get(key) for key in ("version", "state", "duplicateOf", "snapshotRef"))
    return (*told, *ready, "deletionTimestamp" in item["metadata"])


@kopf.daemon(*_WHICH)
async def live(memo: kopf.Memo, body: kopf.Body, stopped: kopf.DaemonStopped, **_: Any) -> None:
    """Publishes it: number, template, snapshot."""
    context: Context = memo.context
    meta, function = body.metadata, str(body.spec.get("functionName"))
    await lifecycle.live(context, reconcilers.versions(context, meta.namespace or "", function), body, stopped)


@kopf.on.delete(*_WHICH)
async def purge(memo: kopf.Memo, body: kopf.Body, **_: Any) -> None:
    """Takes pods, snapshots and an unshared package along."""
    context: Context = memo.context
    meta, function = body.metadata, str(body.spec.get("functionName"))
    await lifecycle.purge(context, reconcilers.versions(context, meta.namespace or "", function), body)
