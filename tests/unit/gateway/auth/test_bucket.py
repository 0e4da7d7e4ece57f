"""Token buckets, by a clock of the test's own."""

from __future__ import annotations

from thaw.gateway.auth.bucket import Buckets, Rate


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def test_a_burst_and_then_the_rate() -> None:
    clock = Clock()
    buckets, rate = Buckets(clock), Rate(2, 3)
    assert [buckets.take("a", rate) for _ in range(4)] == [0, 0, 0, 0.5]
    clock.now += 0.25
    assert buckets.take("a", rate) == 0.25
    clock.now += 0.25
    assert [buckets.take("a", rate) for _ in range(2)] == [0, 0.5]
    clock.now += 3600
    assert [buckets.take("a", rate) for _ in range(4)] == [0, 0, 0, 0.5], "it never holds more than the burst"


def test_waiting_takes_nothing() -> None:
    buckets, rate = Buckets(Clock()), Rate(1, 1)
    assert [buckets.wait("a", rate) for _ in range(3)] == [0, 0, 0]
    assert buckets.take("a", rate) == 0
    assert buckets.wait("a", rate) == 1


def test_each_has_its_own() -> None:
    buckets, rate = Buckets(Clock()), Rate(1, 1)
    assert [buckets.take(name, rate) for name in "aabb"] == [0, 1, 0, 1]


def test_a_limit_that_is_lowered_holds_at_once() -> None:
    buckets = Buckets(Clock())
    buckets.take("a", Rate(100, 100))
    assert [buckets.take("a", Rate(1, 2)) for _ in range(3)] == [0, 0, 1]


def test_memory_is_bounded_and_who_calls_most_is_remembered() -> None:
    buckets, rate = Buckets(Clock(), size=3), Rate(1, 1)
    buckets.take("busy", rate)
    for number in range(100):
        buckets.take(f"other {number}", rate)
        assert buckets.take("busy", rate) == 1
    assert len(buckets) == 3
