import random
import uuid as ids
from uuid import uuid4 as new_id, uuid1

import numpy as np
import sentry_sdk
from numpy import random as npr

INSTANCE_ID = ids.uuid4()  # expect: TH101
SHORT = f"{new_id().hex[:8]}-x"  # expect: TH101
NODE, OTHER = str(uuid1()), "fixed"  # expect: TH101
HOSTS = ["a", "b", "c"]
HOST = random.choice(HOSTS)  # expect: TH101
JITTER = random.uniform(0, 1) if HOSTS else 0  # expect: TH101
NOISE = np.random.rand(3)  # expect: TH101
ORDER = npr.permutation(3)  # expect: TH101
random.shuffle(HOSTS)  # expect: TH101
WORKERS = [{"id": new_id()} for _ in range(3)]  # expect: TH101
BY_NAME = {name: ids.uuid4() for name in HOSTS}  # expect: TH101
CACHE = {}
CACHE["id"] = new_id()  # expect: TH101
CACHE.setdefault("other", new_id())  # expect: TH101
sentry_sdk.set_tag("instance", new_id())  # expect: TH101
SEEN = []
SEEN.append(new_id())  # expect: TH101
SAMPLED = random.random() < 0.1  # expect: TH101
DRAWN = random.Random(3).random()  # expect: TH101
if (walrus := new_id()) and SAMPLED:  # expect: TH101
    pass
try:
    from settings import FALLBACK
except ImportError:
    FALLBACK = new_id()  # expect: TH101
MULTILINE = "-".join(
    [
        "a",
        str(
            new_id()  # expect: TH101
        ),
    ]
)


def handler(event, context, request_id=new_id()):  # expect: TH101
    return request_id


class Service:
    id = new_id()  # expect: TH101

    def call(self, nonce=new_id()):  # expect: TH101
        return nonce


handler.id = new_id()  # expect: TH101
