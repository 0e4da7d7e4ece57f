"""How long the import took, which is a duration; and lines about when it was."""
import logging
import time
from datetime import datetime

_began = time.perf_counter()
logger = logging.getLogger(__name__)

import pandas as pd  # noqa: E402

MODEL = pd.DataFrame({"a": [1, 2, 3]})
INIT_SECONDS = time.perf_counter() - _began
print(f"loaded at {datetime.now()}")
logger.info("init took %s s, ended at %s", INIT_SECONDS, time.time())


def handler(event, context):
    return {"initSeconds": INIT_SECONDS, "sum": int(MODEL["a"].sum())}
