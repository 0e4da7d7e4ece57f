"""Kubeconfigs, read as kubectl reads them."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
import yaml

from thaw.errors import UserError
from thaw.kube import kubeconfig


@pytest.fixture(autouse=True)
def alone(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("KUBECONFIG", raising=False)
    monkeypatch.delenv("KUBERNETES_SERVICE_HOST", raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))


def write(path: Path, name: str, current: str = "", namespace: str = "", **user: Any) -> Path:
    path.parent.mkdir(exist_ok=True)
    document = {
        "current-context": current,
        "clusters": [{"name": name, "cluster": {"server": f"http://{name}:6443"}}],
        "users": [{"name": name, "user": user or {"username": "u", "password": "p"}}],
        "contexts": [{"name": name, "context": {"cluster": name, "user": name, "namespace": namespace}}],
    }
    path.write_text(yaml.safe_dump(document))
    return path


async def test_the_option_before_the_variable_before_the_default(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(tmp_path / ".kube/config", "home", "home")
    assert (await kubeconfig.load()).server == "http://home:6443"
    monkeypatch.setenv("KUBECONFIG", str(write(tmp_path / "variable", "variable", "variable")))
    assert (await kubeconfig.load()).server == "http://variable:6443"
    option = str(write(tmp_path / "option", "option", "option"))
    assert (await kubeconfig.load(option)).server == "http://option:6443"


async def test_of_several_files_the_first_current_context_counts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = [
        write(tmp_path / "a", "a"),
        write(tmp_path / "b", "b", "b", "shop"),
        write(tmp_path / "c", "c", "c", "depot"),
    ]
    monkeypatch.setenv("KUBECONFIG", os.pathsep.join(["/nowhere", *map(str, files)]))
    found = await kubeconfig.load()
    assert (found.context, found.namespace) == ("b", "shop")
    found = await kubeconfig.load(context="a")
    assert (found.context, found.namespace, found.server) == ("a", "default", "http://a:6443")


@pytest.mark.parametrize(("user", "token"), [({"token": "t"}, "t"), ({"username": "u", "password": "p"}, "")])
async def test_the_users_token(tmp_path: Path, user: dict[str, str], token: str) -> None:
    assert (await kubeconfig.load(str(write(tmp_path / "a", "a", "a", **user)))).token == token


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (": [", "is no kubeconfig"),
        ("hello", "is no kubeconfig"),
        ("{clusters: [], contexts: [], users: []}", "has no current context (it has: none)"),
        ("{current-context: a, clusters: [], users: [], contexts: [{name: a, context: {cluster: x}}]}", "name x in"),
    ],
)
async def test_a_broken_file_is_said_in_one_line(tmp_path: Path, text: str, says: str) -> None:
    (tmp_path / "a").write_text(text)
    with pytest.raises(UserError) as e:
        await kubeconfig.load(str(tmp_path / "a"))
    assert says in str(e.value)
    assert str(tmp_path / "a") in str(e.value)


async def test_no_cluster_is_known(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"no cluster is known.*set KUBECONFIG"):
        await kubeconfig.load()
    with pytest.raises(UserError, match=r"--kubeconfig: .*none does not exist"):
        await kubeconfig.load(str(tmp_path / "none"))
