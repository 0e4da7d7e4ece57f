"""What can be done: a closed union of small values. :mod:`thaw.kube.apply` does them, each one idempotently."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from thaw.api.node import SnapshotRequest
from thaw.api.v1alpha1 import FrozenTemplate, SnapshotStatus

Deletable = Literal["Pod", "ControllerRevision", "Snapshot", "FunctionVersion", "FunctionAlias"]


@dataclass(frozen=True)
class GiveNumber:
    """Writes down that ``number`` is taken by ``claim``; refused if anybody wrote in between.

    The claim (a FunctionVersion's UID) lets the same version find its number again when the operator was killed between
    this and writing the version's status: no number is given twice, and none is skipped.
    """

    function: str
    number: int
    claim: str
    resource_version: str
    """Of the ConfigMap as it was read; empty when there was none."""


@dataclass(frozen=True)
class FreezeTemplate:
    """Makes the version's ControllerRevision, owned by it."""

    version: int
    template: FrozenTemplate


@dataclass(frozen=True)
class AdoptVersion:
    """Makes the Function the owner of this FunctionVersion, so that deletion cascades."""

    function: str
    function_uid: str


@dataclass(frozen=True)
class CreateSnapshot:
    """Makes the Snapshot object, whose UID is the snapshot's id everywhere."""

    name: str
    image: str


@dataclass(frozen=True)
class CreateInitPod:
    """Makes the pod in which the function is initialised."""

    name: str
    generation: int
    snapshot_uid: str
    template: FrozenTemplate


@dataclass(frozen=True)
class CreateTrialPod:
    """Makes the pod in which a snapshot is restored on trial."""

    name: str
    generation: int
    snapshot_uid: str
    template: FrozenTemplate
    node: str
    """Where the snapshot is: that very node."""


@dataclass(frozen=True)
class TryRestore:
    """Grants the trial pod the snapshot and nothing else, and notes on the pod what the agent said."""

    agent: str
    pod: str
    pod_uid: str
    template: FrozenTemplate
    snapshot_uid: str


@dataclass(frozen=True)
class Vouch:
    """Grants the pod what it may do and tells its node's agent to snapshot it: one step, one fresh token.

    Doing it again is harmless: callers of the pod are shown the token that was granted last, and the agent's job begins
    with that one. Once the agent knows of the job, this is never planned again.
    """

    agent: str
    template: FrozenTemplate
    request: SnapshotRequest
    """Without its token, which is drawn when this is done."""
    snapshot_uid: str


@dataclass(frozen=True)
class DropJob:
    """Makes every agent forget a snapshot that did not become one, so that the next attempt begins anew."""

    snapshot_uid: str
    agents: tuple[str, ...]


@dataclass(frozen=True)
class ForgetPod:
    """Takes back what an agent was told of a pod. An agent that does not answer cleans up when it sees the pod gone."""

    agent: str
    pod_uid: str


@dataclass(frozen=True)
class WriteSnapshotStatus:
    """Writes a Snapshot's status."""

    name: str
    uid: str
    status: SnapshotStatus


@dataclass(frozen=True)
class PurgeSnapshot:
    """Removes every byte of a snapshot; done when each agent has answered.

    :param agents: the first also removes it from the store; all do where each node has a store of its own.
    """

    snapshot_uid: str
    agents: tuple[str, ...]


@dataclass(frozen=True)
class PurgeCode:
    """Removes a package that nothing refers to any more."""

    sha256: str
    agents: tuple[str, ...]


@dataclass(frozen=True)
class Delete:
    """Deletes one very object, not a namesake made since."""

    kind: Deletable
    name: str
    uid: str


@dataclass(frozen=True)
class PublishVersion:
    """Applies a FunctionVersion, as a user would, for autoPublishAlias."""

    name: str
    function_uid: str


@dataclass(frozen=True)
class MoveAlias:
    """Makes the alias, or moves it to another version.

    :param name: of the FunctionAlias object that exists; empty to make one.
    """

    name: str
    alias: str
    version: str
    function_uid: str


@dataclass(frozen=True)
class RememberPackages:
    """Notes on a Function which uploaded packages it has had, so that replaced ones can be removed."""

    packages: tuple[str, ...]


Action = (
    GiveNumber
    | FreezeTemplate
    | AdoptVersion
    | CreateSnapshot
    | CreateInitPod
    | CreateTrialPod
    | TryRestore
    | Vouch
    | DropJob
    | ForgetPod
    | WriteSnapshotStatus
    | PurgeSnapshot
    | PurgeCode
    | Delete
    | PublishVersion
    | MoveAlias
    | RememberPackages
)
