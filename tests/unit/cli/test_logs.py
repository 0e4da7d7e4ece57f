"""``thaw logs``: which pods, in which order, with which names."""

from __future__ import annotations

import json
import signal
import threading
from typing import Any

import pytest

from thaw.cli import logs
from thaw.cli.session import INTERRUPTED
from thaw.kube.kinds import FUNCTION, FUNCTION_ALIAS, FUNCTION_VERSION, POD
from unit.cli.world import Cluster

RUNNING = {"containerStatuses": [{"state": {"running": {}}}]}


@pytest.fixture(autouse=True)
def greet(cluster: Cluster) -> None:
    cluster.add(FUNCTION, "greet", spec={"code": {"image": "i"}})
    for number in ("1", "2"):
        cluster.add(FUNCTION_VERSION, f"greet-{number}", spec={"functionName": "greet"}, status={"version": number})
    alias = {"functionName": "greet", "name": "live", "functionVersion": "2", "additionalVersionWeights": {"1": 0.1}}
    cluster.add(FUNCTION_ALIAS, "greet-live", spec=alias)


def instance(cluster: Cluster, name: str, version: str, text: str, role: str = "instance", **status: Any) -> None:
    labels = {"thaw.dev/function": "greet", "thaw.dev/version": version, "thaw.dev/role": role}
    cluster.logs[name] = text
    cluster.add(POD, name, labels=labels, status=status or RUNNING)


def test_several_instances_in_the_order_of_time_each_with_its_name(thaw, cluster: Cluster) -> None:
    instance(cluster, "greet-1-aaaaa", "1", "2026-01-01T00:00:01Z one\n2026-01-01T00:00:03Z three [bold]\n")
    instance(cluster, "greet-latest-bbbbb", "LATEST", "2026-01-01T00:00:02Z two\rlines\n")
    instance(cluster, "greet-1-later", "1", "never\n", phase="Pending")
    instance(cluster, "greet-1-s1-init-1", "1", "2026-01-01T00:00:00Z init\n", role="init")
    assert thaw("logs", "greet") == (0, "1-aaaaa one\nlatest-bbbbb two\nlines\n1-aaaaa three [bold]\n", "")


def test_one_instance_needs_no_name(thaw, cluster: Cluster) -> None:
    instance(cluster, "greet-1-aaaaa", "1", "2026-01-01T00:00:01Z one\n")
    instance(cluster, "greet-2-bbbbb", "2", "2026-01-01T00:00:02Z two\n")
    assert thaw("logs", "greet:1", "--tail", "5", "--since", "2m")[1] == "one\n"
    query = next(r for r in cluster.requests if r.path.endswith("/log")).query
    assert (query["tailLines"], query["sinceSeconds"]) == ("5", "120")
    assert thaw("logs", "greet:live")[1] == "1-aaaaa one\n2-bbbbb two\n", "both versions of an alias with weights"


def test_the_init_pods_log(thaw, cluster: Cluster) -> None:
    assert "its init pod is gone" in thaw("logs", "greet:1", "--init")[2]
    instance(cluster, "greet-1-s1-init-1", "1", "2026-01-01T00:00:00Z importing\n", role="init")
    assert thaw("logs", "greet:1", "--init") == (0, "importing\n", "")


def test_for_programs_each_line_is_a_document(thaw, cluster: Cluster) -> None:
    instance(cluster, "greet-1-aaaaa", "1", "2026-01-01T00:00:01Z one\n")
    told = json.loads(thaw("logs", "greet", "-o", "json")[1])
    assert told == {"time": "2026-01-01T00:00:01Z", "pod": "greet-1-aaaaa", "message": "one"}


def test_following_goes_on_with_instances_as_they_come(thaw, cluster: Cluster, monkeypatch: pytest.MonkeyPatch) -> None:
    """Until it is interrupted."""
    instance(cluster, "greet-1-aaaaa", "1", "2026-01-01T00:00:01Z one\n")
    wrote = logs.Writer.write

    def write(writer: logs.Writer, line: logs.Line) -> None:
        wrote(writer, line)
        if line.text == "one":
            threading.Thread(
                target=instance, args=(cluster, "greet-2-bbbbb", "2", "2026-01-01T00:00:02Z two\n")
            ).start()
        else:
            signal.raise_signal(signal.SIGINT)

    monkeypatch.setattr(logs.Writer, "write", write)
    code, out, err = thaw("logs", "greet", "-f")
    assert (code, out, err) == (INTERRUPTED, "one\n2-bbbbb two\n", "")


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        (("nope",), 1, "namespace default has no function nope"),
        (("greet:7",), 1, "greet has no version 7 (it has: 1, 2)"),
        (("greet:canary",), 1, "greet has no alias canary (it has: live)"),
        (("greet", "--since", "yesterday"), 2, "--since: 'yesterday' is no duration"),
        (("greet", "--since", "Never"), 2, "--since: Never is no time to look back"),
    ],
)
def test_what_cannot_be_is_one_line(thaw, arguments: tuple[str, ...], code: int, says: str) -> None:
    found, out, err = thaw("logs", *arguments)
    assert (found, out, len(err.splitlines())) == (code, "", 1)
    assert err.startswith(f"thaw: {says}")


def test_nothing_there_is_no_error(thaw) -> None:
    code, out, err = thaw("logs", "greet")
    assert (code, out) == (0, "")
    assert err == "greet has no log now: no instance of it is there: invoke it, or wait for one with -f\n"
