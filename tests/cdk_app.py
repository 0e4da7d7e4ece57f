"""Synthesises ``tests/data/iac/cdk`` with the real CDK, which npm brings; neither AWS nor an account is needed."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import tempfile
from pathlib import Path

import pytest

APP = Path(__file__).parent / "data" / "iac" / "cdk"
CACHE = Path(os.environ.get("THAW_CACHE") or Path.home() / ".cache" / "thaw") / "npm"


def synthesised(folder: Path) -> Path:
    """The stack's template, in ``folder`` with what CDK puts beside it."""
    for program in ("node", "npm"):
        if shutil.which(program) is None:
            (pytest.fail if os.environ.get("CI") else pytest.skip)(f"no {program} in PATH: install Node")
    environment = os.environ | {"NODE_PATH": str(_packages() / "node_modules"), "CDK_OUTDIR": str(folder)}
    done = subprocess.run(
        ["node", str(APP / "app.js")], env=environment, check=False, capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stderr
    return folder / "Stack.template.json"


def _packages() -> Path:
    """What the lock file names, installed once on this machine."""
    lock = (APP / "package-lock.json").read_bytes()
    folder = CACHE / f"cdk-{hashlib.sha256(lock).hexdigest()[:12]}"
    if folder.exists():
        return folder
    CACHE.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=CACHE) as made:
        for name in ("package.json", "package-lock.json"):
            shutil.copy(APP / name, made)
        command = ["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--prefix", made]
        done = subprocess.run(command, check=False, capture_output=True, text=True, timeout=300)
        assert done.returncode == 0, done.stderr
        try:
            Path(made).rename(folder)
        except OSError:  # another run was faster
            assert folder.exists()
        Path(made).mkdir(exist_ok=True)  # for the one who removes it
    return folder
