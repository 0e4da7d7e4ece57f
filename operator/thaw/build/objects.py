"""The objects Thaw makes beside pods: frozen templates, snapshots, versions and aliases."""

from __future__ import annotations

import hashlib

from thaw import names
from thaw.api.v1alpha1 import FrozenTemplate
from thaw.build.manifest import Manifest


def revision(
    *, function: str, namespace: str, version_name: str, version: int, template: FrozenTemplate, owner: Manifest
) -> Manifest:
    """The ControllerRevision that holds a version's frozen template."""
    return {
        "apiVersion": "apps/v1",
        "kind": "ControllerRevision",
        "metadata": {
            "name": names.revision(version_name),
            "namespace": namespace,
            "labels": {
                names.LABEL_MANAGED_BY: names.MANAGED_BY,
                names.LABEL_FUNCTION: function,
                names.LABEL_VERSION: str(version),
                names.LABEL_VERSION_NAME: version_name,
            },
            "ownerReferences": [owner],
        },
        "revision": version,
        "data": template.to_json(),
    }


def snapshot(
    *, name: str, function: str, namespace: str, version_name: str, version: str, image: str, owner: Manifest
) -> Manifest:
    """A Snapshot, whose bytes are to come."""
    return {
        "apiVersion": names.API_VERSION,
        "kind": "Snapshot",
        "metadata": {
            "name": name,
            "namespace": namespace,
            "labels": {
                names.LABEL_MANAGED_BY: names.MANAGED_BY,
                names.LABEL_FUNCTION: function,
                names.LABEL_VERSION: version,
                names.LABEL_VERSION_NAME: version_name,
            },
            "finalizers": [names.FINALIZER],
            "ownerReferences": [owner],
        },
        "spec": {"functionName": function, "versionName": version_name, "version": version, "image": image},
    }


def version(*, name: str, namespace: str, function: str, owner: Manifest) -> Manifest:
    """A FunctionVersion, which publishes."""
    return {
        "apiVersion": names.API_VERSION,
        "kind": "FunctionVersion",
        "metadata": {
            "name": name,
            "namespace": namespace,
            "labels": {names.LABEL_FUNCTION: function},
            "ownerReferences": [owner],
        },
        "spec": {"functionName": function},
    }


def alias(*, name: str, namespace: str, function: str, alias: str, version: str, owner: Manifest) -> Manifest:
    """A FunctionAlias on one version."""
    return {
        "apiVersion": names.API_VERSION,
        "kind": "FunctionAlias",
        "metadata": {"name": name or alias_object(function, alias), "namespace": namespace, "ownerReferences": [owner]},
        "spec": {"functionName": function, "name": alias, "functionVersion": version},
    }


def moved_to(version: str) -> Manifest:
    """The merge patch of an alias's spec that gives it wholly to one version: weights were a question of before."""
    return {"functionVersion": version, "additionalVersionWeights": None}


def alias_object(function: str, alias: str) -> str:
    """A FunctionAlias object's name; aliases may hold what object names may not, so those get a hash."""
    plain = alias.lower().replace("_", "-").strip("-")
    if plain == alias:
        return f"{function}-{alias}"
    return f"{function}-{plain}-{hashlib.sha256(alias.encode()).hexdigest()[:8]}".replace("--", "-")
