"""Whose turn it is to recycle: a few versions at one time in the whole cluster, the others in the order they asked.

A new runtime image concerns every version. If each of a thousand began at once, a thousand init pods would; if each
looked every few seconds whether it may, the API server would be busy with nothing else. So they queue here, and are
woken.
It lives in memory: after a restart of the operator those under way take their turns first, as they are seen.
"""

from __future__ import annotations

from collections import OrderedDict

from thaw.controller.wakes import Topic, Wakes
from thaw.decide.plan import Plan


class Turns:
    """The turns taken, and the queue.

    :param most: how many at one time.
    """

    def __init__(self, most: int, wakes: Wakes) -> None:
        self._most, self._wakes = most, wakes
        self._taken: set[str] = set()
        self._queue: OrderedDict[str, Topic] = OrderedDict()

    def has(self, uid: str) -> bool:
        """Whether it is a version's turn."""
        return uid in self._taken

    def saw(self, uid: str, topic: Topic, plan: Plan | None) -> None:
        """What a version's pass came to; None: it is gone."""
        if plan is None or plan.released:
            self._end(uid)
        elif getattr(plan.status, "recycle", None) is not None:
            self._queue.pop(uid, None)
            self._taken.add(uid)
        elif plan.waits_for_turn:
            self._queue.setdefault(uid, topic)
        elif plan.status is not None:
            self._end(uid)
        self._call()

    def _end(self, uid: str) -> None:
        self._taken.discard(uid)
        self._queue.pop(uid, None)

    def _call(self) -> None:
        while self._queue and len(self._taken) < self._most:
            uid, topic = self._queue.popitem(last=False)
            self._taken.add(uid)
            self._wakes.notify(topic)
