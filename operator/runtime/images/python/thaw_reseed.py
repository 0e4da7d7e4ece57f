"""Gives every clone of a snapshot randomness of its own.

The kernel's generator is fresh after a restore by itself; generators in user space continue where the snapshot was
taken, the same in every clone. Python imports this at start (``thaw_reseed.pth``), only in a function that is going to
be snapshotted, and before the function's own code: its hook is therefore the first to run after a restore.
"""

import os
import sys


def register():
    """Has ``reseed`` run after every restore, before the function's own hooks."""
    from snapshot_restore_py import register_after_restore  # noqa: PLC0415  # only where it is needed

    register_after_restore(reseed)


def reseed():
    """Seeds anew what is loaded; what the function never imported costs nothing."""
    loaded = sys.modules.get
    if random := loaded("random"):
        random.seed(os.urandom(64))
    if numpy_random := loaded("numpy.random"):
        numpy_random.seed([int.from_bytes(os.urandom(4), "big") for _ in range(32)])
    if ssl := loaded("_ssl"):
        ssl.RAND_add(os.urandom(64), 64.0)
    if tempfile := loaded("tempfile"):
        tempfile._name_sequence = None
