"""Starts: from zero, warm, cold, side by side; and plain HTTP."""

from __future__ import annotations

import json
import urllib.request
from concurrent.futures import ThreadPoolExecutor

from e2e.support import eventually, header, inline, invoke, publish, source, state


def test_clones_share_the_initialised_value_but_not_randomness(cluster, lam, name):
    """Two instances at once, of one snapshot: one init value, different randomness from every usual source."""
    version = publish(cluster, name, inline(source("hooks")))
    state(cluster, version, "Active")
    with ThreadPoolExecutor(2) as pool:
        answers = list(pool.map(lambda _: invoke(lam, name, {"sleep": 2}, "1"), range(2)))
    bodies = [body for body, _ in answers]
    assert [header(response, "x-thaw-start") for _, response in answers] == ["restore", "restore"]
    assert len(cluster.pods(f"thaw.dev/function={name},thaw.dev/role=instance")) == 2
    assert len({b["init"] for b in bodies}) == 1
    for source_of_randomness in ("urandom", "random", "uuid"):
        assert len({b[source_of_randomness] for b in bodies}) == 2, source_of_randomness


def test_from_zero_and_back(cluster, lam, name):
    """restore, warm, idle to zero, restore again; $LATEST is cold."""
    spec = inline(source("hooks"), scaling={"idleSeconds": 3})
    state(cluster, publish(cluster, name, spec), "Active")
    assert not cluster.pods(f"thaw.dev/function={name},thaw.dev/role=instance")
    _, response = invoke(lam, name, qualifier="1")
    assert header(response, "x-thaw-start") == "restore"
    _, response = invoke(lam, name, qualifier="1")
    assert header(response, "x-thaw-start") == "warm"
    eventually("idle to zero", lambda: not cluster.pods(f"thaw.dev/function={name},thaw.dev/role=instance"), 40)
    _, response = invoke(lam, name, qualifier="1")
    assert header(response, "x-thaw-start") == "restore"
    body, response = invoke(lam, name)
    assert header(response, "x-thaw-start") == "cold"
    assert body["calls"] == []
    assert body["type"] == "on-demand"


def test_requests_wait_for_instances_on_their_way(cluster, lam, name):
    """More requests than instances allowed: all are answered, none fails."""
    spec = inline(source("hooks"), scaling={"maxInstances": 2})
    state(cluster, publish(cluster, name, spec), "Active")
    with ThreadPoolExecutor(6) as pool:
        answers = list(pool.map(lambda i: invoke(lam, name, {"i": i}, "1")[0]["event"]["i"], range(12)))
    assert answers == list(range(12))
    assert len(cluster.pods(f"thaw.dev/function={name},thaw.dev/role=instance")) <= 2


def get(url: str) -> tuple[dict, dict]:
    with urllib.request.urlopen(url, timeout=90) as response:
        return json.loads(response.read()), {k.lower(): v for k, v in response.headers.items()}


def test_plain_http_image(cluster, name):
    """An image with nothing of Thaw inside: published, snapshotted, and answered from a restore."""
    spec = {
        "code": {"image": "thaw.dev/example-http:dev"},
        "protocol": "http",
        "http": {"port": 8080, "readyPath": "/"},
        "timeout": 30,
        "environment": {"INIT_SLEEP": "1", "INIT_MB": "20"},
        "snapStart": {"applyOn": "PublishedVersions"},
        "scaling": {"idleSeconds": 3},
    }
    state(cluster, publish(cluster, name, spec), "Active")
    url = f"{cluster.endpoint}/default/{name}:1/some/path?x=1"
    first, headers = get(url)
    assert headers["x-thaw-start"] == "restore"
    assert float(headers["x-thaw-restore-ms"]) > 0
    assert get(url)[1]["x-thaw-start"] == "warm"
    eventually("idle to zero", lambda: not cluster.pods(f"thaw.dev/function={name},thaw.dev/role=instance"), 40)
    again, headers = get(url)
    assert headers["x-thaw-start"] == "restore"
    assert again["init"] == first["init"]


def test_unusable_snapshot_is_served_cold_and_says_so(cluster, lam, name):
    """With the snapshot's bytes gone from store and nodes, the version still answers, cold, and tells why."""
    version = publish(cluster, name, inline(source("hooks")))
    status = state(cluster, version, "Active")
    uid = cluster.get("snapshots", status["snapshotRef"])["metadata"]["uid"]
    cluster.on_nodes(f"rm -rf /var/lib/thaw/store/snapshots/{uid} /var/lib/thaw/snapshots/*")
    body, response = invoke(lam, name, qualifier="1")
    assert header(response, "x-thaw-start") == "cold"
    assert header(response, "x-thaw-fallback")
    assert body["version"] == "1"
