"""The five resources of ``thaw.dev/v1alpha1``: the only source of the CRDs.

Descriptions are what ``kubectl explain`` prints, so they are written for the person who types that. Rules that a schema
can hold are here, as bounds or as CEL (``x-kubernetes-validations``), each with the sentence its breaker reads.
``hack/gen_crds.py`` turns the models and :data:`RESOURCES` into ``crds/`` and the chart's copies.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import ConfigDict, Field, computed_field

from thaw.api import durations
from thaw.api.base import Model
from thaw.api.conditions import Condition

State = Literal["Pending", "Active", "Inactive", "Failed"]
StateReasonCode = Literal[
    "Creating", "Restoring", "Idle", "FunctionError", "InvalidImage", "InternalError", "Timeout", "InvalidConfiguration"
]
ApplyOn = Literal["PublishedVersions", "None"]
Protocol = Literal["lambda", "http"]
SnapshotPhase = Literal["Creating", "Ready", "Quarantined", "Deleting"]
RecycleCause = Literal["Scheduled", "Requested", "RuntimeImage", "Fingerprint", "SnapshotLost", "Reactivation"]
UnusableCause = Literal["Missing", "Corrupt", "Fingerprint", "RestoreFailed", "Unknown"]
EventState = Literal["Accepted", "Throttled", "Retrying", "Delivering"]

# ---------------------------------------------------------------- helpers: CEL beside the field it is about


Rule = dict[str, str]


def _rule(rule: str, message: str) -> Rule:
    """A CEL rule and the sentence its breaker reads."""
    return {"rule": rule, "message": message}


def _keys(good: str, problem: str) -> Rule:
    """A rule on every key ``k`` of a map, whose message begins with the keys that break it."""
    return {
        "rule": f"self.all(k, {good})",
        "messageExpression": f'self.filter(k, !({good}))[0] + ": {problem}"',
    }


def _rules(*rules: Rule) -> dict[str, Any]:
    """Rules in the form that a CRD's schema holds them."""
    return {"x-kubernetes-validations": list(rules)}


def _object(*rules: Rule) -> ConfigDict:
    """A model's configuration that carries rules about the whole object."""
    return ConfigDict(json_schema_extra=_rules(*rules))


def _pattern(pattern: str, message: str, *more: Rule) -> Any:
    """A pattern whose breaker is told a sentence: in the CRD it is a CEL rule, in Python a plain pattern."""

    def in_words(schema: dict[str, Any]) -> None:
        schema.pop("pattern", None)
        schema |= _rules(_rule(f"self.matches(r'{pattern}')", message), *more)

    return Field(pattern=pattern, json_schema_extra=in_words)


def size_text(count: int | None) -> str | None:
    """Bytes for a table: ``76 MiB``."""
    if count is None:
        return None
    size = float(count)
    for unit in ("B", "KiB", "MiB"):
        if size < 1024:
            return f"{size:.0f} {unit}"
        size /= 1024
    return f"{size:.1f} GiB"


def _duration(ms: float | None) -> str | None:
    """Milliseconds for a table: ``143ms``, ``2.1s``."""
    if ms is None:
        return None
    return f"{ms:.0f}ms" if ms < 1000 else f"{ms / 1000:.1f}s"


