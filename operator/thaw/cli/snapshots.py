"""``thaw snapshots``: what is stored of which version, made anew or deleted on request."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Annotated, Any

import typer
from rich.text import Text
from typer.core import TyperGroup

from thaw import names
from thaw.api.v1alpha1 import Snapshot, size_text
from thaw.cli import caches, complete, functions, options, output
from thaw.cli.credentials import Asked
from thaw.cli.output import Output
from thaw.cli.session import Session, Where, run
from thaw.errors import CommandError, NotFound, UserError
from thaw.kube.kinds import FUNCTION_VERSION, SNAPSHOT

_HEADINGS = ("NAME", "VERSION", "PHASE", "STORED", "RAW", "INIT", "AGE", "NODE", "CACHED ON", "TAKEN ON", "UNUSABLE ON")
_COLOURS = {"Ready": "green", "Quarantined": "red", "Creating": "yellow", "Deleting": "dim"}


class _ListsByDefault(TyperGroup):
    """A group whose command ``list`` need not be said: ``thaw snapshots greet`` is ``thaw snapshots list greet``."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        if not args or (args[0] not in self.commands and args[0] not in ctx.help_option_names):
            args = ["list", *args]
        return super().parse_args(ctx, args)


app = typer.Typer(
    cls=_ListsByDefault,
    help="Lists snapshots, of one function or of all; makes one anew; deletes one.",
    subcommand_metavar="[list] [FUNCTION] | recycle | delete",
)


@app.command("list")
def list_(
    function: Annotated[
        str,
        typer.Argument(
            metavar="[FUNCTION]", help="Only its own.", autocompletion=complete.functions, show_default=False
        ),
    ] = "",
    *,
    output_format: options.OutputFormat = Output.TABLE,
    namespace: options.Namespace = "",
    context: options.Context = "",
    kubeconfig: options.Kubeconfig = "",
    endpoint: options.Endpoint = "",
    token: options.Token = "",
    as_service_account: options.ServiceAccount = "",
    system_namespace: options.SystemNamespace = options.SYSTEM_NAMESPACE,
) -> None:
    """Lists snapshots: of which version, how big, taken on what, and where they could not be restored."""
    name = functions.parse(function).function if function else ""
    asked = Asked(endpoint, token, as_service_account, system_namespace, strict=True)

    async def look(session: Session) -> tuple[Sequence[Snapshot], Mapping[str, list[str]] | None]:
        found = await _find(session, name)
        return found, await caches.ask(session, asked) if found else None

    found, cached = run(Where(namespace, context, kubeconfig), look)
    if output_format is Output.JSON:
        output.write_json([to_json(snapshot, cached) for snapshot in found])
    elif found:
        output.stdout().print(output.table(_HEADINGS, (cells(s, cached, datetime.now(UTC)) for s in found)))
    else:
        output.stderr().print("no snapshots: they are made of published versions of functions with SnapStart")


@app.command("recycle")
def recycle(
    version: options.QualifiedFunction,
    *,
    output_format: options.OutputFormat = Output.TABLE,
    namespace: options.Namespace = "",
    context: options.Context = "",
    kubeconfig: options.Kubeconfig = "",
) -> None:
    """Makes a version's snapshot anew, while the version serves on with the one it has."""
    wanted = functions.parse(version)

    async def ask(session: Session) -> str:
        found = await functions.version(session, wanted)
        if found.status.snap_start.apply_on == "None":
            raise CommandError(f"{wanted} has no snapshot", "it was published with spec.snapStart.applyOn None")
        if found.status.state not in ("Active", "Inactive"):
            raise CommandError(f"{wanted} is {found.status.state}", "only one that serves has a snapshot to renew")
        request = {"metadata": {"annotations": {names.ANNOTATION_RECYCLE: datetime.now(UTC).isoformat()}}}
        meta = found.metadata
        await (await session.kube()).patch(FUNCTION_VERSION, meta.namespace, meta.name, request)
        return meta.name

    name = run(Where(namespace, context, kubeconfig), ask)
    if output_format is Output.JSON:
        output.write_json({"version": name, "recycle": "requested"})
    else:
        output.stdout().print(Text(f"{name} gets a new snapshot; follow it: thaw snapshots {wanted.function}"))


