"""The pure tables: where requests go, which instances go, and names."""

from __future__ import annotations

import pytest

from thaw.api.v1alpha1 import FunctionAlias
from thaw.errors import InvokeError
from thaw.gateway import arns, autoscale, concurrency, route, shapes
from thaw.gateway.leases import Lives
from thaw.gateway.targets import draw_version


def situation(*inflight: int, **more: int) -> route.Situation:
    candidates = tuple(route.Candidate(f"i{n}", busy, float(n)) for n, busy in enumerate(inflight))
    base = {"starting": 0, "waiting": 0, "elsewhere": 0, "max_instances": 4, "concurrency": 1, "queue_limit": 5}
    return route.Situation(candidates, **{**base, **more})


@pytest.mark.parametrize(
    ("now", "decision"),
    [
        (situation(), route.NewPod()),
        (situation(0), route.Warm("i0")),
        (situation(0, 0), route.Warm("i1")),  # the latest used
        (situation(1, 0), route.Warm("i1")),
        (situation(1), route.NewPod()),
        (situation(1, 1, 1, 1), route.Queue()),
        (situation(1, starting=1), route.Queue()),
        (situation(1, starting=1, waiting=1), route.NewPod()),
        (situation(1, 1, 1, starting=1), route.Queue()),
        (situation(starting=1), route.Queue()),  # one is on its way, and nobody else waits for it
        (situation(starting=1, waiting=1), route.NewPod()),
        (situation(starting=2, waiting=1), route.Queue()),
        (situation(1, waiting=5), route.Reject("5 requests wait already")),
        (situation(0, waiting=5), route.Warm("i0")),
        (situation(1, elsewhere=3), route.Queue()),
        (situation(elsewhere=9), route.NewPod()),  # nothing of its own: one is always allowed
        (situation(starting=1, waiting=1, elsewhere=9), route.Queue()),
        (situation(1, 3, concurrency=5), route.Warm("i1")),  # the busiest with room
        (situation(5, 5, concurrency=5), route.NewPod()),
        (situation(starting=1, waiting=3, concurrency=5), route.Queue()),
        (situation(starting=1, waiting=5, concurrency=5, queue_limit=9), route.NewPod()),
    ],
)
def test_route(now: route.Situation, decision: route.Decision) -> None:
    assert route.decide(now) == decision


def members(*idle: float | None) -> tuple[autoscale.Member, ...]:
    """None is busy."""
    return tuple(autoscale.Member(f"i{n}", int(i is None), i or 0) for n, i in enumerate(idle))


@pytest.mark.parametrize(
    ("idle", "more", "stop", "start"),
    [
        ((59.0,), {}, (), 0),
        ((60.0,), {}, ("i0",), 0),
        ((None,), {}, (), 0),
        ((61.0, 90.0, None), {}, ("i1", "i0"), 0),
        ((61.0, 90.0), {"least": 1}, ("i1",), 0),
        ((61.0,), {"least": 1}, (), 0),
        ((61.0,), {"least": 1, "elsewhere": 1}, ("i0",), 0),
        ((), {"least": 2}, (), 2),
        ((), {"least": 2, "starting": 1}, (), 1),
        ((), {"least": 2, "elsewhere": 1, "starting": 1}, (), 0),
        ((), {"least": 9}, (), 3),  # never more than maxInstances
        ((), {"here": 2}, (), 2),
        ((), {"here": 2, "elsewhere": 2}, (), 1),  # its own part, but never more than maxInstances in all
        ((0.0,), {"here": 2, "starting": 1}, (), 0),
        ((61.0, 90.0), {"here": 1}, ("i1",), 0),
        ((61.0, 90.0), {"here": 2, "elsewhere": 5}, (), 0),
        ((), {"here": 1, "least": 3}, (), 3),
        ((0.0, None), {"retired": True, "least": 2}, ("i0",), 0),
        ((61.0,), {"waiting": 1}, (), 0),
    ],
)
def test_autoscale(idle, more, stop, start) -> None:
    scaling = autoscale.Scaling(autoscale.Keep(more.pop("least", 0), more.pop("here", 0)), 3, 60.0)
    base = {"starting": 0, "elsewhere": 0, "retired": False}
    assert autoscale.decide(members(*idle), scaling=scaling, **{**base, **more}) == autoscale.Scale(stop, start)


@pytest.mark.parametrize(
    ("numbers", "aliased", "weights", "kept"),
    [
        ([], [], {}, {"$LATEST"}),
        ([1, 2, 10], [], {}, {"10"}),
        ([1, 2, 10], ["2"], {}, {"2"}),
        ([1, 2], ["2"], {"1": 0.1}, {"1", "2"}),
        ([1, 2], ["2"], {"1": 0.0}, {"2"}),
        ([1], ["$LATEST"], {}, {"$LATEST"}),
        ([1], ["7"], {}, {"1"}),  # an alias on a version that is not there
    ],
)
def test_kept_warm(numbers, aliased, weights, kept) -> None:
    assert autoscale.kept_warm(numbers, aliased, weights=weights) == kept


@pytest.mark.parametrize(
    ("text", "qualifier", "named"),
    [
        ("fn", "", ("fn", "")),
        ("fn:3", "", ("fn", "3")),
        ("fn", "live", ("fn", "live")),
        ("fn:live", "live", ("fn", "live")),
        ("123456789012:function:fn", "", ("fn", "")),
        ("arn:aws:lambda:eu-central-1:123456789012:function:fn:$LATEST", "", ("fn", "$LATEST")),
    ],
)
def test_names(text: str, qualifier: str, named: tuple[str, str]) -> None:
    assert arns.parse(text, qualifier) == arns.Named(*named)


