"""Publishing by manifest, by autoPublishAlias, and what a failing initialisation leaves to read."""

from __future__ import annotations

from e2e.support import eventually, header, inline, invoke, publish, source, state


def test_manifest_becomes_a_restorable_version(cluster, lam, name):
    """kubectl's way: apply a Function and a FunctionVersion, wait, invoke."""
    version = publish(cluster, name, inline(source("hooks")))
    status = state(cluster, version, "Active")
    assert status["version"] == "1"
    assert status["snapStart"] == {"applyOn": "PublishedVersions", "optimizationStatus": "On"}
    assert status["initDurationMs"] > 900
    ready = [c for c in status["conditions"] if c["type"] == "Ready"]
    assert ready[0]["status"] == "True"
    snapshot = cluster.get("snapshots", status["snapshotRef"])
    assert snapshot["status"]["phase"] == "Ready"
    assert snapshot["status"]["digest"].startswith("sha256:")
    assert snapshot["status"]["sizeBytes"] > snapshot["status"]["storedBytes"] > 0
    assert snapshot["status"]["fingerprint"]["criu"]
    eventually("the init pod goes", lambda: not cluster.pods(f"thaw.dev/function={name},thaw.dev/role=init"))

    body, response = invoke(lam, name, qualifier="1")
    assert header(response, "x-thaw-start") == "restore"
    assert float(header(response, "x-thaw-restore-ms")) > 0
    assert body["type"] == "snap-start"


def test_publishing_nothing_new_gives_no_number(cluster, name):
    """A second FunctionVersion of the same template is a duplicate of the first."""
    first = publish(cluster, name, inline(source("hooks")), f"{name}-a")
    state(cluster, first, "Active")
    second = publish(cluster, name, {}, f"{name}-b")

    def duplicate() -> dict | None:
        status = cluster.get("functionversions", second).get("status", {})
        return status if status.get("duplicateOf") else None

    status = eventually("the duplicate is told", duplicate)
    assert status["duplicateOf"] == first
    assert status["version"] == "1"


def test_auto_publish_alias(cluster, lam, name):
    """With autoPublishAlias a change is a version, and the alias moves to it once it is Active."""
    spec = inline("def handler(e, c): return 'one'", autoPublishAlias="live")
    cluster.apply("Function", "functions", name, spec)

    def alias_at(number: str) -> bool:
        return any(
            a["spec"]["functionName"] == name and a["spec"]["functionVersion"] == number
            for a in cluster.objects("functionaliases")
        )

    eventually("alias live at 1", lambda: alias_at("1"))
    assert invoke(lam, name, qualifier="live")[0] == "one"
    change = {"spec": {"code": {"inline": {"app.py": "def handler(e, c): return 'two'"}}}}
    cluster.custom.patch_namespaced_custom_object("thaw.dev", "v1alpha1", "default", "functions", name, change)
    eventually("alias live at 2", lambda: alias_at("2"))
    eventually("live answers two", lambda: invoke(lam, name, qualifier="live")[0] == "two", timeout=20)


def test_failing_init_says_why(cluster, name):
    """Initialisation that raises: Failed, FunctionError, the function's own words, and no pod left behind."""
    version = publish(cluster, name, inline("print('connecting…')\nraise RuntimeError('no database today')"))
    status = state(cluster, version, "Failed")
    assert status["stateReasonCode"] == "FunctionError"
    assert "no database today" in status["stateReason"]
    stalled = [c for c in status["conditions"] if c["type"] == "Stalled"]
    assert stalled[0]["status"] == "True"
    eventually("the init pod goes", lambda: not cluster.pods(f"thaw.dev/function={name},thaw.dev/role=init"))
