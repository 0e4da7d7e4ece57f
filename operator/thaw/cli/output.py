"""How results are written: tables for people, JSON for programs; what is told along the way goes to stderr."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from thaw.api import durations

_NO_LIMIT = 10_000


class Output(StrEnum):
    """How a result is written."""

    TABLE = "table"
    JSON = "json"


def stdout() -> Console:
    """For results. What is piped is as wide as it is."""
    return _console(stderr=False)


def stderr() -> Console:
    """For what is told beside the result."""
    return _console(stderr=True)


def write_json(value: Any) -> None:
    """One JSON document."""
    sys.stdout.write(json.dumps(value, indent=2) + "\n")


def table(headings: Iterable[str], rows: Iterable[Iterable[str | Text]]) -> Table:
    """A plain table, as kubectl's: headings in capitals, nothing between the columns but space."""
    made = Table(box=None, pad_edge=False, header_style="bold")
    for heading in headings:
        made.add_column(heading, overflow="fold")
    for row in rows:
        # Text, so that nobody's name is read as markup.
        made.add_row(*(cell if isinstance(cell, Text) else Text(cell) for cell in row))
    return made


def age(since: datetime | None, now: datetime | None = None) -> str:
    """How long ago, e.g. ``5 min``; a dash for never."""
    if since is None:
        return "-"
    return durations.shown(max(0.0, ((now or datetime.now(UTC)) - since).total_seconds()))


def milliseconds(value: float | None) -> str:
    """``143 ms``, ``2.1 s``; a dash for none."""
    if value is None:
        return "-"
    return f"{value:.0f} ms" if value < 1000 else durations.shown(value / 1000)


def lines(text: str) -> str:
    """A log's text as lines: runtimes write a carriage return for a line's end within one message."""
    return text.rstrip("\n").replace("\r\n", "\n").replace("\r", "\n")


def _console(*, stderr: bool) -> Console:
    stream = sys.stderr if stderr else sys.stdout
    width = None if stream.isatty() else _NO_LIMIT
    return Console(stderr=stderr, highlight=False, soft_wrap=False, width=width)
