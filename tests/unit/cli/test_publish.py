"""``thaw publish``: what an operator makes of it, told and waited for."""

from __future__ import annotations

import json
import threading
from typing import Any

import pytest

from thaw.kube.client import Object
from thaw.kube.kinds import EVENT, FUNCTION, FUNCTION_ALIAS, FUNCTION_VERSION
from unit.cli.world import Cluster

SPEC = {"runtime": "python3.13", "handler": "app.handler", "code": {"inline": {"app.py": ""}}}
ACTIVE = {
    "state": "Active",
    "stateReason": "starts are restores of Snapshot greet-3-s1",
    "snapStart": {"applyOn": "PublishedVersions", "optimizationStatus": "On"},
    "initDurationMs": 2100.0,
    "snapshotBytes": 80 << 20,
}


def operate(cluster: Cluster, *steps: dict[str, Any]) -> None:
    """Plays an operator, who changes each version's status step by step."""

    def made(plural: str, found: Object) -> None:
        for step in steps if plural == "functionversions" else ():
            cluster.change(plural, found["metadata"]["name"], **step)

    cluster.on_create = made


@pytest.fixture(autouse=True)
def greet(cluster: Cluster) -> None:
    cluster.add(FUNCTION, "greet", spec=SPEC, status={"lastVersion": 2})


def test_the_version_is_followed_until_it_serves(thaw, cluster: Cluster) -> None:
    creating = {"state": "Pending", "stateReasonCode": "Creating", "stateReason": "the function initialises"}
    operate(cluster, {"version": "3", **creating}, ACTIVE)
    event = {"type": "Normal", "reason": "Stored", "message": "stored 10 MiB of 80 MiB"}
    cluster.add(EVENT, "e1", involvedObject={"uid": "greet-3-uid"}, **event)
    cluster.add(EVENT, "e2", involvedObject={"uid": "another"}, type="Normal", reason="Other", message="not this one")
    code, out, err = thaw("publish", "greet", "--description", "first")
    assert code == 0
    assert out.splitlines() == [
        "published greet:3",
        "initialised in 2.1 s, snapshot 80 MiB; starts are restores from now on",
        "invoke it: thaw invoke greet:3",
    ]
    assert "Stored: stored 10 MiB of 80 MiB" in err
    assert "starts are restores of Snapshot greet-3-s1" in err
    assert "not this one" not in err
    assert cluster.get("functionversions", "greet-3")["spec"] == {"functionName": "greet", "description": "first"}


def test_a_failure_is_told_with_its_reason(thaw, cluster: Cluster) -> None:
    failed = {"state": "Failed", "stateReasonCode": "FunctionError", "stateReason": "ImportError: no module\nnamed x"}
    operate(cluster, {"version": "3", "state": "Pending"}, failed)
    code, out, err = thaw("publish", "greet", "--alias", "live")
    assert (code, out) == (1, "")
    last = "version 3 of greet Failed: FunctionError: ImportError: no module named x"
    assert err.splitlines()[-1] == f"thaw: {last} (mend the function, and publish again)"
    assert not [key for key in cluster.objects if key[0] == "functionaliases"]


def test_nothing_changed_is_said_plainly(thaw, cluster: Cluster) -> None:
    cluster.add(FUNCTION_VERSION, "greet-2", spec={"functionName": "greet"}, status={"version": "2", **ACTIVE})
    operate(cluster, {"version": "2", "duplicateOf": "greet-2", "state": "Active"})
    code, out, _ = thaw("publish", "greet")
    assert code == 0
    assert out.startswith("nothing changed since greet:2: that is the version\n")
    assert cluster.get("functionversions", "greet-3") is None, "the duplicate is not left behind"


def test_an_alias_is_made_and_then_moved(thaw, cluster: Cluster) -> None:
    operate(cluster, {"version": "3", **ACTIVE})
    assert (
        "alias live is on version 3\ninvoke it: thaw invoke greet:live\n"
        in thaw("publish", "greet", "--alias", "live")[1]
    )
    made = cluster.get("functionaliases", "greet-live")
    assert made["spec"] == {"functionName": "greet", "name": "live", "functionVersion": "3"}
    assert made["metadata"]["ownerReferences"][0]["name"] == "greet"
    operate(cluster, {"version": "4", **ACTIVE})
    assert json.loads(thaw("publish", "greet", "--alias", "live", "-o", "json")[1])["alias"] == "live"
    assert cluster.get("functionaliases", "greet-live")["spec"]["functionVersion"] == "4"


