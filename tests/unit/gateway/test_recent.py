"""What is remembered of recent requests, and since when it is all."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest

from thaw.gateway import recent
from thaw.gateway.recent import RecentStarts

BEGIN = datetime(2026, 1, 1, tzinfo=UTC)


class Clock:
    def __init__(self) -> None:
        self.at = BEGIN

    def __call__(self) -> datetime:
        return self.at

    def tick(self) -> None:
        self.at += timedelta(seconds=1)


def target(function: str = "fn", namespace: str = "default", version: str = "1") -> Any:
    return SimpleNamespace(namespace=namespace, function=function, qualifier=version)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def starts(clock: Clock) -> RecentStarts:
    return RecentStarts(clock)


def test_a_namespace_sees_its_own_in_their_order(starts: RecentStarts, clock: Clock) -> None:
    for one, start in ((target("a"), "cold"), (target("b"), "restore"), (target("a"), "warm")):
        clock.tick()
        starts.saw(one, start, 0.5, 120 if start == "restore" else 0)
    starts.saw(target("a", namespace="other"), "cold", 1, 0)
    since, found = starts.of("default")
    assert since == BEGIN
    assert [(s.function, s.start, s.total_ms, s.restore_ms) for s in found] == [
        ("a", "cold", 500, 0),
        ("b", "restore", 500, 120),
        ("a", "warm", 500, 0),
    ]
    assert [s.start for s in starts.of("default", "a")[1]] == ["cold", "warm"]
    assert starts.of("third")[1] == []


def test_many_warm_ones_do_not_drive_out_a_restore(starts: RecentStarts, clock: Clock) -> None:
    starts.saw(target(), "restore", 0.3, 120)
    for _ in range(300):
        clock.tick()
        starts.saw(target(), "warm", 0.01, 0)
    since, found = starts.of("default")
    assert [s.start for s in found].count("warm") == 200
    assert found[0].start == "restore"
    assert since == BEGIN + timedelta(seconds=101), "from there on the warm ones are all"
    assert starts.of("default", "another")[0] == BEGIN


def test_there_is_an_end_to_how_many_versions_are_remembered(
    starts: RecentStarts, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(recent, "_RINGS", 2)
    for version in ("1", "2", "1", "3"):
        clock.tick()
        starts.saw(target(version=version), "cold", 1, 0)
    since, found = starts.of("default")
    assert [s.version for s in found] == ["1", "1", "3"]
    assert since == BEGIN + timedelta(seconds=2), "when the forgotten one was last seen"
