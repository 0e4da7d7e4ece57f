"""How one object's loop hangs on kopf: a daemon while it lives, a deletion handler when it dies."""

from __future__ import annotations

import asyncio
from typing import TypeVar

import kopf

from thaw.controller.context import Context
from thaw.controller.loop import Reconciler, run

S = TypeVar("S")


async def live(context: Context, reconciler: Reconciler[S], body: kopf.Body, stopped: kopf.DaemonStopped) -> None:
    """Reconciles until kopf says stop: the object is being deleted, or the operator ends.

    Stopping cuts a pass short, which is safe: a pass can be cut short at any line.
    """
    meta = body.metadata
    work = asyncio.ensure_future(run(context, reconciler, meta.namespace or "", meta.name or "", meta.uid or ""))
    stop = asyncio.ensure_future(stopped.wait())
    try:
        await asyncio.wait({work, stop}, return_when=asyncio.FIRST_COMPLETED)
    finally:
        work.cancel()
        stop.cancel()
        await asyncio.gather(work, stop, return_exceptions=True)


async def purge(context: Context, reconciler: Reconciler[S], body: kopf.Body) -> None:
    """Reconciles a deleted object until nothing of it is left; kopf then removes the finalizer."""
    meta = body.metadata
    await run(context, reconciler, meta.namespace or "", meta.name or "", meta.uid or "")
