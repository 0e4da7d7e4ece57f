"""Templates in the shapes of AWS's own examples, against golden files.

``THAW_GOLDEN=write pytest tests/unit/iac`` writes them anew.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from thaw.cli import import_sources
from thaw.iac.translate import Options, translate
from thaw.iac.write import to_yaml
from unit.iac.importing import archive, reading

DATA = Path(__file__).resolve().parents[2] / "data" / "iac"
JAR = {"target/function.jar": archive({"example/Handler.class": b"\xca\xfe\xba\xbe"})}
CASES: dict[str, tuple[str, dict[str, Any]]] = {
    "sam-hello": ("sam-hello/template.yaml", {}),
    "sam-globals-dev": (
        "sam-globals.yaml",
        {"parameters": {"AWS::Region": "us-east-1", "AWS::AccountId": "000000000000"}},
    ),
    "sam-globals-prod": (
        "sam-globals.yaml",
        {
            "parameters": {
                "AWS::Region": "us-east-1",
                "AWS::AccountId": "000000000000",
                "Stage": "prod",
                "Password": "secret",
            }
        },
    ),
    "cfn-java": ("cfn-java.yaml", {"packages": True, "local": reading(JAR)}),
    "cfn-canary": ("cfn-canary.yaml", {}),
    "cfn-operations": ("cfn-operations.json", {}),
}


@pytest.mark.parametrize("name", CASES)
def test_a_template_becomes_these_manifests_and_notes(name: str) -> None:
    file, options = CASES[name]
    path = DATA / file
    found = translate(path.read_text(), Options(**{"local": import_sources.reader(path), **options}))
    assert found.report.errors == []
    golden = DATA / f"{name}.golden.yaml"
    made = "".join(f"# {note}\n" for note in sorted(map(str, found.report.notes))) + to_yaml(found.manifests)
    if os.environ.get("THAW_GOLDEN") == "write":
        golden.write_text(made)
    assert made == golden.read_text()
