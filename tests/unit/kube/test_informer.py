"""Lists and watches that end, expire and break."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from types import SimpleNamespace
from typing import Any

import pytest
from structlog.testing import capture_logs

from thaw.errors import Unavailable
from thaw.kube import informer
from thaw.kube.client import Object, WatchExpired
from thaw.kube.informer import Informer
from thaw.kube.kinds import POD

Word = tuple[str, Object] | Exception
EXPIRED = WatchExpired("Pod", "", "", "too old resource version")
DOWN = Unavailable("Pod", "", "", "connection refused")


@pytest.fixture(autouse=True)
def quickly(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(informer, "_BACKOFF_FIRST", 0.001)
    monkeypatch.setattr(informer, "_BACKOFF_MOST", 0.004)


def pod(name: str, version: int, namespace: str = "default") -> Object:
    return {"metadata": {"name": name, "namespace": namespace, "resourceVersion": str(version)}}


class FakeKube:
    """Plays lists and watches in turn; after the last watch it is silent, as a quiet cluster is."""

    def __init__(self, lists: list[tuple[list[Object], str] | Exception], watches: list[list[Word]]) -> None:
        self._lists, self._watches = lists, watches
        self.lists = 0
        self.watched_from: list[str] = []
        self.selected: set[tuple[str, str, str]] = set()
        self.quiet = asyncio.Event()

    async def list(
        self, kind: Any, namespace: str = "", labels: str = "", fields: str = ""
    ) -> tuple[list[Object], str]:
        self.lists += 1
        self.selected.add((kind.kind, namespace, labels))
        found = self._lists.pop(0)
        if isinstance(found, Exception):
            raise found
        return found

    async def watch(
        self, kind: Any, namespace: str = "", labels: str = "", fields: str = "", *, resource_version: str
    ) -> AsyncIterator[tuple[str, Object]]:
        self.watched_from.append(resource_version)
        self.selected.add((kind.kind, namespace, labels))
        if not self._watches:
            self.quiet.set()
            await asyncio.Event().wait()
        for word in self._watches.pop(0):
            if isinstance(word, Exception):
                raise word
            yield word


class Seen:
    """An informer's run, and what it told."""

    def __init__(self, kube: FakeKube, **selection: str) -> None:
        self.events: list[tuple[str, str, str]] = []
        self.copy = Informer(kube, POD, on_event=self._on_event, **selection)  # type: ignore[arg-type]

    def _on_event(self, type_: str, item: Object) -> None:
        self.events.append((type_, item["metadata"]["name"], item["metadata"]["resourceVersion"]))

    def names(self) -> set[str]:
        return {item["metadata"]["name"] for item in self.copy.list()}


@asynccontextmanager
async def run(kube: FakeKube, **selection: str) -> AsyncIterator[Seen]:
    """An informer that has come to the end of the play."""
    seen = Seen(kube, **selection)
    task = asyncio.ensure_future(seen.copy.run())
    quiet = asyncio.ensure_future(kube.quiet.wait())
    try:
        await asyncio.wait({task, quiet}, timeout=2, return_when=asyncio.FIRST_COMPLETED)
        if task.done():
            task.result()
        assert quiet.done(), "it never came to the end"
        yield seen
    finally:
        for each in (task, quiet):
            each.cancel()
        await asyncio.gather(task, quiet, return_exceptions=True)


async def test_events_are_told_in_order() -> None:
    kube = FakeKube(
        [([pod("a", 1), pod("b", 2)], "2")],
        [[("MODIFIED", pod("a", 3)), ("ADDED", pod("c", 4)), ("DELETED", pod("b", 5)), ("MODIFIED", pod("c", 6))]],
    )
    async with run(kube, namespace="ns", labels="x=y") as seen:
        assert seen.events == [
            ("ADDED", "a", "1"),
            ("ADDED", "b", "2"),
            ("MODIFIED", "a", "3"),
            ("ADDED", "c", "4"),
            ("DELETED", "b", "5"),
            ("MODIFIED", "c", "6"),
        ]
        assert seen.names() == {"a", "c"}
        assert seen.copy.get("default", "c") == pod("c", 6)
        assert seen.copy.get("default", "b") is None
        assert seen.copy.get("other", "a") is None
        assert kube.selected == {("Pod", "ns", "x=y")}


