"""The files under analysis and how they import each other."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import PurePosixPath


@dataclass(eq=False)
class Module:
    """One file that could be parsed."""

    path: str
    source: str
    tree: ast.Module

    @cached_property
    def read_later(self) -> frozenset[str]:
        """Names that the module's functions read, and attributes and imports of any name: what outlives the import."""
        return frozenset(_read_later(self.tree))

    @cached_property
    def mentioned(self) -> frozenset[str]:
        """Names that the module imports from others, or reads as an attribute of something."""
        found: set[str] = set()
        for node in ast.walk(self.tree):
            if isinstance(node, ast.ImportFrom):
                found.update(alias.name for alias in node.names)
            elif isinstance(node, ast.Attribute):
                found.add(node.attr)
        return frozenset(found)


def _read_later(tree: ast.Module) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            body = [node.body] if isinstance(node, ast.Lambda) else node.body
            for part in body:
                for name in ast.walk(part):
                    if isinstance(name, ast.Name) and isinstance(name.ctx, ast.Load):
                        yield name.id


@dataclass
class Project:
    """All files that were given, by path with forward slashes."""

    modules: Mapping[str, Module] = field(default_factory=dict)

    def find(self, importer: Module, name: str, level: int = 0) -> Module | None:
        """The file that ``import name`` means in ``importer``, if it is one of these.

        :param level: dots of a relative import. Absolute names are looked for beside the importer, then upwards: where
            the root of the package is (``CodeUri``, ``PYTHONPATH``) is not in the files.
        """
        folder = PurePosixPath(importer.path).parent
        parts = name.split(".") if name else []
        if level:
            up = [folder, *folder.parents]
            return self._at(up[level - 1].joinpath(*parts)) if level <= len(up) else None
        return next((m for base in (folder, *folder.parents) if (m := self._at(base.joinpath(*parts)))), None)

    def _at(self, place: PurePosixPath) -> Module | None:
        return self.modules.get(f"{place}.py") or self.modules.get(str(place / "__init__.py"))

    def others_mention(self, module: Module, name: str) -> bool:
        """Whether another file may read this global."""
        return any(name in other.mentioned for other in self.modules.values() if other is not module)
