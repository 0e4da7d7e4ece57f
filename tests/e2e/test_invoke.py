"""Starts: from zero, warm, cold, side by side; and plain HTTP."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from concurrent.futures import ThreadPoolExecutor

import pytest

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


HTTP_HOOKS = {"beforeSnapshotPath": "/hooks/before-snapshot", "afterRestorePath": "/hooks/after-restore"}


def http_with_hooks(**environment: str) -> dict:
    """An HTTP function with both hooks."""
    return {
        "code": {"image": "thaw.dev/example-http:dev"},
        "protocol": "http",
        "http": {"port": 8080, **HTTP_HOOKS},
        "timeout": 30,
        "environment": {"INIT_SLEEP": "0", "INIT_MB": "5", **environment},
        "snapStart": {"applyOn": "PublishedVersions"},
    }


def test_http_hooks_run_once_before_the_snapshot_and_after_each_restore(cluster, name):
    """The one before is in the snapshot; the one after has run when the first request is let in."""
    state(cluster, publish(cluster, name, http_with_hooks()), "Active")
    answer, headers = get(f"{cluster.endpoint}/default/{name}:1/")
    assert headers["x-thaw-start"] == "restore"
    assert answer["hooks"] == ["before-snapshot", "after-restore"]


def test_an_http_hook_that_fails_before_the_snapshot_fails_the_version(cluster, name):
    """As a Lambda runtime's init error: FunctionError, with what it answered."""
    version = publish(cluster, name, http_with_hooks(FAILS="/hooks/before-snapshot"))
    status = state(cluster, version, "Failed")
    assert status["stateReasonCode"] == "FunctionError"
    assert "/hooks/before-snapshot" in status["stateReason"]
    assert "500" in status["stateReason"]


def test_an_http_hook_that_fails_after_the_restore_fails_the_request(cluster, name):
    """SnapStartException for that request, as on Lambda, and the instance goes."""
    state(cluster, publish(cluster, name, http_with_hooks(FAILS="/hooks/after-restore")), "Active")
    with pytest.raises(urllib.error.HTTPError) as refused:
        get(f"{cluster.endpoint}/default/{name}:1/")
    assert (refused.value.code, refused.value.headers["x-amzn-errortype"]) == (400, "SnapStartException")
    assert "no database today" in refused.value.read().decode()
    eventually("the instance goes", lambda: not cluster.pods(f"thaw.dev/function={name},thaw.dev/role=instance"))


def test_an_http_hook_that_hangs_after_the_restore_is_given_ten_seconds(cluster, name):
    """SnapStartTimeoutException, as on Lambda."""
    state(cluster, publish(cluster, name, http_with_hooks(HANGS="/hooks/after-restore")), "Active")
    with pytest.raises(urllib.error.HTTPError) as refused:
        get(f"{cluster.endpoint}/default/{name}:1/")
    assert (refused.value.code, refused.value.headers["x-amzn-errortype"]) == (408, "SnapStartTimeoutException")


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
