"""A Function's tables: validity, publishing, packages, deletion."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from thaw.api.v1alpha1 import FunctionAlias, FunctionStatus
from thaw.decide import actions as do
from thaw.decide import function
from thaw.decide.observed import Node, Nodes, Numbers, ObservedFunction, Ref, Sibling
from unit.decide import seen
from unit.decide.seen import LIMITS, NODES, NOW, URL

A, B = "a" * 64, "b" * 64
SILENT = Nodes((Node("n1", True), Node("n2", True)), {"n1": URL})


def observed(**changes: Any) -> ObservedFunction:
    whole = {"now": NOW, "function": seen.function(), "nodes": NODES, "limits": LIMITS} | changes
    return ObservedFunction(**whole)


def alias(number: str) -> FunctionAlias:
    return FunctionAlias.model_validate(
        {
            "metadata": {"name": "hello-live"},
            "spec": {"functionName": "hello", "name": "live", "functionVersion": number},
        }
    )


def test_a_good_function_is_active() -> None:
    plan = function.decide(observed(numbers=Numbers(3), versions=(seen.sibling(2),)))
    assert isinstance(plan.status, FunctionStatus)
    assert (plan.status.state, plan.status.last_version) == ("Active", 3)
    assert plan.status.observed_generation == 2
    assert [c.type for c in plan.status.conditions] == ["Ready"]


def test_a_runtime_without_image_is_named_with_those_there_are() -> None:
    plan = function.decide(observed(function=seen.function(runtime="java21", autoPublishAlias="live")))
    assert isinstance(plan.status, FunctionStatus)
    assert (plan.status.state, plan.status.state_reason_code) == ("Failed", "InvalidConfiguration")
    assert plan.status.state_reason == "runtime java21 has no image in this installation; it has: python3.13"
    assert plan.cleanup == ()


AUTO = seen.function(autoPublishAlias="live")
CHANGED = seen.frozen(memorySize=512)
PUBLISH = do.PublishVersion("hello-2", "f-uid")

# row, function, versions, alias, what is done
PUBLISHING: list[tuple[str, Any, tuple[Sibling, ...], Any, tuple[do.Action, ...]]] = [
    ("not asked for", seen.function(), (), None, ()),
    ("first", AUTO, (), None, (do.PublishVersion("hello-1", "f-uid"),)),
    ("one under way", AUTO, (seen.sibling(1, CHANGED), seen.sibling(0, state="Pending")), None, ()),
    ("one refused", AUTO, (seen.sibling(1, CHANGED), seen.sibling(0, state="Failed")), None, (PUBLISH,)),
    ("changed", AUTO, (seen.sibling(1, CHANGED),), alias("1"), (PUBLISH,)),
    ("no alias", AUTO, (seen.sibling(1),), None, (do.MoveAlias("", "live", "1", "f-uid"),)),
    ("alias elsewhere", AUTO, (seen.sibling(1, CHANGED), seen.sibling(2)), alias("1"),
     (do.MoveAlias("hello-live", "live", "2", "f-uid"),)),
    ("alias there", AUTO, (seen.sibling(1),), alias("1"), ()),
    ("pending", AUTO, (seen.sibling(1, state="Pending"),), None, ()),
    ("failed", AUTO, (seen.sibling(1, state="Failed"),), None, ()),
]  # fmt: skip


@pytest.mark.parametrize(
    ("which", "versions", "alias", "actions"), [r[1:] for r in PUBLISHING], ids=[r[0] for r in PUBLISHING]
)
def test_auto_publish(which: Any, versions: Any, alias: Any, actions: tuple[do.Action, ...]) -> None:
    assert function.decide(observed(function=which, versions=versions, alias=alias)).cleanup == actions


def condition(plan: Any, type_: str) -> tuple[str, str]:
    found = next((c for c in plan.status.conditions if c.type == type_), None)
    return (found.reason, found.message) if found else ("", "")


def test_an_alias_that_somebody_declares_is_left_where_it_is() -> None:
    versions = (seen.sibling(1, CHANGED), seen.sibling(2))
    held = {"function": AUTO, "versions": versions, "alias": alias("1"), "alias_names": frozenset({"live"})}
    plan = function.decide(observed(**held, alias_held_by="argocd-controller"))
    assert plan.cleanup == ()
    told = (
        "version 2 is not given to FunctionAlias hello-live: its spec.functionVersion is managed by argocd-controller"
    )
    assert condition(plan, "AliasHeld") == ("ManagedElsewhere", told)
    assert [(e.type, e.reason) for e in plan.events] == [("Normal", "Valid"), ("Warning", "ManagedElsewhere")]
    known = seen.function(autoPublishAlias="live", status=plan.status.to_json())
    again = function.decide(observed(**held | {"function": known}, alias_held_by="argocd-controller"))
    assert again.events == (), "told once"
    there = function.decide(
        observed(**held | {"function": known, "alias": alias("2")}, alias_held_by="argocd-controller")
    )
    assert condition(there, "AliasHeld") == ("", ""), "it is where it should be"


SAID = {
    "scaling": {"provisionedConcurrency": {"1": 1, "live": 1, "7": 1}},
    "urls": {"$LATEST": {"authType": "NONE"}, "gone": {"authType": "NONE"}},
    "eventInvoke": {"live": {}, "2": {}},
}


def test_what_is_said_of_versions_and_aliases_that_are_not_there_is_told() -> None:
    versions = (seen.sibling(1), replace(seen.sibling(2), deleting=True))
    plan = function.decide(observed(function=seen.function(**SAID), versions=versions, alias_names=frozenset({"live"})))
    assert condition(plan, "Dangling") == (
        "QualifierMissing",
        "without effect, for there is no such version or alias: "
        "spec.scaling.provisionedConcurrency.7, spec.eventInvoke.2, spec.urls.gone",
    )
    assert condition(plan, "Ready")[0] == "Valid", "the function itself is well"


def test_a_name_that_a_user_took_is_passed_over() -> None:
    taken = Sibling("hello-2", 1, seen.sibling(1).status, "other")
    assert function.decide(observed(function=AUTO, versions=(taken,))).cleanup == (
        do.PublishVersion("hello-3", "f-uid"),
    )


ZIP = seen.function(code={"zip": {"sha256": B}})

PACKAGES: list[tuple[str, Any, tuple[str, ...], set[str], Nodes, tuple[do.Action, ...]]] = [
    ("none", seen.function(), (), set(), NODES, ()),
    ("first seen", ZIP, (), set(), NODES, (do.RememberPackages((B,)),)),
    ("known", ZIP, (B,), set(), NODES, ()),
    ("replaced", ZIP, (A,), set(), NODES, (do.PurgeCode(A, (URL,)), do.RememberPackages((B,)))),
    ("replaced, frozen in a version", ZIP, (A,), {A}, NODES, (do.RememberPackages((A, B)),)),
    ("replaced, a node silent", ZIP, (A, B), set(), SILENT, ()),
    ("replaced by inline code", seen.function(), (A,), set(), NODES,
     (do.PurgeCode(A, (URL,)), do.RememberPackages(()))),
]  # fmt: skip


@pytest.mark.parametrize(
    ("which", "had", "shared", "nodes", "actions"), [r[1:] for r in PACKAGES], ids=[r[0] for r in PACKAGES]
)
def test_packages(which: Any, had: Any, shared: set[str], nodes: Nodes, actions: tuple[do.Action, ...]) -> None:
    plan = function.decide(observed(function=which, packages=had, shared_packages=frozenset(shared), nodes=nodes))
    assert plan.actions == actions


GOING = seen.function(deleting=True, code={"zip": {"sha256": B}})
ONE = (Ref("x", "x-uid"),)

PURGE: list[tuple[str, dict[str, Any], tuple[do.Action, ...], bool]] = [
    ("everything", {"aliases": ONE, "version_refs": ONE, "pods": ONE}, (
        do.Delete("FunctionAlias", "x", "x-uid"),
        do.Delete("FunctionVersion", "x", "x-uid"),
        do.Delete("Pod", "x", "x-uid"),
    ), False),
    ("versions going", {"version_refs": (Ref("x", "x-uid", deleting=True),)}, (), False),
    ("package", {"packages": (A,)}, (do.PurgeCode(A, (URL,)), do.PurgeCode(B, (URL,))), True),
    ("package used elsewhere", {"shared_packages": frozenset({B})}, (), True),
    ("package, node silent", {"nodes": SILENT}, (), False),
    ("no agent anywhere", {"nodes": Nodes()}, (do.PurgeCode(B, ()),), True),
]  # fmt: skip


@pytest.mark.parametrize(("changes", "actions", "released"), [r[1:] for r in PURGE], ids=[r[0] for r in PURGE])
def test_deletion(changes: dict[str, Any], actions: tuple[do.Action, ...], released: bool) -> None:
    plan = function.decide(observed(function=GOING, **changes))
    assert plan.actions == actions
    assert plan.released is released
