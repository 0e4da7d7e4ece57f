"""What this node can do."""

from __future__ import annotations

import hashlib
import os
import re
from importlib.metadata import version
from pathlib import Path

from thaw.agent.host import Host
from thaw.api.node import NodeInfo
from thaw.api.v1alpha1 import Fingerprint
from thaw.decide.fingerprint import numbers

OLDEST_CRIU = (4, 2)
"""Older ones cannot dump TCP listeners on kernels from 6.16 on."""
_CPU_FIELDS = ("model name", "flags", "CPU implementer", "CPU part", "Features")
_SHOWN = 300


async def inspect(host: Host, name: str, proc: Path, *, trouble: str = "") -> NodeInfo:
    """Looks at the node.

    :param trouble: what was found already to be missing; then the node cannot, whatever else is found.
    """
    criu = await host.run("criu", "--version")
    runc = await host.run("runc", "--version")
    uname = os.uname()
    fingerprint = Fingerprint(
        arch=uname.machine,
        cpu=cpu_hash((proc / "cpuinfo").read_text(errors="replace")),
        kernel=uname.release,
        criu=_version(criu.output) if criu.status == 0 else "",
        runc=_version(runc.output) if runc.status == 0 else "",
    )
    reason = trouble or _lack(fingerprint) or await _criu_check(host)
    return NodeInfo(node=name, checkpoint=not reason, reason=reason, fingerprint=fingerprint, version=version("thaw"))


def cpu_hash(cpuinfo: str) -> str:
    """A short hash of the first processor's model and features; what changes from second to second is left out."""
    first = cpuinfo.split("\n\n", 1)[0]
    fields = dict(line.split(":", 1) for line in first.splitlines() if ":" in line)
    named = {key.strip(): value for key, value in fields.items()}
    parts = [f"{key}={' '.join(sorted(named[key].split()))}" for key in _CPU_FIELDS if key in named]
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:16]


def _lack(found: Fingerprint) -> str:
    if not found.criu:
        return "CRIU is not installed on the node"
    if numbers(found.criu) < OLDEST_CRIU:
        return f"CRIU {found.criu} is too old: 4.2 or newer is needed"
    if not found.runc:
        return "runc is not installed on the node"
    return ""


async def _criu_check(host: Host) -> str:
    outcome = await host.run("criu", "check")
    if outcome.status == 0:
        return ""
    lines = [line for line in outcome.output.splitlines() if "Error" in line] or outcome.output.splitlines()
    return f"criu check: {lines[0].strip()[:_SHOWN]}" if lines else "criu check failed"


def _version(output: str) -> str:
    found = re.search(r"\d+\.\d+(\.\d+)?([-~+][0-9A-Za-z.-]+)?", output)
    return found.group(0) if found else ""