@app.command("delete")
def delete(
    name: Annotated[str, typer.Argument(metavar="NAME", autocompletion=complete.snapshots, show_default=False)],
    *,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    output_format: options.OutputFormat = Output.TABLE,
    namespace: options.Namespace = "",
    context: options.Context = "",
    kubeconfig: options.Kubeconfig = "",
) -> None:
    """Deletes a snapshot, every byte of it. A version that serves from it starts cold until it has another."""
    where = Where(namespace, context, kubeconfig)
    found = run(where, lambda session: _one(session, name))
    of = f"{found.spec.function_name}:{found.spec.version}"
    if not yes:
        if not sys.stdin.isatty():
            raise UserError("--yes", "deleting wants a yes, and there is nobody to ask", "add --yes")
        if not typer.confirm(f"Delete snapshot {name} of {of}?", err=True):
            raise typer.Exit(1)
    run(where, lambda session: _delete(session, found))
    if output_format is Output.JSON:
        output.write_json({"snapshot": name, "deletion": "begun"})
    else:
        output.stdout().print(Text(f"{name} is being deleted; a version that serves from it gets another"))


def cells(snapshot: Snapshot, cached: Mapping[str, list[str]] | None, now: datetime) -> list[str | Text]:
    """A snapshot's row.

    :param cached: name → nodes that have it; None where that is not known.
    """
    at_hand = (cached or {}).get(snapshot.metadata.name, [])
    status, phase = snapshot.status, snapshot.status.phase or "Creating"
    return [
        snapshot.metadata.name,
        f"{snapshot.spec.function_name}:{snapshot.spec.version}",
        Text(phase, style=_COLOURS.get(phase, "")),
        size_text(status.stored_bytes) or "-",
        size_text(status.size_bytes) or "-",
        output.milliseconds(status.init_duration_ms),
        output.age(status.created_at or snapshot.metadata.creation_timestamp, now),
        status.node or "-",
        "-" if cached is None else ", ".join(at_hand) or "none",
        fingerprint(snapshot),
        unusable(snapshot) or "-",
    ]


def fingerprint(snapshot: Snapshot) -> str:
    """What it was taken on, in short."""
    taken_on = snapshot.status.fingerprint
    if taken_on is None:
        return "-"
    return f"cpu {taken_on.cpu[:6]} linux {taken_on.kernel} criu {taken_on.criu} runc {taken_on.runc}"


def unusable(snapshot: Snapshot) -> str:
    """Nodes that could not restore it, and why."""
    return ", ".join(f"{node} ({why.cause})" for node, why in sorted(snapshot.status.unusable.items()))


def to_json(snapshot: Snapshot, cached: Mapping[str, list[str]] | None) -> dict[str, Any]:
    """For programs: the object's own fields, and ``cachedOn``, which is null where it is not known."""
    return {
        "name": snapshot.metadata.name,
        "namespace": snapshot.metadata.namespace,
        **snapshot.spec.to_json(),
        **snapshot.status.to_json(),
        "cachedOn": None if cached is None else cached.get(snapshot.metadata.name, []),
    }


async def _find(session: Session, function: str) -> Sequence[Snapshot]:
    if function:
        await functions.find(session, function)
    kube, namespace = await session.kube(), await session.namespace()
    fields = f"spec.functionName={function}" if function else ""
    items, _ = await kube.list(SNAPSHOT, namespace, fields=fields)
    found = [Snapshot.model_validate(raw) for raw in items]
    return sorted(found, key=lambda s: (s.spec.function_name, int(s.spec.version), s.metadata.name))


async def _one(session: Session, name: str) -> Snapshot:
    kube, namespace = await session.kube(), await session.namespace()
    try:
        return Snapshot.model_validate(await kube.get(SNAPSHOT, namespace, name))
    except NotFound:
        raise CommandError(f"namespace {namespace} has no snapshot {name}", "thaw snapshots lists them") from None


async def _delete(session: Session, snapshot: Snapshot) -> None:
    meta = snapshot.metadata
    await (await session.kube()).delete(SNAPSHOT, meta.namespace, meta.name, uid=meta.uid)
