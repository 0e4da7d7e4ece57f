"""Cold pod, new restored pod and bare ``runc restore``, side by side in one run on one cluster.

::

    eval "$(hack/cluster env)"
    python tests/bench/bench_starts.py --rounds 10 --init-seconds 2 --memory-mb 80

Every round takes one sample of each, in turn, so that a machine that slows down slows all three. A sample is the time
from the request to the whole answer of the first response: through the gateway for the two pods (the function is at
zero instances then), and from the start of ``runc restore`` to the first response for the bare restore of such a
snapshot, which is the floor that no orchestrator can go below with this CRIU. The table has percentiles in milliseconds
and the ratio of the medians to the restored pod's.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import time
import urllib.request
import uuid
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from e2e.support import Cluster, connect, eventually, publish, state

IMAGE = "thaw.dev/example-http:dev"
INSTANCES = "thaw.dev/role=instance,thaw.dev/function="
BARE = Path(__file__).parent / "bare_restore.sh"


def spec(arguments: argparse.Namespace, apply_on: str) -> dict:
    """An HTTP function that takes so long, and holds so much, after its initialisation."""
    return {
        "code": {"image": IMAGE},
        "protocol": "http",
        "http": {"port": 8080, "readyPath": "/"},
        "timeout": 60,
        "memorySize": arguments.memory_mb + 128,
        "environment": {"INIT_SLEEP": str(arguments.init_seconds), "INIT_MB": str(arguments.memory_mb)},
        "snapStart": {"applyOn": apply_on},
        "scaling": {"idleSeconds": 1},
    }


def first_response(cluster: Cluster, function: str, want: str) -> float:
    """Milliseconds of a request that finds nothing running."""
    eventually(f"{function} at zero", lambda: not cluster.pods(INSTANCES + function), 90)
    start = time.perf_counter()
    with urllib.request.urlopen(f"{cluster.endpoint}/default/{function}:1/", timeout=120) as response:
        response.read()
        took = (time.perf_counter() - start) * 1000
        kind = response.headers["x-thaw-start"]
    if kind != want:
        sys.exit(f"{function}: the answer came from a {kind} start, not a {want} one: nothing to compare")
    return took


class Bare:
    """``runc restore`` of the same snapshot on the node itself, beside a running instance whose bundle it borrows."""

    def __init__(self, cluster: Cluster, function: str) -> None:
        with urllib.request.urlopen(f"{cluster.endpoint}/default/{function}:1/", timeout=120) as response:
            response.read()
        pod = eventually("an instance", lambda: cluster.pods(INSTANCES + function))[0]
        self._node, self._cluster = pod.spec.node_name, cluster
        self._container = pod.status.container_statuses[0].container_id if pod.status.container_statuses else ""
        self._container = self._container or self._later(cluster, function)
        digest = cluster.get("snapshots", cluster.get("functionversions", f"{function}-v")["status"]["snapshotRef"])
        self._digest = digest["status"]["digest"].removeprefix("sha256:")

    @staticmethod
    def _later(cluster: Cluster, function: str) -> str:
        def container() -> str:
            statuses = cluster.pods(INSTANCES + function)[0].status.container_statuses
            return statuses[0].container_id if statuses and statuses[0].container_id else ""

        return eventually("the kubelet tells the container", container)

    def sample(self) -> float:
        """Milliseconds from the start of ``runc restore`` to the first response."""
        container = self._container.rpartition("/")[2]
        command = ["docker", "exec", "-i", self._node, "bash", "-s", container, self._digest]
        done = subprocess.run(command, input=BARE.read_text(), capture_output=True, text=True, timeout=60, check=False)
        if done.returncode:
            sys.exit(f"bare restore failed on {self._node}:\n{done.stdout}{done.stderr}")
        return float(done.stdout)


def row(name: str, samples: list[float], base: float) -> str:
    """One line of the table."""
    cut = statistics.quantiles(samples, n=100, method="inclusive") if len(samples) > 1 else samples * 99
    p50, p90, p99 = cut[49], cut[89], cut[98]
    return f"| {name} | {len(samples)} | {min(samples):.0f} | {p50:.0f} | {p90:.0f} | {p99:.0f} | {p50 / base:.2f} |"


def main() -> None:
    """Runs the rounds and prints the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=10, help="samples of each kind (default 10)")
    parser.add_argument("--init-seconds", type=float, default=2, help="how long the initialisation sleeps (default 2)")
    parser.add_argument("--memory-mb", type=int, default=80, help="how much it keeps in memory (default 80)")
    parser.add_argument("--json", type=Path, help="write the samples there as well")
    arguments = parser.parse_args()
    cluster = connect()
    run = uuid.uuid4().hex[:6]
    cold, thawed, keeper = f"bench-cold-{run}", f"bench-restore-{run}", f"bench-bare-{run}"
    try:
        for function, apply_on in ((cold, "None"), (thawed, "PublishedVersions"), (keeper, "PublishedVersions")):
            body = spec(arguments, apply_on)
            if function == keeper:
                body["scaling"] = {"idleSeconds": 3600}
            state(cluster, publish(cluster, function, body), "Active")
        bare = Bare(cluster, keeper)
        kinds: dict[str, Callable[[], float]] = {
            "cold pod": lambda: first_response(cluster, cold, "cold"),
            "new restored pod": lambda: first_response(cluster, thawed, "restore"),
            "bare `runc restore`": bare.sample,
        }
        samples: dict[str, list[float]] = {kind: [] for kind in kinds}
        for number in range(arguments.rounds):
            for kind, take in kinds.items():
                samples[kind].append(take())
            told = ", ".join(f"{kind} {taken[-1]:.0f} ms" for kind, taken in samples.items())
            print(f"round {number + 1}/{arguments.rounds}: {told}", file=sys.stderr, flush=True)
    finally:
        for function in (cold, thawed, keeper):
            cluster.delete("functions", function)
    base = statistics.median(samples["new restored pod"])
    print(f"init {arguments.init_seconds:g} s, {arguments.memory_mb} MB; first response, milliseconds\n")
    print("| start | n | min | p50 | p90 | p99 | p50 / restored |\n|---|---|---|---|---|---|---|")
    for kind, taken in samples.items():
        print(row(kind, taken, base))
    ratio = statistics.median(samples["cold pod"]) / base
    print(f"\ncold / restored, medians: {ratio:.1f}")
    if arguments.json:
        arguments.json.write_text(json.dumps(samples, indent=1))


if __name__ == "__main__":
    main()
