"""``thaw invoke``: one invocation; its result on stdout, and how it came about on stderr."""

from __future__ import annotations

import base64
import json
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from thaw.cli import functions, gateway, options, output
from thaw.cli.credentials import Asked
from thaw.cli.functions import Qualified
from thaw.cli.gateway import Answer
from thaw.cli.output import Output
from thaw.cli.session import Session, Where, run
from thaw.errors import CommandError, UserError

_LONGEST = 960.0
"""Seconds: a function's greatest timeout, and time to start an instance."""
_STDIN = "-"


@dataclass(frozen=True)
class Invocation:
    """What is asked."""

    target: Qualified
    payload: bytes
    event: bool = False
    tail: bool = True


@dataclass(frozen=True)
class Outcome:
    """What came of it."""

    status: int
    payload: bytes
    version: str
    start: str
    restore_ms: float
    total_ms: float
    function_error: str = ""
    fallback: str = ""
    log: str = ""

    def to_json(self) -> dict[str, Any]:
        """For programs. ``payload`` is the result itself where it is JSON, else its text."""
        return {
            "statusCode": self.status,
            "executedVersion": self.version or None,
            "start": self.start,
            "restoreMs": self.restore_ms,
            "totalMs": round(self.total_ms, 1),
            "functionError": self.function_error or None,
            "fallback": self.fallback or None,
            "log": self.log or None,
            "payload": _parsed(self.payload),
        }


def command(
    function: options.QualifiedFunction,
    stdin: Annotated[
        Literal["-"] | None, typer.Argument(metavar="[-]", help="Read the payload from stdin.", show_default=False)
    ] = None,
    *,
    payload: Annotated[
        str | None, typer.Option("--payload", "-p", metavar="JSON", help="The event.", show_default=False)
    ] = None,
    payload_file: Annotated[
        Path | None, typer.Option(metavar="FILE", help="The event's file; - is stdin.", show_default=False)
    ] = None,
    event: Annotated[bool, typer.Option("--event", help="Do not wait for the result: InvocationType Event.")] = False,
    log: Annotated[bool, typer.Option(help="Show the last 4 KB of the function's log.")] = True,
    output_format: options.OutputFormat = Output.TABLE,
    namespace: options.Namespace = "",
    context: options.Context = "",
    kubeconfig: options.Kubeconfig = "",
    endpoint: options.Endpoint = "",
    token: options.Token = "",
    as_service_account: options.ServiceAccount = "",
    system_namespace: options.SystemNamespace = options.SYSTEM_NAMESPACE,
) -> None:
    """Invokes a function, a version or an alias of it, and prints the result.

    How it started, how long that took and the log go to stderr. Exit code 1 when the function failed.
    """
    body = _payload(payload, payload_file, stdin)
    invocation = Invocation(functions.parse(function), body, event, log and not event)
    asked = Asked(endpoint, token, as_service_account, system_namespace)
    outcome = run(Where(namespace, context, kubeconfig), lambda session: invoke(session, asked, invocation))
    if output_format is Output.JSON:
        output.write_json(outcome.to_json())
    else:
        _write(outcome)
    if outcome.function_error:
        raise CommandError(failure(outcome), "its log says more" if outcome.log else "")


async def invoke(session: Session, asked: Asked, invocation: Invocation) -> Outcome:
    """Invokes once.

    :raises InvokeError: the gateway refused.
    :raises CommandError: it could not be reached.
    """
    headers = {"X-Amz-Invocation-Type": "Event" if invocation.event else "RequestResponse"}
    if invocation.tail:
        headers["X-Amz-Log-Type"] = "Tail"
    target = invocation.target
    query = {"Qualifier": target.qualifier} if target.qualifier else None
    path = f"/2015-03-31/functions/{target.function}/invocations"
    async with gateway.opened(session, asked) as (chosen,):
        began = time.perf_counter()
        answer = await chosen.call(
            "POST", path, query=query, body=invocation.payload, headers=headers, timeout=_LONGEST
        )
        return outcome_of(answer, (time.perf_counter() - began) * 1000)


def outcome_of(answer: Answer, total_ms: float) -> Outcome:
    """Reads the answer's headers."""
    headers = answer.headers
    log = base64.b64decode(headers.get("X-Amz-Log-Result", ""))
    return Outcome(
        status=answer.status,
        payload=answer.body,
        version=headers.get("X-Amz-Executed-Version", ""),
        start=headers.get("X-Thaw-Start", "none"),
        restore_ms=float(headers.get("X-Thaw-Restore-Ms") or 0),
        total_ms=total_ms,
        function_error=headers.get("X-Amz-Function-Error", ""),
        fallback=headers.get("X-Thaw-Fallback", ""),
        log=log.decode(errors="replace"),
    )


def summary(outcome: Outcome) -> str:
    """One line: which version, how it started, how long it took."""
    if outcome.status == 202:
        return "accepted: it runs later"
    start = outcome.start
    if outcome.restore_ms:
        start += f" in {output.milliseconds(outcome.restore_ms)}"
    total = f"{output.milliseconds(outcome.total_ms)} in all"
    told = f"version {outcome.version}: {start}, {total}"
    return f"{told}; cold because {outcome.fallback}" if outcome.fallback else told


def failure(outcome: Outcome) -> str:
    """The function's error, in its own words."""
    said = _parsed(outcome.payload)
    if isinstance(said, dict) and "errorMessage" in said:
        return f"the function failed: {said.get('errorType') or outcome.function_error}: {said['errorMessage']}"
    return f"the function failed: {outcome.function_error}"


def _write(outcome: Outcome) -> None:
    if outcome.log:
        typer.secho(output.lines(outcome.log), dim=True, err=True)
    typer.echo(summary(outcome), err=True)
    sys.stdout.buffer.write(outcome.payload)
    if outcome.payload and not outcome.payload.endswith(b"\n"):
        sys.stdout.buffer.write(b"\n")
    sys.stdout.buffer.flush()


def _payload(text: str | None, file: Path | None, stdin: str | None) -> bytes:
    if sum(given is not None for given in (text, file, stdin)) > 1:
        raise UserError("--payload", "the payload is given twice", "give one of --payload, --payload-file and -")
    if text is not None:
        return text.encode()
    if stdin is not None or str(file) == _STDIN:
        return sys.stdin.buffer.read()
    if file is None:
        return b""
    try:
        return file.read_bytes()
    except OSError as e:
        raise UserError("--payload-file", f"{file} cannot be read: {e.strerror}", "name a file with the event") from e


def _parsed(payload: bytes) -> Any:
    try:
        return json.loads(payload) if payload else None
    except ValueError:
        return payload.decode(errors="replace")
