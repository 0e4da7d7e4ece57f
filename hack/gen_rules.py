"""Writes operator/thaw/lint/RULES.md from the linter's own rules. usage: python hack/gen_rules.py [--check]"""

from __future__ import annotations

import sys
from pathlib import Path

from thaw.lint.catalogue import RULES
from thaw.lint.rules import Rule

OUT = Path(__file__).parents[1] / "operator" / "thaw" / "lint" / "RULES.md"
HEAD = """# Rules of `thaw lint`

What a Python function must not leave in its snapshot, since every instance restored from it shares that.
Written by `hack/gen_rules.py`.

**What counts** is what runs before the snapshot is taken: modules, class bodies, default arguments, arguments
of decorators, the functions that these call in any file of the same code, and hooks registered with
`register_before_snapshot`. A value counts when it is still there afterwards: in a global, a class, a default
argument, a cache, or handed to another package. What a hook registered with `register_after_restore` replaces
is fine, and so is what is closed, joined or deleted again. Handlers run after the restore; using `random`,
`numpy.random` or OpenSSL there is fine, Thaw's runtimes reseed them.

**What is read**: files, folders, .zip packages; not packages that a `*.dist-info/RECORD` lists, virtual
environments, hidden folders and tests (`--all` reads them too). Nothing is executed. Give the function's
folder, so that calls from one file to another can be followed.

**Silence** one place with a comment on its lines, `# thaw: ignore[TH101]`, or a rule with `--ignore TH101`.
Exit codes: 0 nothing found, 1 findings, 2 it could not be done as asked.
"""


def table() -> str:
    """All rules at a glance."""
    lines = [f"| [{r.code}](#{r.anchor}) | {r.severity} | {r.title} |" for r in RULES]
    return "\n".join(["| code | | what |", "|---|---|---|", *lines]) + "\n"


def section(rule: Rule) -> str:
    """One rule."""
    examples = "\n".join(
        f"```python\n# {word}\n{code}```\n" for word, code in (("found", rule.bad), ("not found", rule.good))
    )
    return f"## {rule.code}\n\n**{rule.title}** ({rule.severity}). {rule.why}\n\n*Fix:* {rule.fix}\n\n{examples}"


def render() -> str:
    """The whole page."""
    return "\n".join([HEAD, table(), *(section(rule) for rule in RULES)])


def main() -> None:
    """Writes the page, or says that it is out of date."""
    text = render()
    if "--check" not in sys.argv:
        OUT.write_text(text)
    elif not OUT.exists() or OUT.read_text() != text:
        sys.exit(f"{OUT.name} is out of date: run  python hack/gen_rules.py")


if __name__ == "__main__":
    main()
