"""Draws from every generator in its initialisation, so that their state is in the snapshot, and again at each event."""

import os
import random
import secrets
import ssl
import sys
import tempfile
import time
import uuid

from snapshot_restore_py import register_after_restore, register_before_snapshot

try:
    import numpy
except ImportError:
    numpy = None

calls = []


def hook(name, register):
    def called():
        calls.append(name)
        if os.environ.get("FAIL") == name:
            raise RuntimeError(f"{name}: no database today")

    register(called)


for number in "12":
    hook(f"before-{number}", register_before_snapshot)
    hook(f"after-{number}", register_after_restore)


def draw():
    drawn = {
        "os.urandom": os.urandom(16).hex(),
        "random": random.random(),
        "secrets": secrets.token_hex(16),
        "ssl.RAND_bytes": ssl.RAND_bytes(16).hex(),
        "tempfile": next(tempfile._get_candidate_names()),
        "uuid.uuid4": uuid.uuid4().hex,
    }
    if numpy:
        drawn["numpy.random"] = numpy.random.random()
    return drawn


DRAWN = draw()


def handler(event, context):
    time.sleep(event.get("sleep", 0))
    return {"calls": calls, "drawnAtInit": DRAWN, "drawn": draw(), "version": sys.version.split()[0]}
