"""``thaw top``: the rows, and the times that gateways tell."""

from __future__ import annotations

import json

import pytest
from aiohttp import web

from thaw.cli.starts import Start, percentile, summaries
from thaw.kube.kinds import FUNCTION, FUNCTION_VERSION, POD
from unit.cli.world import NOW, Cluster

ACTIVE = {
    "state": "Active",
    "snapStart": {"optimizationStatus": "On"},
    "snapshotBytes": 80 << 20,
    "initDurationMs": 2100,
    "instances": {"ready": 2, "standby": 1, "slots": 3},
}


def start(version: str, kind: str, restore_ms: float = 0) -> dict:
    return {"function": "greet", "version": version, "start": kind, "totalMs": 9, "restoreMs": restore_ms, "at": NOW}


@pytest.fixture(autouse=True)
def greet(cluster: Cluster) -> None:
    for name in ("greet", "other"):
        cluster.add(FUNCTION, name, spec={"code": {"image": "i"}}, status={"state": "Active"})
    for number in ("9", "10"):
        spec = {"functionName": "greet"}
        cluster.add(FUNCTION_VERSION, f"greet-{number}", spec=spec, status={"version": number, **ACTIVE})
    labels = {"thaw.dev/function": "greet", "thaw.dev/version": "LATEST", "thaw.dev/role": "instance"}
    cluster.add(POD, "greet-latest-a", labels=labels, status={"conditions": [{"type": "Ready", "status": "True"}]})


def test_the_rows(thaw, cluster: Cluster) -> None:
    told = [start("10", "restore", ms) for ms in (100, 200, 300)] + [start("10", "warm"), start("$LATEST", "cold")]
    cluster.answer = lambda _: web.json_response({"since": NOW, "starts": told})
    code, out, err = thaw("top")
    assert (code, err) == (0, "")
    assert [" ".join(line.split()) for line in out.splitlines()] == [
        "FUNCTION VERSION STATE OPT READY STANDBY SLOTS SNAPSHOT INIT P50 P99 STARTS",
        "greet $LATEST Active - 1 - - - - - - cold 1",
        "greet 10 Active On 2 1 3 80 MiB 2.1 s 200 ms 300 ms restore 3 warm 1",
        "greet 9 Active On 2 1 3 80 MiB 2.1 s - - -",
        "other $LATEST Active - 0 - - - - - - -",
    ]


def test_one_function_is_asked_for_by_name(thaw, cluster: Cluster) -> None:
    cluster.answer = lambda _: web.json_response({"since": NOW, "starts": [start("10", "slot", 50)]})
    told = json.loads(thaw("top", "greet", "-o", "json")[1])
    assert [row["version"] for row in told["versions"]] == ["$LATEST", "10", "9"]
    assert told["versions"][1]["restoreP50Ms"] == 50
    assert told["versions"][1]["starts"] == {"slot": 1}
    assert cluster.gateway_calls[0][0].path_qs == "/thaw/v1/starts?function=greet"


def test_without_the_gateways_word_the_rest_is_shown(thaw, cluster: Cluster) -> None:
    code, out, _ = thaw("top", "--once")
    assert (code, out.splitlines()[-1]) == (0, "restore times: this gateway does not keep them")
    cluster.forbidden = {"secrets"}
    code, out, _ = thaw("top")
    assert code == 0
    assert "restore times: there is nothing to call the gateway with" in out.splitlines()[-1]
    assert out.splitlines()[2].split()[:3] == ["greet", "10", "Active"]


def test_no_functions(thaw) -> None:
    assert thaw("top", "-n", "empty")[1].startswith("no functions in this namespace")
    assert thaw("top", "nope")[0] == 1


@pytest.mark.parametrize(
    ("values", "share", "found"),
    [
        ([], 0.5, None),
        ([7], 0.99, 7),
        ([3, 1, 2, 4], 0.5, 2),
        (list(range(1, 101)), 0.5, 50),
        (list(range(1, 101)), 0.99, 99),
        (list(range(1, 102)), 0.99, 100),
    ],
)
def test_percentiles_are_of_the_nearest_rank(values: list[float], share: float, found: float | None) -> None:
    assert percentile(values, share) == found


def test_only_restores_count_for_restore_times() -> None:
    told = [start("1", kind, ms) for kind, ms in (("restore", 10), ("slot", 20), ("standby", 30), ("warm", 999))]
    [summary] = summaries(Start.model_validate(it) for it in told).values()
    assert (summary.p50, summary.p99) == (20, 30)
    assert summary.kinds == {"restore": 1, "slot": 1, "standby": 1, "warm": 1}
