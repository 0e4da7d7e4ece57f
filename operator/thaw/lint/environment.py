"""Reads of access keys from the environment (TH303), anywhere in a file: a handler does not find them either."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from thaw.lint.project import Module
from thaw.lint.values import Bond, Sighting

KEYS = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN")
READERS = ("os.environ.get", "os.getenv")


def reads(module: Module) -> Iterator[Sighting]:
    """Each place at which a module takes an access key for given; a module that asks whether there is one does not."""
    names = _names_of_os(module.tree)
    if any(key in ast.unparse(test) for test in _tests(module.tree) for key in KEYS):
        return
    for node in ast.walk(module.tree):
        key: ast.expr | None = None
        if (
            isinstance(node, ast.Subscript)
            and isinstance(node.ctx, ast.Load)
            and _path(node.value, names) == "os.environ"
        ):
            key = node.slice
        elif isinstance(node, ast.Call) and node.args and _path(node.func, names) in READERS:
            key = node.args[0]
        if isinstance(node, ast.expr) and isinstance(key, ast.Constant) and key.value in KEYS:
            place = (module.path, node.lineno, node.col_offset + 1, node.end_lineno or node.lineno)
            yield Sighting("TH303", *place, f"os.environ['{key.value}']", Bond.DONE)


def _tests(tree: ast.Module) -> Iterator[ast.expr]:
    """Conditions, and memberships wherever they are."""
    for node in ast.walk(tree):
        if isinstance(node, ast.If | ast.IfExp | ast.While | ast.Assert):
            yield node.test
        elif isinstance(node, ast.BoolOp | ast.Compare):
            yield node


def _names_of_os(tree: ast.Module) -> dict[str, str]:
    """What the file calls the module ``os`` and what is in it."""
    names: dict[str, str] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names.update({alias.asname or "os": "os" for alias in node.names if alias.name == "os"})
        elif isinstance(node, ast.ImportFrom) and node.module == "os" and not node.level:
            names.update({alias.asname or alias.name: f"os.{alias.name}" for alias in node.names})
    return names


def _path(node: ast.expr, names: dict[str, str]) -> str:
    """The full name of a chain of attributes; empty for anything else."""
    if isinstance(node, ast.Attribute):
        base = _path(node.value, names)
        return f"{base}.{node.attr}" if base else ""
    return names.get(node.id, "") if isinstance(node, ast.Name) else ""
