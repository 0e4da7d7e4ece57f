"""Events: run, run again, bounded, and never lost in silence."""

from __future__ import annotations

import asyncio

import pytest

from thaw.errors import InvokeError
from thaw.gateway.asyncinvoke import AsyncInvokes, Job
from thaw.gateway.invoke import Outcome
from thaw.gateway.metrics import Metrics

FINE = Outcome(b"1", "1", "warm")
BAD = Outcome(b'{"errorType": "KeyError"}', "1", "warm", function_error="Unhandled")


class Script:
    def __init__(self, *answers: Outcome | Exception) -> None:
        self.answers, self.calls = list(answers), 0

    async def __call__(self) -> Outcome:
        self.calls += 1
        answer = self.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer


def job(run: Script) -> Job:
    return Job("default", "fn", "1", "request", run)


def lost(metrics: Metrics) -> float:
    return (
        metrics.registry.get_sample_value(
            "thaw_gateway_lost_events_total", {"namespace": "default", "function": "fn", "qualifier": "1"}
        )
        or 0.0
    )


@pytest.mark.parametrize(
    ("answers", "calls", "given_up"),
    [
        ([FINE], 1, 0),
        ([BAD, FINE], 2, 0),
        ([InvokeError(429, "TooManyRequestsException", "full"), FINE], 2, 0),
        ([BAD, BAD, BAD], 3, 1),
        ([RuntimeError("a bug")], 1, 1),
    ],
)
async def test_tries(answers, calls, given_up) -> None:
    metrics, script = Metrics(), Script(*answers)
    invokes = AsyncInvokes(metrics, 10, delays=(0, 0, 0))
    invokes.accept(job(script))
    await asyncio.sleep(0.05)
    assert (script.calls, lost(metrics)) == (calls, given_up)
    await invokes.drain(1)


async def test_bounded() -> None:
    invokes = AsyncInvokes(Metrics(), 1, delays=(60,))
    invokes.accept(job(Script(FINE)))
    with pytest.raises(InvokeError) as e:
        invokes.accept(job(Script(FINE)))
    assert e.value.status == 429
    await invokes.drain(0)


@pytest.mark.parametrize(
    ("limit", "held", "new", "taken"),
    [
        (8, [("a", 0)], ("a", 0), True),
        (8, [("a", 0)] * 2, ("a", 0), False),
        (8, [("a", 0)] * 2, ("b", 0), True),
        (4, [("a", 0), ("b", 0), ("c", 0), ("d", 0)], ("e", 0), False),
        (99, [("a", 10)], ("a", 15), True),
        (99, [("a", 10)], ("a", 16), False),
        (99, [("a", 10)], ("b", 16), True),
        (99, [("a", 25), ("b", 25), ("c", 25), ("d", 20)], ("e", 6), False),
        (99, [("a", 25), ("b", 25), ("c", 25), ("d", 20)], ("e", 5), True),
    ],
)
async def test_a_function_may_hold_a_part_of_the_room_and_all_together_no_more_than_there_is(
    limit: int, held: list[tuple[str, int]], new: tuple[str, int], taken: bool
) -> None:
    invokes = AsyncInvokes(Metrics(), limit, delays=(60,), max_bytes=100)
    for function, size in held:
        invokes.accept(Job("default", function, "1", "r", Script(FINE), size))
    if taken:
        invokes.accept(Job("default", new[0], "1", "r", Script(FINE), new[1]))
    else:
        with pytest.raises(InvokeError) as e:
            invokes.accept(Job("default", new[0], "1", "r", Script(FINE), new[1]))
        assert (e.value.status, e.value.type) == (429, "TooManyRequestsException")
    await invokes.drain(0)


async def test_end_finishes_what_runs_and_names_what_waits() -> None:
    metrics, gate = Metrics(), asyncio.Event()
    invokes = AsyncInvokes(metrics, 10, delays=(0, 60))
    finished = []

    async def slow() -> Outcome:
        await gate.wait()
        finished.append(1)
        return FINE

    invokes.accept(Job("default", "fn", "1", "a", slow))
    invokes.accept(job(Script(BAD)))
    await asyncio.sleep(0.01)
    asyncio.get_running_loop().call_later(0.02, gate.set)
    await invokes.drain(5)
    assert finished == [1]
    assert lost(metrics) == 1
