"""What is gathered, where a user can write what is read."""

from __future__ import annotations

from typing import Any

from thaw.decide.observed import Limits, Nodes, ObservedFunction
from thaw.kube.client import Object
from thaw.kube.kinds import FUNCTION, Kind
from thaw.kube.observe import PACKAGES, Observer

A = "a" * 64


class FakeKube:
    """An API server with one Function that is read, and some that are listed."""

    def __init__(self, function: Object, *listed: Object) -> None:
        self.function, self.listed = function, listed

    async def get(self, kind: Kind, _namespace: str, _name: str) -> Object:
        return self.function if kind == FUNCTION else {"metadata": {"resourceVersion": "1"}}

    async def list(self, kind: Kind, namespace: str = "", *_: str, **__: str) -> tuple[list[Object], str]:
        there = [f for f in self.listed if namespace in ("", f["metadata"]["namespace"])]
        return there if kind == FUNCTION else [], "1"


class FakeCopies:
    def nodes(self) -> Nodes:
        return Nodes()


def function(uid: str = "u", namespace: str = "default", **meta: Any) -> Object:
    return {
        "metadata": {"name": "f", "namespace": namespace, "uid": uid, **meta},
        "spec": {"runtime": "python3.13", "handler": "a.b", "code": {"zip": {"sha256": A}}},
    }


async def look(*functions: Object) -> ObservedFunction:
    kube: Any = FakeKube(functions[0], *functions)
    copies: Any = FakeCopies()
    agents: Any = None
    seen = await Observer(kube, agents, copies, Limits(1, {})).function("default", "f")
    assert seen is not None
    return seen


async def test_only_hashes_are_packages_whatever_a_user_notes() -> None:
    """The annotation is on the user's own object, and what it holds becomes a part of the agents' paths."""
    noted = f"../snapshots/s?store=true,{A},{A.upper()},,..,{A}0"
    assert (await look(function(annotations={PACKAGES: noted}))).packages == (A,)


async def test_a_package_is_shared_within_its_namespace() -> None:
    """Each namespace has its own: one that another has does not keep this one's from being removed."""
    going = function(deletionTimestamp="2026-01-01T00:00:00Z")
    assert (await look(going, function("v", "other"))).shared_packages == frozenset()
    assert (await look(going, function("v"))).shared_packages == frozenset({A})
