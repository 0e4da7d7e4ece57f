"""PURE: how an answer says how its instance was started."""

from __future__ import annotations

NOT_STARTED = {"X-Thaw-Start": "none", "X-Thaw-Restore-Ms": "0"}
"""The start headers of an answer that no instance gave."""


def start_headers(start: str, restore_ms: float, fallback: str) -> dict[str, str]:
    """How the instance that answers was started."""
    headers = {"X-Thaw-Start": start, "X-Thaw-Restore-Ms": f"{restore_ms:.1f}"}
    if fallback:
        headers["X-Thaw-Fallback"] = " ".join(fallback.split()).encode("ascii", "replace").decode()[:500]
    return headers
