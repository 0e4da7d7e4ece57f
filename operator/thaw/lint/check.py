"""From the text of some files to what is wrong with them."""

from __future__ import annotations

import ast
import io
import tokenize
from collections.abc import Iterator, Mapping

from thaw.lint import environment
from thaw.lint.catalogue import BY_CODE
from thaw.lint.execute import Executor
from thaw.lint.findings import Finding, Report
from thaw.lint.project import Module, Project
from thaw.lint.suppress import comments, is_silenced
from thaw.lint.values import Class, Function, Namespace, Sighting, Value

OF_THE_SNAPSHOT = ("TH3", "TH4", "TH5")
"""What must not be there when the snapshot is taken; the rest may be, if a hook replaces it after each restore."""


def lint(sources: Mapping[str, bytes], codes: frozenset[str] = frozenset(BY_CODE)) -> Report:
    """Checks files that may import each other.

    :param sources: by path with forward slashes, as findings shall name it: the content of a Python file.
    :param codes: the rules to report.
    """
    modules: dict[str, Module] = {}
    findings: list[Finding] = []
    for path, source in sources.items():
        try:
            modules[path] = _parsed(path, source)
        except (SyntaxError, ValueError, RecursionError) as error:
            findings.append(_unreadable(path, error))
    found = {sighting: kept for sighting, kept in _sightings(Project(modules)) if sighting.code in codes}
    silenced = {path: comments(modules[path].source) for path in {sighting.path for sighting in found}}
    reported = [_finding(sighting, kept) for sighting, kept in found.items()]
    findings = [f for f in findings if f.code in codes] + [f for f in reported if not is_silenced(f, silenced[f.path])]
    return Report(
        files=len(sources), findings=tuple(sorted(findings, key=lambda f: (f.path, f.line, f.column, f.code)))
    )


def _parsed(path: str, content: bytes) -> Module:
    encoding, _ = tokenize.detect_encoding(io.BytesIO(content).readline)
    text = io.TextIOWrapper(io.BytesIO(content), encoding).read()
    return Module(path, text, ast.parse(text))


def _sightings(project: Project) -> Iterator[tuple[Sighting, str]]:
    """All that is a finding, with the name that keeps it; the same place may come twice."""
    run = Executor(project)
    for module in project.modules.values():
        yield from ((sighting, "") for sighting in environment.reads(module))
        run.import_module(module)
    for hook in reversed(run.hooks["before"]):
        run.run_hook(hook)
    at_snapshot = [(s, where) for s, where in _kept(run) if s.code.startswith(OF_THE_SNAPSHOT)]
    yield from ((s, where) for s, where in at_snapshot if s not in run.ended)
    yield from ((s, "") for s in run.done if s.code.startswith(OF_THE_SNAPSHOT) and s not in run.ended)
    run.watching = False
    for hook in run.hooks["after"]:
        run.run_hook(hook)
    after = [*_kept(run), *((s, "") for s in run.done)]
    yield from ((s, where) for s, where in after if not s.code.startswith(OF_THE_SNAPSHOT) and s not in run.ended)


def _kept(run: Executor) -> Iterator[tuple[Sighting, str]]:
    """Sightings that can be reached from a module's names, and those that went out of sight."""
    for path, frame in run.modules.items():
        module = run.project.modules[path]
        for name, value in frame.names.items():
            if isinstance(value.what, Namespace):
                continue
            is_code = isinstance(value.what, Function | Class)
            used = is_code or name in module.read_later or run.project.others_mention(module, name)
            for where, part in _parts(name, value):
                yield from ((s, where) for s in part.all_marks() if used or not BY_CODE[s.code].only_if_used)
    yield from run.kept.items()


def _parts(name: str, value: Value) -> Iterator[tuple[str, Value]]:
    """What a global consists of, for a name that says more: class attributes and default arguments."""
    match value.what:
        case Class() as cls:
            for attribute, part in cls.attributes.items():
                label = f"{name}.{attribute}"
                # A class within a class is not opened again: it may be the same one.
                yield from ((label, part),) if isinstance(part.what, Class) else _parts(label, part)
        case Function() as function:
            for parameter, part in function.defaults.items():
                yield f"{name}({parameter}=…)", part
            yield name, Value(None, value.marks | frozenset(function.marks))
        case _:
            yield name, value


def _finding(sighting: Sighting, kept: str) -> Finding:
    return Finding(
        path=sighting.path,
        line=sighting.line,
        column=sighting.column,
        end_line=sighting.end_line,
        code=sighting.code,
        call=sighting.call,
        kept="" if sighting.code == "TH303" else kept,
        via=sighting.via,
    )


def _unreadable(path: str, error: Exception) -> Finding:
    """Null bytes, bytes that are no text and nesting without end have no place."""
    line, column, text = 1, 1, str(error)
    if isinstance(error, SyntaxError):
        line, column, text = error.lineno or 1, error.offset or 1, error.msg
    return Finding(path=path, line=max(line, 1), column=max(column, 1), end_line=max(line, 1), code="TH001", call=text)
