"""``thaw version``."""

from __future__ import annotations

import typer

from thaw import __version__


def command() -> None:
    """Says which version of Thaw this is."""
    typer.echo(__version__)
