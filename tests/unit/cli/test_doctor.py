"""``thaw doctor``: each thing that can be wrong, with its fix; well where all is well."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from aiohttp import web

from thaw import names
from thaw.cli.doctor_checks import node_fix
from thaw.kube.kinds import FUNCTION_VERSION, NODE, SNAPSHOT
from unit.cli.world import NOW, Cluster, kubeconfig

SYSTEM = names.SYSTEM_NAMESPACE
POLICIES = "validatingadmissionpolicybindings"
NO_CRIU = "CRIU is not installed on the node"


@pytest.fixture(autouse=True)
def gateway(cluster: Cluster) -> None:
    cluster.answer = lambda _: web.json_response({"Functions": []})


def checks(thaw, *arguments: str) -> tuple[int, dict[str, dict[str, str]]]:
    """The exit code, and what is not well by its name."""
    code, out, err = thaw("doctor", "-o", "json", *arguments)
    assert err == ""
    return code, {it["name"]: it for it in json.loads(out)["checks"] if it["status"] != "ok"}


def test_all_is_well(thaw) -> None:
    code, out, err = thaw("doctor")
    lines = out.splitlines()
    assert (code, err, lines[-1]) == (0, "", "17 ok, 0 warn, 0 fail")
    assert all(line.startswith("ok   ") for line in lines[:-1])
    equipment = "kubelet v1.37.0, containerd 2.1.9, runc 1.3, CRIU 4.2, Linux 6.12.1"
    assert f"ok   node n1: can checkpoint: {equipment}" in lines
    assert "ok   gateway thaw-gateway-1: healthy" in lines


def test_a_cluster_that_does_not_answer(thaw, tmp_path: Path) -> None:
    path = kubeconfig(tmp_path / "down", "http://127.0.0.1:1")
    code, found = checks(thaw, "--kubeconfig", str(path))
    assert (code, list(found)) == (1, ["cluster"])
    assert "127.0.0.1:1" in found["cluster"]["message"]
    assert "KUBECONFIG" in found["cluster"]["fix"]


def test_a_cluster_without_thaw(thaw, cluster: Cluster) -> None:
    cluster.objects.clear()
    code, found = checks(thaw)
    assert (code, list(found)) == (1, ["thaw"])
    assert "not installed" in found["thaw"]["message"]
    assert found["thaw"]["fix"].startswith("helm upgrade --install thaw")


def lose(plural: str, name: str, namespace: str = "") -> Callable[[Cluster], None]:
    return lambda cluster: cluster.objects.pop((plural, namespace, name)) and None


def node(**annotations: str) -> Callable[[Cluster], None]:
    label = annotations.pop("label", "supported")
    noted = {f"thaw.dev/{key.replace('_', '-')}": value for key, value in annotations.items()}
    return lambda cluster: cluster.add(NODE, "n1", labels={names.LABEL_CHECKPOINT: label}, annotations=noted) and None


def old_crd(cluster: Cluster) -> None:
    crd = cluster.get("customresourcedefinitions", "functions.thaw.dev", "")
    del crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["spec"]["properties"]["scaling"]


def crashing(cluster: Cluster) -> None:
    cluster.change("deployments", "thaw-operator", SYSTEM, readyReplicas=0)
    cluster.add_pod("operator", ready=False)
    waiting = {"reason": "ImagePullBackOff", "message": "no such image"}
    cluster.change("pods", "thaw-operator-1", SYSTEM, containerStatuses=[{"state": {"waiting": waiting}}])


def other_version(cluster: Cluster) -> None:
    found = cluster.get("deployments", "thaw-gateway", SYSTEM)
    found["metadata"]["labels"] = {"app.kubernetes.io/version": "9.9.9"}


def second_node(cluster: Cluster) -> None:
    print_ = '{"cpu": "c2", "kernel": "6.12.1", "criu": "4.2", "runc": "1.3"}'
    labels = {names.LABEL_CHECKPOINT: "supported"}
    cluster.add(NODE, "n2", labels=labels, annotations={names.ANNOTATION_FINGERPRINT: print_})
    pod = cluster.get("pods", "thaw-agent-1", SYSTEM)
    cluster.put("pods", {**pod, "metadata": {**pod["metadata"], "name": "thaw-agent-2"}, "spec": {"nodeName": "n2"}})


@pytest.mark.parametrize(
    ("spoil", "name", "status", "message", "fix"),
    [
        (lose("customresourcedefinitions", "snapshots.thaw.dev"), "crd snapshots", "fail", "no resource", "helm up"),
        (old_crd, "crd functions", "fail", "e.g. spec.scaling", "kubectl apply --server-side -f crds/"),
        (lose("deployments", "thaw-gateway", SYSTEM), "gateway", "fail", "not in namespace thaw-system", "helm up"),
        (crashing, "operator", "fail", "0/1 ready, i:1: thaw-operator-1: ImagePullBackOff no such image", "logs"),
        (other_version, "gateway", "warn", "version 9.9.9", "upgrade"),
        (lose("runtimeclasses", "thaw"), "runtimeclass", "fail", "no RuntimeClass thaw", "helm upgrade"),
        (
            lose(POLICIES, "thaw-pod-role"),
            "admission policy",
            "warn",
            "nothing keeps others",
            "admissionPolicy.enabled",
        ),
        (
            lose("secrets", "thaw-access-key-default", SYSTEM),
            "access key",
            "warn",
            "is not there",
            "labelled thaw.dev/",
        ),
        (node(label="unsupported", checkpoint_reason=NO_CRIU), "node n1", "warn", NO_CRIU, "install CRIU 4.2 or newer"),
        (node(label="unsupported"), "nodes", "fail", "none of 1 nodes can checkpoint", "below"),
        (node(label=""), "node n1", "warn", "no agent has told", "kubectl logs -n thaw-system thaw-agent-1"),
        (node(store_reason="write x: no route"), "store of n1", "fail", "write x: no route", "store.url"),
        (lose("pods", "thaw-agent-1", SYSTEM), "node n1", "fail", "its agent is not ready", "kubectl get pods"),
        (second_node, "nodes differ", "warn", "another processor", "starts there are cold"),
    ],
)
def test_what_is_wrong_is_named_with_its_fix(
    thaw, cluster: Cluster, spoil: Callable[[Cluster], None], name: str, status: str, message: str, fix: str
) -> None:
    spoil(cluster)
    code, found = checks(thaw)
    assert found[name]["status"] == status
    assert message in found[name]["message"]
    assert fix in found[name]["fix"]
    assert code == any(it["status"] == "fail" for it in found.values())


def test_a_gateway_that_refuses(thaw, cluster: Cluster, endpoint: str) -> None:
    headers = {"x-amzn-errortype": "UnrecognizedClientException"}
    cluster.answer = lambda _: web.json_response({"message": "invalid token"}, status=403, headers=headers)
    code, found = checks(thaw, "--endpoint", endpoint)
    assert (code, list(found)) == (1, ["gateway call"])
    assert f"by {endpoint}: UnrecognizedClientException (403): invalid token" in found["gateway call"]["message"]


def test_nothing_to_call_the_gateway_with_is_no_fault_of_the_gateways(thaw, cluster: Cluster) -> None:
    cluster.add_key("shop")
    code, found = checks(thaw)
    assert (code, found["gateway call"]["status"]) == (0, "warn")
    assert "no access key in thaw-system is for namespace default" in found["gateway call"]["message"]


def test_versions_and_snapshots_that_want_somebody(thaw, cluster: Cluster) -> None:
    """In all namespaces; they are warnings, for Thaw itself works."""
    failed = {"version": "1", "state": "Failed", "stateReasonCode": "FunctionError", "stateReason": "boom"}
    cluster.add(FUNCTION_VERSION, "greet-1", "shop", spec={"functionName": "greet"}, status=failed)
    condition = {"type": "Stalled", "status": "True", "reason": "x", "lastTransitionTime": NOW}
    stalled = {"version": "2", "state": "Pending", "conditions": [condition]}
    cluster.add(FUNCTION_VERSION, "greet-2", "shop", spec={"functionName": "greet"}, status=stalled)
    spec = {"functionName": "greet", "versionName": "greet-3", "version": "3"}
    refused = {"n2": {"cause": "RestoreFailed", "message": "no\nmemory", "times": 4, "last": NOW}}
    cluster.add(SNAPSHOT, "s3", "shop", spec=spec, status={"phase": "Quarantined", "message": "it did not restore"})
    cluster.add(SNAPSHOT, "s4", "shop", spec=spec, status={"phase": "Ready", "unusable": refused})
    code, found = checks(thaw)
    assert code == 0
    assert found["version shop/greet-1"]["message"] == "Failed: FunctionError: boom"
    assert "thaw publish greet -n shop" in found["version shop/greet-1"]["fix"]
    assert "version shop/greet-2" in found
    assert "quarantined: it did not restore" in found["snapshot shop/s3"]["message"]
    assert "not restored on n2, 4 times: RestoreFailed: no memory" in found["snapshot shop/s4"]["message"]
    assert found["snapshot shop/s4"]["fix"] == "thaw snapshots recycle greet:3 -n shop"
    assert checks(thaw, "-n", "default") == (0, {}), "a namespace that is named is the only one looked at"


def test_what_one_may_not_see_is_no_failure(thaw, cluster: Cluster) -> None:
    cluster.forbidden = {"customresourcedefinitions", "nodes", "runtimeclasses", "deployments", "daemonsets"}
    code, found = checks(thaw)
    assert code == 0
    assert found["crd functions"]["status"] == found["nodes"]["status"] == found["operator"]["status"] == "warn"
    assert "administrator" in found["operator"]["fix"]


@pytest.mark.parametrize(
    ("reason", "fix"),
    [
        ("CRIU 3.17 is too old: 4.2 or newer is needed", "install CRIU 4.2 or newer"),
        ("the kubelet answered 404: its checkpoint API is off (feature gate ContainerCheckpoint)", "featureGates"),
        ("criu check: Error (criu/cr-check.c:1): no userfaultfd", "criu check --all"),
        ("runc is not installed on the node", "kubectl logs x"),
    ],
)
def test_each_reason_has_its_fix(reason: str, fix: str) -> None:
    assert fix in node_fix(reason, "kubectl logs x")
    assert node_fix("no agent answers on this node", "").startswith("let an agent run on it")
