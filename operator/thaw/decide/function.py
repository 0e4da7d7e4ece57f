"""A Function: is ``$LATEST`` good, is there something to publish, may a replaced package go."""

from __future__ import annotations

from collections.abc import Collection

from thaw import names
from thaw.api.conditions import ALIAS_HELD, DANGLING, Condition, mark_while
from thaw.api.v1alpha1 import State, StateReasonCode
from thaw.decide import publishing, purge
from thaw.decide import template as templates
from thaw.decide.actions import Action, Delete, MoveAlias, PublishVersion, PurgeCode, RememberPackages
from thaw.decide.observed import ObservedFunction
from thaw.decide.plan import Event, Mood, Plan, marked, told


def decide(seen: ObservedFunction) -> Plan:
    """What to do about a function.

    =================================  =================================  =========================================
    what is observed                   $LATEST                            what else is done
    =================================  =================================  =========================================
    being deleted                      -                                  see :func:`_purge`
    its runtime has no image here      Failed, InvalidConfiguration       nothing is published
    otherwise                          Active                             see :func:`_publish`, :func:`_packages`
    =================================  =================================  =========================================
    """
    meta, before, spec = seen.function.metadata, seen.function.status, seen.function.spec
    if meta.deletion_timestamp is not None:
        return _purge(seen)
    good = bool(templates.image(spec, seen.limits.runtimes))
    state: State = "Active" if good else "Failed"
    code: StateReasonCode | None = None if good else "InvalidConfiguration"
    mood: Mood = "ready" if good else "stuck"
    reason = "Valid" if good else "RuntimeUnknown"
    message = "$LATEST can be invoked" if good else publishing.no_image(spec.runtime or "", seen.limits.runtimes)
    marks = marked(before.conditions, mood, reason, message, meta=meta, now=seen.now)
    marks, asides = _asides(seen, marks)
    status = before.model_copy(
        update={
            "observed_generation": meta.generation,
            "state": state,
            "state_reason": "" if good else message,
            "state_reason_code": code or "",
            "last_version": max([seen.numbers.last, *(v.number for v in seen.versions)]),
            "template_hash": templates.template_hash(spec),
            "conditions": marks,
        }
    )
    return Plan(
        actions=_packages(seen),
        status=status,
        cleanup=_publish(seen) if good else (),
        events=(*told(before.conditions, mood, reason, message), *asides),
        requeue_after=60 if len(seen.packages) > 1 else None,
    )


def _asides(seen: ObservedFunction, marks: tuple[Condition, ...]) -> tuple[tuple[Condition, ...], tuple[Event, ...]]:
    """What does not keep the function from being ready, and somebody should know: as conditions, and once as Events.

    =============================================================  ===========  ===================
    what is observed                                               condition    reason
    =============================================================  ===========  ===================
    its spec speaks of a version or an alias that is not there     Dangling     QualifierMissing
    the alias would be moved, but somebody declares where it is    AliasHeld    ManagedElsewhere
    =============================================================  ===========  ===================
    """
    meta, events = seen.function.metadata, []
    for type_, reason, message in (
        (DANGLING, "QualifierMissing", _dangling(seen)),
        (ALIAS_HELD, "ManagedElsewhere", _held(seen)),
    ):
        known = next((c.message for c in marks if c.type == type_), "")
        if message and message != known:
            events.append(Event("Warning", reason, message))
        marks = mark_while(marks, type_, reason, message, generation=meta.generation, now=seen.now)
    return marks, tuple(events)


def _dangling(seen: ObservedFunction) -> str:
    spec = seen.function.spec
    numbers = {str(v.number) for v in seen.versions if v.number and not v.deleting}
    there = {names.LATEST, *numbers, *seen.alias_names}
    said: dict[str, Collection[str]] = {
        "scaling.provisionedConcurrency": spec.scaling.provisioned_concurrency,
        "eventInvoke": spec.event_invoke,
        "urls": spec.urls,
    }
    missing = [f"spec.{field}.{key}" for field, entries in said.items() for key in sorted(entries) if key not in there]
    return f"without effect, for there is no such version or alias: {', '.join(missing)}" if missing else ""