def test_a_moved_alias_has_no_weights_of_before(thaw, cluster: Cluster) -> None:
    spec = {"functionName": "greet", "name": "live", "functionVersion": "1", "additionalVersionWeights": {"2": 0.1}}
    cluster.add(FUNCTION_ALIAS, "greet-live", spec=spec)
    operate(cluster, {"version": "3", **ACTIVE})
    thaw("publish", "greet", "--alias", "live")
    moved = {"functionName": "greet", "name": "live", "functionVersion": "3"}
    assert cluster.get("functionaliases", "greet-live")["spec"] == moved


def test_an_alias_that_somebody_declares_stays(thaw, cluster: Cluster) -> None:
    spec = {"functionName": "greet", "name": "live", "functionVersion": "1"}
    cluster.add(FUNCTION_ALIAS, "greet-live", spec=spec)
    fields = {"f:spec": {"f:functionVersion": {}}}
    declared = {"manager": "argocd-controller", "operation": "Apply", "fieldsV1": fields}
    cluster.objects["functionaliases", "default", "greet-live"]["metadata"]["managedFields"] = [declared]
    operate(cluster, {"version": "3", **ACTIVE})
    code, _, err = thaw("publish", "greet", "--alias", "live")
    assert code == 1
    assert "alias live stays where it is: its spec.functionVersion is managed by argocd-controller (set it to 3" in err
    assert (cluster.get("functionaliases", "greet-live") or {})["spec"] == spec


def test_without_waiting_the_number_is_enough(thaw, cluster: Cluster) -> None:
    operate(cluster, {"version": "3", "state": "Pending"})
    code, out, _ = thaw("publish", "greet", "--no-wait", "-o", "json")
    told = json.loads(out)
    assert (code, told["version"], told["state"], told["new"]) == (0, "3", "Pending", True)


def test_waiting_has_an_end(thaw, cluster: Cluster) -> None:
    operate(cluster, {"version": "3", "state": "Pending"})
    code, _, err = thaw("publish", "greet", "--timeout", "1s")
    assert code == 1
    assert "thaw: greet-3 is not Active yet; it is still being made (kubectl describe fnv greet-3 -n default)" in err


def test_a_version_that_is_deleted_meanwhile(thaw, cluster: Cluster) -> None:
    operate(cluster, {"version": "3", "state": "Pending"})

    def delete() -> None:
        cluster.watched.wait(10)
        cluster.remove("functionversions", "greet-3")

    deleting = threading.Thread(target=delete)
    deleting.start()
    code, _, err = thaw("publish", "greet", "--timeout", "15s")
    deleting.join()
    assert (code, err.splitlines()[-1]) == (1, "thaw: greet-3 was deleted meanwhile (publish again)")


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        (("nope",), 1, "namespace default has no function nope (kubectl get functions -A lists them; -n chooses"),
        (("greet:1",), 2, "FUNCTION: greet:1: a version is published of the function itself (greet)"),
        (("Bad Name",), 2, "FUNCTION: 'Bad Name' is no function's name"),
        (("greet", "--alias", "7"), 2, "--alias: '7' is no alias (letters, digits, - and _, and not digits alone"),
        (("greet", "--alias", "live", "--no-wait"), 2, "--alias: it is moved when the version is Active"),
        (("greet", "--timeout", "soon"), 2, "--timeout: 'soon' is no duration"),
        (("greet", "-n", "other"), 1, "namespace other has no function greet"),
    ],
)
def test_what_cannot_be_is_one_line(thaw, cluster: Cluster, arguments: tuple[str, ...], code: int, says: str) -> None:
    before = len(cluster.objects)
    found, out, err = thaw("publish", *arguments)
    assert (found, out, len(err.splitlines())) == (code, "", 1)
    assert err.startswith(f"thaw: {says}")
    assert len(cluster.objects) == before, "nothing half-made stays"


def test_an_alias_of_another_function_is_not_taken_for_it(thaw, cluster: Cluster) -> None:
    spec = {"functionName": "other", "name": "live", "functionVersion": "9"}
    cluster.add(FUNCTION_ALIAS, "other-live", spec=spec)
    operate(cluster, {"version": "3", **ACTIVE})
    thaw("publish", "greet", "--alias", "live")
    assert cluster.get("functionaliases", "other-live")["spec"] == spec