Sha256Hex = Annotated[str, Field(max_length=64), _pattern("^[0-9a-f]{64}$", "must be a SHA-256: 64 hexadecimal digits")]
VersionNumber = Annotated[
    str, Field(max_length=19), _pattern("^[0-9]+$", "must be a version's number, in quotation marks: e.g. '3'")
]
AliasTarget = Annotated[
    str,
    Field(max_length=19),
    _pattern("^([$]LATEST|[0-9]+)$", "must be a version's number, in quotation marks: e.g. '3', or $LATEST"),
]
_FUNCTION_NAME = (
    "^[a-z0-9]([a-z0-9-]*[a-z0-9])?$",
    "must be a Function's name: lower-case letters, digits and -",
)
FunctionName = Annotated[str, Field(min_length=1, max_length=63), _pattern(*_FUNCTION_NAME)]
Path = Annotated[str, Field(max_length=1024), _pattern("^/[^ ]*$", "must be a path that begins with /")]
OptionalPath = Annotated[
    str, Field(max_length=1024), _pattern("^(/[^ ]*)?$", "must be a path that begins with /, or empty")
]
Duration = Annotated[
    str,
    Field(max_length=32),
    _pattern(durations.PATTERN, "must be a duration, e.g. 14d, 36h, 1h30m or 10s, or Never"),
]
Conditions = Annotated[
    tuple[Condition, ...],
    Field(
        max_length=16,
        json_schema_extra={"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["type"]},
        description="Ready always; Reconciling while work is under way; Stalled when somebody has to act; Recycled, of "
        "a version whose snapshot was once made anew: whether that went well.",
    ),
]

# ---------------------------------------------------------------- Function

_ONE_CODE = "[has(self.inline), has(self.zip), has(self.image)].filter(x, x).size() == 1"
_RUNTIME = "has(self.code.image) || has(self.runtime)"
_NO_RUNTIME = "!has(self.code.image) || !has(self.runtime)"
_HANDLER = "has(self.code.image) || (has(self.handler) && self.handler != '')"
_HTTP_IMAGE = "self.protocol != 'http' || has(self.code.image)"
_HTTP_ONLY = "self.protocol == 'http' || !has(self.http)"
_ONE_AT_A_TIME = "self.protocol == 'http' || self.scaling.concurrency == 1"
_SCALING = "self.minInstances <= self.maxInstances"
_FILE = "k.matches(r'^[A-Za-z0-9_][A-Za-z0-9_./-]*$') && !k.contains('..') && !k.contains('//') && !k.endsWith('/')"
_ENV_NAME = "k.matches(r'^[A-Za-z][A-Za-z0-9_]*$')"
_ENV_FREE = (
    "!(k.startsWith('AWS_LAMBDA_') || k.startsWith('THAW_') || k in ['LAMBDA_TASK_ROOT', 'LAMBDA_RUNTIME_DIR', "
    "'AWS_REGION', 'AWS_DEFAULT_REGION', 'AWS_EXECUTION_ENV'])"
)
_ENV_NO_KEYS = (
    "!(k.startsWith('AWS_CONTAINER_') || k in ['AWS_ACCESS_KEY_ID', 'AWS_SECRET_ACCESS_KEY', 'AWS_SESSION_TOKEN'])"
)
_ROLE = (
    "^(|[a-z0-9]([a-z0-9.-]*[a-z0-9])?|arn:[a-z0-9-]+:iam::[A-Za-z0-9]*:role/[A-Za-z0-9_+=,.@/-]+)$"  # Ceph, MinIO too
)
_ROLE_LAMBDA = "self.protocol != 'http' || !has(self.role) || self.role == ''"
_FREE_PATH = (
    "!['/.thaw', '/dev', '/proc', '/sys', '/var/task'].exists(p, self == p || self.startsWith(p + '/')) && "
    "!(self in ['/bin', '/etc', '/home', '/lib', '/lib64', '/opt', '/root', '/run', '/sbin', '/tmp', '/usr', '/var'])"
)
_PROVISIONED = "k.matches(r'^[A-Za-z0-9_-]{1,128}$')"
_QUALIFIED = "k.matches(r'^([$]LATEST|[A-Za-z0-9_-]{1,128})$')"
_URL_QUALIFIED = "k.matches(r'^([$]LATEST|[A-Za-z0-9_-]{1,128})$') && !k.matches(r'^[0-9]+$')"
_UNWEIGHTED = "!has(self.additionalVersionWeights)"
_LATEST_ALONE = f"self.functionVersion != '$LATEST' || {_UNWEIGHTED} || self.additionalVersionWeights.size() == 0"
_TWO_VERSIONS = f"{_UNWEIGHTED} || !(self.functionVersion in self.additionalVersionWeights)"
_TAG = "k.size() >= 1 && k.size() <= 128 && !k.startsWith('aws:')"
_CREDENTIALED = "!self.allowCredentials || !self.allowOrigins.exists(o, o == '*')"
_SIDE_BY_SIDE = "self.all(a, !self.exists(b, b.mountPath.startsWith(a.mountPath + '/')))"


class ZipCode(Model):
    """A package in the code store."""

    sha256: Sha256Hex = Field(
        description="SHA-256 of the package's bytes, 64 hexadecimal digits. The package itself is uploaded by the "
        "Lambda API's CreateFunction or UpdateFunctionCode, which fill this in.",
    )
    size: int = Field(default=0, ge=0, description="The package's size in bytes, as uploaded.")


class Code(Model):
    """Where the function's code comes from."""

    model_config = _object(_rule(_ONE_CODE, "give exactly one of inline, zip and image"))

    inline: (
        Annotated[
            dict[str, Annotated[str, Field(max_length=262144)]],
            Field(
                min_length=1,
                max_length=64,
                json_schema_extra=_rules(
                    _keys(_FILE, "a file name is relative, without .., of letters, digits and _ . / -")
                ),
            ),
        ]
        | None
    ) = Field(
        default=None,
        description="File name to content, for small examples: the files are put in /var/task. The key is the path "
        "below it, e.g. app.py or lib/util.py.",
    )
    zip: ZipCode | None = Field(
        default=None, description="An uploaded package, kept in the code store and unpacked in /var/task."
    )
    image: (
        Annotated[str, Field(min_length=1, max_length=1024), _pattern("^[^ ]+$", "must be an image, without spaces")]
        | None
    ) = Field(
        default=None,
        description="A container image. For protocol lambda its entrypoint must be a Lambda runtime interface client; "
        "for protocol http it needs nothing of Thaw's. Give a digest (registry/app@sha256:…): a snapshot restores only "
        "over the files it was taken with.",
    )


class Http(Model):
    """How a function of protocol http is spoken to."""

    port: int = Field(default=8080, ge=1, le=65535, description="The port the container listens on.")
    ready_path: Path = Field(
        default="/",
        description="GET on this path answers 2xx or 3xx when initialisation is over: that is the moment of the "
        "snapshot.",
    )
    before_snapshot_path: OptionalPath = Field(
        default="",
        description="If set, POSTed once before the snapshot: close connections, drop what must not be copied. "
        "Anything but 2xx fails the version.",
    )
    after_restore_path: OptionalPath = Field(
        default="",
        description="If set, POSTed once after each restore, before the first request is let in: reconnect, reseed, "
        "fetch credentials anew.",
    )


class SnapStart(Model):
    """Whether published versions are snapshotted."""

    apply_on: ApplyOn = Field(
        default="None",
        description="PublishedVersions: publishing a version initialises it once and snapshots the initialised "
        "process; every later cold start of that version is a restore of the snapshot. None: every cold start runs "
        "the initialisation. $LATEST never uses a snapshot, so publish a version to gain anything. All instances "
        "restored from one snapshot begin with the same memory: whatever must be unique or fresh in each of them "
        "(random seeds, connections, credentials, temporary files' names) belongs in an after-restore hook.",
    )
    inactive_after: Duration | None = Field(
        default=None,
        description="A version that was not invoked for so long becomes Inactive: its snapshot is kept and used by the "
        "next invocation, but of Java it is deleted and made anew when somebody asks for it. Can be changed for "
        "versions that are published already. Unset: the cluster's setting, 14d unless an administrator changed it.",
    )
    recycle_after: Duration | None = Field(
        default=None,
        description="A snapshot of that age is made anew while the version serves on, so that what its memory holds "
        "does not grow stale. Can be changed for versions that are published already. Unset: the cluster's setting, "
        "7d unless an administrator changed it.",
    )


class SecretMount(Model):
    """A Secret whose keys become files."""

    secret_name: Annotated[
        str,
        Field(max_length=253),
        _pattern("^[a-z0-9]([a-z0-9.-]*[a-z0-9])?$", "must be the name of a Secret in the function's namespace"),
    ] = Field(description="The Secret, in the function's namespace. Each of its keys becomes a file.")
    mount_path: Annotated[
        str,
        Field(max_length=256),
        _pattern(
            "^(/[.]?[A-Za-z0-9_-][A-Za-z0-9._-]*)+$",
            "must be an absolute path of letters, digits and _ . -, without .. and without a slash at its end",
            _rule(_FREE_PATH, "must be a folder of the Secret's own, e.g. /etc/secrets/db, and none of the system's"),
        ),
    ] = Field(description="The folder of the files. It hides what the image has there.")
    optional: bool = Field(
        default=False,
        description="Start instances also while the Secret is missing: the folder is then empty, and is filled within "
        "about a minute of the Secret's creation.",
    )


class Scaling(Model):
    """How many instances a version may have, and for how long."""

    model_config = _object(_rule(_SCALING, "minInstances must not be greater than maxInstances"))

    min_instances: int = Field(default=0, ge=0, le=1000, description="Instances kept running even when nobody calls.")
    max_instances: int = Field(
        default=10, ge=1, le=1000, description="Instances at the most; further requests wait in a bounded queue."
    )
    concurrency: int = Field(
        default=1, ge=1, le=1000, description="Requests an instance serves at a time; always 1 for protocol lambda."
    )
    slots: int = Field(
        default=1, ge=0, le=100, description="Empty pods kept ready, each for a restore into it: the fastest start."
    )
    standby: int = Field(default=0, ge=0, le=100, description="Instances kept restored and frozen.")
    idle_seconds: int = Field(
        default=60, ge=1, le=86400, description="Seconds without a request after which an instance is removed."
    )
    reserved_concurrency: int | None = Field(
        default=None,
        ge=0,
        le=100000,
        description="Invocations of the function that may run at a time, over all its versions (Lambda's reserved "
        "concurrency); more are refused with 429 TooManyRequestsException. 0 stops all invocations. Unset: no limit "
        "but that of the instances.",
    )
    provisioned_concurrency: Annotated[
        dict[str, Annotated[int, Field(ge=1, le=1000)]],
        Field(
            max_length=64,
            json_schema_extra=_rules(
                _keys(_PROVISIONED, "provisioned concurrency is of a version's number or an alias")
            ),
        ),
    ] = Field(
        default_factory=dict,
        description="Version number or alias to the instances that are kept started for it (Lambda's provisioned "
        "concurrency). Here it goes together with SnapStart: they are restored ahead.",
    )


class Destination(Model):
    """Where the record of an asynchronous invocation goes."""

    destination: Annotated[
        str,
        Field(min_length=1, max_length=350),
        _pattern(
            "^(arn:[a-z0-9-]+:lambda:[^ ]+|https?://[^ ]+)$", "must be a function's ARN, or an http:// or https:// URL"
        ),
    ] = Field(description="The ARN of a function of the same namespace, or a URL that the record is POSTed to.")


class EventInvoke(Model):
    """What becomes of asynchronous invocations (InvocationType Event)."""

    maximum_retry_attempts: int = Field(
        default=2, ge=0, le=2, description="Further tries when the function answers with an error."
    )
    maximum_event_age_seconds: int = Field(
        default=21600,
        ge=60,
        le=21600,
        description="Seconds after which an event that could not be run is given up.",
    )
    on_success: Destination | None = Field(default=None, description="Who is told of events that were run.")
    on_failure: Destination | None = Field(default=None, description="Who is told of events that were given up.")


class Cors(Model):
    """Cross-origin resource sharing of a function URL."""

    model_config = _object(_rule(_CREDENTIALED, "allowOrigins must name origins, not *, with allowCredentials"))

    allow_credentials: bool = Field(default=False, description="Whether cookies and credentials may be sent.")
    allow_headers: Annotated[tuple[Annotated[str, Field(max_length=1024)], ...], Field(max_length=100)] = Field(
        default=(), description="Request headers that may be sent."
    )
    allow_methods: Annotated[tuple[Annotated[str, Field(max_length=6)], ...], Field(max_length=6)] = Field(
        default=(), description="Methods that may be used, or *."
    )
    allow_origins: Annotated[tuple[Annotated[str, Field(min_length=1, max_length=253)], ...], Field(max_length=100)] = (
        Field(default=(), description="Origins that may call, or *.")
    )
    expose_headers: Annotated[tuple[Annotated[str, Field(max_length=1024)], ...], Field(max_length=100)] = Field(
        default=(), description="Response headers that scripts may read."
    )
    max_age: int = Field(default=0, ge=0, le=86400, description="Seconds for which a browser may keep the answer.")


class FunctionUrl(Model):
    """An HTTP address of a function, for callers that know no AWS API."""

    auth_type: Literal["NONE", "AWS_IAM"] = Field(
        description="NONE: whoever reaches the gateway may call it. AWS_IAM: requests are signed by an access key of "
        "the function's namespace."
    )
    invoke_mode: Literal["BUFFERED", "RESPONSE_STREAM"] = Field(
        default="BUFFERED", description="Whether the answer is sent when it is whole, or as it is written."
    )
    cors: Cors | None = Field(default=None, description="What browsers allow pages of other origins.")


class FunctionSpec(Model):
    """What a user writes about a function."""

    model_config = _object(
        _rule(_RUNTIME, "runtime is required unless code.image is given: e.g. runtime: python3.13"),
        _rule(_NO_RUNTIME, "runtime must be absent with code.image: the image brings its own"),
        _rule(_HANDLER, "handler is required unless code.image is given: e.g. handler: app.handler"),
        _rule(_HTTP_IMAGE, "protocol http needs code.image: inline and zip code is run by a Lambda runtime"),
        _rule(
            _ROLE_LAMBDA,
            "role is only for protocol: lambda, whose SDKs find its credentials; mount a Secret with secrets instead",
        ),
        _rule(_HTTP_ONLY, "http is only for protocol: http; remove it or set the protocol"),
        _rule(
            _ONE_AT_A_TIME, "scaling.concurrency must be 1 for protocol lambda: an instance serves one event at a time"
        ),
    )

    runtime: (
        Annotated[
            str,
            Field(min_length=1, max_length=63),
            _pattern("^[a-z][a-z0-9.-]*$", "must be a runtime's name, e.g. python3.13"),
        ]
        | None
    ) = Field(
        default=None,
        description="The managed runtime that runs the code, named as on Lambda, e.g. python3.13; absent for an image. "
        "The chart's value runtimes lists those this cluster has.",
    )
    handler: (
        Annotated[str, Field(max_length=128), _pattern("^[^ ]*$", "must not contain spaces: e.g. app.handler")] | None
    ) = Field(
        default=None,
        description="What answers an invocation: module.function for Python, e.g. app.handler for def handler(event, "
        "context) in app.py; package.Class or package.Class::method for Java; file.export for Node. Runtime provided "
        "leaves its meaning to the package's bootstrap.",
    )
    code: Code = Field(description="Where the code comes from: exactly one of inline, zip and image.")
    protocol: Protocol = Field(
        default="lambda",
        description="lambda: events, through the Lambda Runtime API and Invoke. http: plain HTTP, proxied whole to the "
        "container's port.",
    )
    http: Http | None = Field(default=None, description="How to speak to the container; only for protocol http.")
    memory_size: int = Field(default=256, ge=32, le=10240, description="Memory limit of an instance in MiB.")
    timeout: int = Field(default=3, ge=1, le=900, description="Seconds an invocation may take.")
    ephemeral_storage: int = Field(
        default=512,
        ge=512,
        le=10240,
        description="Disk an instance may fill, in MiB: /tmp, all else that it writes into its files, and its log. "
        "Beyond it no write fails, but the kubelet evicts the pod within seconds: the invocation under way ends with "
        "Runtime.ExitError, the pod's Event says Evicted, and the next invocation has a new instance. What the "
        "initialisation left in /tmp is part of the snapshot.",
    )
    log_format: Literal["Text", "JSON"] = Field(
        default="Text",
        description="How the platform's lines in the log are written: START, END and REPORT, or JSON events "
        "(platform.start, platform.report, …); a runtime that can writes the function's own lines likewise.",
    )
    environment: Annotated[
        dict[str, Annotated[str, Field(max_length=32768)]],
        Field(
            max_length=256,
            json_schema_extra=_rules(
                _keys(_ENV_NAME, "a name begins with a letter and holds letters, digits and underscores"),
                _keys(_ENV_FREE, "reserved for the Lambda runtime, choose another name"),
                _keys(_ENV_NO_KEYS, "credentials come from role, never from the environment, which a snapshot holds"),
            ),
        ),
    ] = Field(
        default_factory=dict,
        description="Environment variables. They are part of the snapshot and of the published version: do not put "
        "secrets here.",
    )
    role: Annotated[
        str,
        _pattern(_ROLE, "must be a role's ARN (arn:aws:iam::123456789012:role/name), a Secret's name, or empty"),
    ] = Field(
        default="",
        max_length=256,
        description="What AWS credentials the function gets, for protocol lambda: the SDKs find them by themselves, "
        "fresh in each instance and never in a snapshot, so not before an after-restore hook. The ARN of an IAM role: "
        "it is assumed with the pod's service account token, at the chart's aws.stsEndpoint. Anything else: the name "
        "of a Secret in the same namespace, with the keys AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, and if need be "
        "AWS_SESSION_TOKEN and expiration (RFC 3339). Empty: none.",
    )
    secrets: Annotated[
        tuple[SecretMount, ...],
        Field(
            max_length=16,
            json_schema_extra={
                "x-kubernetes-list-type": "map",
                "x-kubernetes-list-map-keys": ["mountPath"],
                **_rules(_rule(_SIDE_BY_SIDE, "no mountPath may be inside another one")),
            },
        ),
    ] = Field(
        default=(),
        description="Secrets as files, in memory: in each instance from its start or restore on, so for after-restore "
        "hooks too, and renewed within about a minute when the Secret changes. Never in a snapshot: while the version "
        "is initialised the folders are empty. Without a Secret that is not optional no instance starts.",
    )
    service_account_name: str = Field(
        default="default",
        max_length=253,
        description="Service account of the function's pods. Its token is not mounted.",
    )
    snap_start: SnapStart = Field(
        default_factory=SnapStart,
        description="Snapshot each published version once it is initialised, and start its instances from that. Set "
        "applyOn: PublishedVersions, then publish: by a FunctionVersion, by autoPublishAlias or by the Lambda API's "
        "PublishVersion. kubectl get fnv shows how far it is.",
    )
    auto_publish_alias: Annotated[
        str,
        _pattern("^([A-Za-z0-9_-]{0,127}[A-Za-z_-][A-Za-z0-9_-]{0,127})?$", "must be an alias: not digits alone"),
    ] = Field(
        default="",
        max_length=128,
        description="If set, every change of the function is published as a version, and this alias is moved to it "
        "once it is Active (as in AWS SAM).",
    )
    description: str = Field(default="", max_length=256, description="For people.")
    scaling: Scaling = Field(
        default_factory=Scaling, description="How many instances of one version, and for how long."
    )
    event_invoke: Annotated[
        dict[str, EventInvoke],
        Field(
            max_length=64,
            json_schema_extra=_rules(_keys(_QUALIFIED, "a key is $LATEST, a version's number or an alias")),
        ),
    ] = Field(
        default_factory=dict,
        description="$LATEST, version number or alias to what becomes of its asynchronous invocations. Not versioned.",
    )
    urls: Annotated[
        dict[str, FunctionUrl],
        Field(
            max_length=64,
            json_schema_extra=_rules(_keys(_URL_QUALIFIED, "a key is $LATEST or an alias")),
        ),
    ] = Field(default_factory=dict, description="$LATEST or alias to its function URL. Not versioned.")
    tags: Annotated[
        dict[str, Annotated[str, Field(max_length=256)]],
        Field(
            max_length=50,
            json_schema_extra=_rules(_keys(_TAG, "a tag's key has 1 to 128 characters and does not begin with aws:")),
        ),
    ] = Field(default_factory=dict, description="Tags, as on Lambda; labels are Kubernetes' own. Not versioned.")


class FunctionStatus(Model):
    """What Thaw observed of a function."""

    observed_generation: int = Field(default=0, description="The metadata.generation this status speaks of.")
    state: State | None = Field(default=None, description="Active when $LATEST can be invoked.")
    state_reason: str = Field(default="", description="Why it is in that state, for people.")
    state_reason_code: str = Field(default="", description="Why it is in that state, for programs.")
    last_version: int = Field(default=0, description="The last version number given to this function.")
    template_hash: str = Field(
        default="", description="Hash of what a publish would freeze; equal hashes publish nothing new."
    )
    conditions: Conditions = ()


# ---------------------------------------------------------------- FunctionVersion


class FunctionVersionSpec(Model):
    """What is published. It never changes."""

    model_config = _object(_rule("self == oldSelf", "a published version never changes: publish another one"))

    function_name: FunctionName = Field(description="The Function to publish, in the same namespace.")
    description: str = Field(default="", max_length=256, description="For people.")
    code_sha256: str = Field(
        default="",
        max_length=64,
        description="If set, publish only if the function's package still has this SHA-256 (base64, as Lambda gives "
        "it), else fail.",
    )


class VersionSnapStart(Model):
    """SnapStart as frozen at publish, and whether it is in effect."""

    apply_on: ApplyOn = Field(default="None", description="As frozen at publish.")
    optimization_status: Literal["On", "Off"] = Field(
        default="Off", description="On when starts are restores of a snapshot."
    )


class Instances(Model):
    """Pods of a version, by what they are."""

    ready: int = Field(default=0, description="Serving or able to serve.")
    standby: int = Field(default=0, description="Restored and frozen.")
    slots: int = Field(default=0, description="Waiting for a restore.")


class Recycle(Model):
    """A snapshot that is made to replace the one in use."""

    generation: int = Field(description="Which snapshot of the version it is, counted from 1.")
    cause: RecycleCause = Field(
        description="Scheduled: the old one has reached recycleAfter. Requested: by the annotation thaw.dev/recycle. "
        "RuntimeImage: the runtime has a newer image. Fingerprint: the nodes have changed. SnapshotLost: the old one "
        "is gone or cannot be restored. Reactivation: an Inactive version without a snapshot was invoked."
    )
    began: datetime = Field(description="When it was begun.")


class RecycleOutcome(Model):
    """How the latest recycle ended."""

    cause: RecycleCause = Field(description="Why it was done.")
    succeeded: bool = Field(description="Whether the new snapshot replaced the old one.")
    ended: datetime = Field(description="When it ended.")
    message: str = Field(default="", description="Why it failed.")
    failures: int = Field(default=0, description="How many failed in a row; the pauses between them double.")


class FunctionVersionStatus(Model):
    """Where a published version is."""

    observed_generation: int = Field(default=0, description="The metadata.generation this status speaks of.")
    version: str = Field(default="", description="The version's number, given once and never reused.")
    state: State | None = Field(
        default=None,
        description="Pending while it is initialised and snapshotted, then Active. Inactive after long disuse, or when "
        "its initialisation failed while its snapshot was made anew. Failed when initialisation or snapshot failed for "
        "good: mend the function and publish again.",
    )
    state_reason: str = Field(
        default="", description="Why, for people: the function's own error, or CRIU's line that matters."
    )
    state_reason_code: str = Field(
        default="", description="Why, for programs: Creating, FunctionError, InvalidImage, InternalError, Timeout, …"
    )
    snap_start: VersionSnapStart = Field(
        default_factory=VersionSnapStart, description="SnapStart as frozen at publish, and whether it is in effect."
    )
    snapshot_ref: str = Field(default="", description="The Snapshot that new instances are restored from.")
    duplicate_of: str = Field(
        default="",
        description="The earlier FunctionVersion this one equals: nothing had changed since, so no new number was "
        "given.",
    )
    init_duration_ms: float | None = Field(default=None, description="How long the initialisation took.")
    snapshot_bytes: int | None = Field(default=None, description="Size of the snapshot, before compression.")
    last_restore_ms: float | None = Field(default=None, description="How long the latest restore took.")
    last_invoked_time: datetime | None = Field(
        default=None, description="When it was last invoked, to within a minute."
    )
    code_sha256: str = Field(default="", description="SHA-256 of the package, base64.")
    attempts: int = Field(default=0, description="Initialisations begun so far for the snapshot that is being made.")
    snapshot_generation: int = Field(
        default=1, description="Which snapshot of the version snapshotRef is, counted from 1."
    )
    recycle: Recycle | None = Field(default=None, description="The recycle under way.")
    last_recycle: RecycleOutcome | None = Field(default=None, description="How the latest recycle ended.")
    recycle_requested: str = Field(
        default="", description="The value of the annotation thaw.dev/recycle that was acted upon."
    )
    inactive_since: datetime | None = Field(default=None, description="When it became Inactive.")
    instances: Instances = Field(default_factory=Instances, description="Pods of this version.")
    conditions: Conditions = ()

    @computed_field(description="snapshotBytes, for people.")  # type: ignore[prop-decorator]
    @property
    def snapshot_size(self) -> str | None:
        """``snapshotBytes`` for the table of ``kubectl get``."""
        return size_text(self.snapshot_bytes)

    @computed_field(description="initDurationMs, for people.")  # type: ignore[prop-decorator]
    @property
    def init_duration(self) -> str | None:
        """``initDurationMs`` for the table of ``kubectl get``."""
        return _duration(self.init_duration_ms)

    @computed_field(description="lastRestoreMs, for people.")  # type: ignore[prop-decorator]
    @property
    def last_restore(self) -> str | None:
        """``lastRestoreMs`` for the table of ``kubectl get``."""
        return _duration(self.last_restore_ms)


# ---------------------------------------------------------------- FunctionAlias


class FunctionAliasSpec(Model):
    """A name for a version."""

    model_config = _object(
        _rule(_LATEST_ALONE, "additionalVersionWeights need a published version in functionVersion, not $LATEST"),
        _rule(_TWO_VERSIONS, "additionalVersionWeights must name another version than functionVersion"),
    )

    function_name: Annotated[
        str,
        Field(min_length=1, max_length=63),
        _pattern(*_FUNCTION_NAME, _rule("self == oldSelf", "an alias stays with its function: make another alias")),
    ] = Field(description="The Function, in the same namespace. It never changes.")
    name: Annotated[
        str,
        Field(min_length=1, max_length=128),
        _pattern(
            "^[A-Za-z0-9_-]*[A-Za-z_-][A-Za-z0-9_-]*$",
            "an alias holds letters, digits, - and _, and not digits alone: those are a version's number",
            _rule("self == oldSelf", "an alias is not renamed: make another alias"),
        ),
    ] = Field(
        description="The alias's name, as callers write it: function:name. Letters, digits, - and _, not digits "
        "alone. It never changes."
    )
    function_version: AliasTarget = Field(description="The version's number, or $LATEST.")
    description: str = Field(default="", max_length=256, description="For people.")
    additional_version_weights: Annotated[
        dict[str, Annotated[float, Field(ge=0, le=1)]],
        Field(
            max_length=1,
            json_schema_extra=_rules(
                _keys("k.matches(r'^[0-9]+$')", "must be a version's number, in quotation marks: e.g. '3'")
            ),
        ),
    ] = Field(
        default_factory=dict,
        description="At most one further version's number, and its share of the requests, 0 to 1: {'4': 0.1} sends a "
        "tenth to version 4.",
    )


class FunctionAliasStatus(Model):
    """What Thaw observed of an alias."""

    observed_generation: int = Field(default=0, description="The metadata.generation this status speaks of.")
    conditions: Conditions = ()


# ---------------------------------------------------------------- Snapshot


class SnapshotSpec(Model):
    """Which version a snapshot is of. It never changes."""

    model_config = _object(_rule("self == oldSelf", "a snapshot never changes: a recycle makes the next one"))

    function_name: FunctionName = Field(description="The Function.")
    version_name: Annotated[str, Field(min_length=1, max_length=253)] = Field(description="The FunctionVersion object.")
    version: VersionNumber = Field(description="The version's number.")
    image: str = Field(
        default="",
        max_length=1024,
        description="The image it is taken of, which the instances restored from it run. Empty: the version's own.",
    )


class Fingerprint(Model):
    """What a snapshot depends on; it restores only where this fits."""

    arch: str = Field(default="", description="Machine architecture, e.g. x86_64.")
    cpu: str = Field(default="", description="Hash of the processor's model and feature flags.")
    kernel: str = Field(default="", description="Kernel release.")
    criu: str = Field(default="", description="CRIU version.")
    runc: str = Field(default="", description="runc version.")


class Unusable(Model):
    """What happened when a node was to restore a snapshot."""

    cause: UnusableCause = Field(
        description="Missing or Corrupt in the store; Fingerprint: taken on another kind of node; RestoreFailed: CRIU "
        "could not."
    )
    message: str = Field(default="", description="What the node said.")
    times: int = Field(default=1, description="How often.")
    last: datetime = Field(description="When it happened last.")


class SnapshotStatus(Model):
    """Where a snapshot is."""

    observed_generation: int = Field(default=0, description="The metadata.generation this status speaks of.")
    phase: SnapshotPhase | None = Field(
        default=None,
        description="Creating until every byte is stored and read back, then Ready. Quarantined when it failed to "
        "restore and is used no more. Deleting while its bytes are removed.",
    )
    digest: str = Field(default="", description="SHA-256 of the stored manifest, sha256:….")
    size_bytes: int | None = Field(default=None, description="Bytes before compression.")
    stored_bytes: int | None = Field(default=None, description="Bytes this snapshot added to the store.")
    fingerprint: Fingerprint | None = Field(
        default=None, description="What it was taken on; it restores only where this fits."
    )
    node: str = Field(default="", description="The node it was taken on.")
    init_duration_ms: float | None = Field(default=None, description="How long the initialisation took.")
    checkpoint_ms: float | None = Field(default=None, description="How long the kubelet's checkpoint took.")
    created_at: datetime | None = Field(default=None, description="When it was committed.")
    message: str = Field(default="", description="What is being waited for, or what failed.")
    store_ms: float | None = Field(default=None, description="How long storing it took.")
    trial_restore_ms: float | None = Field(
        default=None, description="How long its trial took: a restore that nobody waits for, before it is used."
    )
    unusable: Annotated[dict[str, Unusable], Field(max_length=1000)] = Field(
        default_factory=dict, description="Nodes that could not restore it, and why; starts there are cold."
    )
    conditions: Conditions = ()

    @computed_field(description="sizeBytes, for people.")  # type: ignore[prop-decorator]
    @property
    def size(self) -> str | None:
        """``sizeBytes`` for the table of ``kubectl get``."""
        return size_text(self.size_bytes)

    @computed_field(description="storedBytes, for people.")  # type: ignore[prop-decorator]
    @property
    def stored(self) -> str | None:
        """``storedBytes`` for the table of ``kubectl get``."""
        return size_text(self.stored_bytes)


# ---------------------------------------------------------------- EventInvocation


class EventInvocationSpec(Model):
    """What was accepted. It never changes."""

    model_config = _object(_rule("self == oldSelf", "an accepted event never changes: invoke the function again"))

    function_name: FunctionName = Field(description="The Function, in the same namespace.")
    qualifier: Annotated[
        str, Field(max_length=128), _pattern("^([$]LATEST|[A-Za-z0-9_-]*)$", "must be $LATEST, a version or an alias")
    ] = Field(default="", description="$LATEST, version number or alias, as it was invoked; empty: unqualified.")
    request_id: Annotated[str, Field(min_length=1, max_length=63)] = Field(
        description="The id that the function and its log lines get, the same at every try."
    )
    accepted_at: datetime = Field(
        description="When it was accepted; its age counts from here.", json_schema_extra={"maxLength": 40}
    )
    payload: Annotated[str, Field(max_length=1398104)] = Field(
        description="The event's bytes in base64, at most 1 MiB of them; compressed first if compression says so."
    )
    compression: Literal["none", "gzip"] = Field(
        default="none", description="How the payload was made smaller before it was put into base64."
    )
    trace_id: Annotated[str, Field(max_length=1024)] = Field(
        default="", description="The caller's X-Amzn-Trace-Id, handed on to the function."
    )
    hops: int = Field(
        default=0,
        ge=0,
        le=1000,
        description="How many destinations led here, one after the other; after 16 the next one is not told.",
    )
    url: Annotated[
        str, Field(max_length=350), _pattern("^(https?://[^ ]+)?$", "must be an http:// or https:// URL")
    ] = Field(default="", description="If set, this is no invocation but a record on its way to this destination.")


class EventInvocationStatus(Model):
    """What has become of it so far."""

    state: EventState = Field(
        default="Accepted",
        description="Accepted: runs as soon as there is room. Throttled: there was none, or the platform failed; it is "
        "tried again, after pauses that grow, until it is too old. Retrying: the function failed, and is run again. "
        "Delivering: a record that is sent to a URL. What is done with is deleted.",
    )
    attempts: int = Field(default=0, description="Times that the function was run, or that the URL was tried.")
    last_error: str = Field(default="", description="What went wrong the last time.")
    next_attempt_at: datetime | None = Field(default=None, description="Not before then.")


# ---------------------------------------------------------------- objects


class FrozenTemplate(Model):
    """What a publish freezes into a ControllerRevision: the spec as it was, and what its names stood for then."""

    spec: FunctionSpec
    image: str = Field(
        description="The image that the instances run: the runtime's at that moment, or the function's own."
    )
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


_SHORT_NAME = _rule(
    "self.metadata.name.size() <= 63", "metadata.name has at most 63 characters: it becomes a label's value"
)
_NO_DOTS = _rule("!self.metadata.name.contains('.')", "metadata.name of a function holds no dots, as on Lambda")


class Function(Model):
    """A function that can be edited at any time: what Lambda calls $LATEST.

    Publish a FunctionVersion of it to get an environment that is initialised once, snapshotted and restored ever
    after.
    """

    model_config = _object(_SHORT_NAME, _NO_DOTS)

    metadata: Meta
    spec: FunctionSpec = Field(description="What the function is.")
    status: FunctionStatus = Field(default_factory=FunctionStatus, description="What Thaw observed of it.")


class FunctionVersion(Model):
    """One published version of a Function: its code and configuration as they were at that moment, frozen.

    Applying one publishes; its spec never changes. kubectl get fnv shows its state and how fast it starts.
    """

    model_config = _object(_SHORT_NAME)

    metadata: Meta
    spec: FunctionVersionSpec = Field(description="What to publish. It never changes.")
    status: FunctionVersionStatus = Field(default_factory=FunctionVersionStatus, description="Where it is.")


class FunctionAlias(Model):
    """A name for a version, which callers use instead of its number; a second version may get a share of the calls."""

    metadata: Meta
    spec: FunctionAliasSpec = Field(description="Which version the name stands for.")
    status: FunctionAliasStatus = Field(default_factory=FunctionAliasStatus, description="What Thaw observed of it.")


class Snapshot(Model):
    """One stored snapshot of one version, made and removed by Thaw; a recycle makes the next one.

    Deleting it removes every byte of it: chunks in the store, the nodes' caches and the kubelet's archives.
    """

    metadata: Meta
    spec: SnapshotSpec = Field(description="Which version it is of. It never changes.")
    status: SnapshotStatus = Field(default_factory=SnapshotStatus, description="Where it is.")


class EventInvocation(Model):
    """An asynchronous invocation (InvocationType Event) that was accepted and is not done with, made by the gateway.

    It holds the event itself, so whoever may read it may read that. Deleting it cancels the invocation.
    """

    metadata: Meta
    spec: EventInvocationSpec = Field(description="What was accepted. It never changes.")
    status: EventInvocationStatus = Field(
        default_factory=EventInvocationStatus, description="What has become of it so far."
    )


# ---------------------------------------------------------------- how they appear in the API


@dataclass(frozen=True)
class Column:
    """A column of ``kubectl get``; a wide one appears with ``-o wide`` only."""

    name: str
    path: str
    type: Literal["string", "integer", "date"] = "string"
    wide: bool = False
    description: str = ""


@dataclass(frozen=True)
class Resource:
    """A custom resource: its model, its names, its table."""

    model: type[Model]
    plural: str
    short_name: str
    columns: tuple[Column, ...]
    selectable: tuple[str, ...] = ()
    """Fields usable in ``--field-selector``."""
    status_apart: bool = True
    """Whether status is a subresource; not where one program writes all, and a creation is to be one write."""

    @property
    def kind(self) -> str:
        """The object's kind."""
        return self.model.__name__


_READY_MESSAGE = '.status.conditions[?(@.type=="Ready")].message'
_READY = '.status.conditions[?(@.type=="Ready")].status'
_AGE = Column("Age", ".metadata.creationTimestamp", "date")

RESOURCES: tuple[Resource, ...] = (
    Resource(
        Function,
        "functions",
        "fn",
        (
            Column("Runtime", ".spec.runtime", description="Managed runtime; empty for an image."),
            Column("SnapStart", ".spec.snapStart.applyOn", description="Whether published versions are snapshotted."),
            Column("State", ".status.state", description="Of $LATEST."),
            Column("Last Version", ".status.lastVersion", "integer", description="Published last."),
            _AGE,
            Column("Handler", ".spec.handler", wide=True),
            Column("Image", ".spec.code.image", wide=True),
            Column("Memory", ".spec.memorySize", "integer", wide=True, description="MiB."),
            Column("Timeout", ".spec.timeout", "integer", wide=True, description="Seconds."),
            Column("Alias", ".spec.autoPublishAlias", wide=True, description="Moved to every version published."),
            Column("Message", _READY_MESSAGE, wide=True),
        ),
    ),
    Resource(
        FunctionVersion,
        "functionversions",
        "fnv",
        (
            Column("Function", ".spec.functionName"),
            Column("Version", ".status.version"),
            Column("State", ".status.state", description="Pending, Active, Inactive or Failed."),
            Column(
                "Optimization",
                ".status.snapStart.optimizationStatus",
                description="On when starts are restores of a snapshot.",
            ),
            Column("Size", ".status.snapshotSize", description="Of the snapshot, before compression."),
            Column("Init", ".status.initDuration", description="What a cold start costs, and a restore saves."),
            Column("Restore", ".status.lastRestore", description="How long the latest restore took."),
            _AGE,
            Column("Reason", ".status.stateReasonCode", wide=True),
            Column("Ready", ".status.instances.ready", "integer", wide=True, description="Instances that can serve."),
            Column("Slots", ".status.instances.slots", "integer", wide=True, description="Pods awaiting a restore."),
            Column("Last Invoked", ".status.lastInvokedTime", "date", wide=True),
            Column("Snapshot", ".status.snapshotRef", wide=True),
            Column("Message", ".status.stateReason", wide=True),
        ),
        selectable=(".spec.functionName", ".status.version", ".status.state"),
    ),
    Resource(
        FunctionAlias,
        "functionaliases",
        "fna",
        (
            Column("Function", ".spec.functionName"),
            Column("Alias", ".spec.name"),
            Column("Version", ".spec.functionVersion"),
            Column("Ready", _READY),
            _AGE,
            Column("Weights", ".spec.additionalVersionWeights", wide=True, description="A further version's share."),
            Column("Message", _READY_MESSAGE, wide=True),
        ),
        selectable=(".spec.functionName", ".spec.name"),
    ),
    Resource(
        Snapshot,
        "snapshots",
        "snap",
        (
            Column("Function", ".spec.functionName"),
            Column("Version", ".spec.version"),
            Column("Phase", ".status.phase"),
            Column("Size", ".status.size", description="Before compression."),
            Column("Stored", ".status.stored", description="What it added to the store."),
            Column("Node", ".status.node", description="Where it was taken."),
            _AGE,
            Column("Digest", ".status.digest", wide=True),
            Column("CPU", ".status.fingerprint.cpu", wide=True),
            Column("Kernel", ".status.fingerprint.kernel", wide=True),
            Column("CRIU", ".status.fingerprint.criu", wide=True),
            Column("Message", ".status.message", wide=True),
        ),
        selectable=(".spec.functionName", ".spec.version"),
    ),
    Resource(
        EventInvocation,
        "eventinvocations",
        "fei",
        (
            Column("Function", ".spec.functionName"),
            Column("Qualifier", ".spec.qualifier", description="As it was invoked."),
            Column("State", ".status.state", description="Accepted, Throttled, Retrying or Delivering."),
            Column("Attempts", ".status.attempts", "integer"),
            Column("Next Try", ".status.nextAttemptAt", description="Empty: as soon as there is room."),
            _AGE,
            Column("Error", ".status.lastError", wide=True),
            Column("URL", ".spec.url", wide=True, description="Where the record goes."),
            Column("Gateway", r".metadata.labels.thaw\.dev/gateway", wide=True, description="Who has it."),
        ),
        selectable=(".spec.functionName",),
        status_apart=False,
    ),
)

PLURALS: Mapping[str, str] = {resource.kind: resource.plural for resource in RESOURCES}
