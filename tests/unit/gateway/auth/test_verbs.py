"""Every operation has a row, and every row an operation."""

from __future__ import annotations

from thaw.gateway import model
from thaw.gateway.auth.accesskey import AccessKey
from thaw.gateway.auth.verbs import ACTIONS, FUNCTION_URL, VERBS
from unit.gateway.world import World


def test_rows_are_operations_of_lambda() -> None:
    assert set(VERBS) - {FUNCTION_URL} <= set(model.operations())


async def test_every_operation_that_thaw_has_has_a_row(world: World) -> None:
    assert set(world.gateway.front.api.handled) <= set(VERBS)


def test_what_only_looks_changes_nothing() -> None:
    """A verb that somebody gets to look around with is for no operation that writes."""
    for name, verb in VERBS.items():
        if name != FUNCTION_URL:
            reads = model.operations()[name].method == "GET"
            assert (verb in ("get", "list")) is reads, name


def test_each_verb_has_an_action_of_lambdas() -> None:
    key = AccessKey("A", "s", "n")
    assert set(ACTIONS) == set(VERBS.values())
    known = {operation.action for operation in model.operations().values()}
    assert set(ACTIONS.values()) <= known
    assert all(key.allows(action, "fn") for action in ACTIONS.values())
