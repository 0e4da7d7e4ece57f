"""Names and what they stand for, in one module, class body or function call."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from thaw.lint.values import External, Value, either

if TYPE_CHECKING:
    from thaw.lint.project import Module


@dataclass(eq=False)
class Frame:
    """One scope while it runs."""

    module: Module
    parent: Frame | None = None
    """The enclosing scope; None for a module's own."""
    is_class: bool = False
    names: dict[str, Value] = field(default_factory=dict)
    elsewhere: dict[str, Frame] = field(default_factory=dict)
    """Names declared ``global`` or ``nonlocal``, and whose they are."""
    returned: Value = field(default_factory=Value)

    @property
    def top(self) -> Frame:
        """The module's own scope."""
        return self if self.parent is None else self.parent.top

    def enclosing(self) -> Frame | None:
        """The next scope in which a function defined here looks: class bodies are skipped."""
        above = self.parent
        while above is not None and above.is_class:
            above = above.parent
        return above

    def look_up(self, name: str) -> Value:
        """What a name stands for; what nobody defined is taken for a builtin."""
        frame: Frame | None = self.elsewhere.get(name, self)
        while frame is not None:
            if name in frame.names:
                return frame.names[name]
            frame = frame.enclosing()
        return Value(External(name))

    def bind(self, name: str, value: Value) -> None:
        """An assignment."""
        self.elsewhere.get(name, self).names[name] = value

    def declare(self, names: list[str], *, everywhere: bool) -> None:
        """``global`` (everywhere) or ``nonlocal``."""
        above = self.enclosing()
        for name in names:
            owner = self.top if everywhere or above is None else above._owner(name)
            self.elsewhere[name] = owner

    def _owner(self, name: str) -> Frame:
        above = self.enclosing()
        return self if name in self.names or above is None else above._owner(name)


def snapshot(frame: Frame) -> list[tuple[Frame, dict[str, Value]]]:
    """The names of a scope and of all around it, to come back to."""
    kept: list[tuple[Frame, dict[str, Value]]] = []
    at: Frame | None = frame
    while at is not None:
        kept.append((at, dict(at.names)))
        at = at.parent
    return kept


def restore(kept: list[tuple[Frame, dict[str, Value]]]) -> None:
    """Back to what the names were."""
    for frame, names in kept:
        frame.names = dict(names)


def join(branch: list[tuple[Frame, dict[str, Value]]]) -> None:
    """Makes each name what it is now or was at the end of ``branch``."""
    for frame, names in branch:
        for name, value in names.items():
            now = frame.names.get(name)
            frame.names[name] = value if now is None or now == value else either(now, value)
