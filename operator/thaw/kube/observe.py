"""Gathers what a decision looks at. What decides about numbers and deletions is read from the API server itself."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime
from typing import Any

from thaw import names
from thaw.api.node import Report, SnapshotJob
from thaw.api.v1alpha1 import (
    FrozenTemplate,
    Function,
    FunctionAlias,
    FunctionVersion,
    Instances,
    Snapshot,
)
from thaw.decide import keeping, making, ownership
from thaw.decide import template as templates
from thaw.decide.observed import (
    Limits,
    Nodes,
    Numbers,
    ObservedAlias,
    ObservedFunction,
    ObservedSnapshot,
    ObservedVersion,
    Ref,
    Sibling,
    SnapshotPod,
)
from thaw.errors import NodeError, NotFound
from thaw.kube.agents import Agents
from thaw.kube.client import Kube, Object
from thaw.kube.copies import Copies
from thaw.kube.kinds import (
    CONFIG_MAP,
    CONTROLLER_REVISION,
    FUNCTION,
    FUNCTION_ALIAS,
    FUNCTION_VERSION,
    POD,
    SNAPSHOT,
    Kind,
)

CLAIM = f"claim.{names.GROUP}/"
"""Annotation prefix on the ConfigMap of numbers: function name → UID of the version that got the last number."""
PACKAGES = f"{names.GROUP}/packages"
"""Annotation on a Function: the uploaded packages it has had, comma-separated."""
_SHA256 = re.compile(r"[0-9a-f]{64}")
_LOG_LINES = 20


class Observer:
    """Reads the cluster and the agents."""

    def __init__(
        self,
        kube: Kube,
        agents: Agents,
        copies: Copies,
        limits: Limits,
        may_recycle: Callable[[str], bool] = lambda _uid: False,
    ) -> None:
        self._kube, self._agents, self._copies, self._limits = kube, agents, copies, limits
        self._may_recycle = may_recycle

    async def version(self, namespace: str, name: str) -> ObservedVersion | None:
        """A FunctionVersion and all around it; None when it is gone."""
        raw = await self._find(FUNCTION_VERSION, namespace, name)
        if raw is None:
            return None
        version = FunctionVersion.model_validate(raw)
        if version.metadata.deletion_timestamp is not None:
            return await self._version_to_purge(version)
        if not version.status.version or version.status.duplicate_of:
            return await self._version_to_number(version, raw)
        return await self._version_numbered(version)

    async def function(self, namespace: str, name: str) -> ObservedFunction | None:
        """A Function and all around it; None when it is gone."""
        raw = await self._find(FUNCTION, namespace, name)
        if raw is None:
            return None
        function = Function.model_validate(raw)
        siblings, refs = await self._versions(namespace, name)
        packages = _noted_packages(function.metadata.annotations)
        deleting = function.metadata.deletion_timestamp is not None
        replaced = {p for p in packages if deleting or p != templates.package(function.spec)}
        if deleting:
            replaced |= {templates.package(function.spec)} - {""}
        raw_aliases = await self._raw_aliases(namespace, name)
        aliases = [FunctionAlias.model_validate(a) for a in raw_aliases]
        wanted = function.spec.auto_publish_alias
        moved = next((a for a in raw_aliases if a["spec"]["name"] == wanted), None)
        return ObservedFunction(
            now=datetime.now(UTC),
            function=function,
            numbers=await self._numbers(namespace, name),
            versions=siblings,
            version_refs=refs,
            alias=FunctionAlias.model_validate(moved) if moved else None,
            alias_held_by=ownership.declared_by(moved, ("spec", "functionVersion")) if moved else "",
            alias_names=frozenset(a.spec.name for a in aliases if a.metadata.deletion_timestamp is None),
            aliases=tuple(_ref(a.metadata.name, a.metadata.uid, a.metadata.deletion_timestamp) for a in aliases),
            pods=await self._pods(namespace, f"{names.LABEL_FUNCTION}={name}") if deleting else (),
            packages=packages,
            shared_packages=await self._shared_packages(function, replaced) if replaced else frozenset(),
            nodes=self._copies.nodes(),
            limits=self._limits,
        )

    async def alias(self, namespace: str, name: str) -> ObservedAlias | None:
        """A FunctionAlias and what it names; None when it is gone."""
        raw = await self._find(FUNCTION_ALIAS, namespace, name)
        if raw is None:
            return None
        alias = FunctionAlias.model_validate(raw)
        function = await self._find(FUNCTION, namespace, alias.spec.function_name)
        versions = await self._raw_versions(namespace, alias.spec.function_name)
        return ObservedAlias(
            now=datetime.now(UTC),
            alias=alias,
            function=Function.model_validate(function) if function else None,
            versions=tuple(_sibling(FunctionVersion.model_validate(v), "") for v in versions),
        )

    async def snapshot(self, namespace: str, name: str) -> ObservedSnapshot | None:
        """A Snapshot and the pods that use it; None when it is gone."""
        raw = await self._find(SNAPSHOT, namespace, name)
        if raw is None:
            return None
        snapshot = Snapshot.model_validate(raw)
        makes = f"{names.LABEL_SNAPSHOT}={snapshot.metadata.uid},{names.LABEL_ROLE}"
        deleting = snapshot.metadata.deletion_timestamp is not None
        return ObservedSnapshot(
            now=datetime.now(UTC),
            snapshot=snapshot,
            pods=await self._pods(namespace, f"{makes}!={names.ROLE_INSTANCE}") if deleting else (),
            instances=await self._pods(namespace, f"{makes}={names.ROLE_INSTANCE}") if deleting else (),
            nodes=self._copies.nodes(),
        )

    async def all_packages(self) -> set[str]:
        """``namespace/sha256`` of every code package that a Function or a version of the cluster refers to."""
        functions, _ = await self._kube.list(FUNCTION)
        revisions, _ = await self._kube.list(CONTROLLER_REVISION, labels=names.LABEL_FUNCTION)
        used = [(f["metadata"]["namespace"], f["spec"]) for f in functions]
        used += [(r["metadata"]["namespace"], spec) for r in revisions for spec in _frozen_specs([r])]
        noted = {
            f"{f['metadata']['namespace']}/{package}"
            for f in functions
            for package in _noted_packages(f["metadata"].get("annotations", {}))
        }
        return noted | {f"{namespace}/{package}" for namespace, spec in used for package in _packages([spec])}

    # ------------------------------------------------------------ a version, by where it is in its life

    async def _version_to_number(self, version: FunctionVersion, raw: Object) -> ObservedVersion:
        meta, function_name = version.metadata, version.spec.function_name
        function = await self._find(FUNCTION, meta.namespace, function_name)
        siblings, _ = await self._versions(meta.namespace, function_name)
        template, revision = await self._revision(version)
        owners = raw["metadata"].get("ownerReferences", [])
        return ObservedVersion(
            now=datetime.now(UTC),
            version=version,
            function=Function.model_validate(function) if function else None,
            owned=any(o["kind"] == "Function" for o in owners),
            numbers=await self._numbers(meta.namespace, function_name),
            siblings=tuple(s for s in siblings if s.name != meta.name),
            template=template,
            revision=revision,
            limits=self._limits,
        )

    async def _version_numbered(self, version: FunctionVersion) -> ObservedVersion:
        meta, status = version.metadata, version.status
        function = await self._find(FUNCTION, meta.namespace, version.spec.function_name)
        template, revision = await self._revision(version)
        snapshots = await self._own_snapshots(version)
        making_name = names.snapshot(meta.name, making.generation(status))
        snapshot = None if keeping.is_settled(status) else snapshots.pop(making_name, None)
        current = snapshots.pop(status.snapshot_ref, None)
        nodes, pods = self._copies.nodes(), await self._snapshot_pods(version)
        pod = next((p for p in pods if p.name == names.init_pod(making_name, max(status.attempts, 1))), None)
        trial = next((p for p in pods if p.name == names.trial_pod(making_name, max(status.attempts, 1))), None)
        job = await self._job(snapshot, pod, nodes) if status.state != "Failed" else None
        instances, last_restore = _count(self._copies.instances(meta.namespace, meta.name))
        return ObservedVersion(
            now=datetime.now(UTC),
            version=version,
            function=Function.model_validate(function) if function else None,
            template=template,
            revision=revision,
            current=current,
            snapshot=snapshot,
            earlier_snapshots=tuple(
                _ref(s.metadata.name, s.metadata.uid, s.metadata.deletion_timestamp) for s in snapshots.values()
            ),
            pod=pod,
            trial=trial,
            earlier_pods=tuple(p for p in pods if p not in (pod, trial)),
            job=job,
            report=await self._report(trial, nodes),
            log=await self._log(meta.namespace, pod, job),
            nodes=nodes,
            may_recycle=self._may_recycle(meta.uid),
            instances=instances,
            last_restore_ms=last_restore,
            limits=self._limits,
        )

    async def _version_to_purge(self, version: FunctionVersion) -> ObservedVersion:
        meta = version.metadata
        template, revision = await self._revision(version)
        snapshots, _ = await self._kube.list(SNAPSHOT, meta.namespace, f"{names.LABEL_VERSION_NAME}={meta.name}")
        package = templates.package(template.spec) if template else ""
        return ObservedVersion(
            now=datetime.now(UTC),
            version=version,
            template=template,
            revision=revision,
            pods=await self._pods(meta.namespace, f"{names.LABEL_VERSION_NAME}={meta.name}"),
            snapshots=tuple(_raw_ref(s) for s in snapshots),
            package_shared=bool(package)
            and package in await self._used_packages(meta.namespace, but_revision=revision),
            nodes=self._copies.nodes(),
            limits=self._limits,
        )

    # ------------------------------------------------------------ pieces

    async def _find(self, kind: Kind, namespace: str, name: str) -> Object | None:
        try:
            return await self._kube.get(kind, namespace, name)
        except NotFound:
            return None

    async def _revision(self, version: FunctionVersion) -> tuple[FrozenTemplate | None, Ref | None]:
        meta = version.metadata
        raw = await self._find(CONTROLLER_REVISION, meta.namespace, names.revision(meta.name))
        if raw is None or not _owned_by(raw, meta.uid):
            return None, None
        return FrozenTemplate.model_validate(raw["data"]), _raw_ref(raw)

    async def _own_snapshots(self, version: FunctionVersion) -> dict[str, Snapshot]:
        """All that were made for it, by name."""
        meta = version.metadata
        raw, _ = await self._kube.list(SNAPSHOT, meta.namespace, f"{names.LABEL_VERSION_NAME}={meta.name}")
        return {s["metadata"]["name"]: Snapshot.model_validate(s) for s in raw if _owned_by(s, meta.uid)}

    async def _snapshot_pods(self, version: FunctionVersion) -> tuple[SnapshotPod, ...]:
        """The pods that were made to make its snapshots."""
        meta = version.metadata
        roles = f"{names.LABEL_ROLE} in ({names.ROLE_INIT},{names.ROLE_TRIAL})"
        raw, _ = await self._kube.list(POD, meta.namespace, f"{names.LABEL_VERSION_NAME}={meta.name},{roles}")
        return tuple(_snapshot_pod(pod) for pod in raw)

    async def _job(self, snapshot: Snapshot | None, pod: SnapshotPod | None, nodes: Nodes) -> SnapshotJob | None:
        """The agent's job for a snapshot that is not stored yet."""
        if snapshot is None or snapshot.status.digest or pod is None or pod.node not in nodes.agents:
            return None
        return await self._agents.snapshot(nodes.agents[pod.node], snapshot.metadata.uid)

    async def _report(self, trial: SnapshotPod | None, nodes: Nodes) -> Report | None:
        if trial is None or not trial.granted or trial.node not in nodes.agents:
            return None
        try:
            return await self._agents.report(nodes.agents[trial.node], trial.uid, wait=0)
        except NodeError as e:
            if e.code == "NotFound":
                return None
            raise

    async def _pods(self, namespace: str, labels: str) -> tuple[Ref, ...]:
        raw, _ = await self._kube.list(POD, namespace, labels)
        return tuple(_raw_ref(pod) for pod in raw)

    async def _raw_aliases(self, namespace: str, function: str) -> list[Object]:
        raw, _ = await self._kube.list(FUNCTION_ALIAS, namespace, fields=f"spec.functionName={function}")
        return raw

    async def _raw_versions(self, namespace: str, function: str) -> list[Object]:
        raw, _ = await self._kube.list(FUNCTION_VERSION, namespace, fields=f"spec.functionName={function}")
        return raw

    async def _versions(self, namespace: str, function: str) -> tuple[tuple[Sibling, ...], tuple[Ref, ...]]:
        raw = await self._raw_versions(namespace, function)
        revisions, _ = await self._kube.list(CONTROLLER_REVISION, namespace, f"{names.LABEL_FUNCTION}={function}")
        hashes = {
            owner["uid"]: templates.template_hash(FrozenTemplate.model_validate(r["data"]).spec)
            for r in revisions
            for owner in r["metadata"].get("ownerReferences", [])
        }
        siblings = tuple(_sibling(FunctionVersion.model_validate(v), hashes.get(v["metadata"]["uid"], "")) for v in raw)
        return siblings, tuple(_raw_ref(v) for v in raw)

    async def _numbers(self, namespace: str, function: str) -> Numbers:
        raw = await self._find(CONFIG_MAP, namespace, names.VERSION_NUMBERS)
        if raw is None:
            return Numbers()
        meta = raw["metadata"]
        last = (raw.get("data") or {}).get(function, "0")
        claim = meta.get("annotations", {}).get(CLAIM + function, "")
        return Numbers(int(last) if last.isdigit() else 0, claim, meta["resourceVersion"])

    async def _shared_packages(self, function: Function, packages: set[str]) -> frozenset[str]:
        """Those that another Function, a version, or an instance of older code that still runs uses."""
        meta = function.metadata
        used = await self._used_packages(meta.namespace, but_function=meta.uid)
        pods, _ = await self._kube.list(POD, meta.namespace, f"{names.LABEL_FUNCTION}={meta.name}")
        running = {pod["metadata"].get("labels", {}).get(names.LABEL_PACKAGE) for pod in pods}
        return frozenset(used | {p for p in packages if names.package_label(p) in running})

    async def _used_packages(
        self, namespace: str, *, but_function: str = "", but_revision: Ref | None = None
    ) -> frozenset[str]:
        """The packages that any other Function or frozen template of the namespace refers to: each has its own."""
        functions, _ = await self._kube.list(FUNCTION, namespace)
        revisions, _ = await self._kube.list(CONTROLLER_REVISION, namespace, labels=names.LABEL_FUNCTION)
        specs = [f["spec"] for f in functions if f["metadata"]["uid"] != but_function]
        uid = but_revision.uid if but_revision else ""
        specs += _frozen_specs(r for r in revisions if r["metadata"]["uid"] != uid)
        return frozenset(_packages(specs))

    async def _log(self, namespace: str, pod: SnapshotPod | None, job: SnapshotJob | None) -> str:
        failed = pod is not None and (pod.ended or (job is not None and job.phase == "failed"))
        if pod is None or not failed:
            return ""
        return await self._kube.logs(namespace, pod.name, names.FUNCTION_CONTAINER, tail_lines=_LOG_LINES)


