"""Where a snapshot may be restored."""

from __future__ import annotations

import pytest

from thaw.api.v1alpha1 import Fingerprint
from thaw.decide import fingerprint

HERE = Fingerprint(arch="x86_64", cpu="abc", kernel="6.12.3-x", criu="4.2.1", runc="1.3.6")


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({}, ""),
        ({"runc": "1.2.0"}, ""),
        ({"kernel": "6.1.0"}, ""),
        ({"kernel": "6.12.99"}, ""),
        ({"criu": "4.2"}, ""),
        ({"arch": "aarch64"}, "aarch64"),
        ({"cpu": "xyz"}, "another processor"),
        ({"kernel": "6.13.0"}, "older"),
        ({"criu": "4.3"}, "older"),
    ],
)
def test_what_fits(changes: dict[str, str], says: str) -> None:
    why = fingerprint.unfit(HERE.model_copy(update=changes), HERE)
    assert bool(why) == bool(says)
    assert says in why
