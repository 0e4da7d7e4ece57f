"""Editing containerd's configuration: what is added, and that nothing else changes by a byte."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest

from thaw.agent import containerd

DATA = Path(__file__).parents[2] / "data/containerd"
FILES = sorted(path.name for path in DATA.glob("*.toml"))


def runtime(text: str, plugin: str) -> dict:
    return tomllib.loads(text)["plugins"][plugin]["containerd"]["runtimes"]["thaw"]


@pytest.mark.parametrize("name", FILES)
def test_golden(name: str) -> None:
    assert containerd.install((DATA / name).read_text()) == (DATA / f"{name}.installed").read_text()


@pytest.mark.parametrize("name", FILES)
def test_the_rest_of_the_document_says_the_same(name: str) -> None:
    before = (DATA / name).read_text()
    after = tomllib.loads(containerd.install(before))
    plugin = containerd._CRI[min(after["version"], 3)]
    del after["plugins"][plugin]["containerd"]["runtimes"]["thaw"]
    expected = tomllib.loads(before)
    tables = expected.setdefault("plugins", {}).setdefault(plugin, {}).setdefault("containerd", {})
    tables.setdefault("runtimes", {})
    assert after == {"version": 2} | expected


@pytest.mark.parametrize("name", FILES)
def test_install_again_changes_nothing_and_uninstall_everything_back(name: str) -> None:
    before = (DATA / name).read_text()
    after = containerd.install(before)
    assert containerd.install(after) == after
    assert containerd.uninstall(after) == before
    assert containerd.uninstall(before) == before


@pytest.mark.parametrize("ending", ["", "\n", "\n\n", "\n# comment", "\r\n"])
def test_whatever_the_last_line_ends_with(ending: str) -> None:
    before = "version = 2" + ending
    assert containerd.uninstall(containerd.install(before)) == before


def test_an_administrators_later_changes_survive() -> None:
    installed = containerd.install("version = 3\n")
    changed = "# ours\n" + installed + "\n[debug]\n  level = 'debug'\n"
    assert containerd.uninstall(changed) == "# ours\nversion = 3\n\n[debug]\n  level = 'debug'\n"
    again = containerd.install(changed)
    assert runtime(again, "io.containerd.cri.v1.runtime")["runtime_type"] == "io.containerd.runc.v2"
    assert containerd.install(again) == again


def test_a_tool_that_rewrote_the_file_and_dropped_the_marks() -> None:
    installed = containerd.install((DATA / "v3.toml").read_text())
    rewritten = "".join(line for line in installed.splitlines(keepends=True) if not line.startswith("#"))
    assert "thaw" not in containerd.uninstall(rewritten)
    assert tomllib.loads(containerd.install(rewritten)) == tomllib.loads(installed)


def test_an_older_agents_block_is_brought_up_to_date() -> None:
    installed = containerd.install("version = 3\n")
    older = installed.replace("/opt/thaw/bin/thaw-runc", "/opt/old/thaw-runc")
    assert containerd.install(older) == installed


@pytest.mark.parametrize("systemd", [True, False])
def test_the_cgroup_driver_is_that_of_runc(systemd: bool) -> None:
    plugin = "io.containerd.cri.v1.runtime"
    text = (
        f'version = 3\n[plugins."{plugin}".containerd.runtimes.runc.options]\nSystemdCgroup = {str(systemd).lower()}\n'
    )
    assert runtime(containerd.install(text), plugin)["options"] == {
        "BinaryName": "/opt/thaw/bin/thaw-runc",
        "SystemdCgroup": systemd,
    }


def test_what_the_agent_notes_of_runc() -> None:
    plugin = "io.containerd.grpc.v1.cri"
    text = f'version = 2\n[plugins."{plugin}".containerd.runtimes.runc.options]\nBinaryName = "/usr/local/bin/runc"\n'
    assert containerd.facts(text) == containerd.Facts(systemd_cgroup=False, runc="/usr/local/bin/runc")


@pytest.mark.parametrize(
    "text",
    [
        "version = 1\n",
        "version = 'x'\n",
        "[plugins.cri]\n",
        "version = \n",
        'version = 3\nplugins = {"io.containerd.cri.v1.runtime" = {containerd = {runtimes = {}}}}\n',
    ],
)
def test_what_cannot_be_edited_safely_is_not(text: str) -> None:
    with pytest.raises(containerd.ConfigError):
        containerd.install(text)
