"""What was gathered before a decision, as values. :mod:`thaw.kube.observe` fills them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from thaw.api.node import Report, SnapshotJob
from thaw.api.v1alpha1 import (
    Fingerprint,
    FrozenTemplate,
    Function,
    FunctionAlias,
    FunctionVersion,
    FunctionVersionStatus,
    Instances,
    Snapshot,
)


@dataclass(frozen=True)
class Node:
    """A node that has, or had, an agent."""

    name: str
    capable: bool
    reason: str = ""
    """Why it cannot checkpoint."""
    fingerprint: Fingerprint | None = None
    """As its agent told last; None as long as it has not."""


@dataclass(frozen=True)
class Nodes:
    """The nodes Thaw is on, and the agents that are ready to answer."""

    nodes: tuple[Node, ...] = ()
    agents: Mapping[str, str] = field(default_factory=dict)
    """Node name → base URL."""

    @property
    def silent(self) -> tuple[str, ...]:
        """Nodes that exist and may hold bytes, but whose agent cannot be asked now."""
        return tuple(sorted(n.name for n in self.nodes if n.name not in self.agents))

    def find(self, name: str) -> Node | None:
        """A node that has, or had, an agent."""
        return next((n for n in self.nodes if n.name == name), None)

    @property
    def urls(self) -> tuple[str, ...]:
        """Every agent's base URL."""
        return tuple(self.agents[name] for name in sorted(self.agents))


@dataclass(frozen=True)
class Numbers:
    """The last number given to a function's versions, and to whom."""

    last: int = 0
    claim: str = ""
    resource_version: str = ""


@dataclass(frozen=True)
class Ref:
    """An object by its name and UID."""

    name: str
    uid: str
    deleting: bool = False


@dataclass(frozen=True)
class Sibling:
    """Another version of the same function."""

    name: str
    number: int
    """0 as long as it has none."""
    status: FunctionVersionStatus
    template_hash: str = ""
    """Empty when its template is not frozen."""
    deleting: bool = False


@dataclass(frozen=True)
class SnapshotPod:
    """A pod made for a snapshot, to initialise its process or to restore it on trial, as the kubelet tells it."""

    name: str
    uid: str
    created: datetime
    node: str = ""
    deleting: bool = False
    unschedulable: str = ""
    """The scheduler's reason."""
    waiting_reason: str = ""
    waiting_message: str = ""
    ended: bool = False
    ended_at: datetime | None = None
    exit_reason: str = ""
    """``Error``, ``OOMKilled``, ``StartError``, ``Evicted``, …"""
    exit_message: str = ""
    """What the container left in its termination log, or what the runtime said."""
    granted: bool = False
    """Of a trial: its node's agent was told to restore it."""
    refused: str = ""
    """Why its node's agent would not have it."""


@dataclass(frozen=True)
class Limits:
    """What the administrator set."""

    init_attempts: int = 3
    runtimes: Mapping[str, str] = field(default_factory=dict)
    inactive_after: timedelta | None = timedelta(days=14)
    """None: never. A function may have its own."""
    recycle_after: timedelta | None = timedelta(days=7)
    recycle_retry: timedelta = timedelta(hours=1)
    """Before a recycle that failed is tried again; doubled by each failure in a row."""
    store_shared: bool = False
    """Whether every node reads the same store; else a snapshot is only where it was taken."""


@dataclass(frozen=True)
class ObservedVersion:
    """Everything a decision about a FunctionVersion looks at."""

    now: datetime
    version: FunctionVersion
    function: Function | None = None
    """As it is now, not as it was frozen."""
    owned: bool = False
    """Whether the Function is its owner already."""
    numbers: Numbers = Numbers()
    siblings: tuple[Sibling, ...] = ()
    template: FrozenTemplate | None = None
    revision: Ref | None = None
    current: Snapshot | None = None
    """The snapshot in use."""
    snapshot: Snapshot | None = None
    """The snapshot that is being made: the first, or the one of a recycle."""
    earlier_snapshots: tuple[Ref, ...] = ()
    """Others that were made for it."""
    pod: SnapshotPod | None = None
    """The pod that initialises it."""
    trial: SnapshotPod | None = None
    """The pod that restores it on trial."""
    earlier_pods: tuple[SnapshotPod, ...] = ()
    """Pods of earlier attempts, or of an earlier snapshot."""
    job: SnapshotJob | None = None
    report: Report | None = None
    """What became of the trial."""
    log: str = ""
    """The init container's last lines, read when it has failed."""
    nodes: Nodes = Nodes()
    may_recycle: bool = False
    """Whether it is its turn: only so many versions are recycled at one time."""
    instances: Instances = field(default_factory=Instances)
    last_restore_ms: float | None = None
    pods: tuple[Ref, ...] = ()
    """All its pods; gathered for a deletion."""
    snapshots: tuple[Ref, ...] = ()
    package_shared: bool = True
    """Whether another Function or version uses its package."""
    limits: Limits = Limits()


@dataclass(frozen=True)
class ObservedFunction:
    """Everything a decision about a Function looks at."""

    now: datetime
    function: Function
    numbers: Numbers = Numbers()
    versions: tuple[Sibling, ...] = ()
    version_refs: tuple[Ref, ...] = ()
    alias: FunctionAlias | None = None
    """The one autoPublishAlias names."""
    alias_held_by: str = ""
    """Who else declares where that one is."""
    alias_names: frozenset[str] = frozenset()
    """Of all aliases, as callers write them."""
    aliases: tuple[Ref, ...] = ()
    pods: tuple[Ref, ...] = ()
    packages: tuple[str, ...] = ()
    """Packages it is known to have had."""
    shared_packages: frozenset[str] = frozenset()
    """Those of them that something else uses, be it only an instance that still runs."""
    nodes: Nodes = Nodes()
    limits: Limits = Limits()


@dataclass(frozen=True)
class ObservedAlias:
    """Everything a decision about a FunctionAlias looks at."""

    now: datetime
    alias: FunctionAlias
    function: Function | None = None
    versions: tuple[Sibling, ...] = ()


@dataclass(frozen=True)
class ObservedSnapshot:
    """Everything a decision about a Snapshot looks at."""

    now: datetime
    snapshot: Snapshot
    pods: tuple[Ref, ...] = ()
    """Pods that make it."""
    instances: tuple[Ref, ...] = ()
    """Pods restored from it."""
    nodes: Nodes = Nodes()
