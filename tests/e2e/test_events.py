"""Asynchronous invocations: run as promised whatever becomes of the gateways, and their outcome told."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from botocore.exceptions import EndpointConnectionError, HTTPClientError
from kubernetes import client

from e2e.support import NAMESPACE, SYSTEM, Cluster, eventually, inline, invoke

ARN = "arn:aws:lambda:us-east-1:000000000000:function:"
GATEWAY = "app.kubernetes.io/component=gateway"
FAILS = "def handler(event, context): raise KeyError(event['what'])\n"
SLOW = "import time; time.sleep(8)\ndef handler(event, context): return event\n"
SINK = """
got = []
def handler(event, context):
    if "requestContext" in event: got.append(event)
    return got
"""
"""Of one instance, so it answers with everything that it was told."""
HOOK = """
import http.server
class Hook(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        print(self.rfile.read(int(self.headers["Content-Length"])).decode(), flush=True)
        self.send_response(204); self.end_headers()
    def log_message(self, *line):
        pass
http.server.HTTPServer(("", 8000), Hook).serve_forever()
"""


def latest(code: str, **more: Any) -> dict[str, Any]:
    """A function whose $LATEST is invoked."""
    return inline(code, snapStart={"applyOn": "None"}, timeout=20, **more)


@pytest.fixture
def sink(cluster: Cluster, name: str) -> Iterator[str]:
    chosen = f"{name}-sink"
    cluster.apply("Function", "functions", chosen, latest(SINK, scaling={"maxInstances": 1}))
    yield chosen
    cluster.delete("functions", chosen)
    eventually(f"deletion of {chosen}", lambda: cluster.get("functions", chosen) is None)


@pytest.fixture
def hook(cluster: Cluster, name: str) -> Iterator[str]:
    """A pod that writes what is POSTed to it."""
    chosen = f"{name}-hook"
    container = {"name": "hook", "image": "thaw.dev/thaw:dev", "command": ["python3", "-c", HOOK]}
    pod = {"metadata": {"name": chosen}, "spec": {"containers": [container], "terminationGracePeriodSeconds": 0}}
    cluster.core.create_namespaced_pod(NAMESPACE, pod)
    yield chosen
    cluster.core.delete_namespaced_pod(chosen, NAMESPACE)


def create(cluster: Cluster, lam: Any, name: str, spec: dict[str, Any]) -> None:
    cluster.apply("Function", "functions", name, spec)
    lam.get_waiter("function_active_v2").wait(FunctionName=name, WaiterConfig={"Delay": 1})


def send(lam: Any, name: str, payload: Any) -> str:
    answer = lam.invoke(FunctionName=name, InvocationType="Event", Payload=json.dumps(payload).encode())
    assert answer["StatusCode"] == 202
    return answer["ResponseMetadata"]["RequestId"]


def told(lam: Any, sink: str) -> list[dict[str, Any]]:
    """Asked also while gateways come and go."""

    def asked() -> list[dict[str, Any]]:
        try:
            return invoke(lam, sink)[0]
        except (HTTPClientError, EndpointConnectionError):
            return []

    return eventually("the destination is told", asked, 90)


def gateways(cluster: Cluster) -> list[client.V1Pod]:
    """Those that serve."""
    return [p for p in cluster.pods(GATEWAY, SYSTEM) if all(c.ready for c in p.status.container_statuses or ())]


def replace_gateways(cluster: Cluster, *, kill: bool) -> None:
    """Deletes all gateways, and waits until only new ones are there."""
    old = {pod.metadata.name for pod in cluster.pods(GATEWAY, SYSTEM)}
    more = {"grace_period_seconds": 0} if kill else {}
    for name in old:
        cluster.core.delete_namespaced_pod(name, SYSTEM, **more)
        if kill:  # or else they are thought alive for most of a minute
            client.CoordinationV1Api().delete_namespaced_lease(f"thaw-gateway-{name}", SYSTEM)

    def replaced() -> bool:
        there = {pod.metadata.name for pod in cluster.pods(GATEWAY, SYSTEM)}
        return bool(there) and not there & old and len(gateways(cluster)) == len(there)

    eventually("new gateways serve", replaced)


def test_a_failure_is_tried_again_by_the_next_gateway_and_told_once(cluster, lam, name, sink):
    """All gateways are replaced between two tries: the tries are three, and the destination gets one record."""
    create(cluster, lam, name, latest(FAILS))
    lam.put_function_event_invoke_config(
        FunctionName=name, DestinationConfig={"OnFailure": {"Destination": ARN + sink}}
    )
    request_id = send(lam, name, {"what": "x"})

    def tried() -> bool:
        found = cluster.get("eventinvocations", request_id)
        return bool(found) and found["status"]["attempts"] >= 1

    eventually("the first try is noted", tried, 30, 0.05)
    replace_gateways(cluster, kill=False)
    (record,) = told(lam, sink)
    assert record["requestContext"] == {
        "requestId": request_id,
        "functionArn": f"{ARN}{name}:$LATEST",
        "condition": "RetriesExhausted",
        "approximateInvokeCount": 3,
    }
    assert record["requestPayload"] == {"what": "x"}
    assert record["responsePayload"]["errorType"] == "KeyError"
    assert len(told(lam, sink)) == 1
    assert cluster.get("eventinvocations", request_id) is None


def test_an_event_outlives_gateways_that_are_killed_before_it_ran(cluster, lam, name, sink):
    """Accepted, and still waiting for the function's first instance when every gateway is killed."""
    config = {"$LATEST": {"onSuccess": {"destination": ARN + sink}}}
    create(cluster, lam, name, latest(SLOW, eventInvoke=config))
    request_id = send(lam, name, {"precious": True})
    replace_gateways(cluster, kill=True)
    (record,) = told(lam, sink)
    assert record["requestContext"]["requestId"] == request_id
    assert record["requestContext"]["condition"] == "Success"
    assert record["responsePayload"] == {"precious": True}


def test_a_url_gets_the_record_and_the_api_server_does_not(cluster, lam, name, hook):
    create(cluster, lam, name, latest("def handler(event, context): return 'done'\n"))
    ip = eventually("the hook runs", lambda: _running(cluster, hook))
    for url in (f"http://{ip}:8000/x", "https://kubernetes.default.svc/api/v1/namespaces"):
        destination = {"OnSuccess": {"Destination": url}}
        lam.put_function_event_invoke_config(FunctionName=name, DestinationConfig=destination)
        send(lam, name, {"to": url})
        eventually("it is done with", lambda: not _left(cluster, name), 60)
    records = [json.loads(line) for line in cluster.core.read_namespaced_pod_log(hook, NAMESPACE).splitlines()]
    assert [r["requestPayload"]["to"] for r in records] == [f"http://{ip}:8000/x"]
    assert records[0]["responsePayload"] == "done"

    def refused() -> bool:
        events = cluster.core.list_namespaced_event(NAMESPACE, field_selector=f"involvedObject.name={name}").items
        return any(e.reason == "DestinationNotTold" and "the API server's" in e.message for e in events)

    eventually("the refusal is an Event", refused, 20)


def _left(cluster: Cluster, function: str) -> list[dict[str, Any]]:
    return [e for e in cluster.objects("eventinvocations") if e["spec"]["functionName"] == function]


def _running(cluster: Cluster, pod: str) -> str | None:
    status = cluster.core.read_namespaced_pod(pod, NAMESPACE).status
    return status.pod_ip if all(c.ready for c in status.container_statuses or ()) and status.pod_ip else None
