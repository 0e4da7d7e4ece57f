"""The part of ``hack/demo`` that happens once Thaw runs: a function, a version, two starts, and what they took."""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import boto3
from botocore.config import Config
from kubernetes import client, config
from rich.console import Console
from rich.table import Table

EXAMPLE = Path(__file__).parent / "examples" / "hello.yaml"
FUNCTION, VERSION, NAMESPACE = "hello", "hello-1", "default"
console = Console(highlight=False, soft_wrap=True)


def kubectl(*arguments: str) -> str:
    """Runs kubectl as the reader would."""
    done = subprocess.run(["kubectl", *arguments], check=False, capture_output=True, text=True)
    if done.returncode:
        sys.exit(f"kubectl {' '.join(arguments)}: {done.stderr.strip()}")
    return done.stdout


def version() -> dict[str, Any]:
    """The FunctionVersion as it stands."""
    return json.loads(kubectl("get", "fnv", VERSION, "-n", NAMESPACE, "-o", "json"))


def publish() -> dict[str, Any]:
    """Applies the example and waits until its version is Active; shows the way there."""
    kubectl("apply", "-n", NAMESPACE, "-f", str(EXAMPLE))
    shown = ""
    with console.status("publishing") as status:
        end = time.monotonic() + 180
        while time.monotonic() < end:
            found = version().get("status", {})
            reason = found.get("stateReason") or ""
            if reason and reason != shown:
                shown = reason
                status.update(f"publishing: {reason}")
            if found.get("state") == "Active":
                return found
            if found.get("state") == "Failed":
                sys.exit(f"publishing failed: {reason}")
            time.sleep(0.2)
    sys.exit("the version is still not Active after 180 s: kubectl describe fnv hello-1")


def at_zero() -> None:
    """Waits until no instance of the function runs, so that the next request is a start."""
    core = client.CoreV1Api()
    selector = f"thaw.dev/function={FUNCTION},thaw.dev/role=instance"
    core.delete_collection_namespaced_pod(NAMESPACE, label_selector=selector, grace_period_seconds=0)
    while core.list_namespaced_pod(NAMESPACE, label_selector=selector).items:
        time.sleep(0.1)
    time.sleep(0.5)


def invoke(lam: Any, qualifier: str) -> tuple[float, dict[str, str], Any]:
    """Milliseconds, headers and the answer of one invocation."""
    start = time.perf_counter()
    answer = lam.invoke(FunctionName=FUNCTION, Qualifier=qualifier, Payload=b'{"name": "Bob"}')
    body = json.loads(answer["Payload"].read())
    took = (time.perf_counter() - start) * 1000
    return took, answer["ResponseMetadata"]["HTTPHeaders"], body


def main() -> None:
    """Publishes, invokes, and prints the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--name", default="thaw", help="the cluster's name")
    name = parser.parse_args().name
    config.load_kube_config(os.environ["KUBECONFIG"])
    no_retries = Config(retries={"max_attempts": 0}, read_timeout=120)
    lam = boto3.client("lambda", endpoint_url=os.environ["THAW_ENDPOINT"], config=no_retries)

    console.print("[bold]publishing[/bold] hack/examples/hello.yaml: two seconds of initialisation, then a snapshot")
    status = publish()
    snapshot = json.loads(kubectl("get", "snap", status["snapshotRef"], "-n", NAMESPACE, "-o", "json"))["status"]
    console.print(
        f"  initialised in {status['initDurationMs'] / 1000:.1f} s, checkpointed by the kubelet in "
        f"{snapshot['checkpointMs'] / 1000:.1f} s, {snapshot['sizeBytes'] / 2**20:.0f} MiB of which "
        f"{snapshot['storedBytes'] / 2**20:.0f} MiB stored, verified"
    )
    table = Table(
        "start", "what happened", "first answer", "of it restore", title="one invocation each, from zero instances"
    )
    times = {}
    at_zero()
    for qualifier, what in (
        ("$LATEST", "new pod, initialisation runs"),
        ("1", "new pod, restored from the snapshot"),
        ("1", "the same instance again"),
    ):
        took, headers, body = invoke(lam, qualifier)
        kind = headers["x-thaw-start"]
        times.setdefault(kind, took)
        restore = float(headers["x-thaw-restore-ms"])
        table.add_row(kind, what, f"{took:.0f} ms", f"{restore:.0f} ms" if kind == "restore" else "")
    console.print(table)
    console.print(f"the answer: {json.dumps(body)}")
    if "restore" not in times or "cold" not in times:
        sys.exit(f"expected a cold and a restored start, saw {sorted(times)}: kubectl describe fnv {VERSION}")
    console.print(f"[bold]restored {times['cold'] / times['restore']:.1f} times faster than the cold start[/bold]\n")
    flag = "" if name == "thaw" else f" --name {name}"
    console.print("what to try next:", style="bold")
    console.print(f'  eval "$(hack/cluster env{flag})"      # kubectl, aws and the endpoint, in this shell')
    console.print("  kubectl get fn,fnv,snap; kubectl describe fnv hello-1; kubectl explain fn.spec.snapStart")
    invocation = "lambda invoke --function-name hello --qualifier 1 answer.json; cat answer.json"
    console.print(f'  aws --endpoint-url "$THAW_ENDPOINT" {invocation}')
    console.print(
        f"  hack/deploy{flag}              # the images of the other runtimes as well: Java, Node, Python 3.11 and 3.12"
    )
    console.print(f"  hack/cluster down{flag}                # removes everything but the cache in ~/.cache/thaw")


if __name__ == "__main__":
    main()
