"""Durations as people write them in a manifest: ``14d``, ``36h``, ``1h30m``, ``10s``, or ``Never``."""

from __future__ import annotations

import re
from datetime import timedelta

PATTERN = r"^(Never|([0-9]{1,6}[dhms])+)$"
NEVER = "Never"
LONGEST = timedelta(days=36500)
"""A century; beyond it a date would be none that can be written."""
_UNITS = {"d": "days", "h": "hours", "m": "minutes", "s": "seconds"}


def parse(text: str) -> timedelta | None:
    """The duration; None for ``Never``.

    :raises ValueError: it is neither.
    """
    if not re.fullmatch(PATTERN, text):
        raise ValueError(f"{text!r} is no duration: write e.g. 14d, 36h, 1h30m, 10s or Never")
    if text == NEVER:
        return None
    whole = timedelta()
    for count, unit in re.findall(r"([0-9]+)([dhms])", text):
        whole += timedelta(**{_UNITS[unit]: int(count)})
    return min(whole, LONGEST)


def shown(seconds: float) -> str:
    """Seconds for a sentence: ``0.14 s``, ``2.1 s``, ``5 min``, ``3 h``, ``14 d``."""
    for limit, size, unit in ((120, 1, "s"), (7200, 60, "min"), (172800, 3600, "h")):
        if seconds < limit:
            digits = (2 if seconds < 1 else 1) if unit == "s" and seconds < 60 else 0
            return f"{seconds / size:.{digits}f} {unit}"
    return f"{seconds / 86400:.0f} d"
