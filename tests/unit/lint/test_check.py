"""What is said about a finding, what silences it, and files that are strange."""

from __future__ import annotations

from textwrap import dedent

import pytest

from thaw.lint.check import lint
from thaw.lint.findings import Finding


def findings(source: str | bytes, **others: str) -> tuple[Finding, ...]:
    content = source if isinstance(source, bytes) else dedent(source).encode()
    return lint({"app.py": content, **{f"{n}.py": dedent(o).encode() for n, o in others.items()}}).findings


def places(source: str | bytes, **others: str) -> list[tuple[str, int, str]]:
    return [(f.path, f.line, f.code) for f in findings(source, **others)]


def test_a_finding_says_what_where_and_by_which_way() -> None:
    (found,) = findings("""\
        import uuid
        def inner(): return uuid.uuid4()
        def make():
            return inner()
        ID = make()
    """)
    assert (found.line, found.column, found.end_line) == (2, 21, 2)
    assert (found.call, found.kept, found.via) == ("uuid.uuid4()", "ID", ("app.py:5", "app.py:4"))
    said = "uuid.uuid4(), kept in ID, gives every instance restored from the snapshot the same value"
    assert found.message == said


def test_what_keeps_a_value_is_named() -> None:
    found = findings("""\
        import uuid
        import sentry_sdk
        class Config:
            id = uuid.uuid4()
        def f(x=uuid.uuid4()): return x
        sentry_sdk.set_tag("id", uuid.uuid4())
    """)
    assert [f.kept for f in found] == ["Config.id", "f(x=…)", "sentry_sdk.set_tag(…)"]


def test_only_the_codes_that_are_asked_for_are_reported() -> None:
    source = b"import uuid, os\nA = uuid.uuid4()\nB = os.urandom(8)\n"
    assert [f.code for f in lint({"a.py": source}, frozenset({"TH102"})).findings] == ["TH102"]
    assert lint({"a.py": b"def"}, frozenset({"TH102"})).findings == ()


@pytest.mark.parametrize(
    ("comment", "silenced"),
    [
        ("# thaw: ignore[TH101]", True),
        ("# thaw: ignore[TH201, TH101]", True),
        ("# thaw: ignore", True),
        ("# noqa  # THAW:ignore[th101] it is a constant", True),
        ("# thaw: ignore[TH201]", False),
        ("# thaw: ignore[]", False),
        ("# ignore[TH101]", False),
    ],
)
def test_a_comment_silences_what_it_names(comment: str, silenced: bool) -> None:
    assert (places(f"import uuid\nA = uuid.uuid4()  {comment}\n") == []) is silenced


def test_a_comment_silences_its_own_expression_only() -> None:
    assert places("""\
        import uuid
        A = uuid.uuid4(
        )  # thaw: ignore[TH101]
        B = "# thaw: ignore[TH101]", uuid.uuid4()
        # thaw: ignore[TH101]
        C = uuid.uuid4()
    """) == [("app.py", 4, "TH101"), ("app.py", 6, "TH101")]


def test_a_syntax_error_is_told_with_its_place_and_other_files_are_checked() -> None:
    (broken, found) = findings("x = 1\ny = (\n", other="import uuid\nA = uuid.uuid4()\n")
    assert (broken.path, broken.line, broken.column, broken.code) == ("app.py", 2, 5, "TH001")
    assert broken.message == "'(' was never closed (Python stops reading here)"
    assert found.path == "other.py"


@pytest.mark.parametrize("content", [b"x = 1\x00", b"x = '\xff'\n", b"# coding: klingon\n", b"(" * 5000 + b")" * 5000])
def test_what_is_no_python_text_is_a_syntax_error(content: bytes) -> None:
    assert places(content) == [("app.py", 1, "TH001")]


def test_other_encodings_and_line_ends_are_read_as_python_reads_them() -> None:
    assert places(b"# coding: latin-1\r\nimport uuid\r\nN = '\xe9', uuid.uuid4()\r\n") == [("app.py", 3, "TH101")]
    assert places(b"\xef\xbb\xbfimport uuid\nN = uuid.uuid4()\n") == [("app.py", 2, "TH101")]


