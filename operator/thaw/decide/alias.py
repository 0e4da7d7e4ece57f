"""A FunctionAlias: ready exactly when what it names exists."""

from __future__ import annotations

from thaw import names
from thaw.decide.observed import ObservedAlias
from thaw.decide.plan import Mood, Plan, marked, told


def decide(seen: ObservedAlias) -> Plan:
    """What to do about an alias.

    =====================================  =======  =================
    what is observed                       Ready    reason
    =====================================  =======  =================
    being deleted                          -        released
    its function does not exist            False    FunctionMissing
    a version it names does not exist      False    VersionMissing
    otherwise                              True     Resolved
    =====================================  =======  =================
    """
    meta, before, spec = seen.alias.metadata, seen.alias.status, seen.alias.spec
    if meta.deletion_timestamp is not None:
        return Plan(released=True)
    mood: Mood
    named = (spec.function_version, *spec.additional_version_weights)
    exist = {names.LATEST, *(str(v.number) for v in seen.versions if v.number and not v.deleting)}
    missing = [number for number in named if number not in exist]
    if seen.function is None or seen.function.metadata.deletion_timestamp is not None:
        mood, reason, message = "stuck", "FunctionMissing", f"Function {spec.function_name} does not exist"
    elif missing:
        text = f"{spec.function_name} has no version {' and no version '.join(missing)}"
        mood, reason, message = "stuck", "VersionMissing", text
    else:
        mood, reason, message = "ready", "Resolved", f"names version {' and '.join(named)}"
    status = before.model_copy(
        update={
            "observed_generation": meta.generation,
            "conditions": marked(before.conditions, mood, reason, message, meta=meta, now=seen.now),
        }
    )
    return Plan(status=status, events=told(before.conditions, mood, reason, message))
