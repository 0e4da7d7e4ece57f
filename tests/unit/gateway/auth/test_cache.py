"""One question at a time, answers for a while, and never too many of them."""

from __future__ import annotations

import asyncio

import pytest

from thaw.gateway.auth.cache import Memory
from unit.gateway.auth.test_bucket import Clock


class Asked:
    """A question that is answered when the test says so."""

    def __init__(self, *answers: str | Exception) -> None:
        self.count = 0
        self.go = asyncio.Event()
        self._answers = list(answers)

    async def __call__(self) -> str:
        self.count += 1
        await self.go.wait()
        answer = self._answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer


def memory(clock: Clock, size: int = 10) -> Memory[str]:
    return Memory(lambda value: 10 if value == "yes" else 2, clock, size)


async def test_who_comes_meanwhile_waits_for_the_same() -> None:
    asked, known = Asked("yes"), memory(Clock())
    waiting = [asyncio.ensure_future(known.get("a", asked)) for _ in range(5)]
    await asyncio.sleep(0)
    waiting[0].cancel()
    asked.go.set()
    assert await asyncio.gather(*waiting[1:]) == ["yes"] * 4
    assert await known.get("a", asked) == "yes"
    assert asked.count == 1


@pytest.mark.parametrize(("answer", "life"), [("yes", 10), ("no", 2)])
async def test_an_answer_holds_for_its_own_time(answer: str, life: float) -> None:
    clock, asked = Clock(), Asked(answer, "changed")
    known = memory(clock)
    asked.go.set()
    assert await known.get("a", asked) == answer
    clock.now += life - 0.1
    assert await known.get("a", asked) == answer
    clock.now += 0.1
    assert known.known("a") is None
    assert await known.get("a", asked) == "changed"


async def test_a_failure_is_told_to_all_and_kept_for_nobody() -> None:
    asked, known = Asked(OSError("away"), "yes"), memory(Clock())
    asked.go.set()
    both = await asyncio.gather(known.get("a", asked), known.get("a", asked), return_exceptions=True)
    assert [type(each) for each in both] == [OSError, OSError]
    assert asked.count == 1
    assert await known.get("a", asked) == "yes"


async def test_memory_is_bounded() -> None:
    known = memory(Clock(), size=2)
    for key in "abc":
        asked = Asked("yes")
        asked.go.set()
        await known.get(key, asked)
    assert [known.known(key) for key in "abc"] == [None, "yes", "yes"]
