"""The Python images's reseeding: clones of one snapshot must not draw the same numbers."""

import os
import random
import subprocess
import sys
import types
from pathlib import Path

import pytest

IMAGE = Path(__file__).parents[3] / "operator" / "runtime" / "images" / "python"


@pytest.fixture
def reseed(monkeypatch):
    """The module, as the image imports it."""
    monkeypatch.syspath_prepend(str(IMAGE))
    monkeypatch.delitem(sys.modules, "thaw_reseed", raising=False)
    import thaw_reseed

    return thaw_reseed.reseed


def at_python_start(tmp_path, code, **environment):
    """Runs code in a Python whose site-packages hold what the image's do."""
    for file in ("thaw_reseed.py", "thaw_reseed.pth"):
        (tmp_path / file).write_text((IMAGE / file).read_text())
    site = f"import site; site.addsitedir({str(tmp_path)!r}); "
    done = subprocess.run(
        [sys.executable, "-c", site + code], env=environment, capture_output=True, text=True, check=True
    )
    return done.stdout.strip()


def test_clones_of_one_state_draw_different_numbers(reseed):
    state = random.getstate()
    draws = set()
    for _ in range(3):
        random.setstate(state)
        reseed()
        draws.add(random.random())
    assert len(draws) == 3


def test_numpys_legacy_generator_is_seeded_when_loaded(reseed, monkeypatch):
    seeds = []
    monkeypatch.setitem(sys.modules, "numpy.random", types.SimpleNamespace(seed=seeds.append))
    reseed()
    reseed()
    assert len(seeds[0]) == 32
    assert all(0 <= word < 2**32 for word in seeds[0])
    assert seeds[0] != seeds[1]


def test_openssl_is_given_fresh_bytes_when_loaded(reseed, monkeypatch):
    added = []
    monkeypatch.setitem(sys.modules, "_ssl", types.SimpleNamespace(RAND_add=lambda *given: added.append(given)))
    reseed()
    ((fresh, entropy),) = added
    assert (len(fresh), entropy) == (64, 64.0)


def test_names_of_temporary_files_differ(reseed):
    import tempfile

    before = tempfile._get_candidate_names()
    reseed()
    assert tempfile._get_candidate_names() is not before


def test_it_is_the_first_hook_of_a_function_with_snapstart(tmp_path):
    code = (
        "import snapshot_restore_py as s; s.register_after_restore(print); "
        "print([hook.__name__ for hook, _, _ in s.get_after_restore()])"
    )
    said = at_python_start(tmp_path, code, AWS_LAMBDA_INITIALIZATION_TYPE="snap-start")
    assert said == "['reseed', 'print']"


@pytest.mark.parametrize("environment", [{}, {"AWS_LAMBDA_INITIALIZATION_TYPE": "on-demand"}])
def test_other_starts_import_nothing(tmp_path, environment):
    code = "import sys; print(sorted({'thaw_reseed', 'snapshot_restore_py'} & set(sys.modules)))"
    assert at_python_start(tmp_path, code, **environment) == "[]"


def test_nothing_is_imported_by_reseeding(tmp_path):
    code = "import sys, thaw_reseed; before = set(sys.modules); thaw_reseed.reseed(); print(set(sys.modules) - before)"
    assert at_python_start(tmp_path, code, PATH=os.environ["PATH"]) == "set()"