async def test_the_copy_is_true_before_its_listener_is_told() -> None:
    kube = FakeKube([([pod("a", 1)], "1")], [[("MODIFIED", pod("a", 2)), ("DELETED", pod("a", 3))]])
    found: list[Object | None] = []
    copy = Informer(kube, POD, on_event=lambda _type, item: found.append(copy.get("default", "a")))  # type: ignore[arg-type]
    task = asyncio.ensure_future(copy.run())
    await asyncio.wait_for(kube.quiet.wait(), 2)
    task.cancel()
    assert found == [pod("a", 1), pod("a", 2), None]


async def test_a_watch_that_ends_is_resumed_where_it_was_without_a_list() -> None:
    kube = FakeKube(
        [([pod("a", 1)], "5")],
        [[("MODIFIED", pod("a", 7))], [], [("BOOKMARK", {"metadata": {"resourceVersion": "40"}})]],
    )
    async with run(kube) as seen:
        assert kube.lists == 1
        assert kube.watched_from == ["5", "7", "7", "40"]
        assert seen.events == [("ADDED", "a", "1"), ("MODIFIED", "a", "7")], "a bookmark is no event"


@pytest.mark.parametrize("lost", [EXPIRED, DOWN, ConnectionResetError(), TimeoutError(), ValueError("half a line")])
async def test_a_watch_that_breaks_is_listed_anew_and_the_gap_is_told(lost: Exception) -> None:
    kube = FakeKube(
        [
            ([pod("kept", 1), pod("gone", 2), pod("changed", 3)], "3"),
            ([pod("kept", 1), pod("changed", 8), pod("new", 9)], "9"),
        ],
        [[lost]],
    )
    async with run(kube) as seen:
        assert kube.lists == 2
        assert kube.watched_from == ["3", "9"]
        assert seen.events[3:] == [("DELETED", "gone", "2"), ("MODIFIED", "changed", "8"), ("ADDED", "new", "9")]
        assert seen.names() == {"kept", "changed", "new"}


async def test_it_waits_longer_each_time_up_to_a_bound_and_starts_afresh_after_a_list() -> None:
    kube = FakeKube([*[DOWN] * 4, ([], "1"), DOWN, ([], "2")], [[EXPIRED]])
    with capture_logs() as lines:
        async with run(kube):
            assert kube.lists == 7
    waits = [line["again_in"] for line in lines if line["event"] == "watch lost"]
    assert waits == [0.001, 0.002, 0.004, 0.004, 0.001, 0.002]


async def test_it_is_synced_only_by_a_list() -> None:
    kube = FakeKube([DOWN, ([], "1")], [])
    seen = Seen(kube)
    before = seen.copy.last_event
    synced = asyncio.ensure_future(seen.copy.synced())
    await asyncio.sleep(0)
    assert not synced.done()
    task = asyncio.ensure_future(seen.copy.run())
    await asyncio.wait_for(synced, 2)
    assert kube.lists == 2
    assert seen.copy.last_event > before
    task.cancel()


async def test_a_bookmark_is_a_sign_of_life(monkeypatch: pytest.MonkeyPatch) -> None:
    ticks = itertools.count()
    monkeypatch.setattr(informer, "time", SimpleNamespace(monotonic=lambda: next(ticks)))
    kube = FakeKube([([], "1")], [[("BOOKMARK", {"metadata": {"resourceVersion": "2"}})]])
    async with run(kube) as seen:
        assert seen.copy.last_event == 2, "made, listed, then this"
        assert (seen.copy.list(), seen.events) == ([], [])


async def test_a_namesake_made_in_the_gap_is_another_object() -> None:
    old, new = pod("a", 1), pod("a", 5)
    old["metadata"]["uid"], new["metadata"]["uid"] = "old", "new"
    async with run(FakeKube([([old], "1"), ([new], "5")], [[EXPIRED]])) as seen:
        assert seen.events == [("ADDED", "a", "1"), ("DELETED", "a", "1"), ("ADDED", "a", "5")]
