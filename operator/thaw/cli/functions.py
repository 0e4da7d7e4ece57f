"""Functions as they are named on the command line, and what of them is in the cluster."""

from __future__ import annotations

import re
from dataclasses import dataclass

from thaw import names
from thaw.api.v1alpha1 import Function, FunctionAlias, FunctionVersion
from thaw.cli.session import Session
from thaw.errors import CommandError, NotFound, UserError
from thaw.kube.kinds import FUNCTION, FUNCTION_ALIAS, FUNCTION_VERSION

_QUALIFIED = re.compile(r"(?P<function>[a-z0-9]([a-z0-9-]*[a-z0-9])?)(:(?P<qualifier>\$LATEST|[A-Za-z0-9_-]{1,128}))?")


@dataclass(frozen=True)
class Qualified:
    """A function, and which of it: a version's number, an alias, ``$LATEST`` or, empty, not said."""

    function: str
    qualifier: str = ""

    def __str__(self) -> str:
        return f"{self.function}:{self.qualifier}" if self.qualifier else self.function


def parse(text: str) -> Qualified:
    """Reads ``FUNCTION[:QUALIFIER]``.

    :raises UserError: it is none.
    """
    match = _QUALIFIED.fullmatch(text)
    if match is None:
        raise UserError("FUNCTION", f"{text!r} is no function's name", "write e.g. greet, greet:1, greet:live")
    return Qualified(match["function"], match["qualifier"] or "")


async def find(session: Session, name: str) -> Function:
    """A function.

    :raises CommandError: there is none of that name.
    """
    kube, namespace = await session.kube(), await session.namespace()
    try:
        return Function.model_validate(await kube.get(FUNCTION, namespace, name))
    except NotFound as e:
        if "page not found" in e.message:
            raise CommandError("Thaw is not installed in this cluster", "thaw doctor says more") from None
        fix = "kubectl get functions -A lists them; -n chooses the namespace"
        raise CommandError(f"namespace {namespace} has no function {name}", fix) from None


async def versions(session: Session, name: str = "") -> list[FunctionVersion]:
    """A function's published versions, or all functions'; those that only repeat another are not counted."""
    kube, namespace = await session.kube(), await session.namespace()
    items, _ = await kube.list(FUNCTION_VERSION, namespace, fields=f"spec.functionName={name}" if name else "")
    found = [FunctionVersion.model_validate(raw) for raw in items]
    counted = [version for version in found if not version.status.duplicate_of]
    return sorted(counted, key=lambda v: (v.spec.function_name, int(v.status.version or 0)))


async def aliases(session: Session, name: str) -> list[FunctionAlias]:
    """A function's aliases."""
    kube, namespace = await session.kube(), await session.namespace()
    items, _ = await kube.list(FUNCTION_ALIAS, namespace, fields=f"spec.functionName={name}")
    return [FunctionAlias.model_validate(raw) for raw in items]


async def meant(session: Session, wanted: Qualified) -> tuple[str, ...]:
    """The versions that a qualifier stands for; more than one for an alias with weights, none when it is not given.

    :raises CommandError: the function has no such version or alias.
    """
    if wanted.qualifier in ("", names.LATEST):
        return (wanted.qualifier,) if wanted.qualifier else ()
    if wanted.qualifier.isdigit():
        numbers = [version.status.version for version in await versions(session, wanted.function)]
        if wanted.qualifier in numbers:
            return (wanted.qualifier,)
        raise CommandError(f"{wanted.function} has no version {wanted.qualifier}", f"it has: {_listed(numbers)}")
    known = {alias.spec.name: alias.spec for alias in await aliases(session, wanted.function)}
    if wanted.qualifier not in known:
        raise CommandError(f"{wanted.function} has no alias {wanted.qualifier}", f"it has: {_listed(known)}")
    spec = known[wanted.qualifier]
    return (spec.function_version, *spec.additional_version_weights)


async def version(session: Session, wanted: Qualified) -> FunctionVersion:
    """The one published version that is meant.

    :raises CommandError: there is none, or more than one.
    """
    numbers = await meant(session, wanted)
    found = [v for v in await versions(session, wanted.function) if v.status.version in numbers]
    if len(found) != 1:
        raise CommandError(f"{wanted} is not one published version", f"name it by its number: {wanted.function}:1")
    return found[0]


def _listed(known: object) -> str:
    return ", ".join(known) if isinstance(known, (list, dict)) and known else "none"
