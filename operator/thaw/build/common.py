"""What an init pod and the instances restored from it must have in common: nearly everything.

CRIU restores a process over the new pod's container only if that container's mounts have the same destinations, and the
process keeps the environment it was dumped with. So both kinds of pods get their container from here.

What CRIU can dump has shaped three fields:

- **No probes**, for either protocol: a probe's connection is ended for the dump, and the kubelet would see it fail.
- **No seccomp profile of our own**: ``RuntimeDefault`` becomes a filter inside the process, which CRIU would have to
  dump and install again before it has restored what the filter forbids. A kubelet run with ``seccompDefault`` sets
  one nevertheless.
- **No service account token, and no volume but those of** :mod:`thaw.build.secrets`, which are empty in the init pod.
"""

from __future__ import annotations

from thaw import names
from thaw.api.v1alpha1 import FrozenTemplate, Http
from thaw.build import secrets
from thaw.build.manifest import Manifest
from thaw.settings import Settings

TASK_ROOT = "/var/task"
_CPU_REQUEST = "50m"
_STORAGE_REQUEST_MIB = 16
_ROOTS_NEEDS = ["CHOWN", "DAC_OVERRIDE", "FOWNER", "KILL", "NET_BIND_SERVICE", "SETGID", "SETUID"]
"""Capabilities that ordinary images which start as root cannot do without; Pod Security's baseline allows them."""


def labels(function: str, qualifier: str, version_name: str, role: str) -> dict[str, str]:
    """The labels by which pods of a version are found."""
    found = {
        names.LABEL_MANAGED_BY: names.MANAGED_BY,
        names.LABEL_FUNCTION: function,
        names.LABEL_VERSION: names.version_label(qualifier),
        names.LABEL_ROLE: role,
    }
    return found | ({names.LABEL_VERSION_NAME: version_name} if version_name else {})


def environment(
    template: FrozenTemplate, function: str, qualifier: str, *, snap_start: bool, settings: Settings
) -> list[dict[str, str]]:
    """The process's environment: Lambda's for protocol lambda, ``PORT`` for http, and the user's own.

    ``AWS_LAMBDA_RUNTIME_API`` is not here: thaw-init, which listens there, gives it to its child.
    """
    spec = template.spec
    ours = {
        "AWS_LAMBDA_FUNCTION_NAME": function,
        "AWS_LAMBDA_FUNCTION_VERSION": qualifier,
        "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": str(spec.memory_size),
        "AWS_REGION": settings.region,
        "AWS_DEFAULT_REGION": settings.region,
        "TZ": ":UTC",
    }
    if spec.protocol == "http":
        ours["PORT"] = str((spec.http or Http()).port)
    else:
        ours |= {
            "AWS_EXECUTION_ENV": f"AWS_Lambda_{spec.runtime or 'Image'}",
            "AWS_LAMBDA_INITIALIZATION_TYPE": "snap-start" if snap_start else "on-demand",
            "AWS_LAMBDA_LOG_GROUP_NAME": f"/aws/lambda/{function}",
            "AWS_LAMBDA_LOG_STREAM_NAME": f"[{qualifier}]{function}",
            "LAMBDA_TASK_ROOT": TASK_ROOT,
            "_HANDLER": spec.handler or "",
        }
        if spec.log_format != "Text":
            ours["AWS_LAMBDA_LOG_FORMAT"] = spec.log_format
    return [{"name": name, "value": _literal(value)} for name, value in sorted((spec.environment | ours).items())]


def container(
    template: FrozenTemplate, function: str, qualifier: str, *, snap_start: bool, settings: Settings
) -> Manifest:
    """The container ``function``."""
    spec = template.spec
    made: Manifest = {
        "name": names.FUNCTION_CONTAINER,
        "image": template.image,
        "imagePullPolicy": "IfNotPresent",
        "env": environment(template, function, qualifier, snap_start=snap_start, settings=settings),
        "resources": {
            "requests": {
                "cpu": _CPU_REQUEST,
                "memory": f"{max(spec.memory_size // 2, 32)}Mi",
                "ephemeral-storage": f"{_STORAGE_REQUEST_MIB}Mi",
            },
            "limits": {"memory": f"{spec.memory_size}Mi", "ephemeral-storage": f"{spec.ephemeral_storage}Mi"},
        },
        "securityContext": {"allowPrivilegeEscalation": False, "capabilities": _capabilities(template)},
    }
    if mounts := secrets.mounts(spec, settings):
        made["volumeMounts"] = mounts
    if spec.runtime and spec.handler:
        made["args"] = [_literal(spec.handler)]
    return made


def pod_spec(template: FrozenTemplate, made: Manifest, volumes: list[Manifest]) -> Manifest:
    """A pod of one container that runs once, under the runtime that can restore it."""
    whole: Manifest = {
        "runtimeClassName": names.RUNTIME_CLASS,
        "restartPolicy": "Never",
        "automountServiceAccountToken": False,
        "serviceAccountName": template.spec.service_account_name,
        "enableServiceLinks": False,
        "terminationGracePeriodSeconds": 1,
        "containers": [made],
    }
    return whole | ({"volumes": volumes} if volumes else {})


def owner_reference(kind: str, name: str, uid: str) -> Manifest:
    """A Thaw object as the controlling owner of another."""
    return {"apiVersion": names.API_VERSION, "kind": kind, "name": name, "uid": uid, "controller": True}


def _literal(value: str) -> str:
    """The kubelet would read ``$(NAME)`` as another variable's value; ``$$`` is a plain dollar sign to it."""
    return value.replace("$", "$$")


def _capabilities(template: FrozenTemplate) -> Manifest:
    """None for the managed runtimes; what images that start as root expect, for images of users."""
    return {"drop": ["ALL"]} if template.spec.runtime else {"drop": ["ALL"], "add": _ROOTS_NEEDS}
