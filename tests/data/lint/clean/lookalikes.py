"""Names that only look like it."""
from shop.random import choice
from shop.uuid import uuid4

import hashlib
import tempfile
from time import gmtime, strftime


class uuid:
    @staticmethod
    def uuid1():
        return 1


class time:
    @staticmethod
    def time():
        return 0


def random():
    return 4


A = uuid.uuid1()
B = time.time()
C = random()
D = choice([1, 2])
E = uuid4()
WORK = tempfile.mkdtemp()
HASH = hashlib.sha256(b"fixed").hexdigest()


def handler(event, context):
    return [A, B, C, D, E, WORK, HASH]
EPOCH = gmtime(0)
RELEASED = strftime("%Y", EPOCH)


def read():
    return EPOCH, RELEASED
