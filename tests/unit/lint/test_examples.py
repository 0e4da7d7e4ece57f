"""Functions as people write them: ``clean`` ones, and ``found`` with a comment at each expected finding."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from thaw.lint.check import lint

DATA = Path(__file__).parents[2] / "data" / "lint"
EXPECT = re.compile(r"# expect: (?P<codes>TH\d{3}(?:, TH\d{3})*)$")
FOUND = sorted((DATA / "found").iterdir())


def sources(path: Path) -> dict[str, bytes]:
    files = path.rglob("*.py") if path.is_dir() else [path]
    return {file.relative_to(path.parent).as_posix(): file.read_bytes() for file in files}


def expected(files: dict[str, bytes]) -> list[tuple[str, int, str]]:
    return sorted(
        (path, number, code)
        for path, content in files.items()
        for number, line in enumerate(content.decode().splitlines(), start=1)
        if (match := EXPECT.search(line))
        for code in match["codes"].split(", ")
    )


@pytest.mark.parametrize("path", sorted((DATA / "clean").iterdir()), ids=lambda p: p.stem)
def test_nothing_is_found_in_a_function_that_restores_well(path: Path) -> None:
    assert [(f.line, f.code, f.call) for f in lint(sources(path)).findings] == []


@pytest.mark.parametrize("path", FOUND, ids=lambda p: p.stem)
def test_exactly_what_is_marked_is_found(path: Path) -> None:
    files = sources(path)
    assert [(f.path, f.line, f.code) for f in lint(files).findings] == expected(files)
