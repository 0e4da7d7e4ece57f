"""Rows 1 to 9 of :mod:`thaw.decide.checks`: from a name to a number and a frozen template."""

from __future__ import annotations

from thaw import names
from thaw.api.v1alpha1 import VersionSnapStart
from thaw.decide import making
from thaw.decide import template as templates
from thaw.decide.actions import Action, AdoptVersion, FreezeTemplate, GiveNumber
from thaw.decide.finding import Check, Finding, template_of
from thaw.decide.observed import ObservedVersion, Sibling


def already_failed(seen: ObservedVersion) -> Finding | None:
    """Row 1. A failed version stays failed; only what it left behind is cleared away."""
    status = seen.version.status
    if status.state != "Failed":
        return None
    code, reason = status.state_reason_code, status.state_reason
    known = next((c for c in status.conditions if c.type == "Ready"), None)
    return Finding(
        reason=known.reason if known else code,
        message=known.message if known else reason,
        state="Failed",
        code=code,  # type: ignore[arg-type]
        state_reason=reason,
        cleanup=making.leave_nothing(seen),
    )


def duplicate(seen: ObservedVersion) -> Finding | None:
    """Row 2. A version that equals an earlier one says what that one says."""
    if not seen.version.status.duplicate_of:
        return None
    original = next((s for s in seen.siblings if s.name == seen.version.status.duplicate_of), None)
    if original is None or original.deleting:
        text = f"the version it equals, {seen.version.status.duplicate_of}, was deleted: publish again"
        return Finding("OriginalDeleted", text, "Failed", "InvalidConfiguration")
    return _mirror(original)


def function_missing(seen: ObservedVersion) -> Finding | None:
    """Row 3."""
    function = seen.version.spec.function_name
    if seen.version.status.version:
        return None
    if seen.function is None:
        return Finding("FunctionMissing", f"waits for Function {function}, which does not exist", warn=True)
    if seen.function.metadata.deletion_timestamp is not None:
        return Finding("FunctionMissing", f"Function {function} is being deleted", warn=True)
    return None


def runtime_unknown(seen: ObservedVersion) -> Finding | None:
    """Row 4."""
    if seen.version.status.version or seen.function is None:
        return None
    spec = seen.function.spec
    if templates.image(spec, seen.limits.runtimes):
        return None
    return Finding("RuntimeUnknown", no_image(spec.runtime or "", seen.limits.runtimes), warn=True, again=60)


def package_differs(seen: ObservedVersion) -> Finding | None:
    """Row 5. Lambda's CodeSha256 of PublishVersion: publish only what was looked at."""
    wanted = seen.version.spec.code_sha256
    if seen.version.status.version or seen.function is None or not wanted:
        return None
    current = templates.code_sha256(seen.function.spec.code)
    if wanted == current:
        return None
    text = f"spec.codeSha256 is {wanted}, but the function's code has {current}"
    return Finding("CodeSha256Differs", text, "Failed", "InvalidConfiguration")


def unchanged(seen: ObservedVersion) -> Finding | None:
    """Row 6. Compared with the latest version that exists; one that failed does not count, it is to be tried again."""
    if seen.version.status.version or seen.function is None:
        return None
    latest = latest_of(seen.siblings)
    if latest is None or latest.status.state == "Failed":
        return None
    if latest.template_hash != templates.template_hash(seen.function.spec):
        return None
    return _mirror(latest)


def unnumbered(seen: ObservedVersion) -> Finding | None:
    """Row 7. A number once claimed, and a template once frozen, are found again; else the next after all ever given."""
    meta, status = seen.version.metadata, seen.version.status
    if status.version or seen.function is None:
        return None
    function = seen.function.metadata
    claimed = seen.numbers.claim == meta.uid
    number = max([seen.numbers.last, *(s.number for s in seen.siblings)]) + 1
    number = seen.numbers.last if claimed else number
    template = seen.template or templates.freeze(seen.function.spec, seen.limits.runtimes)
    actions: tuple[Action, ...] = (FreezeTemplate(number, template),)
    if not seen.owned:
        actions = (*actions, AdoptVersion(function.name, function.uid))
    if not claimed:
        actions = (GiveNumber(function.name, number, meta.uid, seen.numbers.resource_version), *actions)
    return Finding(
        "Numbered",
        f"is version {number} of {function.name}; its template is frozen",
        actions=actions,
        changes={
            "version": str(number),
            "code_sha256": template.code_sha256,
            "snap_start": VersionSnapStart(apply_on=template.spec.snap_start.apply_on),
        },
        again=0,
    )


def template_gone(seen: ObservedVersion) -> Finding | None:
    """Row 8."""
    if seen.template is not None:
        return None
    revision = names.revision(seen.version.metadata.name)
    text = f"its frozen template, ControllerRevision {revision}, is gone: publish again"
    return Finding("TemplateGone", text, "Failed", "InternalError", cleanup=making.leave_nothing(seen))


def snapstart_off(seen: ObservedVersion) -> Finding | None:
    """Row 9."""
    if template_of(seen).spec.snap_start.apply_on != "None":
        return None
    return Finding(
        "Published",
        "published without SnapStart: every cold start runs the initialisation",
        "Active",
        None,
        changes={"snap_start": VersionSnapStart(apply_on="None")},
    )


CHAIN: tuple[Check, ...] = (
    already_failed,
    duplicate,
    function_missing,
    runtime_unknown,
    package_differs,
    unchanged,
    unnumbered,
    template_gone,
    snapstart_off,
)


def latest_of(siblings: tuple[Sibling, ...]) -> Sibling | None:
    """The version with the highest number that exists and is frozen; duplicates are not versions of their own."""
    counted = [s for s in siblings if s.number and not s.deleting and s.template_hash and not s.status.duplicate_of]
    return max(counted, key=lambda s: s.number, default=None)


def no_image(runtime: str, runtimes: object) -> str:
    """What to tell the user of a runtime that is not here."""
    known = ", ".join(sorted(runtimes)) if isinstance(runtimes, dict) and runtimes else "none"
    return f"runtime {runtime} has no image in this installation; it has: {known}"


def _mirror(original: Sibling) -> Finding:
    status = original.status
    ready = next((c for c in status.conditions if c.type == "Ready"), None)
    fields = ("version", "snap_start", "snapshot_ref", "init_duration_ms", "snapshot_bytes", "code_sha256")
    return Finding(
        reason=ready.reason if ready else "Unchanged",
        message=f"nothing changed since {original.name}" + (f": {ready.message}" if ready else ""),
        state=status.state or "Pending",
        code=status.state_reason_code or None,  # type: ignore[arg-type]
        state_reason=status.state_reason,
        changes={"duplicate_of": original.name} | {f: getattr(status, f) for f in fields},
    )
