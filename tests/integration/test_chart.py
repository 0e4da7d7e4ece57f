"""The chart on a real API server: all objects accepted, and the admission policy says no in words."""

from __future__ import annotations

import json
import subprocess
import time
from collections.abc import Iterator
from typing import Any

import pytest

from chart_rendering import CHART, EVERYTHING, NAMESPACE, NOTHING, helm, render, render_text
from integration.apiserver import Kubectl

pytestmark = pytest.mark.integration

OPERATOR = f"--as=system:serviceaccount:{NAMESPACE}:thaw-operator"
GATEWAY = f"--as=system:serviceaccount:{NAMESPACE}:thaw-gateway"
AGENT = f"--as=system:serviceaccount:{NAMESPACE}:thaw-agent"
PROBES = "policy-probes"
USER = ("--as=alice", "--as-group=system:authenticated")


@pytest.fixture(scope="module")
def installed(crds: Kubectl) -> Iterator[Kubectl]:
    """A server with the chart's roles and admission policy in force, and a user who may make pods everywhere.

    All of it goes again afterwards: other tests of the session make function pods as administrators.
    """
    for name in (NAMESPACE, PROBES):
        crds.run("create", "namespace", name, check=False)
    wanted = ("Role", "ClusterRole", "RoleBinding", "ClusterRoleBinding", "RuntimeClass", "ServiceAccount")
    objects = [o for o in render("--set=crds.enabled=false") if o["kind"] in wanted or "AdmissionPolicy" in o["kind"]]
    crds("apply", "--server-side", "-f", "-", stdin=objects)
    crds("create", "clusterrole", "pods", "--verb=create,get,update,patch", "--resource=pods,pods/status")
    crds("create", "clusterrolebinding", "pods", "--clusterrole=pods", "--user=alice")
    await_policy(crds, in_force=True)
    yield crds
    crds("delete", "--wait=false", "-f", "-", stdin=objects)
    crds("delete", "clusterrole,clusterrolebinding", "pods")
    await_policy(crds, in_force=False)


def await_policy(kubectl: Kubectl, *, in_force: bool) -> None:
    """The API server takes a second or so to learn of a policy, or of its end."""
    probe = pod("", annotations={"thaw.dev/role": "x"})
    probe["metadata"]["generateName"] = "probe-"
    del probe["spec"]["runtimeClassName"]  # which goes as well
    deadline = time.monotonic() + 30
    while ("thaw.dev/role" in create(kubectl, PROBES, probe).stderr) is not in_force:
        assert time.monotonic() < deadline, f"the policy did not become {in_force=}"
        time.sleep(0.2)


@pytest.mark.parametrize("variant", [(), EVERYTHING, NOTHING], ids=["defaults", "everything", "nothing"])
def test_every_object_is_accepted(crds: Kubectl, variant: tuple[str, ...]) -> None:
    """Server-side dry run, with strict validation: an unknown field is an error."""
    crds.run("create", "namespace", NAMESPACE, check=False)
    crds.run("create", "priorityclass", "high", "--value=1", check=False)
    done = crds.run(
        "apply", "--dry-run=server", "--server-side", "--force-conflicts", "--validate=strict", "-f", "-",
        stdin=render_text(*variant),
    )  # fmt: skip
    assert len(done.stdout.splitlines()) == len(render(*variant))
    assert done.stderr == "", "a warning is a complaint as well"


def test_the_example_in_the_notes_can_be_pasted(crds: Kubectl) -> None:
    text = helm("install", "--dry-run=client", "thaw", str(CHART), "--namespace", NAMESPACE).stdout
    example = text.partition("\nkubectl apply -f - <<END\n")[2].partition("\nEND\n")[0]
    assert "kind: FunctionVersion" in example
    crds("create", "--dry-run=server", "-f", "-", stdin=example)


def pod(name: str, *, annotations: Any = None, labels: Any = None) -> dict[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "annotations": annotations or {}, "labels": labels or {}},
        "spec": {"runtimeClassName": "thaw", "containers": [{"name": "function", "image": "i"}]},
    }


def create(kubectl: Kubectl, namespace: str, thing: object, *who: str) -> subprocess.CompletedProcess[str]:
    return kubectl.run("create", "-n", namespace, "-f", "-", *who, stdin=thing, check=False)


