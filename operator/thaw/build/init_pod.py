"""The pods that make a snapshot: one in which a version is initialised, and one that restores it on trial."""

from __future__ import annotations

from typing import Any

from thaw import names
from thaw.api.v1alpha1 import FrozenTemplate
from thaw.build import common, secrets
from thaw.build.manifest import Manifest
from thaw.settings import Settings


def init_pod(
    *,
    name: str,
    template: FrozenTemplate,
    function: str,
    namespace: str,
    qualifier: str,
    version_name: str,
    owner: Manifest,
    snapshot_uid: str,
    generation: int,
    settings: Settings,
) -> Manifest:
    """A whole Pod, in which the process is initialised.

    :param owner: owner reference of the FunctionVersion.
    :param generation: which snapshot of the version it is for, counted from 1.
    """
    container = common.container(template, function, qualifier, snap_start=True, settings=settings)
    labels = common.labels(function, qualifier, version_name, names.ROLE_INIT)
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "name": name,
            "namespace": namespace,
            "labels": labels | {names.LABEL_SNAPSHOT: snapshot_uid, names.LABEL_GENERATION: str(generation)},
            "annotations": {names.ANNOTATION_ROLE: names.ROLE_INIT},
            "ownerReferences": [owner],
        },
        "spec": common.pod_spec(template, container, secrets.placeholders(template.spec, settings)),
    }


def trial_pod(*, node: str, **like_init: Any) -> Manifest:
    """A whole Pod, into which the snapshot is restored on trial: the init pod's twin, on that very node.

    :param node: where the snapshot is; a node's own store has it nowhere else.
    :param like_init: all that :func:`init_pod` takes.
    """
    pod = init_pod(**like_init)
    pod["metadata"]["labels"][names.LABEL_ROLE] = names.ROLE_TRIAL
    pod["metadata"]["annotations"][names.ANNOTATION_ROLE] = names.ROLE_TRIAL
    term = {"matchFields": [{"key": "metadata.name", "operator": "In", "values": [node]}]}
    required = {"nodeSelectorTerms": [term]}
    pod["spec"]["affinity"] = {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": required}}
    return pod
