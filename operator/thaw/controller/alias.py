"""Handlers of FunctionAliases. Nothing outside the cluster belongs to one, so there is nothing to purge."""

from __future__ import annotations

from typing import Any

import kopf

from thaw.controller import lifecycle, reconcilers
from thaw.controller.context import Context
from thaw.controller.wakes import of_function, own
from thaw.kube.kinds import FUNCTION_ALIAS

_WHICH = (FUNCTION_ALIAS.group, FUNCTION_ALIAS.version, FUNCTION_ALIAS.plural)


@kopf.on.event(*_WHICH)
async def changed(memo: kopf.Memo, namespace: str | None, name: str, spec: kopf.Spec, **_: Any) -> None:
    """Wakes it and its function."""
    context: Context = memo.context
    where = namespace or ""
    context.wakes.notify(
        own("FunctionAlias", where, name),
        of_function("FunctionAlias", where, str(spec.get("functionName"))),
    )


@kopf.daemon(*_WHICH)
async def live(memo: kopf.Memo, body: kopf.Body, stopped: kopf.DaemonStopped, **_: Any) -> None:
    """Tells whether what it names exists."""
    context: Context = memo.context
    await lifecycle.live(context, reconcilers.aliases(context), body, stopped)
