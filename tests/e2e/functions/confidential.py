import json
import os
import pathlib
import time
import urllib.error
import urllib.request

from snapshot_restore_py import register_after_restore

# What the search of a snapshot must find: written nowhere like this, neither in this file nor in the environment.
SEED = os.environ["SEED"][::-1]
IN_MEMORY = "in-memory-" + SEED
pathlib.Path("/tmp/planted").write_text("in-a-file-" + SEED)


def look():
    """What an SDK and a reader of files find now."""
    headers = {"Authorization": os.environ["AWS_CONTAINER_AUTHORIZATION_TOKEN"]}
    asked = urllib.request.Request(os.environ["AWS_CONTAINER_CREDENTIALS_FULL_URI"], headers=headers)
    try:
        with urllib.request.urlopen(asked, timeout=20) as answer:
            credentials = json.load(answer)
    except urllib.error.HTTPError as e:
        credentials = json.load(e)
    file = pathlib.Path("/etc/secrets/db/password")
    return {"credentials": credentials, "password": file.read_text() if file.exists() else None}


seen = {"init": look()}


@register_after_restore
def after():
    seen["hook"] = look()


def handler(event, context):
    time.sleep(event.get("sleep", 0))
    keys = [name for name in os.environ if name.startswith("AWS_") and ("KEY" in name or "SESSION" in name)]
    pod = pathlib.Path("/etc/hostname").read_text().strip()
    return seen | {"handler": look(), "keys": keys, "pod": pod}
