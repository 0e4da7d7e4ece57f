"""PURE: patterns as in IAM policies: ``*`` is any run of characters, ``?`` any one."""

from __future__ import annotations

import functools
import re


def matches(pattern: str, text: str, *, any_case: bool = False) -> bool:
    """Whether a pattern fits the whole text.

    :param any_case: as IAM compares actions; resources it compares exactly.
    """
    return bool(_compiled(pattern, any_case).fullmatch(text))


@functools.lru_cache(maxsize=4096)
def _compiled(pattern: str, any_case: bool) -> re.Pattern[str]:
    # Runs of stars are one: more of them would only make a match slow.
    parts = (".*" if c == "*" else "." if c == "?" else re.escape(c) for c in re.sub(r"\*+", "*", pattern))
    return re.compile("".join(parts), re.IGNORECASE | re.DOTALL if any_case else re.DOTALL)
