"""A function that tells who it is, and ends in every way a function can."""

import os
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

SCRATCH = Path("/tmp/written-at-init")
SCRATCH.write_text("kept")
MONOTONIC, WALL = time.monotonic(), time.time()
HOST = socket.gethostname()
fired = []


def later():
    time.sleep(1)
    fired.append(time.monotonic() - MONOTONIC)


threading.Thread(target=later, daemon=True).start()
held = None
if peer := os.environ.get("PEER"):
    address, port = peer.split(":")
    held = socket.create_connection((address, int(port)), 5)


def tell():
    return {
        "host": socket.gethostname(),
        "etc": Path("/etc/hostname").read_text().strip(),
        "initHost": HOST,
        "monotonic": [MONOTONIC, time.monotonic()],
        "wall": [WALL, time.time()],
        "fired": fired,
        "scratch": SCRATCH.read_text(),
        "oom": [Path(f"/proc/{p}/oom_score_adj").read_text().strip() for p in ("1", "self")],
    }


def talk():
    """What the connection of the initialisation does, how long that takes, and whether a new one is to be had."""
    began, said = time.monotonic(), []
    for use in (lambda: held.recv(1), lambda: held.send(b"x")):
        try:
            said.append(repr(use()))
        except OSError as e:
            said.append(type(e).__name__)
    took = time.monotonic() - began
    address, port = os.environ["PEER"].split(":")
    socket.create_connection((address, int(port)), 5).close()
    return {"said": said, "took": took}


def handler(event, context):
    print("begun")
    match event.get("do"):
        case "tell":
            return tell()
        case "talk":
            return talk()
        case "exit":
            sys.stdout.flush()
            os._exit(event["status"])
        case "allocate":
            hoard = [os.urandom(1 << 20) for _ in range(event["mb"])]
            return len(hoard)
        case "hang":
            signal.signal(signal.SIGTERM, signal.SIG_IGN)
            subprocess.Popen(["sleep", "600"], start_new_session=True)
            time.sleep(600)
        case "fill":
            with Path("/tmp/filled").open("wb") as f:
                for _ in range(event["mb"]):
                    f.write(bytes(1 << 20))
            os.sync()
            time.sleep(event["sleep"])
            return "written"
        case "print":
            print("x" * 5000)
    return "done"
