import os
import random
import time
import uuid

from snapshot_restore_py import register_after_restore, register_before_snapshot

calls = []


@register_before_snapshot
def first():
    calls.append("before-1")


@register_before_snapshot
def second():
    calls.append("before-2")


@register_after_restore
def third():
    calls.append("after-1")


@register_after_restore
def fourth():
    calls.append("after-2")


ballast = os.urandom(1 << 20) * int(os.environ.get("INIT_MB", "0"))
time.sleep(float(os.environ.get("INIT_SLEEP", "1")))
INIT = uuid.uuid4().hex


def handler(event, context):
    time.sleep(event.get("sleep", 0))
    return {
        "event": event,
        "init": INIT,
        "calls": calls,
        "urandom": os.urandom(8).hex(),
        "random": random.random(),
        "uuid": uuid.uuid4().hex,
        "pod": os.environ.get("HOSTNAME", ""),
        "version": context.function_version,
        "type": os.environ.get("AWS_LAMBDA_INITIALIZATION_TYPE"),
    }
