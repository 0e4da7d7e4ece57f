import datetime
import os
import platform
import socket
import tempfile
import time
from datetime import date, datetime as dt

HOST = socket.gethostname()  # expect: TH104
NODE = platform.node().lower()  # expect: TH104
POD = os.environ["HOSTNAME"]  # expect: TH104
SAME_POD = os.getenv("HOSTNAME", "?")  # expect: TH104
SHARED = tempfile.mkdtemp(dir="/mnt/shared")  # expect: TH105
STARTED = time.time()  # expect: TH201
BEGAN = time.monotonic()  # expect: TH201
EXPIRES = dt.utcnow() + datetime.timedelta(hours=1)  # expect: TH201
TODAY = date.today().isoformat()  # expect: TH201
YEAR = time.strftime("%Y")  # expect: TH201
UNREAD = time.time()


class Report:
    year = datetime.datetime.now().year  # expect: TH201


def since(day=date.today()):  # expect: TH201
    return day


def handler(event, context):
    return [HOST, YEAR, STARTED, time.monotonic() - BEGAN, EXPIRES, TODAY]
