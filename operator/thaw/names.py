"""Every name Thaw gives to something: groups, labels, child objects, ports. Pure and tiny."""

from __future__ import annotations

import base64
import hashlib
import re

GROUP = "thaw.dev"
VERSION = "v1alpha1"
API_VERSION = f"{GROUP}/{VERSION}"
FINALIZER = f"{GROUP}/purge"
RUNTIME_CLASS = "thaw"
SYSTEM_NAMESPACE = "thaw-system"
LATEST = "$LATEST"

MANAGER_OPERATOR = "thaw-operator"
"""Field managers of what each program writes; whatever begins with ``thaw-`` is Thaw itself (decide/ownership.py)."""
MANAGER_GATEWAY = "thaw-gateway"

FUNCTION_CONTAINER = "function"
CONTROL_PORT = 8270
AGENT_PORT = 8440
GATEWAY_PORT = 8080
METRICS_PORT = 9090
AGENT_AUDIENCE = "thaw-agent"

LABEL_FUNCTION = f"{GROUP}/function"
LABEL_VERSION = f"{GROUP}/version"
"""The version's number, or ``LATEST`` (a label value may not hold a dollar sign)."""
LABEL_VERSION_NAME = f"{GROUP}/version-name"
LABEL_ROLE = f"{GROUP}/role"
"""``init``, ``trial`` or ``instance``; the annotation of the same name tells thaw-runc to wait for a grant."""
LABEL_GATEWAY = f"{GROUP}/gateway"
"""The gateway that runs an instance, or has an EventInvocation."""
LABEL_TEMPLATE = f"{GROUP}/template"
LABEL_SNAPSHOT = f"{GROUP}/snapshot"
LABEL_PACKAGE = f"{GROUP}/package"
"""The uploaded package that an instance runs, the first characters of its SHA-256."""
LABEL_GENERATION = f"{GROUP}/generation"
"""Which snapshot of its version an init or trial pod is for; above 1, a recycle."""
LABEL_MANAGED_BY = "app.kubernetes.io/managed-by"
MANAGED_BY = "thaw"
"""The value of that label on all that Thaw makes."""
LABEL_COMPONENT = "app.kubernetes.io/component"
NAMESPACE = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?")
"""What a namespace may be called (RFC 1123 label); to be matched in full."""
NAMESPACE_HEADER = "X-Thaw-Namespace"
"""By which a caller of the gateway says whose functions are meant, where what authenticates them does not."""
LABEL_ACCESS_KEY = f"{GROUP}/access-key"
"""``true`` on Secrets in Thaw's own namespace that hold an access key of the Lambda API."""
DEFAULT_ACCESS_KEY = "thaw-access-key-default"
ADMISSION_POLICY = "thaw-pod-role"
"""The ValidatingAdmissionPolicy by which nobody but Thaw makes function pods."""
LABEL_CHECKPOINT = f"{GROUP}/checkpoint"
"""On nodes: ``supported`` or ``unsupported``; RuntimeClass thaw selects the former."""
ANNOTATION_CHECKPOINT_REASON = f"{GROUP}/checkpoint-reason"
ANNOTATION_STORE_REASON = f"{GROUP}/store-reason"
"""On nodes: why the snapshot store does not work there; absent where it does."""
ANNOTATION_ROLE = f"{GROUP}/role"
ANNOTATION_START = f"{GROUP}/start"
ANNOTATION_RESTORE_MS = f"{GROUP}/restore-ms"
ANNOTATION_FINGERPRINT = f"{GROUP}/fingerprint"
"""On nodes: what snapshots taken there depend on, as JSON."""
ANNOTATION_RECYCLE = f"{GROUP}/recycle"
"""On a FunctionVersion, by its user: any new value asks for a new snapshot."""
ANNOTATION_GRANTED = f"{GROUP}/granted"
"""On a trial pod: its node's agent was told to restore it."""
ANNOTATION_REFUSED = f"{GROUP}/refused"
"""On an init or trial pod: why its node's agent would not have it."""
ANNOTATION_URLS_CREATED = f"{GROUP}/urls-created"
"""On a Function, by the gateway: qualifier → when its URL was made by the Lambda API, as JSON."""

ANNOTATION_PAYLOAD_BYTES = f"{GROUP}/payload-bytes"
"""On an EventInvocation: how long its payload is as it is kept, for those who watch only its metadata."""
ROLE_INIT = "init"
ROLE_TRIAL = "trial"
ROLE_INSTANCE = "instance"

VERSION_NUMBERS = "thaw-version-numbers"
"""ConfigMap, one in each namespace with functions: function name → last number given.

It outlives the functions, because Lambda never reuses a number, "even for a function that has been deleted and
recreated" (Lambda developer guide, "Manage Lambda function versions").
"""


def _fit(name: str, limit: int = 63) -> str:
    """Shortens a name to a label's length, keeping it unique by a hash of the whole."""
    if len(name) <= limit:
        return name
    digest = hashlib.sha256(name.encode()).hexdigest()[:8]
    return f"{name[: limit - 9].rstrip('-.')}-{digest}"


def version_object(function: str, number: int) -> str:
    """The FunctionVersion that the API or autoPublishAlias makes for a number."""
    return _fit(f"{function}-{number}")


def imported_version(function: str, logical_id: str) -> str:
    """The FunctionVersion of a template's resource: the same at every import, another when the logical id changes."""
    return _fit(f"{function}-{logical_id.lower()}")


def revision(version_name: str) -> str:
    """The ControllerRevision that freezes a version's template."""
    return _fit(f"{version_name}-template")


def snapshot(version_name: str, generation: int) -> str:
    """The nth Snapshot of a version, counted from 1."""
    return _fit(f"{version_name}-s{generation}")


def init_pod(snapshot_name: str, attempt: int) -> str:
    """The pod that initialises a snapshot's process; each attempt has its own."""
    return _fit(f"{snapshot_name}-init-{attempt}")


def trial_pod(snapshot_name: str, attempt: int) -> str:
    """The pod in which a snapshot is restored on trial, before anybody relies on it."""
    return _fit(f"{snapshot_name}-trial-{attempt}")


def instance_prefix(function: str, qualifier: str) -> str:
    """``generateName`` of the pods that serve a version."""
    number = "latest" if qualifier == LATEST else qualifier
    return _fit(f"{function}-{number}", 57) + "-"


def package_label(sha256: str) -> str:
    """A package as a label value: as much of its hash as fits."""
    return sha256[:63]


def url_id(function_uid: str, qualifier: str) -> str:
    """What names a function URL: 32 letters and digits, the same for ever, and not to be guessed by who cannot read the
    function's UID, which is random.
    """
    digest = hashlib.sha256(f"{function_uid}/{qualifier}".encode()).digest()
    return base64.b32encode(digest[:20]).decode().lower()


def version_label(qualifier: str) -> str:
    """A version number or ``$LATEST`` as a label value."""
    return "LATEST" if qualifier == LATEST else qualifier
