"""Initialises well until a moment, and never after it: for recycles that fail."""

import os
import time
import uuid

if time.time() > float(os.environ["FAILS_AFTER"]):
    raise RuntimeError("the database moved")
INIT = uuid.uuid4().hex


def handler(event, context):
    return {"init": INIT}
