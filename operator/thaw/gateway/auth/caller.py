"""PURE: who calls."""

from __future__ import annotations

from dataclasses import dataclass

from thaw.gateway.auth.accesskey import AccessKey
from thaw.gateway.auth.bucket import Rate


@dataclass(frozen=True)
class User:
    """A user of the cluster, as TokenReview tells."""

    name: str
    uid: str = ""
    groups: tuple[str, ...] = ()
    extra: tuple[tuple[str, tuple[str, ...]], ...] = ()

    @property
    def namespace(self) -> str:
        """A service account's own; empty for everybody else."""
        parts = self.name.split(":")
        return parts[2] if len(parts) == 4 and self.name.startswith("system:serviceaccount:") else ""


@dataclass(frozen=True)
class Caller:
    """Who makes a request, and what speaks for them."""

    name: str
    """An access key's id, or the name of a user of the cluster."""
    namespace: str
    """The only one whose functions this request is about; empty when the request does not say."""
    by: AccessKey | User
    rate: Rate | None = None
    """How many requests they may make; None for any number."""