# ---------------------------------------------------------------- from the API's dictionaries


def _noted_packages(annotations: Mapping[str, str]) -> tuple[str, ...]:
    """What :class:`thaw.decide.actions.RememberPackages` noted. Whoever may edit the Function may edit this as well,
    and it becomes part of the agents' paths: anything but a hash is passed over."""
    noted = annotations.get(PACKAGES, "").split(",")
    return tuple(package for package in noted if _SHA256.fullmatch(package))


def _frozen_specs(revisions: Iterable[Object]) -> list[dict[str, Any]]:
    """The specs that versions froze; somebody else's ControllerRevision may hold anything."""
    owners = ((r, r["metadata"].get("ownerReferences", [])) for r in revisions)
    specs = ((r.get("data") or {}).get("spec") for r, by in owners if any(o["kind"] == "FunctionVersion" for o in by))
    return [spec for spec in specs if isinstance(spec, dict)]


def _packages(specs: Iterable[dict[str, Any]]) -> Iterable[str]:
    for spec in specs:
        package = (spec.get("code", {}).get("zip") or {}).get("sha256")
        if package:
            yield package


def _ref(name: str, uid: str, deleted: datetime | None) -> Ref:
    return Ref(name, uid, deleting=deleted is not None)


def _raw_ref(raw: Object) -> Ref:
    meta = raw["metadata"]
    return Ref(meta["name"], meta["uid"], deleting="deletionTimestamp" in meta)


