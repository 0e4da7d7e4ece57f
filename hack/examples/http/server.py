"""A plain HTTP service that takes its time to start, with nothing of Thaw inside.

INIT_MB megabytes are filled and INIT_SLEEP seconds pass before it listens on port 8080, as an application would load a
model or warm a cache. POST /hooks/before-snapshot and /hooks/after-restore are its hooks, if the function names them
(http.beforeSnapshotPath, http.afterRestorePath); FAILS names one that answers 500, and HANGS one that never answers.
"""

import json
import os
import time
import uuid
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

started = time.monotonic()
heap = [os.urandom(1024) * 1024 for _ in range(int(os.environ.get("INIT_MB", "60")))]
time.sleep(float(os.environ.get("INIT_SLEEP", "2")))
INIT = uuid.uuid4().hex
INIT_SECONDS = round(time.monotonic() - started, 3)
count = 0
hooks: list[str] = []


class Handler(BaseHTTPRequestHandler):
    """Answers every request with what was initialised once, what is new each time, and how often it was asked."""

    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        """A hook, or else a request like any other."""
        if not self.path.startswith("/hooks/"):
            self.do_GET()
            return
        hooks.append(self.path.removeprefix("/hooks/"))
        if self.path == os.environ.get("HANGS"):
            time.sleep(3600)
        failed = self.path == os.environ.get("FAILS")
        self.respond(b"no database today\n" if failed else b"{}\n", 500 if failed else 200)

    def do_GET(self) -> None:
        """Answers; a request body is read and its length told."""
        global count
        count += 1
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        answer = {
            "init": INIT,
            "init_seconds": INIT_SECONDS,
            "random": os.urandom(8).hex(),
            "count": count,
            "hooks": hooks,
            "method": self.command,
            "path": self.path,
            "received": len(body),
        }
        self.respond(json.dumps(answer).encode() + b"\n")

    do_PUT = do_DELETE = do_GET

    def respond(self, content: bytes, status: int = 200) -> None:
        """Sends one answer."""
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_: object) -> None:
        """One line for each request, at once."""
        print(self.command, self.path, flush=True)


print(f"listening after {INIT_SECONDS} s", flush=True)
ThreadingHTTPServer(("0.0.0.0", 8080), Handler).serve_forever()
