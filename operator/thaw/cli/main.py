"""``thaw``: the commands, and what they have in common.

Exit codes: 0 when all is well, 1 when the command found what it looks for, 2 when it could not be done as asked.
"""

from __future__ import annotations

import sys

import typer

from thaw.cli import import_, lint, version
from thaw.errors import ThawError

CANNOT = 2

app = typer.Typer(
    name="thaw",
    help="SnapStart for Kubernetes.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
app.command("import")(import_.command)
app.command("lint")(lint.command)
app.command("version")(version.command)


def main() -> None:
    """Runs one command. An error raised on purpose is one line, with its fix."""
    try:
        app()
    except ThawError as error:
        sys.stderr.write(f"thaw: {error}\n")
        sys.exit(CANNOT)
