"""The command line against a real cluster: as ``thaw`` and as kubectl's plugin."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Callable

import pytest

from e2e.support import eventually, inline

CODE = """
import time
time.sleep(1)
def handler(event, context):
    print("greeting", event)
    if "fail" in event:
        raise ValueError(event["fail"])
    return "hello " + event["name"]
"""
Done = subprocess.CompletedProcess[str]


@pytest.fixture
def thaw(cluster) -> Callable[..., Done]:
    """Runs the installed command, or kubectl with it as a plugin; by default it finds its way by the kubeconfig."""
    environment = {key: value for key, value in os.environ.items() if key != "THAW_ENDPOINT"}

    def run(*arguments: str, program: tuple[str, ...] = ("thaw",), stdin: str = "", **more: str) -> Done:
        assert shutil.which(program[0]), f"{program[0]} is not installed"
        return subprocess.run(
            [*program, *arguments],
            env=environment | more,
            input=stdin,
            capture_output=True,
            text=True,
            timeout=200,
            check=False,
        )

    return run


def told(done: Done) -> object:
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_from_publish_to_doctor(cluster, thaw, name):
    """One function's life: published, invoked by port-forward and by endpoint, its log, the tables, and the doctor."""
    cluster.apply("Function", "functions", name, inline(CODE))
    published = told(thaw("publish", name, "--alias", "live", "-o", "json"))
    assert (published["version"], published["state"], published["optimizationStatus"]) == ("1", "Active", "On")
    again = thaw("publish", name)
    assert again.stdout.startswith(f"nothing changed since {name}:1")

    def versions() -> list[str]:
        return [v["metadata"]["name"] for v in cluster.objects("functionversions") if name in v["metadata"]["name"]]

    eventually("the second object, which was no new version, is gone", lambda: versions() == [f"{name}-1"])

    first = thaw("invoke", f"{name}:live", "-", stdin='{"name": "Bob"}')
    assert (first.returncode, first.stdout) == (0, '"hello Bob"\n'), first.stderr
    assert "greeting {'name': 'Bob'}" in first.stderr
    assert first.stderr.splitlines()[-1].startswith("version 1: restore in ")
    failed = thaw("invoke", f"{name}:1", "--payload", '{"fail": "no luck"}', THAW_ENDPOINT=cluster.endpoint)
    assert failed.returncode == 1
    assert failed.stderr.splitlines()[-1].startswith("thaw: the function failed: ValueError: no luck")

    def logged() -> bool:
        return "greeting {'name': 'Bob'}" in thaw("logs", f"{name}:live").stdout

    eventually("the log is there", logged)
    rows = told(thaw("top", name, "--once", "-o", "json"))["versions"]
    assert [(row["version"], row["state"]) for row in rows] == [("$LATEST", "Active"), ("1", "Active")]
    assert rows[1]["snapshotBytes"] > 0
    snapshots = told(thaw("snapshots", name, "-o", "json"))
    assert [(it["name"], it["phase"]) for it in snapshots] == [(f"{name}-1-s1", "Ready")]

    doctor = thaw("doctor", "-o", "json")
    checks = {check["name"]: check for check in json.loads(doctor.stdout)["checks"]}
    assert not [check for check in checks.values() if check["status"] == "fail"]
    assert doctor.returncode == 0
    for node in cluster.nodes():
        assert checks[f"node {node}"]["message"].startswith("can checkpoint: kubelet v")


def test_a_new_snapshot_on_request_and_another_deleted(cluster, thaw, name):
    cluster.apply("Function", "functions", name, inline(CODE))
    assert thaw("publish", name).returncode == 0
    assert thaw("snapshots", "recycle", f"{name}:1").returncode == 0

    def renewed() -> bool:
        found = told(thaw("snapshots", name, "-o", "json"))
        return [it["name"] for it in found if it["phase"] == "Ready"] == [f"{name}-1-s2"]

    eventually("a second snapshot in place of the first", renewed)
    assert thaw("snapshots", "delete", f"{name}-1-s2", "--yes").returncode == 0
    eventually("it is gone", lambda: cluster.get("snapshots", f"{name}-1-s2") is None)


def test_as_kubectls_plugin(thaw):
    plugin = ("kubectl", "thaw")
    version = thaw("version", program=plugin)
    assert (version.returncode, version.stdout) == (0, thaw("version").stdout)
    assert "Usage: kubectl thaw invoke" in thaw("invoke", "--help", program=plugin).stdout
    missing = thaw("publish", "no-such-function", program=plugin)
    assert missing.returncode == 1
    assert missing.stderr.startswith("thaw: namespace default has no function no-such-function (")
    assert len(missing.stderr.splitlines()) == 1
