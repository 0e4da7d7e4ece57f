"""What ``thaw doctor`` saw: gathered by :mod:`thaw.cli.doctor_look`, judged by :mod:`thaw.cli.doctor_checks`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from thaw import names
from thaw.api.v1alpha1 import FunctionVersion, Snapshot
from thaw.errors import ClusterError
from thaw.kube.client import Object


@dataclass(frozen=True)
class Call:
    """A call of the gateway, as somebody."""

    where: str
    who: str = ""
    trouble: str = ""
    made: bool = True
    """False when there was nothing to call it with."""


@dataclass(frozen=True)
class Seen:
    """All that was looked at; an error stands for what could not be."""

    server: str
    version: str | ClusterError
    crds: dict[str, Object | ClusterError] = field(default_factory=dict)
    """By kind."""
    operator: Object | ClusterError | None = None
    gateway: Object | ClusterError | None = None
    agent: Object | ClusterError | None = None
    pods: Sequence[Object] | ClusterError = ()
    """Thaw's own."""
    runtime_class: Object | ClusterError | None = None
    admission: Object | ClusterError | None = None
    access_key: Object | ClusterError | None = None
    nodes: Sequence[Object] | ClusterError = ()
    health: dict[str, str] = field(default_factory=dict)
    """Gateway pod → what its health check said against it."""
    call: Call | None = None
    versions: Sequence[FunctionVersion] | ClusterError = ()
    snapshots: Sequence[Snapshot] | ClusterError = ()
    system: str = names.SYSTEM_NAMESPACE

    @property
    def installed(self) -> bool:
        """Whether there is anything of Thaw."""
        return any(isinstance(crd, dict) for crd in self.crds.values()) or isinstance(self.operator, dict)
