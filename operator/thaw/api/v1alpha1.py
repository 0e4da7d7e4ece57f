"""The four resources of ``thaw.dev/v1alpha1``: the only source of the CRDs.

Descriptions are what ``kubectl explain`` prints, so they are written for the person who types that. Rules that a schema can
hold are here, as bounds or as CEL (``x-kubernetes-validations``); ``hack/gen_crds.py`` turns the models into ``crds/``.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import Field

from thaw.api.base import Model
from thaw.api.conditions import Condition

State = Literal["Pending", "Active", "Inactive", "Failed"]
StateReasonCode = Literal[
    "Creating", "Restoring", "Idle", "FunctionError", "InvalidImage", "InternalError", "Timeout", "InvalidConfiguration"
]
ApplyOn = Literal["PublishedVersions", "None"]
Protocol = Literal["lambda", "http"]
SnapshotPhase = Literal["Creating", "Ready", "Quarantined", "Deleting"]


def _rules(*rules: tuple[str, str]) -> dict[str, Any]:
    """CEL rules with their messages, in the form that a CRD's schema holds them."""
    return {"x-kubernetes-validations": [{"rule": rule, "message": message} for rule, message in rules]}


_ONE_CODE = "[has(self.inline), has(self.zip), has(self.image)].filter(x, x).size() == 1"
_LAMBDA_CODE = "!has(self.code.image) || !has(self.runtime)"
_RUNTIME = "has(self.code.image) || has(self.runtime)"
_HANDLER = "has(self.code.image) || (has(self.handler) && self.handler != '')"
_HTTP_IMAGE = "self.protocol != 'http' || has(self.code.image)"
_SCALING = "self.minInstances <= self.maxInstances"


class ZipCode(Model):
    """A package in the code store."""

    sha256: Annotated[str, Field(pattern="^[0-9a-f]{64}$")] = Field(
        description="SHA-256 of the package's bytes, 64 hexadecimal digits. The package is uploaded by the Lambda API's CreateFunction "
        "or UpdateFunctionCode, which fill this in."
    )
    size: int = Field(default=0, ge=0, description="The package's size in bytes, as uploaded.")


class Code(Model):
    """Where the function's code comes from."""

    model_config = {**Model.model_config, "json_schema_extra": _rules((_ONE_CODE, "give exactly one of code.inline, code.zip and code.image"))}

    inline: Annotated[dict[str, str], Field(min_length=1, max_length=64)] | None = Field(
        default=None,
        description="File name to content, for small examples: the files are put in /var/task.",
    )
    zip: ZipCode | None = Field(default=None, description="An uploaded package, kept in the code store and unpacked in /var/task.")
    image: Annotated[str, Field(min_length=1, max_length=1024)] | None = Field(
        default=None,
        description="A container image. For protocol lambda it must hold a Lambda runtime interface client as its entrypoint; "
        "for protocol http it needs nothing of Thaw's. Give a digest (registry/app@sha256:…): a snapshot restores only over the files it was taken with.",
    )


class Http(Model):
    """How a function of protocol http is spoken to."""

    port: int = Field(default=8080, ge=1, le=65535, description="The port the container listens on.")
    ready_path: Annotated[str, Field(pattern="^/")] = Field(
        default="/", description="GET on this path answers 2xx or 3xx when initialisation is over: that is the moment of the snapshot."
    )
    before_snapshot_path: str = Field(default="", description="POSTed once before the snapshot, if set; anything but 2xx fails the version.")
    after_restore_path: str = Field(default="", description="POSTed once after each restore, if set, before the first request is let in.")


class SnapStart(Model):
    """Whether published versions are snapshotted."""

    apply_on: ApplyOn = Field(
        default="None",
        description="PublishedVersions: publishing a version initialises it once, snapshots the initialised process, and every later cold start of that "
        "version is a restore of the snapshot. None: every cold start runs the initialisation. $LATEST never uses a snapshot. "
        "Values that must be unique to an instance (random seeds, connections, credentials) belong into an after-restore hook.",
    )


