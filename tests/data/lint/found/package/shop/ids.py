import uuid


def fresh():
    return uuid.uuid4()  # expect: TH101
