"""A small memory of what others were asked, with one question at a time for each key."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from typing import Generic, TypeVar

V = TypeVar("V")


class Memory(Generic[V]):
    """Answers by key, each for its own time; the least recently used are forgotten.

    :param life: how many seconds an answer holds.
    :param clock: monotonic seconds.
    :param size: how many are remembered.
    """

    def __init__(self, life: Callable[[V], float], clock: Callable[[], float], size: int = 4096) -> None:
        self._life, self._clock, self._size = life, clock, size
        self._answers: OrderedDict[str, tuple[float, V]] = OrderedDict()
        self._asked: dict[str, asyncio.Future[V]] = {}

    def known(self, key: str) -> V | None:
        """The answer, if it still holds."""
        until, value = self._answers.get(key, (0.0, None))
        if value is None or self._clock() >= until:
            return None
        self._answers.move_to_end(key)
        return value

    async def get(self, key: str, ask: Callable[[], Awaitable[V]]) -> V:
        """The answer, asked for unless it is known; who comes meanwhile waits for the same. Failures are not kept.

        :raises Exception: whatever ``ask`` raises, to all who wait.
        """
        if (value := self.known(key)) is not None:
            return value
        asked = self._asked.get(key)
        if asked is None:
            asked = asyncio.ensure_future(self._ask(key, ask))
            self._asked[key] = asked
        return await asyncio.shield(asked)  # whoever goes away leaves the others their answer

    async def _ask(self, key: str, ask: Callable[[], Awaitable[V]]) -> V:
        try:
            value = await ask()
        finally:
            del self._asked[key]
        self._answers[key] = self._clock() + self._life(value), value
        self._answers.move_to_end(key)
        while len(self._answers) > self._size:
            self._answers.popitem(last=False)
        return value
