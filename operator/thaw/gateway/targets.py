"""From a name in a request to what an instance of it is made of."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import structlog

from thaw import names
from thaw.api.v1alpha1 import FrozenTemplate, Function, FunctionAlias, FunctionVersion, Snapshot
from thaw.build.common import owner_reference
from thaw.decide.keeping import loses_snapshot_when_idle
from thaw.errors import ClusterError, InvokeError, NotFound
from thaw.gateway import answers, templates
from thaw.gateway.arns import Arns
from thaw.gateway.watch import Watch
from thaw.kube.client import Kube, Object
from thaw.kube.kinds import CONTROLLER_REVISION

log = structlog.get_logger(__name__)
Key = tuple[str, str, str, str]


@dataclass(frozen=True)
class Target:
    """One version of one function, ready to be started."""

    namespace: str
    function: str
    qualifier: str
    """The number, or ``$LATEST``."""
    version_name: str
    """The FunctionVersion object; empty for ``$LATEST``."""
    owner: Object
    template: FrozenTemplate
    template_hash: str
    snap_start: bool
    """Published with SnapStart, whether or not the snapshot can be used."""
    snapshot_uid: str | None
    fallback: str
    """Why a version with SnapStart has no snapshot to start from."""
    snapshot_name: str = ""
    node_hint: str = ""

    @property
    def key(self) -> Key:
        """Instances of the same key stand in for each other."""
        return self.namespace, self.function, self.qualifier, self.template_hash

    @property
    def concurrency(self) -> int:
        """Requests an instance serves at a time."""
        return 1 if self.template.spec.protocol == "lambda" else self.template.spec.scaling.concurrency


class Targets:
    """Resolves names, from the watch's copies; a version's frozen template is read once."""

    def __init__(
        self,
        kube: Kube,
        watch: Watch,
        arns: Arns,
        runtimes: Mapping[str, str],
        draw: Callable[[], float] = random.random,
    ) -> None:
        self._kube, self._watch, self._arns, self._runtimes, self._draw = kube, watch, arns, runtimes, draw
        self.on_invoked: list[Callable[[FunctionVersion], None]] = []
        """Called with the version at each of its invocations, also at those that are refused for its state."""
        self._templates: dict[str, tuple[FrozenTemplate, str]] = {}
        self._prefetches: set[asyncio.Task[None]] = set()
        watch.on_version.append(self._on_version)

    async def invoked(self, namespace: str, function: str, qualifier: str) -> Target:
        """What an invocation of this name is served by; it counts as one, also if it is refused.

        :raises InvokeError: as :meth:`resolve`.
        """
        return await self.resolve(namespace, function, qualifier, seen_by=tuple(self.on_invoked))

    async def resolve(
        self,
        namespace: str,
        function: str,
        qualifier: str,
        seen_by: Sequence[Callable[[FunctionVersion], None]] = (),
    ) -> Target:
        """What a request for this name would be served by.

        :param seen_by: are shown the published version that it stands for.
        :raises InvokeError: there is no such thing, or it is in a state that does not serve.
        """
        found = self._watch.function(namespace, function)
        if found is None:
            raise answers.not_found(self._arns.function(function, qualifier))
        number = self.number(namespace, function, qualifier or names.LATEST)
        if number == names.LATEST:
            return self._latest(found)
        version = self._watch.version(namespace, function, number)
        if version is None:
            raise answers.not_found(self._arns.function(function, number))
        template, digest = await self.template(version)
        for see in seen_by:
            see(version)
        _refuse_by_state(version, template)
        return self.scaled(self._published(version, template, digest))

    def scaled(self, target: Target) -> Target:
        """The target with its function's scaling as it is now; as frozen, when the function is gone.

        On Lambda as well, concurrency is set for the function, and a published version follows.
        """
        function = self._watch.function(target.namespace, target.function)
        if function is None or function.spec.scaling == target.template.spec.scaling:
            return target
        spec = target.template.spec.model_copy(update={"scaling": function.spec.scaling})
        return replace(target, template=target.template.model_copy(update={"spec": spec}))

    def number(self, namespace: str, function: str, qualifier: str) -> str:
        """The version that a qualifier names; an alias with a weight is drawn for each call."""
        if qualifier == names.LATEST or qualifier.isdigit():
            return qualifier
        alias = self._watch.alias(namespace, function, qualifier)
        if alias is None:
            raise answers.not_found(self._arns.function(function, qualifier))
        return draw_version(alias, self._draw())

    async def template(self, version: FunctionVersion) -> tuple[FrozenTemplate, str]:
        """What was frozen when the version was published, and its hash."""
        known = self._templates.get(version.metadata.uid)
        if known is None:
            known = await self._read(version)
            self._templates[version.metadata.uid] = known
        return known

    def latest_template(self, function: Function) -> FrozenTemplate:
        """What a publish would freeze now."""
        return templates.of_latest(function, self._runtimes)

    def _latest(self, function: Function) -> Target:
        state = function.status
        if state.observed_generation == function.metadata.generation:
            if state.state == "Failed":
                raise answers.failed(state.state_reason_code, state.state_reason)
            if state.state == "Pending":
                raise answers.in_state("Pending", state.state_reason)
        template = self.latest_template(function)
        return Target(
            namespace=function.metadata.namespace,
            function=function.metadata.name,
            qualifier=names.LATEST,
            version_name="",
            owner=owner_reference("Function", function.metadata.name, function.metadata.uid),
            template=template,
            template_hash=templates.template_hash(template),
            snap_start=False,
            snapshot_uid=None,
            fallback="",
        )

    def _published(self, version: FunctionVersion, template: FrozenTemplate, digest: str) -> Target:
        snap_start = template.spec.snap_start.apply_on == "PublishedVersions"
        snapshot, fallback = self._snapshot(version) if snap_start else (None, "")
        node = snapshot.status.node if snapshot is not None else ""
        if snapshot is not None and snapshot.spec.image:
            template = template.model_copy(update={"image": snapshot.spec.image})
        return Target(
            namespace=version.metadata.namespace,
            function=version.spec.function_name,
            qualifier=version.status.version,
            version_name=version.metadata.name,
            owner=owner_reference("FunctionVersion", version.metadata.name, version.metadata.uid),
            template=template,
            template_hash=digest,
            snap_start=snap_start,
            snapshot_uid=snapshot.metadata.uid if snapshot is not None else None,
            snapshot_name=snapshot.metadata.name if snapshot is not None else "",
            fallback=fallback,
            node_hint=node if node in self._watch.ready_agents() else "",
        )

    def _snapshot(self, version: FunctionVersion) -> tuple[Snapshot | None, str]:
        """What it is restored from, or why it is not."""
        ref = version.status.snapshot_ref
        if not ref:
            return None, "the version has no snapshot"
        snapshot = self._watch.snapshot(version.metadata.namespace, ref)
        if snapshot is None:
            return None, f"snapshot {ref} is gone"
        if snapshot.status.phase != "Ready":
            return None, f"snapshot {ref} is {snapshot.status.phase}: {snapshot.status.message}"
        return snapshot, ""

    async def _read(self, version: FunctionVersion) -> tuple[FrozenTemplate, str]:
        meta = version.metadata
        try:
            revision = await self._kube.get(CONTROLLER_REVISION, meta.namespace, names.revision(meta.name))
        except NotFound as e:
            raise answers.in_state("Pending", "its template is not frozen yet") from e
        template = FrozenTemplate.model_validate(revision["data"])
        return template, templates.template_hash(template)

    def _on_version(self, version: FunctionVersion) -> None:
        """Reads templates before anybody asks."""
        if version.status.version and not version.status.duplicate_of and version.metadata.uid not in self._templates:
            task = asyncio.get_running_loop().create_task(self._prefetch(version))
            self._prefetches.add(task)
            task.add_done_callback(self._prefetches.discard)

    async def _prefetch(self, version: FunctionVersion) -> None:
        try:
            await self.template(version)
        except (ClusterError, InvokeError, ValueError) as e:
            log.info("template not read yet", version=version.metadata.name, error=str(e))


def draw_version(alias: FunctionAlias, draw: float) -> str:
    """The version an alias sends a call to; ``draw`` is uniform in [0, 1)."""
    for version, weight in alias.spec.additional_version_weights.items():
        if draw < weight:
            return version
        draw -= weight
    return alias.spec.function_version


def _refuse_by_state(version: FunctionVersion, template: FrozenTemplate) -> None:
    status = version.status
    match status.state:
        case "Active":
            return
        case "Failed":
            raise answers.failed(status.state_reason_code, status.state_reason)
        case "Inactive":
            if loses_snapshot_when_idle(template.spec):
                text = f"The version is Inactive ({status.state_reason_code}); it can be invoked after a new snapshot."
                raise InvokeError(409, "SnapStartNotReadyException", text)
        case _:
            raise answers.in_state("Pending", status.state_reason)
