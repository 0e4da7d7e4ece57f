"""A template's values after resolution: each knows its path, and is read as the type its reader needs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from thaw.errors import UserError


@dataclass(frozen=True)
class Unknown:
    """A value that the template alone does not give.

    :param why: the sentence its reader is told.
    :param fix: how to give the value; empty for ``--set``.
    """

    why: str
    fix: str = ""


@dataclass(frozen=True)
class Reference:
    """``Ref`` or ``Fn::GetAtt`` of a resource of the template.

    :param attribute: empty for ``Ref``.
    :param text: what it stands for, where that is known.
    """

    logical_id: str
    attribute: str
    text: str | Unknown


Value = str | int | float | bool | tuple["Node", ...] | Mapping[str, "Node"] | Reference | Unknown


@dataclass(frozen=True)
class Node:
    """A value and its path in the template, e.g. ``Resources.Greet.Properties.Timeout``.

    The readers raise :class:`UserError` with that path when the value is unknown or of another type. Scalars are read
    as CloudFormation reads them: ``"512"`` is a number where one is wanted, ``true`` the text ``true``.
    """

    path: str
    value: Value

    def text(self) -> str:
        """A scalar as text."""
        value = self._known()
        if isinstance(value, bool):
            return "true" if value else "false"
        if isinstance(value, str | int | float):
            return str(value)
        raise self.wrong("must be text")

    def integer(self) -> int:
        """A whole number."""
        try:
            return int(self.text())
        except ValueError:
            raise self.wrong(f"must be a whole number, not {self.text()}") from None

    def number(self) -> float:
        """A number."""
        try:
            return float(self.text())
        except ValueError:
            raise self.wrong(f"must be a number, not {self.text()}") from None

    def boolean(self) -> bool:
        """True or false."""
        value = self.text().lower()
        if value not in ("true", "false"):
            raise self.wrong(f"must be true or false, not {self.text()}")
        return value == "true"

    def mapping(self) -> Mapping[str, Node]:
        """An object."""
        value = self._known()
        if isinstance(value, Mapping):
            return value
        raise self.wrong("must be an object")

    def sequence(self) -> tuple[Node, ...]:
        """A list."""
        value = self._known()
        if isinstance(value, tuple):
            return value
        raise self.wrong("must be a list")

    def required(self, key: str) -> Node:
        """A member of an object that has to be there."""
        found = self.mapping().get(key)
        if found is None:
            raise UserError(f"{self.path}.{key}", "is required")
        return found

    @property
    def reference(self) -> Reference | None:
        """The resource it names, if it is a reference."""
        return self.value if isinstance(self.value, Reference) else None

    def wrong(self, message: str, fix: str = "") -> UserError:
        """The error to raise about this value."""
        return UserError(self.path, message, fix)

    def _known(self) -> str | int | float | bool | tuple[Node, ...] | Mapping[str, Node]:
        value = self.value.text if isinstance(self.value, Reference) else self.value
        if isinstance(value, Unknown):
            raise self.wrong(value.why, value.fix or f"give it: --set {self.path}=VALUE")
        return value
