"""``thaw version``."""

from __future__ import annotations

import typer

from thaw import __version__
from thaw.cli import options, output
from thaw.cli.output import Output


def command(*, output_format: options.OutputFormat = Output.TABLE) -> None:
    """Says which version of Thaw this command is of."""
    if output_format is Output.JSON:
        output.write_json({"version": __version__})
    else:
        typer.echo(__version__)