@pytest.mark.parametrize("where", ["annotations", "labels"])
@pytest.mark.parametrize("role", ["init", "instance"])
def test_users_may_not_make_pods_with_a_role(installed: Kubectl, namespace: str, where: str, role: str) -> None:
    done = create(installed, namespace, pod("p", **{where: {"thaw.dev/role": role}}), *USER)
    assert done.returncode != 0
    assert "only Thaw's operator and gateway may give a pod the annotation or label thaw.dev/role" in done.stderr
    assert "Create a Function instead" in done.stderr


def test_administrators_neither(installed: Kubectl, namespace: str) -> None:
    assert create(installed, namespace, pod("p", annotations={"thaw.dev/role": "init"})).returncode != 0


@pytest.mark.parametrize("who", [OPERATOR, GATEWAY])
def test_operator_and_gateway_may(installed: Kubectl, namespace: str, who: str) -> None:
    done = create(installed, namespace, pod("p", annotations={"thaw.dev/role": "instance"}), who)
    assert done.returncode == 0, done.stderr


def test_a_role_is_neither_given_nor_taken_later(installed: Kubectl, namespace: str) -> None:
    assert create(installed, namespace, pod("plain"), *USER).returncode == 0
    assert create(installed, namespace, pod("ours", annotations={"thaw.dev/role": "instance"}), GATEWAY).returncode == 0
    given = installed.run("annotate", "pod", "plain", "thaw.dev/role=init", "-n", namespace, *USER, check=False)
    assert "only Thaw's operator and gateway" in given.stderr
    taken = installed.run("annotate", "pod", "ours", "thaw.dev/role-", "-n", namespace, *USER, check=False)
    assert "only Thaw's operator and gateway" in taken.stderr
    patch = '{"metadata":{"annotations":{"thaw.dev/role":"init"}}}'
    status = installed.run(
        "patch", "pod", "plain", "-n", namespace, "--subresource=status", "-p", patch, *USER, check=False
    )
    assert "only Thaw's operator and gateway" in status.stderr


def test_other_changes_of_pods_pass(installed: Kubectl, namespace: str) -> None:
    assert create(installed, namespace, pod("ours", annotations={"thaw.dev/role": "instance"}), GATEWAY).returncode == 0
    installed("annotate", "pod", "ours", "note=1", "-n", namespace, *USER)


@pytest.mark.parametrize(
    ("who", "verb", "resource", "namespace_", "allowed"),
    [
        (AGENT, "create", "nodes/checkpoint", "", True),
        (AGENT, "get", "pods", "default", False),
        (AGENT, "get", "nodes", "", False),
        (AGENT, "get", "secrets", NAMESPACE, False),
        (GATEWAY, "list", "secrets", NAMESPACE, True),
        (GATEWAY, "list", "secrets", "default", False),
        (GATEWAY, "get", "configmaps/thaw-version-numbers", "default", True),
        (GATEWAY, "get", "configmaps/other", "default", False),
        (GATEWAY, "create", "pods", "default", True),
        (GATEWAY, "create", "nodes/checkpoint", "", False),
        (OPERATOR, "patch", "functions.thaw.dev/status", "default", True),
        (OPERATOR, "get", "secrets/thaw-access-key-default", NAMESPACE, True),
        (OPERATOR, "get", "secrets/other", NAMESPACE, False),
        (OPERATOR, "patch", "configmaps/thaw-version-numbers", "default", True),
        (OPERATOR, "patch", "configmaps/other", "default", False),
        (OPERATOR, "create", "nodes/checkpoint", "", False),
    ],
)  # fmt: skip
def test_rights_as_the_server_sees_them(
    installed: Kubectl, who: str, verb: str, resource: str, namespace_: str, allowed: bool
) -> None:
    scope = (f"--namespace={namespace_}",) if namespace_ else ()
    if resource.endswith("/status") or resource == "nodes/checkpoint":
        resource, _, subresource = resource.partition("/")
        scope += (f"--subresource={subresource}",)
    done = installed.run("auth", "can-i", verb, resource, who, *scope, check=False)
    assert done.stdout.strip() == ("yes" if allowed else "no")


def test_the_policy_type_checks(installed: Kubectl) -> None:
    status = json.loads(installed("get", "validatingadmissionpolicy", "thaw-pod-role", "-o", "json")).get("status", {})
    assert not status.get("typeChecking", {}).get("expressionWarnings")
