"""PURE: who declares a field of an object, by its ``metadata.managedFields``: nobody fights over what is declared.

======================================================================  ==========
who last wrote the field                                                declares
======================================================================  ==========
Thaw itself (``thaw``, ``thaw-…``)                                      no
anybody by server-side apply (operation ``Apply``)                      yes
``argocd-…``, ``helm``, ``helm-controller``, ``kustomize-controller``   yes
kubectl's create, client-side apply, edit or patch: a person            no
anybody else, on an object marked as a deployer's                       yes
anybody else                                                            no
======================================================================  ==========

A deployer that updates instead of applying owns the schema's defaults as well, which it never wrote; where it leaves
``kubectl.kubernetes.io/last-applied-configuration``, that says what it declares, and else all it owns counts.
Format: Kubernetes' FieldsV1, https://kubernetes.io/docs/reference/using-api/server-side-apply/#field-management.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

Path = tuple[str, ...]
_LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"
_DEPLOYERS = ("argocd", "helm", "helm-controller", "kustomize-controller")
_MARKS = (
    "argocd.argoproj.io/tracking-id",
    "argocd.argoproj.io/instance",
    "kustomize.toolkit.fluxcd.io/name",
    "helm.toolkit.fluxcd.io/name",
    "meta.helm.sh/release-name",
)
"""Labels and annotations by which Argo CD, Flux and Helm know their objects."""


@dataclass(frozen=True)
class Declared:
    """A field that somebody declares."""

    path: Path
    manager: str

    @property
    def where(self) -> str:
        """The path as people write it: ``spec.memorySize``."""
        return ".".join(self.path)


def first_declared(item: Mapping[str, Any], patch: Mapping[str, Any]) -> Declared | None:
    """The first field which a merge patch would change and somebody declares; none when the patch may be written.

    :param item: the object as it is, with its managed fields.
    """
    for path in changes(item, patch):
        if manager := declared_by(item, path):
            return Declared(path, manager)
    return None


def declared_by(item: Mapping[str, Any], path: Path) -> str:
    """Who declares a field, or one below it; empty when nobody does."""
    return next(_declaring(item, path), "")


def deployed_by(item: Mapping[str, Any]) -> str:
    """The deployer that would make the object anew if it were deleted; empty when there is none.

    Who applies by kubectl does not watch what becomes of it.
    """
    return next((m for m in _declaring(item, ("spec",)) if not m.startswith("kubectl")), "")


def changes(before: Mapping[str, Any], patch: Mapping[str, Any], at: Path = ()) -> Iterator[Path]:
    """The fields that a merge patch (RFC 7396) would change, as deep as it goes."""
    for key, value in patch.items():
        old = before.get(key)
        if isinstance(value, Mapping) and isinstance(old, Mapping):
            yield from changes(old, value, (*at, key))
        elif value != old:
            yield (*at, key)


def written(item: Mapping[str, Any], path: Path) -> str:
    """When a field was last written, RFC 3339, by whoever owns it; empty when that is not known."""
    entries = [e for e in item["metadata"].get("managedFields", []) if not e.get("subresource")]
    return max((e.get("time", "") for e in entries if _holds(e.get("fieldsV1", {}), path)), default="")


def _declaring(item: Mapping[str, Any], path: Path) -> Iterator[str]:
    meta = item["metadata"]
    for entry in meta.get("managedFields", []):
        owns = _declares(entry, meta) and _holds(entry.get("fieldsV1", {}), path)
        if owns and (entry["operation"] == "Apply" or _was_applied(item, path)):
            yield str(entry["manager"])


def _declares(entry: Mapping[str, Any], meta: Mapping[str, Any]) -> bool:
    manager = str(entry.get("manager", ""))
    if entry.get("subresource") or manager == "thaw" or manager.startswith("thaw-"):
        return False
    if entry["operation"] == "Apply" or manager in _DEPLOYERS or manager.startswith("argocd-"):
        return True
    marked = any(mark in (meta.get(where) or {}) for mark in _MARKS for where in ("labels", "annotations"))
    return marked and not manager.startswith("kubectl")


def _holds(fields: Mapping[str, Any], path: Path) -> bool:
    """Whether a set of fields has a path; a path in the set that leads to others is in it as well."""
    at: Any = fields
    for part in path:
        at = at.get(f"f:{part}")
        if at is None:
            return False
    return True


def _was_applied(item: Mapping[str, Any], path: Path) -> bool:
    text = (item["metadata"].get("annotations") or {}).get(_LAST_APPLIED)
    if text is None:
        return True
    try:
        at = json.loads(text)
    except ValueError:
        return True
    for part in path:
        if not isinstance(at, Mapping) or part not in at:
            return False
        at = at[part]
    return True
