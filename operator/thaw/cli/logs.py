"""``thaw logs``: what the instances of a function wrote."""

from __future__ import annotations

import asyncio
import heapq
import json
import sys
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import dataclass
from typing import Annotated

import typer
from rich.text import Text

from thaw import names
from thaw.cli import functions, options, output
from thaw.cli.functions import Qualified
from thaw.cli.output import Output
from thaw.cli.session import Session, Where, run
from thaw.errors import ClusterError, NotFound, UserError
from thaw.kube.client import Object
from thaw.kube.informer import Informer
from thaw.kube.kinds import POD

_COLOURS = ("cyan", "yellow", "green", "magenta", "blue", "bright_cyan", "bright_yellow", "bright_green")


@dataclass(frozen=True)
class Wanted:
    """Which lines."""

    target: Qualified
    follow: bool = False
    tail: int | None = None
    """Of each instance; None for all."""
    since_seconds: int | None = None
    init: bool = False


@dataclass(frozen=True, order=True)
class Line:
    """A line of an instance's log; in the order of time."""

    time: str
    """RFC 3339."""
    pod: str
    text: str


class Writer:
    """Writes lines; each with its pod's short name, once there is more than one pod."""

    def __init__(self, function: str, output_format: Output) -> None:
        self._function, self._json = function, output_format is Output.JSON
        self._pods: list[str] = []

    def expect(self, pod: str) -> None:
        """Tells of a pod before its lines."""
        if pod not in self._pods:
            self._pods.append(pod)

    def write(self, line: Line) -> None:
        """Writes one."""
        if self._json:
            document = {"time": line.time, "pod": line.pod, "message": line.text}
            sys.stdout.write(json.dumps(document) + "\n")
            sys.stdout.flush()
            return
        prefix = ""
        if len(self._pods) > 1:
            colour = _COLOURS[self._pods.index(line.pod) % len(_COLOURS)]
            prefix = typer.style(short(line.pod, self._function), fg=colour) + " "
        typer.echo(prefix + output.lines(line.text))


def command(
    function: options.QualifiedFunction,
    *,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on, with new instances as they come.")] = False,
    tail: Annotated[
        int | None, typer.Option(min=0, metavar="N", help="The last N lines of each instance.", show_default=False)
    ] = None,
    since: Annotated[
        str, typer.Option(metavar="DURATION", help="Not older than this, e.g. 5m.", show_default=False)
    ] = "",
    init: Annotated[
        bool, typer.Option("--init", help="Of the pod that is initialised for the snapshot, while it is there.")
    ] = False,
    output_format: options.OutputFormat = Output.TABLE,
    namespace: options.Namespace = "",
    context: options.Context = "",
    kubeconfig: options.Kubeconfig = "",
) -> None:
    """Shows the logs of a function's instances, or of one version's or alias's."""
    age = options.duration(since, "--since") if since else None
    if since and (age is None or not age.total_seconds()):
        raise UserError("--since", f"{since} is no time to look back", "write e.g. 5m, or leave it out")
    wanted = Wanted(functions.parse(function), follow, tail, int(age.total_seconds()) if age else None, init)
    writer = Writer(wanted.target.function, output_format)
    run(Where(namespace, context, kubeconfig), lambda session: show(session, wanted, writer))


async def show(session: Session, wanted: Wanted, writer: Writer) -> None:
    """Writes the lines.

    :raises CommandError: there is no such function, version or alias.
    """
    await functions.find(session, wanted.target.function)
    labels = selector(wanted.target.function, await functions.meant(session, wanted.target), init=wanted.init)
    await (_follow if wanted.follow else _once)(session, wanted, labels, writer)


def selector(function: str, versions: tuple[str, ...], *, init: bool) -> str:
    """The labels of the pods whose logs are meant; no versions means all."""
    role = names.ROLE_INIT if init else names.ROLE_INSTANCE
    chosen = f"{names.LABEL_FUNCTION}={function},{names.LABEL_ROLE}={role}"
    if versions:
        chosen += f",{names.LABEL_VERSION} in ({','.join(names.version_label(v) for v in versions)})"
    return chosen


def short(pod: str, function: str) -> str:
    """A pod's name without its function's: ``1-x7k2p``."""
    return pod.removeprefix(f"{function}-")


async def _once(session: Session, wanted: Wanted, labels: str, writer: Writer) -> None:
    pods, _ = await (await session.kube()).list(POD, await session.namespace(), labels)
    started = sorted(pod["metadata"]["name"] for pod in pods if has_started(pod))
    if not started:
        why = "its init pod is gone, or has not started" if wanted.init else "no instance of it is there: invoke it"
        output.stderr().print(Text(f"{wanted.target} has no log now: {why}, or wait for one with -f"))
        return
    for pod in started:
        writer.expect(pod)
    logs = await asyncio.gather(*(_all(session, wanted, pod) for pod in started))
    for line in heapq.merge(*logs):
        writer.write(line)


async def _all(session: Session, wanted: Wanted, pod: str) -> list[Line]:
    return [line async for line in _lines(session, wanted, pod)]


async def _follow(session: Session, wanted: Wanted, labels: str, writer: Writer) -> None:
    """Until interrupted. Each pod's log is read from when its container has started until it ends."""
    kube, namespace = await session.kube(), await session.namespace()
    started: asyncio.Queue[str] = asyncio.Queue()

    def changed(change: str, pod: Object) -> None:
        if change != "DELETED" and has_started(pod):
            started.put_nowait(pod["metadata"]["name"])

    async def copy(pod: str) -> None:
        async with aclosing(_lines(session, wanted, pod)) as lines:
            async for line in lines:
                writer.write(line)

    informer = Informer(kube, POD, namespace=namespace, labels=labels, on_event=changed)
    known: set[str] = set()
    async with asyncio.TaskGroup() as group:
        group.create_task(informer.run())
        while True:
            pod = await started.get()
            if pod not in known:
                known.add(pod)
                writer.expect(pod)
                group.create_task(copy(pod))


async def _lines(session: Session, wanted: Wanted, pod: str) -> AsyncGenerator[Line]:
    """A pod's lines. One that goes meanwhile has no more."""
    kube, namespace = await session.kube(), await session.namespace()
    try:
        async for line in kube.stream_logs(
            namespace,
            pod,
            names.FUNCTION_CONTAINER,
            follow=wanted.follow,
            tail_lines=wanted.tail,
            since_seconds=wanted.since_seconds,
        ):
            time, _, text = line.partition(" ")
            yield Line(time, pod, text)
    except NotFound:
        return
    except ClusterError as e:
        output.stderr().print(Text(f"the log of {pod} ended: {e.message}"))


def has_started(pod: Object) -> bool:
    """Whether its container runs or has run, so that there is a log."""
    containers = pod.get("status", {}).get("containerStatuses", [])
    return any("running" in c.get("state", {}) or "terminated" in c.get("state", {}) for c in containers)
