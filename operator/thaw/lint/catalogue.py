"""The rules themselves.

Sources: AWS Lambda developer guide, "Handling uniqueness with Lambda SnapStart", "Maximize Lambda SnapStart
performance" (networking) and "Lambda SnapStart runtime hooks"; what Thaw adds is in the node contract, ``hack/design``.
"""

from __future__ import annotations

from textwrap import dedent

from thaw.errors import UserError
from thaw.lint.rules import Rule, Severity


def _code(text: str) -> str:
    return dedent(text).lstrip("\n")


RULES: tuple[Rule, ...] = (
    Rule(
        code="TH001",
        title="Syntax error",
        severity=Severity.ERROR,
        says="(Python stops reading here)",
        why="The module cannot be imported, and nothing behind this place was checked.",
        fix="Mend the syntax, or lint with a Python that knows it.",
        bad=_code("""
            def handler(event, context:
                return event
        """),
        good=_code("""
            def handler(event, context):
                return event
        """),
    ),
    Rule(
        code="TH101",
        title="Unique or random value made at import",
        severity=Severity.ERROR,
        says="gives every instance restored from the snapshot the same value",
        why=(
            "Import runs once, before the snapshot; every restore of it has the same value, where each cold start "
            "had its own. Identifiers collide, and a choice made by chance is made once for all."
        ),
        fix="Make it in the handler, or again in a function registered with `register_after_restore`.",
        bad=_code("""
            import uuid

            INSTANCE_ID = uuid.uuid4()


            def handler(event, context):
                return str(INSTANCE_ID)
        """),
        good=_code("""
            import uuid


            def handler(event, context):
                return str(uuid.uuid4())
        """),
    ),
    Rule(
        code="TH102",
        title="Secret or key generated at import",
        severity=Severity.ERROR,
        says="gives every instance restored from the snapshot the same secret",
        why=(
            "The secret is the same in every instance of the version, for as long as the version lives, and is "
            "stored in its snapshot: a nonce repeats, a token of one caller is good for another."
        ),
        fix="Generate it in the handler, or again in a function registered with `register_after_restore`.",
        bad=_code("""
            import secrets

            TOKEN = secrets.token_hex(16)


            def handler(event, context):
                return TOKEN
        """),
        good=_code("""
            import secrets


            def handler(event, context):
                return secrets.token_hex(16)
        """),
    ),
    Rule(
        code="TH103",
        title="Random generator seeded or made at import",
        severity=Severity.ERROR,
        says=(
            "leaves every instance restored from the snapshot with the same generator state, or with a seed that "
            "is lost"
        ),
        why=(
            "A generator of your own (`random.Random`, numpy's `Generator` and `RandomState`) is cloned with its "
            "state: all instances draw the same sequence. The shared ones (`random`, `numpy.random`) are reseeded "
            "by Thaw's runtimes after a restore, so a seed given at import no longer counts by then."
        ),
        fix=(
            "Use `secrets` or `random.SystemRandom()`, make the generator in the handler, or seed it in a "
            "function registered with `register_after_restore`."
        ),
        bad=_code("""
            import random

            rng = random.Random()


            def handler(event, context):
                return rng.random()
        """),
        good=_code("""
            import random

            rng = random.SystemRandom()


            def handler(event, context):
                return rng.random()
        """),
    ),
    Rule(
        code="TH104",
        title="Identity of the instance read at import",
        severity=Severity.ERROR,
        says="is the identity of the instance that was snapshotted, not of the one that was restored",
        why=(
            "Host name, address and hardware are those of the pod in which the version was initialised, which is "
            "gone; every restored instance believes to be that one."
        ),
        fix="Read it in the handler, or again in a function registered with `register_after_restore`.",
        bad=_code("""
            import socket

            HOST = socket.gethostname()


            def handler(event, context):
                return HOST
        """),
        good=_code("""
            import socket


            def handler(event, context):
                return socket.gethostname()
        """),
    ),
    Rule(
        code="TH105",
        title="Temporary file outside the instance, made at import",
        severity=Severity.WARNING,
        says="gives every instance restored from the snapshot the same file",
        why=(
            "The usual folder for such files is each instance's own, one named with `dir=` may be a shared volume: "
            "there all instances write the one file whose name was drawn before the snapshot."
        ),
        fix="Make it in the handler, or leave out `dir`.",
        bad=_code("""
            import tempfile

            WORK = tempfile.mkdtemp(dir="/mnt/shared")
        """),
        good=_code("""
            import tempfile

            WORK = tempfile.mkdtemp()
        """),
    ),
    Rule(
        code="TH201",
        title="Time read at import",
        severity=Severity.WARNING,
        says="is the time of the snapshot in every instance, however much later it is restored",
        why=(
            "The clock goes on while the snapshot lies still: ages, expiries and dates computed from this are "
            "wrong by days. A monotonic clock is another machine's after a restore on another node."
        ),
        fix="Read the clock in the handler, or again in a function registered with `register_after_restore`.",
        bad=_code("""
            import time

            STARTED = time.time()


            def handler(event, context):
                return time.time() - STARTED
        """),
        good=_code("""
            import time


            def handler(event, context):
                started = time.time()
                return time.time() - started
        """),
        only_if_used=True,
    ),
    Rule(
        code="TH202",
        title="Secret or parameter fetched at import",
        severity=Severity.WARNING,
        says=(
            "is fetched once for all instances of the version: a rotated value is never seen, and the value is "
            "stored in the snapshot"
        ),
        why=(
            "A cold start fetched it anew; a restore brings back what was valid when the version was published. "
            "The secret is also at rest in the snapshot."
        ),
        fix=(
            "Fetch it on first use, behind a cache that expires (Powertools' `parameters` with `max_age`), or "
            "again in a function registered with `register_after_restore`."
        ),
        bad=_code("""
            import boto3

            PASSWORD = boto3.client("secretsmanager").get_secret_value(SecretId="db")["SecretString"]


            def handler(event, context):
                return len(PASSWORD)
        """),
        good=_code("""
            import boto3

            secrets = boto3.client("secretsmanager")


            def handler(event, context):
                return len(secrets.get_secret_value(SecretId="db")["SecretString"])
        """),
        only_if_used=True,
    ),
    Rule(
        code="TH203",
        title="Data downloaded at import",
        severity=Severity.WARNING,
        says="is downloaded once for all instances of the version, and is as old as the snapshot",
        why=(
            "What a cold start fetched anew (signing keys, settings, prices) stays as it was when the version was "
            "published."
        ),
        fix=(
            "Fetch it on first use and again when it is old, or in a function registered with "
            "`register_after_restore`. For data that never changes, say so: `# thaw: ignore[TH203]`."
        ),
        bad=_code("""
            import requests

            KEYS = requests.get("https://issuer.example/keys").json()


            def handler(event, context):
                return KEYS
        """),
        good=_code("""
            import requests


            def handler(event, context):
                return requests.get("https://issuer.example/keys").json()
        """),
        only_if_used=True,
    ),
    Rule(
        code="TH301",
        title="Client with fixed credentials",
        severity=Severity.ERROR,
        says="is made with fixed credentials, which expire and are stored in the snapshot",
        why=(
            "Credentials given as arguments are never renewed: temporary ones have expired when the snapshot is "
            "restored, and lasting ones are at rest in it."
        ),
        fix="Leave the arguments out: the SDK finds the function's own credentials, and renews them.",
        bad=_code("""
            import boto3

            s3 = boto3.client("s3", aws_access_key_id="AKIA", aws_secret_access_key="secret")
        """),
        good=_code("""
            import boto3

            s3 = boto3.client("s3")
        """),
    ),
    Rule(
        code="TH302",
        title="Credentials read at import",
        severity=Severity.ERROR,
        says="are credentials that nobody renews; they expire and are stored in the snapshot",
        why="Frozen keys, or those of an assumed role, are valid for hours; a snapshot is restored for weeks.",
        fix=(
            "Ask for them in the handler; for signers, hand over the credentials object itself "
            "(`refreshable_credentials=`)."
        ),
        bad=_code("""
            import boto3

            KEYS = boto3.Session().get_credentials().get_frozen_credentials()
        """),
        good=_code("""
            import boto3

            session = boto3.Session()


            def handler(event, context):
                return sign(event, session.get_credentials().get_frozen_credentials())
        """),
    ),
    Rule(
        code="TH303",
        title="Credentials read from the environment",
        severity=Severity.ERROR,
        says="is not in the environment of a function with SnapStart",
        why=(
            "With SnapStart on, a function gets its credentials from AWS_CONTAINER_CREDENTIALS_FULL_URI, after "
            "the restore; the access keys are not in its environment, neither at import nor in the handler."
        ),
        fix="Let the SDK find them (`boto3.client(...)`), or ask it: `boto3.Session().get_credentials()`.",
        bad=_code("""
            import os


            def handler(event, context):
                return os.environ["AWS_ACCESS_KEY_ID"]
        """),
        good=_code("""
            import boto3


            def handler(event, context):
                return boto3.Session().get_credentials().access_key
        """),
    ),
    Rule(
        code="TH401",
        title="Connection opened at import",
        severity=Severity.ERROR,
        says="leaves a connection open in the snapshot",
        why=(
            "Its other end has long hung up when the snapshot is restored, and several instances would talk on "
            "one connection. Under Thaw the restore itself fails: the connection has the address of a pod that is "
            "gone."
        ),
        fix=(
            "Connect on first use in the handler; or close it in a function registered with "
            "`register_before_snapshot` and connect in one registered with `register_after_restore`."
        ),
        bad=_code("""
            import psycopg2

            conn = psycopg2.connect("dbname=shop")


            def handler(event, context):
                return conn.status
        """),
        good=_code("""
            import functools

            import psycopg2


            @functools.cache
            def connection():
                return psycopg2.connect("dbname=shop")


            def handler(event, context):
                return connection().status
        """),
    ),
    Rule(
        code="TH402",
        title="Client called at import keeps its connection",
        severity=Severity.WARNING,
        says="leaves a connection open in the client's pool, and so in the snapshot",
        why=(
            "Making a client connects to nothing, calling it does, and its pool keeps the connection for the next "
            "call. On Lambda the SDK connects again; under Thaw the connection has the address of a pod that is "
            "gone, and the restore fails."
        ),
        fix=(
            "Call it on first use in the handler; or call `close()` on the client in a function registered with "
            "`register_before_snapshot`."
        ),
        bad=_code("""
            import boto3

            sqs = boto3.client("sqs")
            QUEUE = sqs.get_queue_url(QueueName="jobs")["QueueUrl"]
        """),
        good=_code("""
            import boto3

            sqs = boto3.client("sqs")
            QUEUE = sqs.get_queue_url(QueueName="jobs")["QueueUrl"]
            sqs.close()
        """),
    ),
    Rule(
        code="TH501",
        title="Thread or process started at import",
        severity=Severity.WARNING,
        says="is started at import and is in the snapshot in the middle of what it does",
        why=(
            "It goes on from there in every instance: its timers have run out, its connections are dead, and what "
            "it meant to do once is done once for each restore."
        ),
        fix=(
            "Start it on first use in the handler or in a function registered with `register_after_restore`, or "
            "wait for its end at import."
        ),
        bad=_code("""
            import threading


            def poll(): ...


            threading.Thread(target=poll, daemon=True).start()
        """),
        good=_code("""
            import threading

            from snapshot_restore_py import register_after_restore


            def poll(): ...


            @register_after_restore
            def start():
                threading.Thread(target=poll, daemon=True).start()
        """),
    ),
)

BY_CODE = {rule.code: rule for rule in RULES}
KNOWN = ", ".join(BY_CODE)


def chosen(select: list[str], ignore: list[str]) -> frozenset[str]:
    """The codes to report: those that begin with one of ``select`` (all, when empty) and with none of ``ignore``.

    :raises UserError: for a word that is the beginning of no code.
    """
    for option, words in (("--select", select), ("--ignore", ignore)):
        for word in words:
            if not any(code.startswith(word) for code in BY_CODE):
                raise UserError(
                    option, f"no rule is called {word!r}", f"there are {KNOWN}; TH1 means all that begin so"
                )
    wanted = {code for code in BY_CODE if not select or code.startswith(tuple(select))}
    return frozenset(code for code in wanted if not code.startswith(tuple(ignore)))


def rule(code: str) -> Rule:
    """:raises UserError: when there is no such rule."""
    if code not in BY_CODE:
        raise UserError("--explain", f"no rule is called {code!r}", f"there are {KNOWN}")
    return BY_CODE[code]