def _owned_by(raw: Object, uid: str) -> bool:
    return any(owner["uid"] == uid for owner in raw["metadata"].get("ownerReferences", []))


def _sibling(version: FunctionVersion, template_hash: str) -> Sibling:
    number = version.status.version
    return Sibling(
        name=version.metadata.name,
        number=int(number) if number.isdigit() else 0,
        status=version.status,
        template_hash=template_hash,
        deleting=version.metadata.deletion_timestamp is not None,
    )


def _count(pods: list[Object]) -> tuple[Instances, float | None]:
    """How many can serve, and the latest restore's milliseconds."""
    running = [p for p in pods if p.get("status", {}).get("phase") == "Running" and _alive(p)]
    restores = [
        (p["metadata"]["creationTimestamp"], p["metadata"]["annotations"][names.ANNOTATION_RESTORE_MS])
        for p in pods
        if names.ANNOTATION_RESTORE_MS in p["metadata"].get("annotations", {})
    ]
    try:
        latest = float(max(restores)[1]) if restores else None
    except ValueError:
        latest = None
    return Instances(ready=len(running)), latest if latest is None or math.isfinite(latest) else None


def _alive(pod: Object) -> bool:
    return "deletionTimestamp" not in pod["metadata"]


def _snapshot_pod(raw: Object) -> SnapshotPod:
    meta, status = raw["metadata"], raw.get("status", {})
    scheduled: dict[str, Any] = next((c for c in status.get("conditions", []) if c["type"] == "PodScheduled"), {})
    containers = status.get("containerStatuses", [])
    state = containers[0].get("state", {}) if containers else {}
    waiting, ended = state.get("waiting", {}), state.get("terminated", {})
    over = status.get("phase") in ("Failed", "Succeeded")
    annotations = meta.get("annotations", {})
    return SnapshotPod(
        name=meta["name"],
        uid=meta["uid"],
        created=_time(meta["creationTimestamp"]) or datetime.now(UTC),
        node=raw["spec"].get("nodeName", ""),
        deleting="deletionTimestamp" in meta,
        unschedulable=scheduled.get("message", "") if scheduled.get("status") == "False" else "",
        waiting_reason=waiting.get("reason", ""),
        waiting_message=waiting.get("message", ""),
        ended=bool(ended) or over,
        ended_at=_time(ended.get("finishedAt")),
        exit_reason=status.get("reason") or ended.get("reason", ""),
        exit_message=(status if "reason" in status else ended).get("message", ""),
        granted=names.ANNOTATION_GRANTED in annotations,
        refused=annotations.get(names.ANNOTATION_REFUSED, ""),
    )


def _time(text: str | None) -> datetime | None:
    return datetime.fromisoformat(text) if text else None
