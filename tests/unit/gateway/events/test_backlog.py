"""How many events there may be, over all and of one function."""

from __future__ import annotations

import pytest

from thaw import names
from thaw.errors import InvokeError
from thaw.gateway.events.backlog import Backlog, Held, of_item


def full(limit: int, held: list[tuple[str, int]]) -> Backlog:
    backlog = Backlog(limit, 100)
    for number, (function, size) in enumerate(held):
        backlog.add(("ns", f"e{number}"), Held(("ns", function), size))
    return backlog


@pytest.mark.parametrize(
    ("limit", "held", "new", "taken"),
    [
        (8, [("a", 0)], ("a", 0), True),
        (8, [("a", 0)] * 2, ("a", 0), False),
        (8, [("a", 0)] * 2, ("b", 0), True),
        (1, [], ("a", 0), True),
        (4, [("a", 0), ("b", 0), ("c", 0), ("d", 0)], ("e", 0), False),
        (99, [("a", 10)], ("a", 15), True),
        (99, [("a", 10)], ("a", 16), False),
        (99, [("a", 10)], ("b", 16), True),
        (99, [("a", 25), ("b", 25), ("c", 25), ("d", 20)], ("e", 6), False),
        (99, [("a", 25), ("b", 25), ("c", 25), ("d", 20)], ("e", 5), True),
    ],
)
def test_room(limit: int, held: list[tuple[str, int]], new: tuple[str, int], taken: bool) -> None:
    backlog, key, owner = full(limit, held), ("ns", "new"), ("ns", new[0])
    if taken:
        backlog.reserve(key, owner, new[1])
        assert key in backlog.held
        return
    with pytest.raises(InvokeError) as e:
        backlog.reserve(key, owner, new[1])
    assert (e.value.status, e.value.type) == (429, "TooManyRequestsException")
    assert key not in backlog.held


def test_what_is_gone_makes_room_and_what_is_told_twice_counts_once() -> None:
    backlog = full(4, [("a", 20)])
    backlog.add(("ns", "e0"), Held(("ns", "a"), 20, "gw-1", "7"))
    with pytest.raises(InvokeError, match="1 events of a wait already"):
        backlog.reserve(("ns", "new"), ("ns", "a"), 1)
    backlog.forget(("ns", "e0"))
    backlog.forget(("ns", "e0"))
    backlog.reserve(("ns", "new"), ("ns", "a"), 25)


def test_what_metadata_say() -> None:
    labels = {names.LABEL_FUNCTION: "fn", names.LABEL_GATEWAY: "gw-1"}
    meta = {"namespace": "ns", "name": "e", "resourceVersion": "7", "labels": labels}
    annotated = {"metadata": {**meta, "annotations": {names.ANNOTATION_PAYLOAD_BYTES: "12"}}}
    assert of_item(annotated) == (("ns", "e"), Held(("ns", "fn"), 12, "gw-1", "7"))
    bare = {"metadata": {"namespace": "ns", "name": "e", "resourceVersion": "7"}}
    assert of_item(bare) == (("ns", "e"), Held(("ns", ""), 0, "", "7")), "somebody made it by hand"
