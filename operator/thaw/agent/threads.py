"""Work with an end that can be relied on, in threads where it blocks."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, ParamSpec, TypeVar

_P = ParamSpec("_P")
_T = TypeVar("_T")


async def to_the_end(work: Coroutine[Any, Any, _T]) -> _T:
    """Awaits work that must not be cut off: a cancelled caller waits for its end before it goes."""
    task = asyncio.ensure_future(work)
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        await asyncio.wait([task])
        if not task.cancelled():
            task.exception()
        raise


async def in_thread(work: Callable[_P, _T], *args: _P.args, **kwargs: _P.kwargs) -> _T:
    """Runs blocking work in a thread, to its end.

    A thread cannot be stopped: were a cancelled caller to go at once, a snapshot could be committed after its deletion.
    """
    return await to_the_end(asyncio.to_thread(work, *args, **kwargs))