class Scaling(Model):
    """How many instances a version may have, and for how long."""

    model_config = {**Model.model_config, "json_schema_extra": _rules((_SCALING, "minInstances must not be greater than maxInstances"))}

    min_instances: int = Field(default=0, ge=0, le=1000, description="Instances kept running even when nobody calls.")
    max_instances: int = Field(default=10, ge=1, le=1000, description="Instances at the most; further requests wait in a bounded queue.")
    concurrency: int = Field(default=1, ge=1, le=1000, description="Requests an instance serves at a time. Protocol lambda is always 1.")
    slots: int = Field(default=1, ge=0, le=100, description="Pods kept ready on nodes for a restore into them.")
    standby: int = Field(default=0, ge=0, le=100, description="Instances kept restored and frozen.")
    idle_seconds: int = Field(default=60, ge=1, le=86400, description="Seconds without a request after which an instance is removed.")


_ENV_KEYS = "self.all(k, k.matches('^[A-Za-z][A-Za-z0-9_]*$'))"
_ENV_RESERVED = "self.all(k, !(k.startsWith('AWS_LAMBDA_') || k.startsWith('THAW_') || k in ['_HANDLER', 'LAMBDA_TASK_ROOT', 'LAMBDA_RUNTIME_DIR', 'AWS_REGION', 'AWS_ACCESS_KEY_ID', 'AWS_SECRET_ACCESS_KEY', 'AWS_SESSION_TOKEN']))"


class FunctionSpec(Model):
    """What a user writes about a function."""

    model_config = {
        **Model.model_config,
        "json_schema_extra": _rules(
            (_RUNTIME, "runtime is required unless code.image is given"),
            (_LAMBDA_CODE, "runtime must be absent with code.image: the image holds its own"),
            (_HANDLER, "handler is required unless code.image is given, e.g. app.handler"),
            (_HTTP_IMAGE, "protocol http needs code.image"),
        ),
    }

    runtime: Literal["python3.13"] | None = Field(
        default=None, description="The managed runtime that runs the code, as on Lambda; absent for an image."
    )
    handler: Annotated[str, Field(max_length=128, pattern=r"^[^\s]*$")] | None = Field(
        default=None, description="module.function that answers an invocation, e.g. app.handler."
    )
    code: Code = Field(description="Where the code comes from: exactly one of inline, zip and image.")
    protocol: Protocol = Field(
        default="lambda",
        description="lambda: events through the Lambda Runtime API and Invoke. http: plain HTTP, proxied to the container's port.",
    )
    http: Http | None = Field(default=None, description="Only for protocol http.")
    memory_size: int = Field(default=256, ge=32, le=10240, description="Memory limit of an instance in MiB.")
    timeout: int = Field(default=3, ge=1, le=900, description="Seconds an invocation may take.")
    ephemeral_storage: int = Field(default=512, ge=512, le=10240, description="Disk an instance may fill, /tmp included, in MiB.")
    environment: Annotated[dict[str, str], Field(max_length=256, json_schema_extra=_rules(
        (_ENV_KEYS, "names of environment variables begin with a letter and hold letters, digits and underscores"),
        (_ENV_RESERVED, "this name is reserved for the Lambda runtime (AWS_LAMBDA_*, AWS_REGION, _HANDLER, …): choose another"),
    ))] = Field(default_factory=dict, description="Environment variables. They are part of the snapshot: do not put secrets here.")
    role: str = Field(default="", max_length=256, description="What credentials the function gets; kept and shown, as Lambda's execution role is.")
    service_account_name: str = Field(default="default", max_length=253, description="Service account of the function's pods. Its token is not mounted.")
    snap_start: SnapStart = Field(default_factory=SnapStart, description="Snapshot published versions, and start them from it.")
    auto_publish_alias: Annotated[str, Field(pattern=r"^([A-Za-z0-9_-]{1,128})?$")] = Field(
        default="", description="If set, every change is published as a version, and this alias is moved to it once it is Active (as in AWS SAM)."
    )
    description: str = Field(default="", max_length=256, description="For people.")
    scaling: Scaling = Field(default_factory=Scaling, description="How many instances, and for how long.")


