from __future__ import annotations

import os
from pathlib import Path

import pytest

from thaw.store.objects import Bucket


@pytest.fixture(params=["file", "memory"])
def bucket(request, tmp_path: Path) -> Bucket:
    """Both kinds that can be had here; they differ in what they say of missing objects."""
    return Bucket.open(f"file://{tmp_path}/store" if request.param == "file" else "memory:///")


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A snapshot's files: more than one chunk, less than one, none; zeros; a file that is run."""
    root = tmp_path / "tree"
    (root / "checkpoint").mkdir(parents=True, mode=0o700)
    write(root / "checkpoint/pages-1.img", os.urandom((2 << 20) + 17))
    write(root / "checkpoint/zeros.img", bytes(3 << 20))
    write(root / "checkpoint/empty.img", b"")
    write(root / "config.dump", b"{}")
    write(root / "thaw-init", b"binary", 0o755)
    return root


def write(path: Path, data: bytes, mode: int = 0o600) -> None:
    path.write_bytes(data)
    path.chmod(mode)
