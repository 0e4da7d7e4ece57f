"""What a user says about a template instead of editing it: ``--set PATH=VALUE`` and ``--ignore WHAT``."""

from __future__ import annotations

import re
from typing import Any

from thaw.errors import UserError
from thaw.iac.document import Json
from thaw.iac.report import Report

_PART = re.compile(r"\[(\d+)\]|([^.\[\]]+)")


def apply_set(document: Json, path: str, value: str) -> None:
    """Puts a text at a path of the template, in place. A last part that is not there yet is added.

    :raises UserError: the path leads nowhere.
    """
    *way, last = _parts(path)
    try:
        holder = _descend(document, way)
        if isinstance(last, int) != isinstance(holder, list):
            raise TypeError
        holder[last] = value
    except (KeyError, IndexError, TypeError):
        raise UserError("--set", f"the template has no {path}", "write the path as an error names it") from None


def apply_ignore(document: Json, what: str, report: Report) -> None:
    """Removes from the template, in place, and notes it.

    :param what: a path, a type of resources (``AWS::Lambda::Url``) or a property of functions (``Layers``).
    :raises UserError: the template has no such thing.
    """
    found = [what] if _has(document, what) else _named(document, what) if what else []
    if not found:
        raise UserError("--ignore", f"the template has no {what}", "name a path, a resource's type or a property")
    for path in found:
        *way, last = _parts(path)
        if way == ["Resources"]:
            del document["Resources"][last]
        else:
            # Not removed: further paths may count the items of the same list.
            _descend(document, way)[last] = {"Ref": "AWS::NoValue"}
        report.note(path, f"left out, as --ignore {what} says")


def _named(document: Json, what: str) -> list[str]:
    """The paths of all resources of a type, or of all properties of a name."""
    found = []
    for logical_id, resource in document["Resources"].items():
        if not isinstance(resource, dict):
            continue
        if resource.get("Type") == what:
            found.append(f"Resources.{logical_id}")
        elif what in (resource.get("Properties") or ()):
            found.append(f"Resources.{logical_id}.Properties.{what}")
    if _has(document, f"Globals.Function.{what}"):
        found.append(f"Globals.Function.{what}")
    return found


def _has(document: Json, path: str) -> bool:
    parts = _parts(path)
    try:
        _descend(document, parts)
    except (KeyError, IndexError, TypeError):
        return False
    # A type such as AWS::Lambda::Url is one part, and no section's name; "Resources" alone would be everything.
    return len(parts) > 1


def _descend(document: Any, parts: list[str | int]) -> Any:
    for part in parts:
        document = document[part]
    return document


def _parts(path: str) -> list[str | int]:
    return [int(index) if index else name for index, name in _PART.findall(path)] or [path]
