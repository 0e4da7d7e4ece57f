"""What is gathered, where a user can write what is read."""

from __future__ import annotations

from typing import Any

from thaw.decide.observed import Limits, Nodes
from thaw.kube.client import Object
from thaw.kube.kinds import FUNCTION, Kind
from thaw.kube.observe import PACKAGES, Observer

A = "a" * 64


class FakeKube:
    """An API server with one Function."""

    def __init__(self, function: Object) -> None:
        self.function = function

    async def get(self, kind: Kind, _namespace: str, _name: str) -> Object:
        return self.function if kind == FUNCTION else {"metadata": {"resourceVersion": "1"}}

    async def list(self, _kind: Kind, *_: str, **__: str) -> tuple[list[Object], str]:
        return [], "1"


class FakeCopies:
    def nodes(self) -> Nodes:
        return Nodes()


async def test_only_hashes_are_packages_whatever_a_user_notes() -> None:
    """The annotation is on the user's own object, and what it holds becomes a part of the agents' paths."""
    noted = f"../snapshots/s?store=true,{A},{A.upper()},,..,{A}0"
    function = {
        "metadata": {"name": "f", "namespace": "default", "uid": "u", "annotations": {PACKAGES: noted}},
        "spec": {"runtime": "python3.13", "handler": "a.b", "code": {"inline": {"a.py": ""}}},
    }
    kube: Any = FakeKube(function)
    copies: Any = FakeCopies()
    agents: Any = None
    seen = await Observer(kube, agents, copies, Limits(1, {})).function("default", "f")
    assert seen is not None
    assert seen.packages == (A,)
