"""What differs from call to call is asked for in each call."""
import datetime
import logging
import os
import random
import secrets
import socket
import time
from datetime import datetime as dt, timedelta, timezone

import numpy as np

logger = logging.getLogger()
logger.setLevel(os.environ.get("LOG_LEVEL", "INFO"))
logging.basicConfig(format="%(asctime)s %(message)s")
UTC = timezone.utc
EPOCH = datetime.datetime(1970, 1, 1, tzinfo=UTC)
EXPIRY = timedelta(hours=1)
GREETINGS = ["hello", "hi", "good day"]
system_random = random.SystemRandom()


def handler(event, context):
    started = time.time()
    token = secrets.token_urlsafe()
    sample = np.random.default_rng().normal(size=3)
    greeting = random.choice(GREETINGS) + np.random.choice(GREETINGS)
    return {
        "token": token,
        "greeting": greeting,
        "sample": list(sample),
        "host": socket.gethostname(),
        "pid": os.getpid(),
        "expires": (dt.now(UTC) + EXPIRY).isoformat(),
        "took": time.time() - started,
    }
