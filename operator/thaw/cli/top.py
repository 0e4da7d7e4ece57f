"""``thaw top``: functions and their versions at work, live."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Annotated, Any

import typer
from rich.console import Group, RenderableType
from rich.live import Live
from rich.text import Text

from thaw import names
from thaw.api.v1alpha1 import Function, FunctionVersion, Instances, size_text
from thaw.cli import functions, gateway, options, output, starts
from thaw.cli.credentials import Asked
from thaw.cli.output import Output
from thaw.cli.session import Session, Where, run
from thaw.cli.starts import Summary
from thaw.errors import ThawError, Unavailable
from thaw.kube.kinds import FUNCTION, POD
from thaw.kube.pods import is_ready

Summaries = Mapping[tuple[str, str], Summary]
_HEADINGS = (
    "FUNCTION", "VERSION", "STATE", "OPT", "READY", "STANDBY", "SLOTS", "SNAPSHOT", "INIT", "P50", "P99", "STARTS",
)  # fmt: skip
_COLOURS = {"Active": "green", "Failed": "red", "Pending": "yellow", "Inactive": "dim"}
_NO_TIMES = "restore times: this gateway does not keep them"


@dataclass(frozen=True)
class Row:
    """A version, or ``$LATEST``."""

    function: str
    version: str
    state: str
    optimization: str = ""
    instances: Instances = field(default_factory=Instances)
    snapshot_bytes: int | None = None
    init_ms: float | None = None
    summary: Summary | None = None
    """None where nothing is known of its starts."""

    def to_json(self) -> dict[str, Any]:
        """For programs."""
        return {
            "function": self.function,
            "version": self.version,
            "state": self.state,
            "optimizationStatus": self.optimization or None,
            "instances": self.instances.to_json(),
            "snapshotBytes": self.snapshot_bytes,
            "initDurationMs": self.init_ms,
            **(self.summary.to_json() if self.summary else {}),
        }


@dataclass(frozen=True)
class View:
    """All rows, and why something is not in them."""

    rows: Sequence[Row]
    note: str = ""


def command(
    function: Annotated[str, typer.Argument(metavar="[FUNCTION]", help="Only this one.", show_default=False)] = "",
    *,
    once: Annotated[bool, typer.Option("--once", help="Print it once. So it is where stdout is no terminal.")] = False,
    interval: Annotated[float, typer.Option(min=0.5, metavar="SECONDS", help="Between two looks.")] = 2.0,
    output_format: options.OutputFormat = Output.TABLE,
    namespace: options.Namespace = "",
    context: options.Context = "",
    kubeconfig: options.Kubeconfig = "",
    endpoint: options.Endpoint = "",
    token: options.Token = "",
    as_service_account: options.ServiceAccount = "",
    system_namespace: options.SystemNamespace = options.SYSTEM_NAMESPACE,
) -> None:
    """Shows functions and versions: state, instances, snapshot, how long restores take, and how instances started.

    P50 and P99 are of the restores that the gateways served in the last minutes, and STARTS counts their requests.
    """
    asked = Asked(endpoint, token, as_service_account, system_namespace, strict=True)
    wanted = functions.parse(function).function if function else ""
    live = not once and output_format is Output.TABLE and output.stdout().is_terminal
    where = Where(namespace, context, kubeconfig)
    if live:
        run(where, lambda session: _watch(session, asked, wanted, interval))
        return
    view = run(where, lambda session: look(session, asked, wanted))
    if output_format is Output.JSON:
        output.write_json({"versions": [row.to_json() for row in view.rows], "note": view.note or None})
    else:
        output.stdout().print(rendered(view))


async def look(session: Session, asked: Asked, wanted: str) -> View:
    """One look at the cluster and the gateways. What the cluster says is shown also where no gateway can be asked.

    :param wanted: a function; empty for all of the namespace.
    """
    kube, namespace = await session.kube(), await session.namespace()
    if wanted:
        found = [await functions.find(session, wanted)]
    else:
        found = [Function.model_validate(raw) for raw in (await kube.list(FUNCTION, namespace))[0]]
    published = await functions.versions(session, wanted)
    latest = f"{names.LABEL_ROLE}={names.ROLE_INSTANCE},{names.LABEL_VERSION}={names.version_label(names.LATEST)}"
    pods, _ = await kube.list(POD, namespace, latest)
    serving = Counter(pod["metadata"]["labels"].get(names.LABEL_FUNCTION) for pod in pods if is_ready(pod))
    told, note = await _starts(session, asked, wanted)
    return View(rows(found, published, serving, told), note)


async def _starts(session: Session, asked: Asked, wanted: str) -> tuple[Summaries | None, str]:
    """How versions started; or why that is not known."""
    try:
        async with gateway.opened(session, asked, every=True) as gateways:
            seen = await starts.ask(gateways, wanted)
    except ThawError as e:
        return None, f"restore times: {e}"
    return (None, _NO_TIMES) if seen is None else (starts.summaries(seen), "")


def rows(
    found: Sequence[Function],
    published: Sequence[FunctionVersion],
    latest_ready: Mapping[str, int],
    told: Summaries | None,
) -> list[Row]:
    """The rows, by function: ``$LATEST``, then the versions from the newest on.

    :param latest_ready: function → instances of ``$LATEST`` that are ready.
    :param told: how they started; None when no gateway says.
    """
    made = []
    for function in sorted(found, key=lambda it: it.metadata.name):
        name = function.metadata.name
        made.append(
            Row(
                name,
                names.LATEST,
                function.status.state or "Pending",
                instances=Instances(ready=latest_ready.get(name, 0)),
                summary=_of(told, name, names.LATEST),
            )
        )
        own = [version for version in published if version.spec.function_name == name]
        made += [_row(version, told) for version in reversed(own)]
    return made


def rendered(view: View) -> RenderableType:
    """The table, and the note below it."""
    if not view.rows:
        return Text("no functions in this namespace; -n chooses another")
    table = output.table(_HEADINGS, (_cells(row) for row in view.rows))
    return Group(table, Text(view.note, style="dim")) if view.note else table


def _row(version: FunctionVersion, told: Summaries | None) -> Row:
    name, status = version.spec.function_name, version.status
    return Row(
        name,
        status.version or version.metadata.name,
        status.state or "Pending",
        status.snap_start.optimization_status,
        status.instances,
        status.snapshot_bytes,
        status.init_duration_ms,
        _of(told, name, status.version),
    )


def _of(told: Summaries | None, function: str, version: str) -> Summary | None:
    return None if told is None else told.get((function, version), Summary())


def _cells(row: Row) -> list[str | Text]:
    summary, is_latest = row.summary, row.version == names.LATEST
    kinds = " ".join(f"{kind} {count}" for kind, count in sorted(summary.kinds.items())) if summary else ""
    return [
        row.function,
        row.version,
        Text(row.state, style=_COLOURS.get(row.state, "")),
        row.optimization or "-",
        str(row.instances.ready),
        "-" if is_latest else str(row.instances.standby),
        "-" if is_latest else str(row.instances.slots),
        size_text(row.snapshot_bytes) or "-",
        output.milliseconds(row.init_ms),
        output.milliseconds(summary.p50 if summary else None),
        output.milliseconds(summary.p99 if summary else None),
        kinds or "-",
    ]


async def _watch(session: Session, asked: Asked, wanted: str, interval: float) -> None:
    """Until interrupted; a cluster that does not answer for a while is no end."""
    view = await look(session, asked, wanted)
    with Live(console=output.stdout(), auto_refresh=False, screen=True) as live:
        while True:
            live.update(rendered(view), refresh=True)
            await asyncio.sleep(interval)
            try:
                view = await look(session, asked, wanted)
            except Unavailable as e:
                view = View(view.rows, str(e))
