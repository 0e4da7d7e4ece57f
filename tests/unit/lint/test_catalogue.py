"""Every rule is what it says: its own examples are the test."""

from __future__ import annotations

import pytest

from thaw.errors import UserError
from thaw.lint.catalogue import BY_CODE, RULES, chosen, rule
from thaw.lint.check import lint
from thaw.lint.patterns import PATTERNS
from thaw.lint.rules import Rule

each_rule = pytest.mark.parametrize("subject", RULES, ids=lambda r: r.code)


@each_rule
def test_the_bad_example_has_this_finding_and_no_other(subject: Rule) -> None:
    assert [f.code for f in lint({"app.py": subject.bad.encode()}).findings] == [subject.code]


@each_rule
def test_the_good_example_has_none(subject: Rule) -> None:
    assert lint({"app.py": subject.good.encode()}).findings == ()


@each_rule
def test_the_bad_example_can_be_silenced(subject: Rule) -> None:
    if subject.code == "TH001":
        return
    silenced = "\n".join(f"{line}  # thaw: ignore[{subject.code}]" for line in subject.bad.splitlines())
    assert lint({"app.py": silenced.encode()}).findings == ()


def test_codes_are_unique_and_in_order() -> None:
    assert [r.code for r in RULES] == sorted(BY_CODE)
    assert len(BY_CODE) == len(RULES)


def test_every_pattern_is_of_a_rule() -> None:
    assert {p.code for p in PATTERNS} <= set(BY_CODE)


def test_rules_are_chosen_by_code_or_by_its_beginning() -> None:
    assert chosen([], []) == frozenset(BY_CODE)
    assert chosen(["TH101", "TH4"], []) == {"TH101", "TH401", "TH402"}
    assert chosen(["TH4"], ["TH402"]) == {"TH401"}


@pytest.mark.parametrize(("select", "ignore", "option"), [(["TH9"], [], "--select"), ([], ["E501"], "--ignore")])
def test_a_code_that_does_not_exist_is_refused(select: list[str], ignore: list[str], option: str) -> None:
    with pytest.raises(UserError, match=f"{option}: no rule is called '.*' .there are TH001") as caught:
        chosen(select, ignore)
    assert caught.value.field == option


def test_a_rule_is_found_by_its_code() -> None:
    assert rule("TH101").title == "Unique or random value made at import"
    with pytest.raises(UserError, match="no rule is called 'TH999'"):
        rule("TH999")
