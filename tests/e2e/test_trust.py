"""A pod made by an ordinary user must not read somebody's snapshot or a path of the host."""

from __future__ import annotations

import uuid

import pytest
from kubernetes import client

from e2e.support import eventually


def forged(role_annotation: bool) -> dict:
    annotations = {"thaw.dev/role": "instance", "thaw.dev/snapshot": "../../etc"} if role_annotation else {}
    return {
        "metadata": {"name": f"forged-{uuid.uuid4().hex[:6]}", "annotations": annotations},
        "spec": {
            "runtimeClassName": "thaw",
            "restartPolicy": "Never",
            "terminationGracePeriodSeconds": 0,
            "automountServiceAccountToken": False,
            "containers": [
                {
                    "name": "function",
                    "image": "thaw.dev/example-http:dev",
                    "imagePullPolicy": "IfNotPresent",
                    "command": ["sh", "-c", "ls -a / /.thaw; sleep 60"],
                }
            ],
        },
    }


def test_admission_refuses_a_forged_annotation(cluster):
    """The chart's policy names the reason."""
    with pytest.raises(client.ApiException) as refused:
        cluster.core.create_namespaced_pod("default", forged(role_annotation=True))
    assert refused.value.status in (403, 422)
    assert "thaw.dev/role" in refused.value.body


def test_unvouched_pod_never_starts(cluster):
    """Past admission, the runtime itself refuses a pod that no agent vouched for."""
    gateway = client.ApiClient()
    gateway.set_default_header("Impersonate-User", "system:serviceaccount:thaw-system:thaw-gateway")
    pod = client.CoreV1Api(gateway).create_namespaced_pod("default", forged(role_annotation=True))
    try:

        def refusal() -> bool:
            events = cluster.core.list_namespaced_event(
                "default", field_selector=f"involvedObject.name={pod.metadata.name}"
            )
            return any("grant" in (e.message or "") for e in events.items)

        eventually("an event says that nobody vouched for it", refusal, 90)
        status = cluster.core.read_namespaced_pod(pod.metadata.name, "default").status
        assert not any(s.state.running for s in status.container_statuses or ())
    finally:
        cluster.core.delete_namespaced_pod(pod.metadata.name, "default", grace_period_seconds=0)


def test_plain_pod_of_the_runtime_class_is_a_plain_pod(cluster):
    """Without the annotation the runtime is runc: nothing of Thaw's is mounted."""
    pod = cluster.core.create_namespaced_pod("default", forged(role_annotation=False))
    try:

        def log() -> str:
            phase = cluster.core.read_namespaced_pod(pod.metadata.name, "default").status.phase
            return cluster.core.read_namespaced_pod_log(pod.metadata.name, "default") if phase == "Running" else ""

        listing = eventually("the pod runs", log, 60)
        assert "thaw-init" not in listing
    finally:
        cluster.core.delete_namespaced_pod(pod.metadata.name, "default", grace_period_seconds=0)
