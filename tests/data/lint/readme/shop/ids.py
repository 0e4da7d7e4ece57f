import uuid


def new_id():
    return uuid.uuid4().hex
