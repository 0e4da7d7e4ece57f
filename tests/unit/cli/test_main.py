"""What all commands have in common: names, errors, completion."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from thaw import __version__
from thaw.cli import top
from thaw.kube.kinds import FUNCTION, FUNCTION_ALIAS, FUNCTION_VERSION
from unit.cli.world import Cluster, kubeconfig


@pytest.mark.parametrize(("path", "name"), [("/usr/bin/thaw", "thaw"), ("/opt/bin/kubectl-thaw", "kubectl thaw")])
def test_help_calls_it_as_its_user_did(thaw, path: str, name: str) -> None:
    code, out, _ = thaw("publish", "--help", program=path)
    assert code == 0
    assert f"Usage: {name} publish" in out


def test_the_version_for_programs(thaw) -> None:
    assert json.loads(thaw("version", "-o", "json")[1]) == {"version": __version__}


@pytest.mark.parametrize(
    ("kubeconfig_", "arguments", "code", "says"),
    [
        ("/nowhere", (), 2, "thaw: --kubeconfig: no cluster is known: /nowhere does not exist (set KUBECONFIG"),
        ("", ("--kubeconfig", "/none"), 2, "thaw: --kubeconfig: /none does not exist"),
        ("", ("--context", "there"), 2, "has no context there (it has: here)"),
    ],
)
def test_a_cluster_that_is_not_configured(
    thaw,
    cluster: Cluster,
    monkeypatch: pytest.MonkeyPatch,
    kubeconfig_: str,
    arguments: tuple[str, ...],
    code: int,
    says: str,
) -> None:
    if kubeconfig_:
        monkeypatch.setenv("KUBECONFIG", kubeconfig_)
    found, out, err = thaw("snapshots", *arguments)
    assert (found, out, len(err.splitlines())) == (code, "", 1)
    assert says in err


def test_a_cluster_that_is_down_or_says_no(thaw, cluster: Cluster, tmp_path: Path) -> None:
    down = str(kubeconfig(tmp_path / "down", "http://127.0.0.1:1"))
    for command in (("publish", "f"), ("logs", "f"), ("top",), ("snapshots",), ("invoke", "f")):
        code, out, err = thaw(*command, "--kubeconfig", down)
        assert (code, out, len(err.splitlines())) == (1, "", 1), command
    cluster.forbidden = {"snapshots"}
    code, _, err = thaw("snapshots")
    assert code == 1
    assert err.endswith("snapshots is forbidden (ask for the rights, or choose another --context)\n")


def test_without_thaw_in_the_cluster_the_doctor_is_named(thaw, cluster: Cluster) -> None:
    cluster.objects.clear()
    says = "thaw: Thaw is not installed in this cluster (thaw doctor says more)\n"
    assert thaw("publish", "greet") == (1, "", says)
    assert thaw("snapshots")[2].endswith("(is Thaw installed? thaw doctor says more)\n")


def test_a_fault_of_its_own_is_one_line_too(thaw, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> None:
        raise RuntimeError("oh\nno")

    monkeypatch.setattr(top, "run", broken)
    says = "thaw: a fault of its own: RuntimeError: oh no (run it with THAW_DEBUG=1 to see where)\n"
    assert thaw("top") == (1, "", says)


def test_the_context_gives_the_namespace_and_the_option_another(thaw, cluster: Cluster, tmp_path: Path) -> None:
    for namespace in ("default", "shop", "depot"):
        cluster.add(FUNCTION, f"in-{namespace}", namespace, spec={"code": {"image": "i"}})
    assert "in-default" in thaw("top")[1]
    server = f"http://127.0.0.1:{cluster.requests[0].url.port}"
    path = str(kubeconfig(tmp_path / "shop", server, namespace="shop"))
    assert "in-shop" in thaw("top", "--kubeconfig", path)[1]
    assert "in-depot" in thaw("top", "--kubeconfig", path, "-n", "depot")[1]


# ---------------------------------------------------------------- completion


def completed(line: str, **environment: str) -> list[str]:
    """What bash is offered after this line."""
    words = line.split(" ")
    more = {"_THAW_COMPLETE": "complete_bash", "COMP_WORDS": line, "COMP_CWORD": str(len(words) - 1)}
    done = subprocess.run(
        [sys.executable, "-c", "from thaw.cli.main import main; main()"],
        env=os.environ | more | environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.stderr == ""
    return done.stdout.split()


def test_names_are_completed_from_the_cluster(thaw, cluster: Cluster) -> None:
    for name in ("greet", "grow", "shrink"):
        cluster.add(FUNCTION, name, spec={})
    for number in ("9", "10"):
        cluster.add(FUNCTION_VERSION, f"greet-{number}", spec={"functionName": "greet"}, status={"version": number})
    cluster.add(FUNCTION_ALIAS, "greet-live", spec={"functionName": "greet", "name": "live", "functionVersion": "9"})
    assert completed("thaw inv") == ["invoke"]
    assert completed("thaw publish gr") == ["greet", "grow"]
    assert completed("thaw invoke greet:") == ["greet:live", "greet:9", "greet:10", "greet:$LATEST"]


def test_completion_without_a_cluster_offers_nothing_and_says_nothing(thaw) -> None:
    assert completed("thaw publish gr", KUBECONFIG="/nowhere") == []


def test_completion_installs_itself(thaw, tmp_path: Path) -> None:
    code, out, _ = thaw("--show-completion", "bash")
    assert code == 0
    assert "_THAW_COMPLETE=complete_bash" in out
