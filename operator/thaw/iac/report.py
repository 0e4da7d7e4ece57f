"""What an import has to say: what was left out or assumed, and everything that stands in its way."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from thaw.errors import UserError


@dataclass(frozen=True)
class Note:
    """Something its reader should know and need not act upon.

    :param path: of what it is about, in the template.
    """

    path: str
    text: str

    def __str__(self) -> str:
        return f"{self.path}: {self.text}"


@dataclass
class Report:
    """Collects, so that a user hears all at once."""

    notes: list[Note] = field(default_factory=list)
    errors: list[UserError] = field(default_factory=list)

    def note(self, path: str, text: str) -> None:
        """Adds a note, unless it was said already, as of SAM's Globals by each function."""
        if (note := Note(path, text)) not in self.notes:
            self.notes.append(note)

    @contextmanager
    def catching(self) -> Iterator[None]:
        """Keeps the error that ends the block, and goes on after it."""
        try:
            yield
        except UserError as error:
            if str(error) not in map(str, self.errors):
                self.errors.append(error)
