"""A pod that serves a version, or ``$LATEST``."""

from __future__ import annotations

from thaw import names
from thaw.api.v1alpha1 import FrozenTemplate
from thaw.build import common, secrets
from thaw.build.manifest import Manifest
from thaw.settings import Settings


def instance_pod(
    *,
    template: FrozenTemplate,
    function: str,
    namespace: str,
    qualifier: str,
    version_name: str,
    owner: Manifest,
    gateway: str,
    template_hash: str,
    snapshot_uid: str | None,
    snap_start: bool,
    node_hint: str = "",
    settings: Settings,
) -> Manifest:
    """A whole Pod, named by the API server.

    :param owner: owner reference of the FunctionVersion, or of the Function for ``$LATEST``.
    :param gateway: the gateway that makes it and alone sends it requests.
    :param snapshot_uid: what it is restored from; None starts it cold.
    :param snap_start: whether the version has SnapStart, so that its environment is the init pod's also when it
        starts cold.
    :param node_hint: a node that has the snapshot already; preferred, not required.
    """
    container = common.container(template, function, qualifier, snap_start=snap_start, settings=settings)
    labels = common.labels(function, qualifier, version_name, names.ROLE_INSTANCE)
    labels |= {names.LABEL_GATEWAY: gateway, names.LABEL_TEMPLATE: template_hash}
    if template.spec.code.zip is not None:
        labels[names.LABEL_PACKAGE] = names.package_label(template.spec.code.zip.sha256)
    if snapshot_uid:
        labels[names.LABEL_SNAPSHOT] = snapshot_uid
    spec = common.pod_spec(template, container, secrets.volumes(template.spec, settings))
    if node_hint:
        spec["affinity"] = {"nodeAffinity": _preferred(node_hint)}
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "generateName": names.instance_prefix(function, qualifier),
            "namespace": namespace,
            "labels": labels,
            "annotations": {names.ANNOTATION_ROLE: names.ROLE_INSTANCE},
            "ownerReferences": [owner],
        },
        "spec": spec,
    }


def _preferred(node: str) -> Manifest:
    term = {"matchFields": [{"key": "metadata.name", "operator": "In", "values": [node]}]}
    return {"preferredDuringSchedulingIgnoredDuringExecution": [{"weight": 100, "preference": term}]}
