"""Where a snapshot can be restored."""

from __future__ import annotations

import re

from thaw.api.v1alpha1 import Fingerprint


def unfit(snapshot: Fingerprint, node: Fingerprint) -> str:
    """Why a snapshot cannot be restored on a node; empty if it can.

    A process has looked at its processor (which instructions to use) and at its kernel's features before the dump, so
    the same processor is a must, and a kernel or a CRIU that is older than the dump's may lack what it relies on.
    """
    if snapshot.arch != node.arch:
        return f"it was taken on {snapshot.arch}, this node is {node.arch}"
    if snapshot.cpu != node.cpu:
        return f"it was taken on another processor ({snapshot.cpu}, not {node.cpu})"
    if numbers(node.kernel) < numbers(snapshot.kernel):
        return f"it was taken on kernel {snapshot.kernel}, this node's {node.kernel} is older"
    if numbers(node.criu) < numbers(snapshot.criu):
        return f"it was taken by CRIU {snapshot.criu}, this node's {node.criu or 'none'} is older"
    return ""


def numbers(text: str) -> tuple[int, ...]:
    """Major and minor of a version: patch levels of kernels and CRIU change no formats."""
    return tuple(int(number) for number in re.findall(r"\d+", text)[:2])
