"""Comments that silence findings: ``# thaw: ignore[TH101, TH201]``, or ``# thaw: ignore`` for all of a line's."""

from __future__ import annotations

import io
import re
import tokenize

from thaw.lint.findings import Finding

COMMENT = re.compile(r"#\s*thaw:\s*ignore(?:\[(?P<codes>[^\]]*)\])?", re.IGNORECASE)
EVERYTHING = frozenset({"*"})


def comments(source: str) -> dict[int, frozenset[str]]:
    """By line, the codes that a comment there silences; :data:`EVERYTHING` where it names none."""
    found: dict[int, frozenset[str]] = {}
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type == tokenize.COMMENT and (match := COMMENT.search(token.string)):
            codes = match["codes"]
            named = frozenset(code.strip().upper() for code in codes.split(",")) if codes is not None else EVERYTHING
            found[token.start[0]] = named
    return found


def is_silenced(finding: Finding, silenced: dict[int, frozenset[str]]) -> bool:
    """Whether a comment on one of the finding's own lines is about it."""
    on_its_lines = (silenced.get(line, frozenset()) for line in range(finding.line, finding.end_line + 1))
    return any(codes == EVERYTHING or finding.code in codes for codes in on_its_lines)
