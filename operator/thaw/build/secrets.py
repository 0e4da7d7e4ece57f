"""What an instance may have and a snapshot may not: AWS credentials by ``spec.role``, files by ``spec.secrets``.

Each is a volume that the kubelet fills and keeps up to date, in memory. A restore needs the mounts that the init pod
had, so there the same places hold empty folders: what is not in the pod cannot get into its snapshot. A pod that needs
none of this has no volume at all, for the kubelet takes 0.3 s to see that volumes are mounted, as long as a restore.
hack/design/0002-credentials.md has the reasons.
"""

from __future__ import annotations

from thaw.api.node import Credentials, NeededSecret
from thaw.api.v1alpha1 import FunctionSpec
from thaw.build.manifest import Manifest
from thaw.settings import Settings

CREDENTIALS = "thaw-credentials"
CREDENTIALS_PATH = "/.thaw/credentials"
_KEYS = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "expiration")
"""All that is mounted of a Secret that a role names."""
_TOKEN_SECONDS = 3600


def mounts(spec: FunctionSpec, settings: Settings) -> list[Manifest]:
    """The container's ``volumeMounts``, the same in init pods and instances."""
    places = {CREDENTIALS: CREDENTIALS_PATH} if _has_source(spec, settings) else {}
    places |= {_volume(index): secret.mount_path for index, secret in enumerate(spec.secrets)}
    return [{"name": name, "mountPath": path, "readOnly": True} for name, path in places.items()]


def placeholders(spec: FunctionSpec, settings: Settings) -> list[Manifest]:
    """The init pod's ``volumes``: empty, and read-only by their mounts."""
    return [{"name": mount["name"], "emptyDir": {"medium": "Memory"}} for mount in mounts(spec, settings)]


def volumes(spec: FunctionSpec, settings: Settings) -> list[Manifest]:
    """An instance's ``volumes``.

    All are optional to the kubelet, which would otherwise let the pod wait for ever and tell nobody: of a Secret that
    is needed thaw-runc says that it is missing, of credentials their endpoint.
    """
    made = [{"name": CREDENTIALS, **_source(spec, settings)}] if _has_source(spec, settings) else []
    return made + [
        {"name": _volume(index), "secret": {"secretName": secret.secret_name, "optional": True}}
        for index, secret in enumerate(spec.secrets)
    ]


def credentials(spec: FunctionSpec, pod: str, settings: Settings) -> Credentials:
    """Where an instance's credentials come from.

    :param pod: the pod's name, by which a trail of what was done with the role tells instances apart.
    """
    if not _has_role(spec):
        return Credentials()
    if not _is_arn(spec.role):
        return Credentials(source="secret", secret_name=spec.role)
    return Credentials(
        source="sts",
        role_arn=spec.role,
        session_name=pod,
        sts_endpoint=settings.sts_endpoint,
        sts_ca_bundle=settings.sts_ca_bundle,
    )


def before_snapshot(spec: FunctionSpec) -> Credentials:
    """What an init pod is told instead. (A trial pod is told nothing: its process wakes up and is not let go on.)"""
    return Credentials(source="later" if _has_role(spec) else "none")


def needed(spec: FunctionSpec) -> tuple[NeededSecret, ...]:
    """The Secrets without which no instance is started."""
    return tuple(
        NeededSecret(secret_name=secret.secret_name, mount_path=secret.mount_path)
        for secret in spec.secrets
        if not secret.optional
    )


def _has_role(spec: FunctionSpec) -> bool:
    return spec.role != "" and spec.protocol == "lambda"


def _has_source(spec: FunctionSpec, settings: Settings) -> bool:
    """Whether the kubelet has something to bring for the role: for an ARN only with an STS to show a token to."""
    return _has_role(spec) and (not _is_arn(spec.role) or settings.sts_endpoint != "")


def _is_arn(role: str) -> bool:
    return role.startswith("arn:")


def _volume(index: int) -> str:
    """A Secret's name may be longer than a volume's."""
    return f"secret-{index}"


def _source(spec: FunctionSpec, settings: Settings) -> Manifest:
    if not _is_arn(spec.role):
        items = [{"key": key, "path": key} for key in _KEYS]
        return {"secret": {"secretName": spec.role, "optional": True, "items": items}}
    token = {"path": "token", "audience": settings.sts_audience, "expirationSeconds": _TOKEN_SECONDS}
    return {"projected": {"sources": [{"serviceAccountToken": token}]}}
