import uuid

from shop.ids import new_id

WORKER = new_id()


def handler(event, context):
    return {"worker": WORKER, "order": str(uuid.uuid4())}
