"""Made at import for the first time, and anew after each restore."""
import random
import threading
import time
import uuid

import boto3
import psycopg2
from snapshot_restore_py import register_after_restore, register_before_snapshot

INSTANCE_ID = uuid.uuid4()
STATE = {"started": time.time()}
rng = random.Random(7)
sqs = boto3.client("sqs")
QUEUE = sqs.get_queue_url(QueueName="jobs")["QueueUrl"]
register_before_snapshot(sqs.close)


class Database:
    def __init__(self):
        self.connect()

    def connect(self):
        self.connection = psycopg2.connect("dbname=shop")

    def close(self):
        self.connection.close()


db = Database()
register_before_snapshot(db.close)
register_after_restore(db.connect)


def poll():
    ...


@register_after_restore
def renew():
    global INSTANCE_ID
    INSTANCE_ID = uuid.uuid4()
    STATE["started"] = time.time()
    rng.seed()
    threading.Thread(target=poll, daemon=True).start()


def handler(event, context):
    return [str(INSTANCE_ID), STATE, rng.random(), QUEUE]
