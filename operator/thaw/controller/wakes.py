"""Who is to look again when something changed. An event only wakes; what is the case is observed anew."""

from __future__ import annotations

import asyncio
import contextlib
from collections import defaultdict
from collections.abc import Iterable

Topic = tuple[str, str, str]
"""What changed: a word, a namespace, a name."""

NODES: Topic = ("nodes", "", "")
"""Nodes and agents, as they come and go."""
KINDS_OF_NODES: Topic = ("kinds of nodes", "", "")
"""Which nodes can restore, and what they are; an agent's restart changes nothing of it."""


def own(kind: str, namespace: str, name: str) -> Topic:
    """The object itself, or what hangs on it."""
    return kind, namespace, name


def of_function(kind: str, namespace: str, function: str) -> Topic:
    """Any object of that kind that belongs to a function."""
    return f"{kind} of", namespace, function


class Listener:
    """One reconciled object's ear."""

    def __init__(self, wakes: Wakes) -> None:
        self._wakes = wakes
        self._topics: frozenset[Topic] = frozenset()
        self.event = asyncio.Event()

    def listen(self, topics: Iterable[Topic]) -> None:
        """From now on to these topics."""
        topics = frozenset(topics)
        for topic in self._topics - topics:
            self._wakes.remove(topic, self)
        for topic in topics - self._topics:
            self._wakes.add(topic, self)
        self._topics = topics

    async def wait(self, seconds: float) -> None:
        """Until it is woken, or for so long."""
        with contextlib.suppress(TimeoutError):
            # Not wait_for(): Python 3.11's loses a cancellation that comes together with the event.
            async with asyncio.timeout(seconds):
                await self.event.wait()

    def close(self) -> None:
        """To nothing any more."""
        self.listen(())


class Wakes:
    """Topics and their listeners."""

    def __init__(self) -> None:
        self._listeners: defaultdict[Topic, set[Listener]] = defaultdict(set)
        self._soon: dict[Topic, asyncio.TimerHandle] = {}

    def add(self, topic: Topic, listener: Listener) -> None:
        """Called by the listener."""
        self._listeners[topic].add(listener)

    def remove(self, topic: Topic, listener: Listener) -> None:
        """Called by the listener."""
        self._listeners[topic].discard(listener)
        if not self._listeners[topic]:
            del self._listeners[topic]

    def notify(self, *topics: Topic) -> None:
        """Wakes who listens, now."""
        for topic in topics:
            for listener in self._listeners.get(topic, ()):
                listener.event.set()

    def notify_soon(self, topic: Topic, delay: float) -> None:
        """Wakes who listens after a while, once for all that happens until then."""
        if topic not in self._soon:
            self._soon[topic] = asyncio.get_running_loop().call_later(delay, self._fire, topic)

    def _fire(self, topic: Topic) -> None:
        self._soon.pop(topic, None)
        self.notify(topic)
