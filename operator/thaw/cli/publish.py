"""``thaw publish``: a version of a function, and the wait until it serves."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Annotated, Any

import typer
from pydantic import ValidationError
from rich.text import Text

from thaw.api.v1alpha1 import Function, FunctionAliasSpec, FunctionVersion, size_text
from thaw.build import common, objects
from thaw.cli import functions, options, output
from thaw.cli.following import following
from thaw.cli.output import Output
from thaw.cli.session import Session, Where, run
from thaw.decide import ownership
from thaw.errors import CommandError, UserError
from thaw.kube import publishing
from thaw.kube.client import Object
from thaw.kube.kinds import FUNCTION_ALIAS, FUNCTION_VERSION


@dataclass(frozen=True)
class Wanted:
    """What is to be published, and how far that is followed."""

    function: str
    description: str = ""
    alias: str = ""
    wait: bool = True
    seconds: float | None = None
    """How long it may take; None for as long as it takes."""


@dataclass(frozen=True)
class Published:
    """What came of it."""

    version: FunctionVersion
    new: bool
    """False when nothing had changed since that version."""
    alias: str = ""

    def to_json(self) -> dict[str, Any]:
        """For programs."""
        status = self.version.status
        return {
            "function": self.version.spec.function_name,
            "version": status.version,
            "name": self.version.metadata.name,
            "namespace": self.version.metadata.namespace,
            "new": self.new,
            "state": status.state or "Pending",
            "optimizationStatus": status.snap_start.optimization_status,
            "initDurationMs": status.init_duration_ms,
            "snapshotBytes": status.snapshot_bytes,
            "alias": self.alias or None,
        }


def command(
    function: options.Function,
    *,
    description: Annotated[str, typer.Option(help="Of the version, for people.", show_default=False)] = "",
    alias: Annotated[
        str, typer.Option(metavar="NAME", help="Made or moved to the version once it is Active.", show_default=False)
    ] = "",
    wait: Annotated[bool, typer.Option(help="Follow it until it is Active or Failed.")] = True,
    timeout: Annotated[str, typer.Option(metavar="DURATION", help="How long to wait, e.g. 90s or Never.")] = "10m",
    output_format: options.OutputFormat = Output.TABLE,
    namespace: options.Namespace = "",
    context: options.Context = "",
    kubeconfig: options.Kubeconfig = "",
) -> None:
    """Publishes a function as it is now, as a version that never changes.

    With SnapStart on it is initialised and snapshotted, and every start of it is a restore from then on.
    """
    name = functions.parse(function)
    if name.qualifier:
        raise UserError("FUNCTION", f"{function}: a version is published of the function itself", name.function)
    if alias and not wait:
        raise UserError("--alias", "it is moved when the version is Active", "leave out --no-wait")
    _check_alias(name.function, alias)
    limit = options.duration(timeout, "--timeout")
    wanted = Wanted(name.function, description, alias, wait, limit.total_seconds() if limit else None)
    done = run(Where(namespace, context, kubeconfig), lambda session: publish(session, wanted))
    if output_format is Output.JSON:
        output.write_json(done.to_json())
    else:
        output.stdout().print(Text(told(done)))


async def publish(session: Session, wanted: Wanted) -> Published:
    """Publishes, follows, and moves the alias.

    :raises CommandError: the version failed, or is not Active in time.
    """
    function = await functions.find(session, wanted.function)
    made = await _create(session, function, wanted)
    try:
        async with asyncio.timeout(wanted.seconds):
            async with following(session, made) as follower:
                version = await follower.until(publishing.is_decided)
                new = not version.status.duplicate_of
                if new and wanted.wait:
                    version = await follower.until(_is_settled)
            if not new:
                version = await _original(session, version, wait=wanted.wait)
    except TimeoutError:
        raise CommandError(f"{made.metadata.name} is not Active yet; it is still being made", _look(made)) from None
    if version.status.state == "Failed":
        raise CommandError(_failure(version), "mend the function, and publish again")
    if wanted.alias:
        await _move_alias(session, function, wanted.alias, version.status.version)
    return Published(version, new, wanted.alias)


def told(done: Published) -> str:
    """The result for people."""
    version, status = done.version, done.version.status
    name = f"{version.spec.function_name}:{status.version}"
    lines = [f"published {name}" if done.new else f"nothing changed since {name}: that is the version"]
    if status.state in ("Active", "Inactive"):
        lines.append(_how_it_starts(version))
    else:
        lines.append(f"it is {status.state or 'Pending'}; follow it with: {_look(version)}")
    if done.alias:
        name = f"{version.spec.function_name}:{done.alias}"
        lines.append(f"alias {done.alias} is on version {status.version}")
    lines.append(f"invoke it: thaw invoke {name}")
    return "\n".join(lines)


def _how_it_starts(version: FunctionVersion) -> str:
    status = version.status
    if status.snap_start.optimization_status != "On":
        return "starts are cold: SnapStart is not in effect (spec.snapStart.applyOn of the function)"
    init, size = output.milliseconds(status.init_duration_ms), size_text(status.snapshot_bytes) or "of unknown size"
    return f"initialised in {init}, snapshot {size}; starts are restores from now on"


def _is_settled(version: FunctionVersion) -> bool:
    return version.status.state in ("Active", "Inactive", "Failed")


def _failure(version: FunctionVersion) -> str:
    status = version.status
    name = f"version {status.version}" if status.version else version.metadata.name
    return f"{name} of {version.spec.function_name} Failed: {status.state_reason_code}: {status.state_reason}"


def _look(version: FunctionVersion) -> str:
    return f"kubectl describe fnv {version.metadata.name} -n {version.metadata.namespace}"


async def _create(session: Session, function: Function, wanted: Wanted) -> FunctionVersion:
    given = [int(v.status.version or 0) for v in await functions.versions(session, wanted.function)]
    meta = {"namespace": function.metadata.namespace, "name": function.metadata.name}
    raw: Object = {"metadata": meta, "status": {"lastVersion": function.status.last_version}}
    kube = await session.kube()
    return FunctionVersion.model_validate(await publishing.create(kube, raw, given, description=wanted.description))


async def _original(session: Session, duplicate: FunctionVersion, *, wait: bool) -> FunctionVersion:
    """The version that a duplicate equals, which may still be made; the duplicate itself goes."""
    kube, meta = await session.kube(), duplicate.metadata
    await kube.delete(FUNCTION_VERSION, meta.namespace, meta.name, uid=meta.uid)
    raw = await kube.get(FUNCTION_VERSION, meta.namespace, duplicate.status.duplicate_of)
    version = FunctionVersion.model_validate(raw)
    if not wait or _is_settled(version):
        return version
    async with following(session, version) as follower:
        return await follower.until(_is_settled)


def _check_alias(function: str, alias: str) -> None:
    """Before anything is published for it.

    :raises UserError: no alias can have that name.
    """
    if not alias:
        return
    try:
        FunctionAliasSpec(function_name=function, name=alias, function_version="1")
    except ValidationError:
        fix = "letters, digits, - and _, and not digits alone: those are a version's number"
        raise UserError("--alias", f"{alias!r} is no alias", fix) from None


async def _move_alias(session: Session, function: Function, alias: str, number: str) -> None:
    """Gives an alias to a version, or makes it.

    :raises CommandError: somebody else declares what it points to.
    """
    kube, meta = await session.kube(), function.metadata
    found = [it for it in await functions.aliases(session, meta.name) if it.spec.name == alias]
    if found:
        raw = await kube.get(FUNCTION_ALIAS, meta.namespace, found[0].metadata.name)
        change: Object = {"spec": objects.moved_to(number)}
        if held := ownership.first_declared(raw, change):
            problem = f"alias {alias} stays where it is: its {held.where} is managed by {held.manager}"
            raise CommandError(problem, f"set it to {number} there")
        change["metadata"] = {"resourceVersion": raw["metadata"]["resourceVersion"]}
        await kube.patch(FUNCTION_ALIAS, meta.namespace, raw["metadata"]["name"], change)
        return
    owner = common.owner_reference("Function", meta.name, meta.uid)
    made = objects.alias(
        name="", namespace=meta.namespace, function=meta.name, alias=alias, version=number, owner=owner
    )
    await kube.create(FUNCTION_ALIAS, made)
