"""The pod in which a version is initialised, once, to be snapshotted."""

from __future__ import annotations

from thaw import names
from thaw.api.v1alpha1 import FrozenTemplate
from thaw.build import common
from thaw.build.common import Manifest
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
    settings: Settings,
) -> Manifest:
    """A whole Pod.

    :param owner: owner reference of the FunctionVersion.
    """
    container = common.container(template, function, qualifier, snap_start=True, settings=settings)
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "name": name,
            "namespace": namespace,
            "labels": common.labels(function, qualifier, version_name, names.ROLE_INIT)
            | {names.LABEL_SNAPSHOT: snapshot_uid},
            "annotations": {names.ANNOTATION_ROLE: names.ROLE_INIT},
            "ownerReferences": [owner],
        },
        "spec": common.pod_spec(template, container),
    }
