"""What the gateway knows of the cluster, from watches: the request path asks the API server nothing."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Coroutine, Mapping
from typing import Protocol, TypeVar

import structlog
from pydantic import ValidationError

from thaw import names
from thaw.api.v1alpha1 import Function, FunctionAlias, FunctionUrl, FunctionVersion, Snapshot
from thaw.gateway.auth.accesskey import LABEL
from thaw.gateway.auth.keys import AccessKeys
from thaw.gateway.options import GatewaySettings
from thaw.kube import kinds
from thaw.kube.agents import agents_by_node
from thaw.kube.client import Kube, Object
from thaw.kube.informer import Informer, OnEvent
from thaw.kube.kinds import Kind

T = TypeVar("T")
log = structlog.get_logger(__name__)
GATEWAY_COMPONENT = "gateway"


class Copy(Protocol):
    """What is used of an informer."""

    last_event: float

    def get(self, namespace: str, name: str) -> Object | None: ...  # noqa: D102
    def list(self) -> list[Object]: ...  # noqa: D102
    async def run(self) -> None: ...  # noqa: D102
    async def synced(self) -> None: ...  # noqa: D102


MakeCopy = Callable[[Kind, str, str, OnEvent], Copy]


def informers(kube: Kube) -> MakeCopy:
    """Makes real informers."""
    return lambda kind, namespace, labels, on_event: Informer(
        kube, kind, namespace=namespace, labels=labels, on_event=on_event
    )


class Watch:
    """Local copies of all that matters, with the indexes that a request needs."""

    def __init__(self, make: MakeCopy, settings: GatewaySettings) -> None:
        own = settings.namespace
        self.keys = AccessKeys()
        self.on_version: list[Callable[[FunctionVersion], None]] = []
        """Called with every version that was added or changed."""
        self.on_event: list[Callable[[str, Object], None]] = []
        """Called with the metadata of every EventInvocation that was added, changed or deleted."""
        self.on_pod: list[Callable[[str, Object], None]] = []
        self._functions: dict[tuple[str, str], Function] = {}
        self._urls: dict[str, tuple[tuple[str, str], str]] = {}
        """URL id → (namespace, function), qualifier."""
        self._reserved: dict[str, dict[str, int]] = {}
        """Namespace → function → reserved concurrency."""
        self._versions: dict[tuple[str, str, str], FunctionVersion] = {}
        self._aliases: dict[tuple[str, str, str], FunctionAlias] = {}
        self._snapshots: dict[tuple[str, str], Snapshot] = {}
        self._snapshot_uids: set[str] = set()
        self._instances: dict[tuple[str, str, str], dict[str, str]] = {}
        """(namespace, function, qualifier) → uid → gateway."""
        self._changed = asyncio.Event()
        self.functions = make(kinds.FUNCTION, "", "", self._on_function)
        self.versions = make(kinds.FUNCTION_VERSION, "", "", self._on_version)
        self.aliases = make(kinds.FUNCTION_ALIAS, "", "", self._on_alias)
        self.snapshots = make(kinds.SNAPSHOT, "", "", self._on_snapshot)
        self.pods = make(kinds.POD, "", f"{names.LABEL_ROLE}={names.ROLE_INSTANCE}", self._on_pod)
        self.events = make(kinds.EVENT_INVOCATION, "", "", self._on_event)
        self.agents = make(kinds.POD, own, f"{names.LABEL_COMPONENT}=agent", self._on_any)
        self.secrets = make(kinds.SECRET, own, LABEL, self.keys.on_event)
        self.leases = make(kinds.LEASE, own, f"{names.LABEL_COMPONENT}={GATEWAY_COMPONENT}", self._on_any)

    def all(self) -> tuple[Copy, ...]:
        """Every copy."""
        return (
            self.functions,
            self.versions,
            self.aliases,
            self.snapshots,
            self.pods,
            self.events,
            self.agents,
            self.secrets,
            self.leases,
        )

    def runs(self) -> list[Coroutine[object, object, None]]:
        """What must run for ever."""
        return [copy.run() for copy in self.all()]

    async def synced(self) -> None:
        """Returns when all first lists are in."""
        await asyncio.gather(*(copy.synced() for copy in self.all()))

    def function(self, namespace: str, name: str) -> Function | None:
        """A function that is not being deleted."""
        return self._functions.get((namespace, name))

    def url(self, url_id: str) -> tuple[Function, str, FunctionUrl] | None:
        """The function that has the URL of that id, of which qualifier it is, and what it says."""
        key, qualifier = self._urls.get(url_id, (("", ""), ""))
        function = self._functions.get(key)
        url = function.spec.urls.get(qualifier) if function is not None else None
        return (function, qualifier, url) if function is not None and url is not None else None

    def reserved(self, namespace: str) -> Mapping[str, int]:
        """The functions of a namespace that have a reserved concurrency, with it."""
        return self._reserved.get(namespace, {})

    def version(self, namespace: str, function: str, number: str) -> FunctionVersion | None:
        """A published version by its number, unless it is being deleted."""
        return self._versions.get((namespace, function, number))

    def versions_of(self, namespace: str, function: str) -> list[FunctionVersion]:
        """The published versions of a function, oldest first."""
        found = [v for (ns, fn, _), v in self._versions.items() if (ns, fn) == (namespace, function)]
        return sorted(found, key=lambda v: int(v.status.version))

    def alias(self, namespace: str, function: str, name: str) -> FunctionAlias | None:
        """An alias of a function."""
        return self._aliases.get((namespace, function, name))

    def aliases_of(self, namespace: str, function: str) -> list[FunctionAlias]:
        """The aliases of a function, by name."""
        found = [a for (ns, fn, _), a in self._aliases.items() if (ns, fn) == (namespace, function)]
        return sorted(found, key=lambda a: a.spec.name)

    def snapshot(self, namespace: str, name: str) -> Snapshot | None:
        """A snapshot by its object's name."""
        return self._snapshots.get((namespace, name))

    def has_snapshot(self, uid: str) -> bool:
        """Whether a snapshot exists and is not being deleted."""
        return uid in self._snapshot_uids

    def all_functions(self) -> list[Function]:
        """The functions of all namespaces."""
        return list(self._functions.values())

    def all_versions(self) -> list[FunctionVersion]:
        """The published versions of all namespaces."""
        return list(self._versions.values())

    def all_snapshots(self) -> list[Snapshot]:
        """The snapshots of all namespaces."""
        return list(self._snapshots.values())

    def elsewhere(self, namespace: str, function: str, qualifier: str, gateway: str) -> int:
        """How many instances of a version other gateways run."""
        pods = self._instances.get((namespace, function, names.version_label(qualifier)), {})
        return sum(1 for made_by in pods.values() if made_by != gateway)

    def started(self, namespace: str, function: str, qualifier: str) -> tuple[int, int]:
        """How many instances of a version all gateways have, and how many of them have started."""
        key = namespace, function, names.version_label(qualifier)
        pods = [p for p in self.pods.list() if p["metadata"]["uid"] in self._instances.get(key, {})]
        return len(pods), sum(names.ANNOTATION_START in p["metadata"].get("annotations", {}) for p in pods)

    def agent(self, node: str) -> str | None:
        """The base URL of the agent of a node, when it is ready."""
        return self.ready_agents().get(node)

    def ready_agents(self) -> dict[str, str]:
        """Node → base URL of the agents that are ready."""
        return agents_by_node(self.agents.list())

    def pod(self, namespace: str, name: str, uid: str) -> Object | None:
        """That very pod, as last seen."""
        pod = self.pods.get(namespace, name)
        return pod if pod is not None and pod["metadata"]["uid"] == uid else None

    async def until(self, check: Callable[[], T | None], timeout: float) -> T | None:
        """Waits until ``check`` finds something, looking again after every event; None after ``timeout`` seconds."""
        deadline = time.monotonic() + timeout
        while (found := check()) is None:
            changed, left = self._changed, deadline - time.monotonic()
            if left <= 0:
                return None
            try:
                # Not wait_for(): Python 3.11's loses a cancellation that comes together with the event.
                async with asyncio.timeout(left):
                    await changed.wait()
            except TimeoutError:
                return check()
        return found

    async def caught_up(self, copy: Copy, written: Object, timeout: float = 3.0) -> None:
        """Waits until a copy has seen what this gateway itself wrote, so that its callers read their own writes."""
        meta = written["metadata"]
        wanted = int(meta["resourceVersion"])

        def check() -> bool | None:
            seen = copy.get(meta["namespace"], meta["name"])
            return True if seen and int(seen["metadata"]["resourceVersion"]) >= wanted else None

        await self.until(check, timeout)

    def _on_any(self, type_: str, item: Object) -> None:  # noqa: ARG002
        self._changed.set()
        self._changed = asyncio.Event()

    def _on_event(self, type_: str, item: Object) -> None:
        self._on_any(type_, item)
        for tell in self.on_event:
            tell(type_, item)

    def _on_function(self, type_: str, item: Object) -> None:
        key = _name(item)
        function = _parse(Function, item)
        namespace, name = key
        self._reserved.get(namespace, {}).pop(name, None)
        if before := self._functions.pop(key, None):
            for qualifier in before.spec.urls:
                self._urls.pop(names.url_id(before.metadata.uid, qualifier), None)
        if function is not None and not _is_gone(type_, item):
            self._functions[key] = function
            for qualifier in function.spec.urls:
                self._urls[names.url_id(function.metadata.uid, qualifier)] = key, qualifier
            if (reserved := function.spec.scaling.reserved_concurrency) is not None:
                self._reserved.setdefault(namespace, {})[name] = reserved
        self._on_any(type_, item)

    def _on_version(self, type_: str, item: Object) -> None:
        version = _parse(FunctionVersion, item)
        if version is not None and version.status.version and not version.status.duplicate_of:
            key = (version.metadata.namespace, version.spec.function_name, version.status.version)
            if not _is_gone(type_, item):
                self._versions[key] = version
            elif (known := self._versions.get(key)) and known.metadata.uid == version.metadata.uid:
                del self._versions[key]
        self._on_any(type_, item)
        if version is not None and type_ != "DELETED":
            for tell in self.on_version:
                tell(version)

    def _on_alias(self, type_: str, item: Object) -> None:
        alias = _parse(FunctionAlias, item)
        if alias is not None:
            key = (alias.metadata.namespace, alias.spec.function_name, alias.spec.name)
            if not _is_gone(type_, item):
                self._aliases[key] = alias
            elif (known := self._aliases.get(key)) and known.metadata.uid == alias.metadata.uid:
                del self._aliases[key]
        self._on_any(type_, item)

    def _on_snapshot(self, type_: str, item: Object) -> None:
        snapshot = _parse(Snapshot, item)
        before = self._snapshots.pop(_name(item), None)
        if before is not None:
            self._snapshot_uids.discard(before.metadata.uid)
        if snapshot is not None and not _is_gone(type_, item):
            self._snapshots[_name(item)] = snapshot
            self._snapshot_uids.add(snapshot.metadata.uid)
        self._on_any(type_, item)

    def _on_pod(self, type_: str, item: Object) -> None:
        meta = item["metadata"]
        labels = meta.get("labels", {})
        key = (meta["namespace"], labels.get(names.LABEL_FUNCTION, ""), labels.get(names.LABEL_VERSION, ""))
        if _is_gone(type_, item) or item.get("status", {}).get("phase") in ("Succeeded", "Failed"):
            self._instances.get(key, {}).pop(meta["uid"], None)
        else:
            self._instances.setdefault(key, {})[meta["uid"]] = labels.get(names.LABEL_GATEWAY, "")
        self._on_any(type_, item)
        for tell in self.on_pod:
            tell(type_, item)


def _name(item: Object) -> tuple[str, str]:
    return item["metadata"]["namespace"], item["metadata"]["name"]


def _is_gone(type_: str, item: Object) -> bool:
    return type_ == "DELETED" or bool(item["metadata"].get("deletionTimestamp"))


M = TypeVar("M", Function, FunctionVersion, FunctionAlias, Snapshot)


def _parse(model: type[M], item: Object) -> M | None:
    try:
        return model.model_validate(item)
    except ValidationError as e:
        log.warning("object ignored", kind=model.__name__, name=item["metadata"]["name"], error=str(e))
        return None
