"""Agents are told what exists when they appear, and again."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from thaw.api.node import Kept, Removal
from thaw.controller.returning import AGAIN, Returning
from thaw.errors import NodeError


class FakeContext:
    """Two agents, one snapshot, one package."""

    def __init__(self, *, shared: bool = False) -> None:
        self.urls = {"n1": "http://a", "n2": "http://b"}
        self.told: list[tuple[str, Kept]] = []
        self.away: set[str] = set()
        self.settings = SimpleNamespace(store_shared=shared)
        self.copies = SimpleNamespace(agents=lambda: self.urls)
        self.agents = self.kube = self.observer = self

    async def keep(self, agent: str, kept: Kept) -> Removal:
        if agent in self.away:
            raise NodeError("Unreachable", "no", retryable=True)
        self.told.append((agent, kept))
        return Removal(node=agent)

    async def list(self, _kind: Any) -> tuple[list[Any], str]:
        return [{"metadata": {"uid": "s1"}}], ""

    async def all_packages(self) -> set[str]:
        return {"ns/abc"}


def returning(context: FakeContext) -> Returning:
    context_: Any = context
    return Returning(context_)


async def test_each_agent_is_told_all_that_exists_and_again_later() -> None:
    context = FakeContext()
    tells = returning(context)
    await tells.once(0.0)
    assert context.told == [
        (a, Kept(snapshots=("s1",), packages=("ns/abc",), store=True)) for a in ("http://a", "http://b")
    ]
    await tells.once(AGAIN - 1)
    assert len(context.told) == 2
    await tells.once(AGAIN)
    assert len(context.told) == 4


async def test_one_that_does_not_answer_keeps_nobody_and_is_asked_again() -> None:
    context = FakeContext()
    tells = returning(context)
    context.away = {"http://a"}
    await tells.once(0.0)
    assert [agent for agent, _ in context.told] == ["http://b"]
    context.away = set()
    await tells.once(60.0)
    assert [agent for agent, _ in context.told] == ["http://b", "http://a"]


async def test_a_new_agent_of_a_node_is_told() -> None:
    context = FakeContext()
    tells = returning(context)
    await tells.once(0.0)
    context.urls = {"n1": "http://a", "n2": "http://c"}
    await tells.once(1.0)
    assert [agent for agent, _ in context.told][2:] == ["http://c"]


async def test_a_store_that_others_may_share_is_not_looked_at() -> None:
    context = FakeContext(shared=True)
    await returning(context).once(0.0)
    assert [kept.store for _, kept in context.told] == [False, False]
