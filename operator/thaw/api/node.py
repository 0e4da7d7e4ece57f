"""The agent's API and the node's files, as hack/design/0001-node-contract.md fixes them. Durations are milliseconds."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from thaw.api.base import Model
from thaw.api.v1alpha1 import Code, Fingerprint, Http, Protocol, UnusableCause

Role = Literal["init", "instance"]
JobPhase = Literal["init", "checkpoint", "store", "verify", "done", "failed"]


class NodeInfo(Model):
    """What a node can do; ``GET /v1/node``."""

    node: str
    checkpoint: bool
    reason: str = ""
    """Why it cannot, for people; empty when it can."""
    fingerprint: Fingerprint = Field(default_factory=Fingerprint)
    version: str = ""
    store: str = ""
    """Why its snapshot store does not work, for people; empty when it does."""


class CachedSnapshot(Model):
    """A snapshot that is on a node, ready to be restored."""

    id: str
    """The Snapshot's UID."""
    digest: str
    """SHA-256 in hexadecimal; its folder's name."""
    bytes: int
    """What it takes of the node's disk."""


class CacheInfo(Model):
    """What a node has ready for use; ``GET /v1/cache``."""

    node: str
    snapshots: tuple[CachedSnapshot, ...] = ()
    code_count: int = 0
    """Unpacked code packages."""
    code_bytes: int = 0


class Credentials(Model):
    """Where a process's AWS credentials come from: ``credentials.json`` beside its token. It holds no secret."""

    source: Literal["none", "later", "secret", "sts"] = "none"
    """none: no role. later: it is being initialised for a snapshot, which may hold none. The others: see below."""
    secret_name: str = ""
    """secret: whose files the kubelet mounts."""
    role_arn: str = ""
    """sts: the role to assume with the pod's service account token, which the kubelet mounts."""
    session_name: str = ""
    sts_endpoint: str = ""
    """Where; empty when the chart names none."""
    sts_ca_bundle: str = ""
    """Certificates in PEM that its TLS certificate may be signed with, beside the image's own."""


class NeededSecret(Model):
    """A Secret without whose files a container is not started."""

    secret_name: str
    mount_path: str


class GrantRequest(Model):
    """``PUT /v1/pods/{uid}/grant``: what the operator or a gateway says of a pod it made."""

    namespace: str
    name: str
    role: Role
    protocol: Protocol = "lambda"
    code: Code | None = None
    """Absent for images, which bring their own."""
    snapshot: str | None = None
    """The Snapshot's UID, to be restored; None starts cold."""
    cold_fallback: bool = True
    """Whether a container that cannot be restored is started cold instead."""
    token: str
    """The secret that callers of this instance present; 32 bytes or more of randomness."""
    credentials: Credentials = Credentials()
    secrets: tuple[NeededSecret, ...] = ()


class GrantResult(Model):
    """What it took to put the pod's needs on the node."""

    code_ms: float = 0
    snapshot_ms: float = 0


class Report(Model):
    """What became of a granted pod's container, written by thaw-runc."""

    pod_uid: str = Field(alias="podUID")
    container_id: str = Field(alias="containerID")
    state: Literal["created", "started", "restored", "failed"]
    pid: int = 0
    ip: str = ""
    restore_ms: float = 0
    restore_error: str = ""
    code: Literal["", "MissingSecret"] = ""
    """Why it failed, where the caller can do something about it."""
    at: int = 0
    """Unix milliseconds."""
    closed_connections: tuple[str, ...] = ()
    """What was ended for the container's checkpoint, as ``tcp 10.244.0.7:41002 → 10.96.0.1:443``."""


class SnapshotRequest(Model):
    """``PUT /v1/snapshots/{id}``: take a snapshot of this pod as soon as it is initialised."""

    pod_uid: str = Field(alias="podUID")
    namespace: str
    name: str
    container: str = "function"
    protocol: Protocol = "lambda"
    http: Http | None = None
    token: str
    init_timeout_seconds: float
    function: str
    version: str
    image: str


class JobError(Model):
    """Why a snapshot job failed."""

    code: Literal["FunctionError", "Timeout", "InternalError", "InvalidImage"]
    message: str
    retryable: bool = False


class SnapshotJob(Model):
    """``GET /v1/snapshots/{id}``: how far it is."""

    id: str
    phase: JobPhase
    init_ms: float | None = None
    checkpoint_ms: float | None = None
    store_ms: float | None = None
    digest: str = ""
    size_bytes: int | None = None
    stored_bytes: int | None = None
    fingerprint: Fingerprint | None = None
    closed_connections: tuple[str, ...] = ()
    """Connections of the function's that were ended for the snapshot; ten at most."""
    error: JobError | None = None


class Removal(Model):
    """What a node had of something that was to be removed, and has no more."""

    node: str
    removed: tuple[str, ...] = ()
    """Kinds of things, e.g. ``cache``, ``manifest``, ``12 chunks``; empty when there was nothing."""


class Kept(Model):
    """``POST /v1/keep``: all that exists in the cluster; what else a node has, from before it was away, may go."""

    snapshots: tuple[str, ...]
    """UIDs of Snapshots."""
    packages: tuple[str, ...]
    """``namespace/sha256`` of code packages."""
    store: bool
    """Whether this agent looks at the store as well."""


class ErrorBody(Model):
    """What the agent answers with any status from 400."""

    code: str
    message: str
    retryable: bool = False
    cause: UnusableCause | None = None
    """Of ``SnapshotUnusable``: why."""