class FunctionStatus(Model):
    """What Thaw observed of a function."""

    observed_generation: int = Field(default=0, description="The generation this status speaks of.")
    state: State | None = Field(default=None, description="Active when $LATEST can be invoked.")
    state_reason: str = Field(default="", description="Why it is in that state, for people.")
    state_reason_code: str = Field(default="", description="Why it is in that state, for programs.")
    last_version: int = Field(default=0, description="The last version number given to this function.")
    template_hash: str = Field(default="", description="Hash of what a publish would freeze; equal hashes publish nothing new.")
    conditions: tuple[Condition, ...] = Field(default=(), description="kstatus conditions.")


class FunctionVersionSpec(Model):
    """What is published. It never changes."""

    model_config = {**Model.model_config, "json_schema_extra": _rules(("self == oldSelf", "a published version never changes: publish another one"))}

    function_name: Annotated[str, Field(min_length=1, max_length=64)] = Field(description="The Function, in the same namespace, to publish.")
    description: str = Field(default="", max_length=256, description="For people.")
    code_sha256: str = Field(
        default="", description="If set, publish only if the function's package still has this SHA-256 (base64, as Lambda gives it), else fail."
    )


class VersionSnapStart(Model):
    """SnapStart as frozen at publish, and whether it is in effect."""

    apply_on: ApplyOn = Field(default="None", description="As frozen at publish.")
    optimization_status: Literal["On", "Off"] = Field(default="Off", description="On when starts are restores of a snapshot.")


class Instances(Model):
    """Pods of a version, by what they are."""

    ready: int = Field(default=0, description="Serving or able to serve.")
    standby: int = Field(default=0, description="Restored and frozen.")
    slots: int = Field(default=0, description="Waiting for a restore.")


class FunctionVersionStatus(Model):
    """Where a published version is."""

    observed_generation: int = Field(default=0, description="The generation this status speaks of.")
    version: str = Field(default="", description="The version's number.")
    state: State | None = Field(default=None, description="Pending while it is initialised and snapshotted, then Active; Failed when that failed for good.")
    state_reason: str = Field(default="", description="Why, for people: the function's own error, or CRIU's line that matters.")
    state_reason_code: str = Field(default="", description="Why, for programs: Creating, FunctionError, InvalidImage, InternalError, Timeout, …")
    snap_start: VersionSnapStart = Field(default_factory=VersionSnapStart, description="SnapStart as frozen at publish, and whether it is in effect.")
    snapshot_ref: str = Field(default="", description="The Snapshot that new instances are restored from.")
    duplicate_of: str = Field(default="", description="The earlier FunctionVersion this one equals: nothing had changed since, so no new number was given.")
    init_duration_ms: float | None = Field(default=None, description="How long the initialisation took.")
    snapshot_bytes: int | None = Field(default=None, description="Size of the snapshot, before compression.")
    last_restore_ms: float | None = Field(default=None, description="How long the latest restore took.")
    last_invoked_time: datetime | None = Field(default=None, description="When it was last invoked, to within a minute.")
    code_sha256: str = Field(default="", description="SHA-256 of the package, base64.")
    attempts: int = Field(default=0, description="Initialisations begun so far for the current snapshot.")
    instances: Instances = Field(default_factory=Instances, description="Pods of this version.")
    conditions: tuple[Condition, ...] = Field(default=(), description="kstatus conditions.")


class FunctionAliasSpec(Model):
    """A name for a version."""

    function_name: Annotated[str, Field(min_length=1, max_length=64)] = Field(description="The Function, in the same namespace.")
    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]*[A-Za-z_-][A-Za-z0-9_-]*$", max_length=128)] = Field(
        description="The alias's name: letters, digits, - and _, not digits alone."
    )
    function_version: Annotated[str, Field(pattern=r"^[0-9]+$")] = Field(description="The version's number.")
    description: str = Field(default="", max_length=256, description="For people.")
    additional_version_weights: Annotated[dict[str, Annotated[float, Field(ge=0, le=1)]], Field(max_length=1)] = Field(
        default_factory=dict, description="At most one further version and its share of the requests, 0 to 1."
    )


