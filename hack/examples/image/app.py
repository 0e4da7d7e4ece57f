import random
import uuid

from snapshot_restore_py import register_after_restore

INITIALISED = uuid.uuid4().hex  # the same in every instance: it is in the snapshot


@register_after_restore
def reseed():
    """An image of one's own has no reseeding but one's own."""
    random.seed()


def handler(event, _context):
    return {"hello": event.get("name", "world"), "initialised": INITIALISED, "random": random.random()}
