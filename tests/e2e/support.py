"""What the end-to-end tests say and ask, as the users and the nodes' root of a real cluster."""

from __future__ import annotations

import io
import json
import os
import subprocess
import time
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kubernetes import client, config

NAMESPACE = "default"
SYSTEM = "thaw-system"
GROUP = "thaw.dev"
DATA = Path(__file__).parent / "functions"


@dataclass(frozen=True)
class Cluster:
    """How to reach the cluster under test, as its users and as its nodes' root."""

    endpoint: str
    core: client.CoreV1Api
    apps: client.AppsV1Api
    custom: client.CustomObjectsApi

    def objects(self, plural: str) -> list[dict[str, Any]]:
        return self.custom.list_namespaced_custom_object(GROUP, "v1alpha1", NAMESPACE, plural)["items"]

    def get(self, plural: str, name: str) -> dict[str, Any] | None:
        try:
            return self.custom.get_namespaced_custom_object(GROUP, "v1alpha1", NAMESPACE, plural, name)
        except client.ApiException as e:
            if e.status == 404:
                return None
            raise

    def apply(self, kind: str, plural: str, name: str, spec: dict[str, Any]) -> dict[str, Any]:
        body = {"apiVersion": f"{GROUP}/v1alpha1", "kind": kind, "metadata": {"name": name}, "spec": spec}
        return self.custom.create_namespaced_custom_object(GROUP, "v1alpha1", NAMESPACE, plural, body)

    def delete(self, plural: str, name: str) -> None:
        try:
            self.custom.delete_namespaced_custom_object(GROUP, "v1alpha1", NAMESPACE, plural, name)
        except client.ApiException as e:
            if e.status != 404:
                raise

    def pods(self, selector: str, namespace: str = NAMESPACE) -> list[client.V1Pod]:
        return self.core.list_namespaced_pod(namespace, label_selector=selector).items

    def nodes(self) -> list[str]:
        return [n.metadata.name for n in self.core.list_node().items]

    def on_node(self, node: str, script: str) -> str:
        """Runs a shell line on a node; kind's nodes are containers of their own names."""
        done = subprocess.run(
            ["docker", "exec", node, "sh", "-c", script], check=False, capture_output=True, text=True, timeout=60
        )
        return done.stdout

    def on_nodes(self, script: str) -> str:
        return "".join(self.on_node(node, script) for node in self.nodes())


def connect() -> Cluster:
    """The cluster that ``hack/cluster env`` names."""
    config.load_kube_config(os.environ["KUBECONFIG"])
    return Cluster(os.environ["THAW_ENDPOINT"], client.CoreV1Api(), client.AppsV1Api(), client.CustomObjectsApi())


def eventually(what: str, check: Callable[[], Any], timeout: float = 120, every: float = 0.2) -> Any:
    """Waits until ``check`` gives something true, and gives that; says what was awaited when it never comes."""
    end = time.monotonic() + timeout
    while True:
        if found := check():
            return found
        assert time.monotonic() < end, f"{what}: not within {timeout} s"
        time.sleep(every)


def package(source: str, name: str = "app.py") -> bytes:
    """A deployment package with one file."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(name, source)
    return buffer.getvalue()


def source(name: str) -> str:
    """One of the functions in ``functions/``."""
    return (DATA / f"{name}.py").read_text()


def inline(code: str, **more: Any) -> dict[str, Any]:
    """The spec of a Python function with SnapStart on."""
    spec = {
        "runtime": "python3.13",
        "handler": "app.handler",
        "code": {"inline": {"app.py": code}},
        "timeout": 10,
        "snapStart": {"applyOn": "PublishedVersions"},
    }
    return spec | more


def publish(cluster: Cluster, function: str, spec: dict[str, Any], version: str = "") -> str:
    """Applies a Function and a FunctionVersion; gives the latter's name."""
    version = version or f"{function}-v"
    if cluster.get("functions", function) is None:
        cluster.apply("Function", "functions", function, spec)
    cluster.apply("FunctionVersion", "functionversions", version, {"functionName": function})
    return version


def state(cluster: Cluster, version: str, want: str, timeout: float = 180) -> dict[str, Any]:
    """Waits for a FunctionVersion's state; gives its status."""

    def reached() -> dict[str, Any] | None:
        found = cluster.get("functionversions", version)
        status = (found or {}).get("status", {})
        if want != "Failed":
            assert status.get("state") != "Failed", status.get("stateReason")
        return status if status.get("state") == want else None

    return eventually(f"{version} {want}", reached, timeout)


def invoke(lam: Any, function: str, payload: Any = None, qualifier: str = "") -> tuple[Any, dict[str, Any]]:
    """Gives the parsed answer and the whole response."""
    more = {"Qualifier": qualifier} if qualifier else {}
    response = lam.invoke(FunctionName=function, Payload=json.dumps(payload or {}).encode(), **more)
    return json.loads(response["Payload"].read()), response


def header(response: dict[str, Any], key: str) -> str:
    return response["ResponseMetadata"]["HTTPHeaders"].get(key, "")


def upgrade(cluster: Cluster, *values: str) -> None:
    """Changes values of the release, as its administrator does, and waits until only what knows them runs."""
    chart = Path(__file__).parents[2] / "charts/thaw"
    command = ["helm", "upgrade", "thaw", str(chart), "--namespace", SYSTEM, "--reuse-values", "--wait"]
    chosen = [argument for value in values for argument in ("--set-string", value)]
    done = subprocess.run([*command, *chosen], check=False, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    for component in ("operator", "gateway"):
        eventually(f"{component} is rolled out", lambda it=component: _rolled_out(cluster, it))


def _rolled_out(cluster: Cluster, component: str) -> bool:
    """Whether all are new, and the old ones are gone with the connections that they may still have been given."""
    found = cluster.apps.read_namespaced_deployment(f"thaw-{component}", SYSTEM)
    is_, wanted = found.status, found.spec.replicas
    current = is_.observed_generation == found.metadata.generation
    there = len(cluster.pods(f"app.kubernetes.io/component={component}", SYSTEM))
    return current and is_.updated_replicas == is_.available_replicas == there == wanted


@contextmanager
def token_of_role(cluster: Cluster, name: str, role: str) -> Iterator[str]:
    """A token of a service account that has a cluster role in its namespace, for as long as it is used."""
    rbac = client.RbacAuthorizationV1Api()
    meta = {"name": name}
    subject = {"kind": "ServiceAccount", "name": name, "namespace": NAMESPACE}
    reference = {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": role}
    cluster.core.create_namespaced_service_account(NAMESPACE, {"metadata": meta})
    rbac.create_namespaced_role_binding(NAMESPACE, {"metadata": meta, "roleRef": reference, "subjects": [subject]})
    asked = {"spec": {"audiences": [], "expirationSeconds": 600}}
    try:
        yield cluster.core.create_namespaced_service_account_token(name, NAMESPACE, asked).status.token
    finally:
        rbac.delete_namespaced_role_binding(name, NAMESPACE)
        cluster.core.delete_namespaced_service_account(name, NAMESPACE)