class FunctionAliasStatus(Model):
    """What Thaw observed of an alias."""

    observed_generation: int = Field(default=0, description="The generation this status speaks of.")
    conditions: tuple[Condition, ...] = Field(default=(), description="kstatus conditions.")


class SnapshotSpec(Model):
    """Which version a snapshot is of. It never changes."""

    model_config = {**Model.model_config, "json_schema_extra": _rules(("self == oldSelf", "a snapshot never changes: a recycle makes the next one"))}

    function_name: str = Field(description="The Function.")
    version_name: str = Field(description="The FunctionVersion object.")
    version: Annotated[str, Field(pattern=r"^[0-9]+$")] = Field(description="The version's number.")


class Fingerprint(Model):
    """What a snapshot depends on; it restores only where this fits."""

    arch: str = Field(default="", description="Machine architecture, e.g. x86_64.")
    cpu: str = Field(default="", description="Hash of the processor's model and feature flags.")
    kernel: str = Field(default="", description="Kernel release.")
    criu: str = Field(default="", description="CRIU version.")
    runc: str = Field(default="", description="runc version.")


class SnapshotStatus(Model):
    """Where a snapshot is."""

    observed_generation: int = Field(default=0, description="The generation this status speaks of.")
    phase: SnapshotPhase | None = Field(default=None, description="Creating, Ready, Quarantined or Deleting.")
    digest: str = Field(default="", description="SHA-256 of the stored manifest, sha256:….")
    size_bytes: int | None = Field(default=None, description="Bytes before compression.")
    stored_bytes: int | None = Field(default=None, description="Bytes this snapshot added to the store.")
    fingerprint: Fingerprint | None = Field(default=None, description="What it was taken on.")
    node: str = Field(default="", description="The node it was taken on.")
    init_duration_ms: float | None = Field(default=None, description="How long the initialisation took.")
    checkpoint_ms: float | None = Field(default=None, description="How long the kubelet's checkpoint took.")
    created_at: datetime | None = Field(default=None, description="When it was committed.")
    message: str = Field(default="", description="What is being waited for, or what failed.")
    conditions: tuple[Condition, ...] = Field(default=(), description="kstatus conditions.")


class FrozenTemplate(Model):
    """What a publish freezes into a ControllerRevision: the spec as it was, and what its names stood for then."""

    spec: FunctionSpec
    image: str = Field(description="The image that the instances run: the runtime's at that moment, or the function's own.")
    code_sha256: str = Field(default="", description="SHA-256 of the package, base64.")


class Meta(Model):
    """The part of ObjectMeta that Thaw reads."""

    name: str
    namespace: str = ""
    uid: str = ""
    generation: int = 0
    resource_version: str = ""
    creation_timestamp: datetime | None = None
    deletion_timestamp: datetime | None = None
    labels: dict[str, str] = Field(default_factory=dict)
    annotations: dict[str, str] = Field(default_factory=dict)
    finalizers: tuple[str, ...] = ()


class Function(Model):
    """The editable function: Lambda's ``$LATEST``."""

    metadata: Meta
    spec: FunctionSpec
    status: FunctionStatus = Field(default_factory=FunctionStatus)


class FunctionVersion(Model):
    """One published version; its spec never changes."""

    metadata: Meta
    spec: FunctionVersionSpec
    status: FunctionVersionStatus = Field(default_factory=FunctionVersionStatus)


class FunctionAlias(Model):
    """A name for a version, with an optional weight for a second one."""

    metadata: Meta
    spec: FunctionAliasSpec
    status: FunctionAliasStatus = Field(default_factory=FunctionAliasStatus)


class Snapshot(Model):
    """One stored snapshot of one version; a recycle makes the next one."""

    metadata: Meta
    spec: SnapshotSpec
    status: SnapshotStatus = Field(default_factory=SnapshotStatus)


PLURALS: Mapping[str, str] = {
    "Function": "functions",
    "FunctionVersion": "functionversions",
    "FunctionAlias": "functionaliases",
    "Snapshot": "snapshots",
}
