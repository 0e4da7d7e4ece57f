"""``thaw``: the commands, and what they have in common.

Exit codes: 0 when all is well; 1 when a command came to nothing, or found what it looks for; 2 when it was not typed as
it can be. An error is one line on stderr, with its fix.
"""

from __future__ import annotations

import logging
import os
import sys
from pathlib import Path

import structlog
import typer

from thaw.cli import doctor, import_, invoke, lint, logs, publish, snapshots, top, version
from thaw.errors import Forbidden, NotFound, ThawError, Unavailable, UserError

FAILED = 1
MISTYPED = 2
_FIXES = {
    Forbidden: "ask for the rights, or choose another --context",
    NotFound: "is Thaw installed? thaw doctor says more",
    Unavailable: "thaw doctor looks for the cause",
}

app = typer.Typer(name="thaw", help="SnapStart for Kubernetes.", no_args_is_help=True, pretty_exceptions_enable=False)
app.command("publish")(publish.command)
app.command("invoke")(invoke.command)
app.command("logs")(logs.command)
app.command("top")(top.command)
app.add_typer(snapshots.app, name="snapshots")
app.command("doctor")(doctor.command)
app.command("import")(import_.command)
app.command("lint")(lint.command)
app.command("version")(version.command)


def main() -> None:
    """Runs one command."""
    _quiet()
    try:
        app(prog_name=program(sys.argv[0]))
    except ThawError as error:
        sys.stderr.write(f"thaw: {line(error)}\n")
        sys.exit(MISTYPED if isinstance(error, UserError) else FAILED)
    except Exception as error:
        if os.environ.get("THAW_DEBUG"):
            raise
        told = f"{type(error).__name__}: {' '.join(str(error).split())}"
        sys.stderr.write(f"thaw: a fault of its own: {told} (run it with THAW_DEBUG=1 to see where)\n")
        sys.exit(FAILED)


def program(path: str) -> str:
    """How the user called it: as a plugin, kubectl runs it by the name ``kubectl-thaw``."""
    return "kubectl thaw" if Path(path).stem == "kubectl-thaw" else "thaw"


def line(error: ThawError) -> str:
    """An error as one line, with its fix."""
    fix = next((fix for kind, fix in _FIXES.items() if isinstance(error, kind)), "")
    return " ".join(str(error).split()) + (f" ({fix})" if fix else "")


def _quiet() -> None:
    """Keeps the log of what lies below out of the way: what matters of it comes as an error."""
    structlog.configure(
        wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
    )
