"""Every error Thaw raises on purpose, in one tree.

::

    ThawError
    ├── UserError              the input is wrong: names the field and the fix
    ├── ClusterError           the Kubernetes API said no: kind, namespace, name
    │   ├── NotFound           404
    │   ├── Conflict           409, AlreadyExists and optimistic locks alike
    │   ├── Forbidden          401 and 403
    │   └── Unavailable        5xx, timeouts, refused connections: worth another try
    ├── NodeError              an agent said no: code, message, retryable
    │   └── NodeInvalid        400: what it was given can never be used, such as code that cannot be unpacked
    ├── ArchiveError           a checkpoint archive that must not be trusted
    ├── CheckpointError        the kubelet or CRIU could not checkpoint: code, retryable
    ├── StoreError             the snapshot store could not be read or written
    │   ├── SnapshotMissing    no manifest of that id
    │   ├── SnapshotCorrupt    bytes that do not hash to their name
    │   └── SnapshotUnfit      taken on another kind of node than this one
    └── InvokeError            an answer of the Lambda API: status, type, message
"""

from __future__ import annotations

from collections.abc import Mapping


class ThawError(Exception):
    """Root of all errors raised on purpose."""


class UserError(ThawError):
    """The input is wrong and only its author can mend it.

    :param field: path of the offending field, e.g. ``spec.code``.
    :param message: what is wrong with it.
    :param fix: what to write instead.
    """

    def __init__(self, field: str, message: str, fix: str = "") -> None:
        self.field, self.message, self.fix = field, message, fix
        super().__init__(f"{field}: {message}" + (f" ({fix})" if fix else ""))


class ClusterError(ThawError):
    """The Kubernetes API refused or failed a call on one object."""

    def __init__(self, kind: str, namespace: str, name: str, message: str) -> None:
        self.kind, self.namespace, self.name, self.message = kind, namespace, name, message
        where = f"{namespace}/{name}" if namespace else name
        super().__init__(f"{kind} {where}: {message}")


class NotFound(ClusterError):
    """The object is not there (404)."""


class Conflict(ClusterError):
    """It exists already, or changed since it was read (409)."""


class Forbidden(ClusterError):
    """The service account may not do this (401, 403)."""


class Unavailable(ClusterError):
    """The API server did not answer, or answered 5xx: worth another try."""


class NodeError(ThawError):
    """An agent refused or failed a call.

    :param retryable: whether the same call may succeed later.
    :param cause: of ``SnapshotUnusable``, why.
    """

    def __init__(self, code: str, message: str, *, retryable: bool = False, cause: str | None = None) -> None:
        self.code, self.message, self.retryable, self.cause = code, message, retryable, cause
        super().__init__(f"{code}: {message}")


class NodeInvalid(NodeError):
    """What an agent was given can never be used, on any node: its author must mend it. The message names the field."""


class ArchiveError(ThawError):
    """A checkpoint archive broke a rule that an honest kubelet's never breaks."""


class CheckpointError(ThawError):
    """The checkpoint was not made."""

    def __init__(self, code: str, message: str, *, retryable: bool) -> None:
        self.code, self.message, self.retryable = code, message, retryable
        super().__init__(f"{code}: {message}")


class StoreError(ThawError):
    """The snapshot store could not be read or written."""


class SnapshotMissing(StoreError):
    """No committed manifest of that id."""


class SnapshotCorrupt(StoreError):
    """Stored bytes that do not hash to their name."""


class SnapshotUnfit(StoreError):
    """It was taken on another kind of node than the one that is to restore it."""


class InvokeError(ThawError):
    """An error of the Lambda API.

    :param status: HTTP status.
    :param type: Lambda's error name, sent as ``x-amzn-errortype``.
    :param reason: the member ``Reason`` of TooManyRequestsException.
    :param headers: further ones of the answer.
    """

    def __init__(
        self, status: int, type: str, message: str, *, reason: str = "", headers: Mapping[str, str] | None = None
    ) -> None:
        self.status, self.type, self.message = status, type, message
        self.reason, self.headers = reason, headers or {}
        super().__init__(f"{type} ({status}): {message}")
