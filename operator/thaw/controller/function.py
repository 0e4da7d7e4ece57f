"""Handlers of Functions."""

from __future__ import annotations

from typing import Any

import kopf

from thaw.controller import lifecycle, reconcilers
from thaw.controller.context import Context
from thaw.controller.wakes import own
from thaw.kube.kinds import FUNCTION

_WHICH = (FUNCTION.group, FUNCTION.version, FUNCTION.plural)


@kopf.on.event(*_WHICH)
async def changed(memo: kopf.Memo, namespace: str | None, name: str, **_: Any) -> None:
    """Wakes it, and what waits for it."""
    context: Context = memo.context
    where = namespace or ""
    context.wakes.notify(own("Function", where, name))


@kopf.daemon(*_WHICH)
async def live(memo: kopf.Memo, body: kopf.Body, stopped: kopf.DaemonStopped, **_: Any) -> None:
    """Validates it, publishes by autoPublishAlias."""
    context: Context = memo.context
    await lifecycle.live(context, reconcilers.functions(context), body, stopped)


@kopf.on.delete(*_WHICH)
async def purge(memo: kopf.Memo, body: kopf.Body, **_: Any) -> None:
    """Takes aliases, versions, pods and packages along."""
    context: Context = memo.context
    await lifecycle.purge(context, reconcilers.functions(context), body)
