"""Thaw's runtime in containerd's configuration: one block at the end of the file, between two marks. Pure.

A block of text, not a rewritten document: every byte that an administrator wrote stays as it is, and taking the block
out again gives back the same bytes. tomlkit reads the result, and takes the runtime out when another tool has rewritten
the file and dropped the marks.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import tomlkit
from tomlkit.exceptions import TOMLKitError

from thaw import names
from thaw.errors import ThawError

_BEGIN = "# BEGIN thaw: written by Thaw's agent, which removes it on uninstall"
_BEGIN_NO_NEWLINE = _BEGIN + " (the line before it had no end)"
_END = "# END thaw"
_BLOCK = re.compile(rf"^{re.escape(_BEGIN)}( \(the line before it had no end\))?\n.*?^{re.escape(_END)}\n", re.M | re.S)
_CRI = {2: "io.containerd.grpc.v1.cri", 3: "io.containerd.cri.v1.runtime"}
RUNTIME_PATH = "/opt/thaw/bin/thaw-runc"


class ConfigError(ThawError):
    """containerd's configuration cannot be edited safely."""


@dataclass(frozen=True)
class Facts:
    """What the configuration says of the runtime that Thaw's wraps."""

    systemd_cgroup: bool = False
    runc: str = ""
    """Its binary, if not the one in the PATH."""


def install(text: str) -> str:
    """The configuration with Thaw's runtime; the same text if it is there already as it should be.

    :raises ConfigError: it is not TOML, or of a version that is not known.
    """
    plain = uninstall(text)
    document = _parse(plain)
    version, plugin = _version(document)
    block = _block(plugin, _facts(document, plugin).systemd_cgroup)
    head = "" if version else "version = 2\n"
    if head and plain.strip() and _has_tables(document):
        raise ConfigError("containerd's configuration has no version, and so is of version 1: migrate it to version 2")
    if head:
        # A version must come before all tables; without one there is nothing but top-level keys, or nothing at all.
        block = f"{head}{block}"
    begin, gap = (_BEGIN, "") if not plain or plain.endswith("\n") else (_BEGIN_NO_NEWLINE, "\n")
    edited = f"{plain}{gap}{begin}\n{block}{_END}\n"
    _parse(edited)
    return edited


def uninstall(text: str) -> str:
    """The configuration without Thaw's runtime: byte for byte what it was before, if the marks are still there.

    :raises ConfigError: it is not TOML.
    """
    found = _BLOCK.search(text)
    if found:
        head, tail = text[: found.start()], text[found.end() :]
        # Our own line end goes only if nothing was added below the block meanwhile.
        text = (head[:-1] if found.group(1) and not tail else head) + tail
    document = _parse(text)
    ours = [plugin for plugin in _CRI.values() if names.RUNTIME_CLASS in _runtimes(document, plugin)]
    if not ours:
        return text
    for plugin in ours:
        del _runtimes(document, plugin)[names.RUNTIME_CLASS]
    return tomlkit.dumps(document)


def facts(text: str) -> Facts:
    """What the configuration says of the runtime that Thaw's wraps.

    :raises ConfigError: it is not TOML, or of a version that is not known.
    """
    document = _parse(text)
    return _facts(document, _version(document)[1])


def _block(plugin: str, systemd_cgroup: bool) -> str:
    table = f'plugins."{plugin}".containerd.runtimes.{names.RUNTIME_CLASS}'
    pattern = f'["{names.GROUP}/*"]'
    return (
        f"[{table}]\n"
        f'  runtime_type = "io.containerd.runc.v2"\n'
        f"  pod_annotations = {pattern}\n"
        f"  container_annotations = {pattern}\n"
        f"  [{table}.options]\n"
        f'    BinaryName = "{RUNTIME_PATH}"\n'
        f"    SystemdCgroup = {str(systemd_cgroup).lower()}\n"
    )


def _parse(text: str) -> tomlkit.TOMLDocument:
    try:
        return tomlkit.parse(text)
    except TOMLKitError as e:
        raise ConfigError(f"containerd's configuration is not TOML: {e}") from e


def _version(document: tomlkit.TOMLDocument) -> tuple[int, str]:
    version = document.get("version", 0)
    if version == 0:
        return 0, _CRI[2]
    if not isinstance(version, int) or version < 2:
        raise ConfigError(f"containerd's configuration is of version {version!r}: 2 or newer is needed")
    return version, _CRI[min(version, 3)]


def _has_tables(document: tomlkit.TOMLDocument) -> bool:
    return any(isinstance(value, Mapping) for value in document.values())


def _runtimes(document: tomlkit.TOMLDocument, plugin: str) -> Any:
    table: Any = document
    for key in ("plugins", plugin, "containerd", "runtimes"):
        table = table.get(key, {})
        if not isinstance(table, Mapping):
            return {}
    return table


def _facts(document: tomlkit.TOMLDocument, plugin: str) -> Facts:
    options = _runtimes(document, plugin).get("runc", {}).get("options", {})
    return Facts(bool(options.get("SystemdCgroup", False)), str(options.get("BinaryName", "")))