def _held(seen: ObservedFunction) -> str:
    number = _alias_to_move(seen)
    if number is None or seen.alias is None or not seen.alias_held_by:
        return ""
    where = f"FunctionAlias {seen.alias.metadata.name}"
    return f"version {number} is not given to {where}: its spec.functionVersion is managed by {seen.alias_held_by}"


def _alias_to_move(seen: ObservedFunction) -> int | None:
    """The version that autoPublishAlias should name, when it names another or is not there."""
    latest = publishing.latest_of(seen.versions)
    if not seen.function.spec.auto_publish_alias or latest is None or latest.status.state != "Active":
        return None
    if latest.template_hash != templates.template_hash(seen.function.spec):
        return None
    alias = seen.alias
    return None if alias is not None and alias.spec.function_version == str(latest.number) else latest.number


def _publish(seen: ObservedFunction) -> tuple[Action, ...]:
    """What autoPublishAlias asks for.

    ====================================================  ================================
    latest version                                        what is done
    ====================================================  ================================
    autoPublishAlias is empty                             nothing
    one is being published                                waits for it
    none, or its template differs from the function's     publishes
    equal, Active, the alias is elsewhere or not there    moves the alias, unless somebody else declares
                                                          where it is
    equal, Active, the alias is there                     nothing
    equal, Pending or Failed                              nothing: the alias stays
    ====================================================  ================================
    """
    spec, uid = seen.function.spec, seen.function.metadata.uid
    if not spec.auto_publish_alias:
        return ()
    if any(not v.number and v.status.state != "Failed" and not v.deleting for v in seen.versions):
        return ()
    latest = publishing.latest_of(seen.versions)
    if latest is None or latest.template_hash != templates.template_hash(spec):
        return (PublishVersion(_free_name(seen), uid),)
    number, alias = _alias_to_move(seen), seen.alias
    if number is None or (alias is not None and seen.alias_held_by):
        return ()
    return (MoveAlias(alias.metadata.name if alias else "", spec.auto_publish_alias, str(number), uid),)


def _free_name(seen: ObservedFunction) -> str:
    """The name of the next version's object: its number, unless a user has given that name to something else."""
    taken = {v.name for v in seen.versions}
    number = max([seen.numbers.last, *(v.number for v in seen.versions)]) + 1
    while names.version_object(seen.function.metadata.name, number) in taken:
        number += 1
    return names.version_object(seen.function.metadata.name, number)


def _packages(seen: ObservedFunction) -> tuple[Action, ...]:
    """Replaced packages that no version froze are removed; what it has now is noted before it is replaced."""
    current = templates.package(seen.function.spec)
    replaced = [p for p in seen.packages if p != current]
    gone = [p for p in replaced if p not in seen.shared_packages and not seen.nodes.silent and seen.nodes.agents]
    kept = tuple(sorted({*(p for p in replaced if p not in gone), *([current] if current else [])}))
    purges = tuple(PurgeCode(p, seen.nodes.urls) for p in gone)
    return (*purges, RememberPackages(kept)) if kept != tuple(sorted(seen.packages)) else purges


def _purge(seen: ObservedFunction) -> Plan:
    """Deletes a function, in this order; each row waits until the one above is empty.

    ==========  ==========================================================
    left        what is done
    ==========  ==========================================================
    aliases     deleted
    versions    deleted; each has a finalizer of its own
    pods        of ``$LATEST``, deleted
    packages    removed if nothing else uses them: every agent answers
    ==========  ==========================================================
    """
    meta, before = seen.function.metadata, seen.function.status
    objects: tuple[Action, ...] = (
        *(Delete("FunctionAlias", a.name, a.uid) for a in seen.aliases if not a.deleting),
        *(Delete("FunctionVersion", v.name, v.uid) for v in seen.version_refs if not v.deleting),
        *purge.pods(seen.pods),
    )
    for what, left in (("versions", seen.version_refs), ("aliases", seen.aliases), ("pods", seen.pods)):
        if left:
            return purge.waiting(before, meta, objects, purge.text(what, left), now=seen.now)
    had = {*seen.packages, templates.package(seen.function.spec)} - {""} - seen.shared_packages
    if had and seen.nodes.silent:
        return purge.blocked(before, meta, seen.nodes, "its package", now=seen.now)
    return Plan(actions=tuple(PurgeCode(p, seen.nodes.urls) for p in sorted(had)), released=True)
