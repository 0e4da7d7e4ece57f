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
async def changed(memo: kopf.Memo, namespace: str | None, name: str, spec: kopf.Spec, **_: Any) -> None:
    """Wakes it, its function, its aliases and its duplicates."""
    context: Context = memo.context
    where = namespace or ""
    context.wakes.notify(
        own("FunctionVersion", where, name),
        of_function("FunctionVersion", where, str(spec.get("functionName"))),
    )


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