@pytest.mark.parametrize(
    ("text", "qualifier"),
    [
        ("", ""),
        ("a/b", ""),
        ("fn:1", "2"),
        ("arn:aws:s3:::bucket", ""),
        (".", ""),
        ("..", ""),
        ("..:1", ""),
        ("fn", ".."),
        ("fn", "../3"),
        ("fn", "a b"),
    ],
)
def test_no_names(text: str, qualifier: str) -> None:
    with pytest.raises(InvokeError):
        arns.parse(text, qualifier)


def alias(**weights: float) -> FunctionAlias:
    spec = {"functionName": "fn", "name": "live", "functionVersion": "1", "additionalVersionWeights": weights}
    return FunctionAlias.model_validate({"metadata": {"name": "fn-live"}, "spec": spec})


@pytest.mark.parametrize(
    ("weights", "draw", "version"),
    [({}, 0.0, "1"), ({"2": 0.3}, 0.29, "2"), ({"2": 0.3}, 0.3, "1"), ({"2": 1.0}, 0.999, "2"), ({"2": 0.0}, 0.0, "1")],
)
def test_weights(weights: dict[str, float], draw: float, version: str) -> None:
    assert draw_version(alias(**weights), draw) == version


def listed(*qualifiers: str, function: str = "fn") -> list[dict[str, str]]:
    arn = f"arn:aws:lambda:us-east-1:000000000000:function:{function}"
    return [{"FunctionArn": f"{arn}:{q}" if q else arn} for q in qualifiers]


def test_pages_are_in_order() -> None:
    whole = [*listed("$LATEST", "2", "10", "a", "b"), *listed("", function="fo")]
    assert shapes.page(whole[::-1], "", 50) == (whole, "")


def test_pages_stand_while_items_come_and_go() -> None:
    items = listed("$LATEST", "1", "2", "3")
    first, marker = shapes.page(items, "", 2)
    assert first == items[:2]
    assert shapes.page(items, marker, 2) == (items[2:], "")
    assert shapes.page([items[0], *items[2:]], marker, 2) == (items[2:], ""), "its own item is gone"
    assert shapes.page(items[2:], marker, 2) == (items[2:], ""), "all before it are gone"
    assert shapes.page([*listed("", function="aa"), *items], marker, 2) == (items[2:], ""), "one came before it"
    assert shapes.page(items[:2], marker, 2) == ([], "")


@pytest.mark.parametrize("marker", ["é!", "abc", "bm9wZQ==", "WzFd", "bnVsbA=="])
def test_a_marker_that_was_never_given(marker: str) -> None:
    with pytest.raises((ValueError, TypeError)):
        shapes.page(listed("1"), marker, 2)


@pytest.mark.parametrize(
    ("limit", "gateways", "parts"),
    [
        (0, "abc", [0, 0, 0]),
        (1, "a", [1]),
        (10, "ab", [5, 5]),
        (11, "ab", [6, 5]),
        (11, "abc", [4, 4, 3]),
        (2, "abc", [1, 1, 1]),  # more gateways than invocations: each lets one in
    ],
)
def test_shares_of_a_limit(limit: int, gateways: str, parts: list[int]) -> None:
    assert [concurrency.share(limit, gateways, own) for own in gateways] == parts
    assert [concurrency.share(limit, gateways[::-1], own) for own in gateways] == parts, "all reckon alike"


@pytest.mark.parametrize(
    ("limit", "reserved", "left"), [(1000, [], 1000), (1000, [300, 100], 600), (1000, [950], 100), (10, [10], 1)]
)
def test_what_reserved_concurrency_leaves(limit: int, reserved: list[int], left: int) -> None:
    assert concurrency.unreserved(limit, reserved) == left


@pytest.mark.parametrize(
    ("wanted", "weights", "parts"),
    [
        (5, {}, {"1": 5}),
        (10, {"2": 0.1}, {"1": 9, "2": 1}),
        (3, {"2": 0.5}, {"1": 2, "2": 2}),  # rounded up
        (3, {"2": 1.0}, {"2": 3}),
        (3, {"2": 0.0}, {"1": 3}),
    ],
)
def test_instances_ahead_by_weight(wanted: int, weights: dict[str, float], parts: dict[str, int]) -> None:
    assert concurrency.by_version(wanted, "1", weights) == parts


def test_instances_ahead_of_each_gateway() -> None:
    assert [concurrency.ahead(n, ["a", "b"]) for n in (1, 2, 3)] == [1, 1, 2]


def test_lives() -> None:
    """A gateway is judged by this one's clock alone: by when its Lease was seen to change."""
    lives = Lives()
    lives.observe({"a": "t1"}, {"ghost"}, now=0)
    assert (lives.silent("a", 5), lives.silent("ghost", 5)) == (5, 5)
    lives.observe({"a": "t2"}, {"ghost"}, now=10)
    assert (lives.silent("a", 12), lives.silent("ghost", 12)) == (2, 12)
    lives.observe({"a": "t2"}, set(), now=20)
    assert lives.silent("ghost", 99) == 0, "nobody mentions it any more"
