"""Templates as text: tags, duplicates, what YAML makes of dates."""

from __future__ import annotations

import pytest

from thaw.errors import UserError
from thaw.iac.document import parse


def test_short_tags_are_the_long_functions() -> None:
    text = """
Resources:
  A: !Ref B
  C: !GetAtt D.Arn
  E: !Join ['-', [!Sub "${B}", !If [Prod, 1, 2]]]
  F: {Condition: !Condition Prod}
"""
    assert parse(text)["Resources"] == {
        "A": {"Ref": "B"},
        "C": {"Fn::GetAtt": "D.Arn"},
        "E": {"Fn::Join": ["-", [{"Fn::Sub": "${B}"}, {"Fn::If": ["Prod", 1, 2]}]]},
        "F": {"Condition": {"Condition": "Prod"}},
    }


def test_dates_are_text_and_merge_keys_are_merged() -> None:
    text = "Base: &base {Version: 2012-10-17}\nResources: {A: {<<: *base, B: 1}}"
    assert parse(text)["Resources"] == {"A": {"Version": "2012-10-17", "B": 1}}


def test_numbers_that_yaml_would_rewrite_are_left_as_they_stand() -> None:
    text = "Resources: {A: [12, 0.5, 0644, 1.10, 80:80, 1_000, 012345678901]}"
    assert parse(text)["Resources"] == {"A": [12, 0.5, "0644", "1.10", "80:80", "1_000", "012345678901"]}


def test_json_and_yaml_in_flow_style_both_begin_with_a_brace() -> None:
    assert parse('{"Resources": {"A": {}}}') == parse("{Resources: {A: {}}}")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("Resources:\n  A: {}\n  A: {}", ["A comes twice", "line 3"]),
        ('{"Resources": {"A": {}, "A": {}}}', ["A comes twice"]),
        ("Resources: [", ["cannot be read"]),
        ("a: 1", ["has no Resources"]),
        ("- 1", ["has no Resources"]),
        ("Resources: !!python/object:os.system {}", ["cannot be read"]),
    ],
)
def test_what_is_no_template_is_refused_with_its_place(text: str, words: list[str]) -> None:
    with pytest.raises(UserError) as error:
        parse(text)
    assert all(word in str(error.value) for word in words)
