import os

GREETING = os.environ["GREETING"]


def handler(event, context):
    return f"{GREETING} {event['name']}"
