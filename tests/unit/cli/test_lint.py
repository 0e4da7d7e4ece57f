"""``thaw lint`` from the outside: exit codes, outputs, one-line errors."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from thaw import __version__

ROOT = Path(__file__).resolve().parents[3]
BAD = "import uuid\n\nINSTANCE_ID = uuid.uuid4()\n"


def test_version(thaw) -> None:
    assert thaw("version") == (0, f"{__version__}\n", "")


def test_nothing_found_is_exit_code_0(thaw, tmp_path: Path) -> None:
    (tmp_path / "app.py").write_text("def handler(event, context): ...\n")
    assert thaw("lint", "app.py") == (0, "1 file checked: nothing found\n", "")


def test_findings_are_exit_code_1_with_place_line_reason_and_fix(thaw, tmp_path: Path) -> None:
    (tmp_path / "app.py").write_text("import uuid\ndef make():\n    return uuid.uuid4()\nID = make()\n")
    code, out, _ = thaw("lint", ".")
    lines = out.splitlines()
    assert code == 1
    assert lines[0].startswith("app.py:3:12: TH101 uuid.uuid4(), kept in ID, gives every instance")
    assert lines[1:3] == ["    3 | return uuid.uuid4()", "    called from app.py:4"]
    assert lines[3].startswith("    why: Import runs once, before the snapshot")
    assert lines[4].startswith("    fix: Make it in the handler")
    assert lines[5] == "1 file checked: 1 finding"


def test_the_readmes_example_is_real(thaw, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT / "tests" / "data" / "lint" / "readme")
    assert f"```console\n$ thaw lint .\n{thaw('lint', '.')[1]}```\n" in (ROOT / "README.md").read_text()


def test_rich_markup_in_a_file_is_only_text(thaw, tmp_path: Path) -> None:
    (tmp_path / "app.py").write_text('import uuid\nA = ["[bold]", uuid.uuid4()]\n')
    assert '    2 | A = ["[bold]", uuid.uuid4()]' in thaw("lint", "app.py")[1].splitlines()


def test_json_is_one_object_with_the_rules_words(thaw, tmp_path: Path) -> None:
    (tmp_path / "app.py").write_text(BAD)
    code, out, _ = thaw("lint", "app.py", "--output", "json")
    report = json.loads(out)
    (finding,) = report["findings"]
    assert (code, report["files"]) == (1, 1)
    assert {
        k: finding[k] for k in ("path", "line", "column", "end_line", "code", "call", "kept", "via", "severity")
    } == {
        "path": "app.py",
        "line": 3,
        "column": 15,
        "end_line": 3,
        "code": "TH101",
        "call": "uuid.uuid4()",
        "kept": "INSTANCE_ID",
        "via": [],
        "severity": "error",
    }
    assert all(finding[k] for k in ("title", "message", "why", "fix"))
    assert finding["docs"].endswith("RULES.md#th101")


def test_github_annotations_are_escaped(thaw, tmp_path: Path) -> None:
    (tmp_path / "a,b.py").write_text(BAD)
    code, out, _ = thaw("lint", "a,b.py", "--output", "github")
    place = "file=a%2Cb.py,line=3,endLine=3,col=15,title=TH101 Unique or random value made at import"
    assert code == 1
    assert out.startswith(f"::error {place}::uuid.uuid4(), kept in INSTANCE_ID, gives")
    assert "%0AFix: Make it in the handler" in out
    assert out.count("\n") == 1


def test_rules_are_selected_and_ignored(thaw, tmp_path: Path) -> None:
    (tmp_path / "app.py").write_text(BAD + "TOKEN = __import__\nimport os\nKEY = os.urandom(4)\n")
    assert thaw("lint", "app.py", "--select", "th101")[1].endswith("1 finding\n")
    assert thaw("lint", "app.py", "--ignore", "TH101,TH102")[0] == 0


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["lint"], "thaw: PATH: nothing to check (name a file, a folder or a .zip package: thaw lint src/)\n"),
        (["lint", "no.py"], "thaw: PATH: no.py does not exist (name a file, a folder or a .zip package)\n"),
        (["lint", "."], "thaw: PATH: . holds no Python file of yours (name another, or add --all)\n"),
        (["lint", ".", "--select", "X"], "thaw: --select: no rule is called 'X' (there are TH001, "),
        (["lint", "--explain", "TH999"], "thaw: --explain: no rule is called 'TH999' (there are TH001, "),
    ],
)
def test_what_cannot_be_done_is_exit_code_2_and_one_line(thaw, arguments: list[str], message: str) -> None:
    code, out, err = thaw(*arguments)
    assert (code, out) == (2, "")
    assert err.startswith(message)
    assert err.count("\n") == 1


def test_an_unknown_option_is_exit_code_2(thaw) -> None:
    assert thaw("lint", "--nonsense")[0] == 2


def test_a_rule_is_explained(thaw) -> None:
    code, out, _ = thaw("lint", "--explain", "th303")
    assert code == 0
    assert out.startswith("TH303 Credentials read from the environment (error)\n")
    assert '        return os.environ["AWS_ACCESS_KEY_ID"]\n' in out
    assert out.endswith("# thaw: ignore[TH303]\n")
