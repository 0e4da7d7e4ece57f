"""How ``thaw lint`` writes what it found."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping

from rich.console import Console
from rich.text import Text

from thaw.lint.findings import Finding, Report
from thaw.lint.rules import Rule, Severity

COLOURS = {Severity.ERROR: "red", Severity.WARNING: "yellow"}
PAGE = "operator/thaw/lint/RULES.md"


def write_text(report: Report, sources: Mapping[str, bytes]) -> None:
    """For people: the place, the line, why it matters and what to do; a summary at the end."""
    out = Console(soft_wrap=True, highlight=False)
    for finding in report.findings:
        rule = finding.rule
        head = Text(f"{finding.path}:{finding.line}:{finding.column}: ", style="bold")
        out.print(head.append(f"{rule.code} ", style=COLOURS[rule.severity]).append(finding.message, style="not bold"))
        out.print(Text(f"    {finding.line} | {_line(sources[finding.path], finding.line)}", style="dim"))
        for place in reversed(finding.via):
            out.print(Text(f"    called from {place}", style="dim"))
        out.print(Text(f"    why: {rule.why}"))
        out.print(Text(f"    fix: {rule.fix}"))
    out.print(Text(summary(report)))


def write_json(report: Report, sources: Mapping[str, bytes]) -> None:  # noqa: ARG001  # all writers are called alike
    """For programs: one object, findings with their rules' words."""
    findings = [{**f.model_dump(), **_words(f)} for f in report.findings]
    sys.stdout.write(json.dumps({"files": report.files, "findings": findings}, indent=2) + "\n")


def write_github(report: Report, sources: Mapping[str, bytes]) -> None:  # noqa: ARG001
    """For GitHub Actions: one workflow command a finding, which becomes an annotation of the line."""
    for finding in report.findings:
        rule = finding.rule
        properties = {
            "file": finding.path,
            "line": str(finding.line),
            "endLine": str(finding.end_line),
            "col": str(finding.column),
            "title": f"{rule.code} {rule.title}",
        }
        given = ",".join(f"{name}={_property(value)}" for name, value in properties.items())
        text = _data(f"{finding.message}\n{rule.why}\nFix: {rule.fix}")
        sys.stdout.write(f"::{rule.severity} {given}::{text}\n")


def write_rule(rule: Rule) -> None:
    """One rule, in full."""
    out = Console(soft_wrap=True, highlight=False)
    out.print(Text(f"{rule.code} {rule.title} ({rule.severity})\n", style="bold"))
    out.print(Text(f"{rule.why}\n\nFix: {rule.fix}\n"))
    for word, example in (("Found:", rule.bad), ("Not found:", rule.good)):
        out.print(Text(word, style="bold"))
        out.print(Text("".join(f"    {line}".rstrip() + "\n" for line in example.splitlines())))
    out.print(Text(f"Silence one place with  # thaw: ignore[{rule.code}]"))


def summary(report: Report) -> str:
    """The last line."""
    files = f"{report.files} file{'s' if report.files != 1 else ''} checked"
    count = len(report.findings)
    return f"{files}: {f'{count} finding' + ('s' if count != 1 else '') if count else 'nothing found'}"


def _words(finding: Finding) -> dict[str, str]:
    rule = finding.rule
    return {
        "severity": rule.severity,
        "title": rule.title,
        "message": finding.message,
        "why": rule.why,
        "fix": rule.fix,
        "docs": f"{PAGE}#{rule.anchor}",
    }


def _line(source: bytes, number: int) -> str:
    lines = source.decode(errors="replace").splitlines()
    return lines[number - 1].strip() if number <= len(lines) else ""


def _data(text: str) -> str:
    """Escaped as the workflow commands want a message."""
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(value: str) -> str:
    """Escaped as they want a property."""
    return _data(value).replace(":", "%3A").replace(",", "%2C")
