"""What only an agent's caller hears, as HTTP statuses and codes of :class:`thaw.api.node.ErrorBody`."""

from __future__ import annotations

from thaw.errors import (
    ArchiveError,
    CheckpointError,
    NodeError,
    SnapshotCorrupt,
    SnapshotMissing,
    SnapshotUnfit,
    StoreError,
    ThawError,
    UserError,
)


class Refused(NodeError):
    """A call that is answered with an error on purpose.

    :param status: HTTP status.
    """

    def __init__(
        self, status: int, code: str, message: str, *, retryable: bool = False, cause: str | None = None
    ) -> None:
        self.status = status
        super().__init__(code, message, retryable=retryable, cause=cause)


_ANSWERS: tuple[tuple[type[ThawError], int, str, bool], ...] = (
    (UserError, 400, "Invalid", False),
    (SnapshotMissing, 404, "NotFound", False),
    (SnapshotCorrupt, 409, "Corrupt", False),
    (StoreError, 503, "StoreError", True),
    (ArchiveError, 502, "ArchiveError", False),
)
"""Kind of error, status, code, retryable; the first that fits."""


def unusable(error: StoreError) -> Refused:
    """The answer to who wants a snapshot restored that cannot be."""
    causes = ((SnapshotMissing, "Missing"), (SnapshotCorrupt, "Corrupt"), (SnapshotUnfit, "Fingerprint"))
    cause = next((cause for kind, cause in causes if isinstance(error, kind)), "Unknown")
    return Refused(409, "SnapshotUnusable", str(error), cause=cause)


def refusal(error: ThawError) -> Refused:
    """The answer to give for an error of any kind."""
    if isinstance(error, Refused):
        return error
    if isinstance(error, CheckpointError | NodeError):
        return Refused(502, error.code, error.message, retryable=error.retryable)
    for kind, status, code, retryable in _ANSWERS:
        if isinstance(error, kind):
            return Refused(status, code, str(error), retryable=retryable)
    return Refused(500, "InternalError", str(error))
