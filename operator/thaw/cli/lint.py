"""``thaw lint``: what a Python function's import leaves in its snapshot."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from thaw.cli import lint_output, lint_sources
from thaw.errors import UserError
from thaw.lint.catalogue import chosen, rule
from thaw.lint.check import lint

FOUND = 1


class Output(StrEnum):
    """How findings are written."""

    TEXT = "text"
    JSON = "json"
    GITHUB = "github"


WRITERS = {
    Output.TEXT: lint_output.write_text,
    Output.JSON: lint_output.write_json,
    Output.GITHUB: lint_output.write_github,
}


def command(
    paths: Annotated[
        list[Path] | None,
        typer.Argument(metavar="PATH", help="Files, folders or .zip packages.", show_default=False),
    ] = None,
    *,
    output: Annotated[Output, typer.Option(help="github: annotations of a workflow.")] = Output.TEXT,
    select: Annotated[
        str, typer.Option(metavar="CODES", help="Report only these, e.g. TH101,TH4.", show_default=False)
    ] = "",
    ignore: Annotated[str, typer.Option(metavar="CODES", help="Do not report these.", show_default=False)] = "",
    everything: Annotated[
        bool, typer.Option("--all", help="Also check installed packages, virtual environments and tests.")
    ] = False,
    explain: Annotated[
        str, typer.Option(metavar="CODE", help="Explain a rule, and check nothing.", show_default=False)
    ] = "",
) -> None:
    """Finds state made at import that every instance restored from one snapshot would share.

    Nothing is executed. Silence one place with a comment: # thaw: ignore[TH101]
    """
    if explain:
        lint_output.write_rule(rule(explain.upper()))
        return
    if not paths:
        raise UserError("PATH", "nothing to check", "name a file, a folder or a .zip package: thaw lint src/")
    codes = chosen(_words(select), _words(ignore))
    sources = lint_sources.read(paths, everything=everything)
    report = lint(sources, codes)
    WRITERS[output](report, sources)
    if report.findings:
        raise typer.Exit(FOUND)


def _words(codes: str) -> list[str]:
    return [word.strip().upper() for word in codes.split(",") if word.strip()]
