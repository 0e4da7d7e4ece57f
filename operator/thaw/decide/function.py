"""A Function: is ``$LATEST`` good, is there something to publish, may a replaced package go."""

from __future__ import annotations

from thaw import names
from thaw.api.v1alpha1 import State, StateReasonCode
from thaw.decide import publishing, purge
from thaw.decide import template as templates
from thaw.decide.actions import Action, Delete, MoveAlias, PublishVersion, PurgeCode, RememberPackages
from thaw.decide.observed import ObservedFunction
from thaw.decide.plan import Mood, Plan, marked, told


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
    status = before.model_copy(
        update={
            "observed_generation": meta.generation,
            "state": state,
            "state_reason": "" if good else message,
            "state_reason_code": code or "",
            "last_version": max([seen.numbers.last, *(v.number for v in seen.versions)]),
            "template_hash": templates.template_hash(spec),
            "conditions": marked(before.conditions, mood, reason, message, meta=meta, now=seen.now),
        }
    )
    return Plan(
        actions=_packages(seen),
        status=status,
        cleanup=_publish(seen) if good else (),
        events=told(before.conditions, mood, reason, message),
        requeue_after=60 if len(seen.packages) > 1 else None,
    )


def _publish(seen: ObservedFunction) -> tuple[Action, ...]:
    """What autoPublishAlias asks for.

    ====================================================  ================================
    latest version                                        what is done
    ====================================================  ================================
    autoPublishAlias is empty                             nothing
    one is being published                                waits for it
    none, or its template differs from the function's     publishes
    equal, Active, the alias is elsewhere or not there    moves the alias
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
    alias, number = seen.alias, str(latest.number)
    if latest.status.state != "Active" or (alias is not None and alias.spec.function_version == number):
        return ()
    return (MoveAlias(alias.metadata.name if alias else "", spec.auto_publish_alias, number, uid),)


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