def test_imports_in_a_circle_end() -> None:
    assert places(
        "import other\ndef make(): return other.fresh()\nID = make()\n",
        other="import app, uuid\ndef fresh(): return uuid.uuid4()\n",
    ) == [("other.py", 2, "TH101")]


def test_a_class_that_has_itself_as_an_attribute_ends() -> None:
    assert places("import uuid\nclass A:\n    id = uuid.uuid4()\nA.me = A\n") == [("app.py", 3, "TH101")]


def test_recursion_and_helpers_that_multiply_end() -> None:
    helpers = "\n".join(f"def f{n}(): f{n + 1}(); f{n + 1}(); return f{n + 1}()" for n in range(18))
    assert places(f"{helpers}\ndef f18(): return f18()\nX = f0()\nimport uuid\nY = uuid.uuid4()\n")[-1][2] == "TH101"


def test_a_very_long_sum_is_passed_over() -> None:
    long = " + ".join(["'a'"] * 2000)
    assert places(f"import uuid\nX = {long}\nY = uuid.uuid4()\n") == [("app.py", 3, "TH101")]


def test_a_name_that_is_overwritten_or_deleted_keeps_nothing() -> None:
    assert places("import uuid\nA = uuid.uuid4()\nA = 1\nB = uuid.uuid4()\ndel B\n") == []


def test_a_name_that_one_branch_sets_keeps_it() -> None:
    assert places("""\
        import os, uuid
        if os.environ.get("DEBUG"):
            A = uuid.uuid4()
        else:
            A = None
    """) == [("app.py", 3, "TH101")]


def test_a_time_that_only_another_file_reads_is_found() -> None:
    source = "import time\nSTARTED = time.time()\n"
    assert places(source) == []
    assert places(source, other="from app import STARTED\n") == [("app.py", 2, "TH201")]


def test_a_file_named_like_a_library_in_the_same_folder_is_the_one_that_is_meant() -> None:
    assert places("import secrets\nA = secrets.token_hex()\n", secrets="def token_hex(): return 1\n") == []


def test_a_package_without_init_is_followed() -> None:
    files = {
        "lib/ids.py": b"import uuid\ndef new(): return uuid.uuid4()\n",
        "app.py": b"import lib.ids\nA = lib.ids.new()\n",
    }
    assert [(f.path, f.line) for f in lint(files).findings] == [("lib/ids.py", 2)]


def test_a_hook_that_runs_before_the_snapshot_is_a_part_of_it_and_one_after_the_restore_is_not() -> None:
    hooks = """\
        import uuid
        from snapshot_restore_py import {}
        ID = None
        def make():
            global ID
            ID = uuid.uuid4()
        {}(make)
    """
    assert places(hooks.format("register_before_snapshot", "register_before_snapshot")) == [("app.py", 6, "TH101")]
    assert places(hooks.format("register_after_restore", "register_after_restore")) == []


def test_a_connection_that_only_the_restore_replaces_was_in_the_snapshot() -> None:
    source = """\
        import psycopg2
        from snapshot_restore_py import register_after_restore, register_before_snapshot
        conn = psycopg2.connect("")
        @register_after_restore
        def again():
            global conn
            conn = psycopg2.connect("")
    """
    assert places(source) == [("app.py", 3, "TH401")]
    assert places(dedent(source) + "register_before_snapshot(conn.close)\n") == []


def test_a_loop_may_not_have_run() -> None:
    assert places("import uuid\nA = uuid.uuid4()\nfor x in []:\n    A = 1\n") == [("app.py", 2, "TH101")]


def test_a_shared_generator_that_a_hook_seeds_again_is_fine() -> None:
    source = "import random\nfrom snapshot_restore_py import register_after_restore\nrandom.seed(1)\n"
    assert places(source) == [("app.py", 3, "TH103")]
    assert places(source + "register_after_restore(lambda: random.seed(1))\n") == []


def test_absolute_imports_are_looked_for_from_the_importers_folder_upwards() -> None:
    ids = b"import uuid\ndef new(): return uuid.uuid4()\n"
    files = {"src/orders/app.py": b"from common.ids import new\nA = new()\n", "src/common/ids.py": ids}
    assert [(f.path, f.kept) for f in lint(files).findings] == [("src/common/ids.py", "A")]
