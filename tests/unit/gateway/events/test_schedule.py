"""Whose turn it is."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from thaw.gateway.events.schedule import Schedule

T0 = datetime(2026, 1, 1, tzinfo=UTC)
A, B = ("ns", "a"), ("ns", "b")


def at(seconds: float) -> datetime:
    return T0 + timedelta(seconds=seconds)


def key(name: str) -> tuple[str, str]:
    return "ns", name


def names(taken: list[tuple[str, str]]) -> list[str]:
    return [name for _, name in taken]


def test_in_their_order_and_not_before_their_time() -> None:
    schedule = Schedule(room=9, share=9)
    for name, when in (("late", 10), ("first", 1), ("second", 2)):
        schedule.add(key(name), A, at(when))
    assert schedule.take(at(0)) == []
    assert schedule.next_at() == at(1)
    assert names(schedule.take(at(5))) == ["first", "second"]
    assert schedule.next_at() == at(10)


def test_a_function_runs_no_more_than_its_share_and_all_no_more_than_there_is_room() -> None:
    schedule = Schedule(room=3, share=2)
    for number in range(5):
        schedule.add(key(f"a{number}"), A, at(0))
    assert names(schedule.take(at(1))) == ["a0", "a1"]
    assert schedule.next_at() is None, "they wait for room, not for a time"
    for number in range(2):
        schedule.add(key(f"b{number}"), B, at(0.5))
    assert names(schedule.take(at(1))) == ["b0"]
    assert schedule.done(key("a0")) == A
    assert names(schedule.take(at(1))) == ["a2"], "both functions run one: who waits longest is next"
    schedule.done(key("a1"))
    schedule.done(key("b0"))
    assert names(schedule.take(at(1))) == ["b1", "a3"], "who runs least is next"


def test_one_function_does_not_silence_another() -> None:
    schedule = Schedule(room=4, share=4)
    for number in range(100):
        schedule.add(key(f"a{number}"), A, at(0))
    schedule.add(key("b"), B, at(1))
    assert "b" in names(schedule.take(at(2)))


def test_moved_removed_and_running() -> None:
    schedule = Schedule(room=9, share=9)
    schedule.add(key("moved"), A, at(0))
    schedule.add(key("moved"), A, at(10))
    schedule.add(key("removed"), A, at(0))
    schedule.remove(key("removed"))
    assert schedule.take(at(5)) == []
    assert key("removed") not in schedule
    assert names(schedule.take(at(10))) == ["moved"]
    schedule.add(key("moved"), A, at(0))
    assert schedule.take(at(20)) == [], "it runs"
    assert key("moved") in schedule
    schedule.done(key("moved"))
    assert key("moved") not in schedule
    assert schedule.next_at() is None
