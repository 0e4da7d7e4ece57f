import time

from .ids import fresh

STARTED = time.time()  # expect: TH201
LOADED = time.time()
MODE = "fast"


def make_id():
    return fresh()
