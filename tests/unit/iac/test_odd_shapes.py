"""No template ends in a traceback: each value of each example in turn is something that it cannot be."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from thaw.errors import UserError
from thaw.iac.document import parse
from thaw.iac.write import to_yaml
from unit.iac.importing import CODE, folder, imported

DATA = Path(__file__).resolve().parents[2] / "data" / "iac"
TEMPLATES = [
    "sam-hello/template.yaml",
    "sam-globals.yaml",
    "cfn-java.yaml",
    "cfn-canary.yaml",
    "cfn-operations.json",
]
FOLDERS = {"hello_world/": folder(CODE), "target/function.jar": folder(CODE)}
PLACE = {"AWS::Region": "us-east-1", "AWS::AccountId": "000000000000"}
ODD: list[Any] = [
    None,
    7,
    "odd",
    [],
    ["odd", None],
    {"Odd": {"Odder": 1}},
    {"Ref": ["odd"]},
    {"Fn::GetAtt": "odd"},
    {"Fn::If": ["odd"]},
    {"Fn::Sub": ["${odd}", 1]},
    {"Ref": "AWS::NoValue"},
]


def places(value: Any, way: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    if way:
        yield way
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, one in inner:
        yield from places(one, (*way, key))


@pytest.mark.parametrize("name", TEMPLATES)
def test_whatever_stands_anywhere_is_imported_or_told(name: str) -> None:
    document = parse((DATA / name).read_text())
    ended = {"imported": 0, "told": 0}
    for *way, last in places(document):
        for odd in ODD:
            changed = copy.deepcopy(document)
            holder = changed
            for key in way:
                holder = holder[key]
            holder[last] = odd
            ended[_ending(changed)] += 1
    assert min(ended.values()) > 20


def _ending(document: dict[str, Any]) -> str:
    try:
        found = imported(json.dumps(document), FOLDERS, packages=True, parameters=PLACE)
    except UserError:
        return "told"
    if found.report.errors:
        return "told"
    assert to_yaml(found.manifests)
    return "imported"
