"""What is known of a value: how it came to be, and which sightings it carries.

A *sighting* is a place at which something of the rules happened. It travels with the value that came from it, and is a
finding once that value is *kept*: still reachable when the snapshot is taken.
"""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from enum import Enum, auto
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from thaw.lint.project import Module
    from thaw.lint.scope import Frame


class Manner(Enum):
    """What a decorator makes of a function."""

    PLAIN = auto()
    STATIC = auto()
    CLASS = auto()
    PROPERTY = auto()
    CACHED = auto()


class Bond(Enum):
    """How a sighting travels."""

    VALUE = auto()
    """With everything computed from it: ``str(uuid4())`` is as unique as ``uuid4()``."""
    HELD = auto()
    """With the thing itself and what contains it: a row is not the connection that it was read from."""
    DONE = auto()
    """Not at all: it happened, kept or not."""


@dataclass(frozen=True)
class Sighting:
    """One place of one rule. Seen again by another way, it is the same."""

    code: str
    path: str
    line: int
    column: int
    end_line: int
    call: str
    bond: Bond
    via: tuple[str, ...] = field(default=(), compare=False)


Marks = frozenset[Sighting]
NONE: Marks = frozenset()


@dataclass(frozen=True)
class Literal:
    """A string constant."""

    text: str


@dataclass(frozen=True)
class External:
    """Something of another package, or built in, by its full name: ``uuid.uuid4``."""

    path: str


@dataclass(eq=False)
class Object:
    """An instance of anything. Two names for it are one Object, so what is done to it by one is seen by the other.

    :param path: how it was made: ``boto3.client('ssm')``, ``redis.Redis()``; ``?`` when that is not known.
    """

    path: str = "?"
    cls: Class | None = None
    owner: Object | None = None
    """What it is an element or attribute of."""
    attributes: dict[str, Value] = field(default_factory=dict)
    marks: set[Sighting] = field(default_factory=set)

    def take(self, marks: Iterable[Sighting]) -> None:
        """From now on it holds these, and so does what it is a part of."""
        self.marks.update(marks)
        if self.owner is not None:
            self.owner.take(marks)


@dataclass(eq=False)
class Function:
    """A function, lambda or bound method of the code under analysis."""

    node: ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda
    frame: Frame
    """Where it was defined."""
    receiver: Value | None = None
    defaults: dict[str, Value] = field(default_factory=dict)
    manner: Manner = Manner.PLAIN
    marks: set[Sighting] = field(default_factory=set)
    """What a cache, a closure or a decorator's argument keeps."""


@dataclass(frozen=True)
class Factory:
    """A dataclass's field whose default is made at construction."""

    name: str
    position: int
    make: Value


@dataclass(eq=False)
class Class:
    """A class of the code under analysis."""

    name: str
    bases: tuple[Value, ...]
    attributes: dict[str, Value]
    factories: tuple[Factory, ...] = ()

    def lineage(self) -> Iterator[Class]:
        """Itself and the classes that it inherits from, as far as they are known."""
        yield self
        for base in self.bases:
            if isinstance(base.what, Class):
                yield from base.what.lineage()

    def find(self, name: str) -> Value | None:
        """An attribute, its own or inherited."""
        return next((cls.attributes[name] for cls in self.lineage() if name in cls.attributes), None)

    def outside(self) -> str:
        """The full name of the first base that is of another package; empty if there is none."""
        return next((b.what.path for cls in self.lineage() for b in cls.bases if isinstance(b.what, External)), "")


@dataclass(frozen=True)
class Namespace:
    """A module of the code under analysis."""

    module: Module


What = Literal | External | Object | Function | Class | Namespace | None


@dataclass(frozen=True)
class Value:
    """What an expression stands for; ``what`` is None for None, numbers and other constants."""

    what: What = None
    marks: Marks = NONE

    def all_marks(self) -> Marks:
        """Its own, and those of all that can be reached from it."""
        seen: set[int] = set()
        return self.marks.union(*(part.marks for part in _reachable(self.what, seen)))

    def marked(self, marks: Iterable[Sighting]) -> Value:
        """The same with more marks."""
        more = frozenset(marks)
        return self if more <= self.marks else Value(self.what, self.marks | more)


def _reachable(what: What, seen: set[int]) -> Iterator[Object | Function | Value]:
    """The objects and functions that hang on something, with the values that hold them."""
    if not isinstance(what, Object | Function | Class) or id(what) in seen:
        return
    seen.add(id(what))
    held: list[Value] = []
    if isinstance(what, Object):
        yield what
        held += what.attributes.values()
    elif isinstance(what, Function):
        yield what
        held += what.defaults.values()
    else:
        held += what.attributes.values()
    for value in held:
        yield value
        yield from _reachable(value.what, seen)


def computed(marks: Iterable[Sighting]) -> Marks:
    """What of these goes over to a value computed from their bearer."""
    return frozenset(m for m in marks if m.bond is Bond.VALUE)


def either(first: Value, second: Value) -> Value:
    """A value that is one or the other."""
    known = first if isinstance(first.what, External | Object | Function | Class | Namespace) else second
    return Value(known.what, first.marks | second.marks | _lost(first, known) | _lost(second, known))


def _lost(value: Value, known: Value) -> Marks:
    return NONE if value is known else value.all_marks()
