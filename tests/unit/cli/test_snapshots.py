"""``thaw snapshots``: listed, recycled, deleted."""

from __future__ import annotations

import json
from typing import Any

import pytest
from aiohttp import web

from thaw.kube.kinds import FUNCTION, FUNCTION_VERSION, SNAPSHOT
from unit.cli.world import NOW, Cluster

STATUS = {
    "phase": "Ready",
    "sizeBytes": 80 << 20,
    "storedBytes": 20 << 20,
    "initDurationMs": 2100,
    "createdAt": NOW,
    "node": "n1",
    "fingerprint": {"cpu": "0123456789abcdef", "kernel": "6.12.1", "criu": "4.2", "runc": "1.3"},
    "unusable": {"n2": {"cause": "Fingerprint", "message": "another processor", "times": 2, "last": NOW}},
}


@pytest.fixture(autouse=True)
def greet(cluster: Cluster) -> None:
    cluster.add(FUNCTION, "greet", spec={"code": {"image": "i"}})
    version(cluster, "1", state="Active")
    for function in ("greet", "other"):
        spec = {"functionName": function, "versionName": f"{function}-1", "version": "1"}
        cluster.add(SNAPSHOT, f"{function}-1-s1", spec=spec, status=STATUS)


def version(cluster: Cluster, number: str, apply_on: str = "PublishedVersions", **status: Any) -> None:
    whole = {"version": number, "snapStart": {"applyOn": apply_on}, **status}
    cluster.add(FUNCTION_VERSION, f"greet-{number}", spec={"functionName": "greet"}, status=whole)


def test_the_table(thaw, cluster: Cluster) -> None:
    told = {
        "nodes": [
            {"name": "n1", "cache": {"snapshots": [{"namespace": "default", "name": "greet-1-s1"}]}},
            {"name": "n2"},
        ]
    }
    cluster.answer = lambda _: web.json_response(told)
    code, out, err = thaw("snapshots")
    assert (code, err) == (0, "")
    head, first, second = out.splitlines()
    assert " ".join(head.split()) == "NAME VERSION PHASE STORED RAW INIT AGE NODE CACHED ON TAKEN ON UNUSABLE ON"
    assert first.startswith("greet-1-s1  greet:1  Ready  20 MiB  80 MiB  2.1 s")
    assert "n1    n1         cpu 012345 linux 6.12.1 criu 4.2 runc 1.3  n2 (Fingerprint)" in first
    assert " none " in second
    assert cluster.gateway_calls[0][0].path == "/thaw/v1/nodes"


def test_of_one_function_for_programs(thaw, cluster: Cluster) -> None:
    told = json.loads(thaw("snapshots", "greet", "-o", "json")[1])
    assert [it["name"] for it in told] == ["greet-1-s1"]
    assert told[0]["storedBytes"] == 20 << 20
    assert told[0]["cachedOn"] is None, "the gateway does not tell"
    assert thaw("snapshots", "nope")[0] == 1
    assert thaw("snapshots", "-n", "empty")[2].startswith("no snapshots")


def test_recycling_is_the_annotation(thaw, cluster: Cluster) -> None:
    code, out, _ = thaw("snapshots", "recycle", "greet:1")
    assert (code, out) == (0, "greet-1 gets a new snapshot; follow it: thaw snapshots greet\n")
    first = cluster.get("functionversions", "greet-1")["metadata"]["annotations"]["thaw.dev/recycle"]
    thaw("snapshots", "recycle", "greet:1")
    second = cluster.get("functionversions", "greet-1")["metadata"]["annotations"]["thaw.dev/recycle"]
    assert first != second, "each request is a new value"


@pytest.mark.parametrize(
    ("what", "says"),
    [
        ("greet", "greet is not one published version (name it by its number: greet:1)"),
        ("greet:$LATEST", "greet:$LATEST is not one published version"),
        ("greet:2", "greet:2 has no snapshot (it was published with spec.snapStart.applyOn None)"),
        ("greet:3", "greet:3 is Pending (only one that serves has a snapshot to renew)"),
    ],
)
def test_what_cannot_be_recycled(thaw, cluster: Cluster, what: str, says: str) -> None:
    version(cluster, "2", "None", state="Active")
    version(cluster, "3", state="Pending")
    code, out, err = thaw("snapshots", "recycle", what)
    assert (code, out) == (1, "")
    assert err.startswith(f"thaw: {says}")


def test_deleting_wants_a_yes(thaw, cluster: Cluster) -> None:
    code, _, err = thaw("snapshots", "delete", "greet-1-s1")
    assert (code, err) == (2, "thaw: --yes: deleting wants a yes, and there is nobody to ask (add --yes)\n")
    assert cluster.get("snapshots", "greet-1-s1")
    assert thaw("snapshots", "delete", "greet-1-s1", "--yes")[0] == 0
    assert cluster.get("snapshots", "greet-1-s1") is None
    assert thaw("snapshots", "delete", "greet-1-s1", "-y")[2].startswith(
        "thaw: namespace default has no snapshot greet-1-s1"
    )
