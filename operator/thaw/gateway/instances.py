"""Starting one instance, from a pod's creation to a process that serves; and taking it away again.

Nothing waits for a kubelet's status: the node comes from the pod's binding, the address from the agent's report.
"""

from __future__ import annotations

import asyncio
import json
import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

import structlog

from thaw import names
from thaw.api.node import GrantRequest, Report
from thaw.api.v1alpha1 import FrozenTemplate, Http
from thaw.build import secrets as build_secrets
from thaw.decide.making import OWN_EXITS
from thaw.decide.plan import Event
from thaw.errors import ClusterError, InvokeError, NodeError, ThawError
from thaw.gateway.fallbacks import Fallback, Fallbacks
from thaw.gateway.functioncontrol import FunctionControl, InitFailed, Lost, Unreached
from thaw.gateway.metrics import Metrics
from thaw.gateway.options import GatewaySettings
from thaw.gateway.targets import Target
from thaw.gateway.watch import Watch
from thaw.kube.agents import Agents
from thaw.kube.client import Kube, Object
from thaw.kube.events import Events
from thaw.kube.kinds import FUNCTION, FUNCTION_VERSION, POD

_REPORT_WAIT = 20.0
_WHY = 3.0
"""Seconds that a dead pod's own words are waited for."""
_COLD_INIT = 130.0
"""Seconds that an initialisation may take at a cold start, or the function's timeout if that is more: as long as one
that is snapshotted. Lambda gives ten, and then does it all again within the function's timeout."""
Start = Literal["warm", "standby", "slot", "restore", "cold"]
log = structlog.get_logger(__name__)


class BuildPod(Protocol):
    """:func:`thaw.build.instance_pod.instance_pod`."""

    def __call__(  # noqa: D102
        self,
        *,
        template: FrozenTemplate,
        function: str,
        namespace: str,
        qualifier: str,
        version_name: str,
        owner: Object,
        gateway: str,
        template_hash: str,
        snapshot_uid: str | None,
        snap_start: bool,
        node_hint: str = "",
        settings: Any,
    ) -> Object: ...


class StartFailed(ThawError):
    """The platform could not start an instance.

    :param retryable: whether another try may help.
    """

    def __init__(self, reason: str, *, retryable: bool) -> None:
        self.reason, self.retryable = reason, retryable
        super().__init__(reason)


@dataclass
class Instance:
    """A running instance that this gateway made, and its secret."""

    namespace: str
    pod: str
    uid: str
    agent: str
    ip: str
    token: str
    start: Start
    restore_ms: float = 0.0
    """Restore and after-restore hooks, as Lambda counts it."""
    made_for: str | None = None
    """The UID of the snapshot it was to be restored from, whether or not it was."""
    fallback: str = ""
    inflight: int = 0
    served: int = 0
    last_used: float = field(default_factory=time.monotonic)


@dataclass
class _Pod:
    """A pod under way."""

    namespace: str
    name: str
    uid: str
    token: str
    agent: str = ""
    node: str = ""


class Stopwatch:
    """How long each piece of a start took, in seconds."""

    def __init__(self, clock: Callable[[], float] = time.perf_counter) -> None:
        self._clock = clock
        self._begin = self._last = clock()
        self.pieces: dict[str, float] = {}

    def lap(self, piece: str) -> None:
        """Ends a piece."""
        now = self._clock()
        self.pieces[piece] = now - self._last
        self._last = now

    @property
    def total(self) -> float:
        """From the beginning to the last lap."""
        return self._last - self._begin


class Starter:
    """Starts and stops instances for this gateway."""

    def __init__(
        self,
        *,
        kube: Kube,
        watch: Watch,
        agents: Agents,
        control: FunctionControl,
        build: BuildPod,
        fallbacks: Fallbacks,
        events: Events,
        metrics: Metrics,
        settings: GatewaySettings,
    ) -> None:
        self._kube, self._watch, self._agents, self._control = kube, watch, agents, control
        self._build, self._fallbacks, self._events = build, fallbacks, events
        self._metrics, self._settings = metrics, settings
        self._background: set[asyncio.Task[None]] = set()
        self.alive: set[str] = set()
        """UIDs of the pods this gateway answers for; all others that carry its name are orphans."""

    async def start(self, target: Target) -> Instance:
        """Starts an instance.

        :raises InitFailed: the function's own initialisation raised.
        :raises InvokeError: an after-restore hook failed.
        :raises StartFailed: the platform's fault.
        """
        watch = Stopwatch()
        pod = await self._create(target)
        watch.lap("create")
        try:
            async with asyncio.timeout(self._settings.start_timeout + _init_limit(target)):
                instance = await self._bring_up(target, pod, watch)
        except BaseException as e:
            reason = await self._explain(pod, e)
            self._later(self._remove(pod.namespace, pod.name, pod.uid, pod.agent))
            self._count_failure(target, e)
            if isinstance(reason, StartFailed) and not reason.retryable:
                self._later(self._warn(target, reason))
            if reason is e or isinstance(e, asyncio.CancelledError):
                raise
            raise reason from e
        self._tell(target, instance, watch)
        return instance

    async def stop(self, instance: Instance) -> None:
        """Deletes an instance's pod and takes back its grant; failures are logged, the orphan sweep tries again."""
        await self._remove(instance.namespace, instance.pod, instance.uid, instance.agent)

    async def settle(self) -> None:
        """Waits for deletions and annotations under way."""
        await asyncio.gather(*self._background, return_exceptions=True)

    async def _create(self, target: Target) -> _Pod:
        body = self._build(
            template=target.template,
            function=target.function,
            namespace=target.namespace,
            qualifier=target.qualifier,
            version_name=target.version_name,
            owner=target.owner,
            gateway=self._settings.pod_name,
            template_hash=target.template_hash,
            snapshot_uid=target.snapshot_uid,
            snap_start=target.snap_start,
            node_hint=target.node_hint,
            settings=self._settings,
        )
        try:
            made = await self._kube.create(POD, body)
        except ClusterError as e:
            raise StartFailed(f"its pod could not be created: {e.message}", retryable=True) from e
        meta = made["metadata"]
        self.alive.add(meta["uid"])
        return _Pod(meta["namespace"], meta["name"], meta["uid"], secrets.token_urlsafe(32))

    async def _bring_up(self, target: Target, pod: _Pod, watch: Stopwatch) -> Instance:
        pod.agent = await self._agent_of(pod)
        watch.lap("scheduled")
        refused = await self._grant(target, pod)
        watch.lap("grant")
        report = await self._report(pod)
        watch.lap("container")
        ip = report.ip or await self._ip_of(pod)
        restored = report.state == "restored"
        start: Start = "restore" if restored else "cold"
        instance = Instance(pod.namespace, pod.name, pod.uid, pod.agent, ip, pod.token, start)
        instance.made_for = target.snapshot_uid
        if fallback := None if restored else _fallback(target, refused, report):
            instance.fallback = fallback.message
            self._later(self._fallbacks.tell(target, pod.node, fallback))
        if target.template.spec.protocol == "http":
            await self._warm_up_http(target.template.spec.http or Http(), instance, restored=restored)
            watch.lap("hooks" if restored else "init")
        else:
            await self._warm_up_lambda(target, instance, watch, report)
        if restored:
            self._metrics.restore.observe(report.restore_ms / 1000)
            instance.restore_ms = report.restore_ms + watch.pieces.get("hooks", 0) * 1000
        return instance

    async def _agent_of(self, pod: _Pod) -> str:
        """The agent of the node the pod was bound to, as soon as the watch says so."""

        def check() -> str | StartFailed | None:
            seen = self._watch.pod(pod.namespace, pod.name, pod.uid)
            if seen is None:
                return None
            if seen["metadata"].get("deletionTimestamp"):
                return StartFailed("its pod was deleted", retryable=True)
            pod.node = seen["spec"].get("nodeName", "")
            return self._watch.agent(pod.node) if pod.node else None

        found: str | StartFailed | None = await self._watch.until(check, self._settings.start_timeout)
        if isinstance(found, str):
            return found
        raise found if found is not None else StartFailed(self._unscheduled(pod), retryable=True)

    def _unscheduled(self, pod: _Pod) -> str:
        seen = self._watch.pod(pod.namespace, pod.name, pod.uid) or {}
        if node := seen.get("spec", {}).get("nodeName"):
            return f"node {node} has no agent that is ready"
        conditions = seen.get("status", {}).get("conditions", [])
        message = next((c.get("message", "") for c in conditions if c["type"] == "PodScheduled"), "")
        return f"no node for its pod: {message or 'the scheduler has not answered'}"

    async def _grant(self, target: Target, pod: _Pod) -> Fallback | None:
        """Vouches for the pod; the reason, when its snapshot cannot be used there and it is granted without."""
        code = target.template.spec.code
        request = GrantRequest(
            namespace=pod.namespace,
            name=pod.name,
            role="instance",
            protocol=target.template.spec.protocol,
            code=code if code.image is None else None,
            snapshot=target.snapshot_uid,
            token=pod.token,
            credentials=build_secrets.credentials(target.template.spec, pod.name, self._settings),
            secrets=build_secrets.needed(target.template.spec),
        )
        try:
            await self._agents.grant(pod.agent, pod.uid, request)
        except NodeError as e:
            if e.code != "SnapshotUnusable" or request.snapshot is None:
                raise StartFailed(f"the node's agent refused: {e}", retryable=e.retryable) from e
            await self._grant_cold(pod, request)
            return Fallback(e.cause or "Unknown", e.message)  # type: ignore[arg-type]
        return None

    async def _grant_cold(self, pod: _Pod, request: GrantRequest) -> None:
        try:
            await self._agents.grant(pod.agent, pod.uid, request.model_copy(update={"snapshot": None}))
        except NodeError as e:
            raise StartFailed(f"the node's agent refused: {e}", retryable=e.retryable) from e

    async def _report(self, pod: _Pod) -> Report:
        """The agent's report of the container, or what keeps the pod from having one."""
        asked = asyncio.create_task(self._long_poll(pod))
        trouble = asyncio.create_task(
            self._watch.until(lambda: _trouble(self._watch.pod(pod.namespace, pod.name, pod.uid)), 3600)
        )
        try:
            await asyncio.wait({asked, trouble}, return_when=asyncio.FIRST_COMPLETED)
            if not asked.done():
                raise self._died(pod, trouble.result() or "its pod did not start")
            report = asked.result()
        finally:
            asked.cancel()
            trouble.cancel()
        if report.state == "failed":
            reason = report.restore_error or "its container failed to start"
            raise StartFailed(reason, retryable=report.code != "MissingSecret")
        return report

    def _died(self, pod: _Pod, what: str) -> ThawError:
        words = _last_words(self._watch.pod(pod.namespace, pod.name, pod.uid))
        return InitFailed(words) if words is not None else StartFailed(what, retryable=False)

    async def _long_poll(self, pod: _Pod) -> Report:
        while True:
            try:
                return await self._agents.report(pod.agent, pod.uid, _REPORT_WAIT)
            except NodeError as e:
                if e.code != "NotFound" and not e.retryable:
                    raise StartFailed(f"the node's agent: {e}", retryable=False) from e
                await asyncio.sleep(0.05)

    async def _ip_of(self, pod: _Pod) -> str:
        def check() -> str | None:
            seen = self._watch.pod(pod.namespace, pod.name, pod.uid) or {}
            ip: str | None = seen.get("status", {}).get("podIP")
            return ip

        ip = await self._watch.until(check, _REPORT_WAIT)
        if ip is None:
            raise StartFailed("its pod has no address", retryable=True)
        return ip

    async def _warm_up_lambda(self, target: Target, instance: Instance, watch: Stopwatch, report: Report) -> None:
        restored = report.state == "restored"
        if not restored:
            await self._initialised(target, instance)
            watch.lap("init")
        if restored or target.snap_start:
            await self._control.restore(instance.ip, instance.token, report.restore_ms if restored else 0.0)
            watch.lap("hooks")

    async def _initialised(self, target: Target, instance: Instance) -> None:
        limit = _init_limit(target)
        try:
            async with asyncio.timeout(limit):
                await self._control.initialised(instance.ip, instance.token)
        except TimeoutError as e:
            message = f"The initialisation timed out after {limit:.2f} seconds"
            raise InitFailed({"errorType": "Sandbox.Timedout", "errorMessage": message}) from e

    async def _warm_up_http(self, http: Http, instance: Instance, *, restored: bool) -> None:
        if not restored:
            await self._control.http_ready(instance.ip, http.port, http.ready_path)
        elif http.after_restore_path:
            await self._control.http_after_restore(instance.ip, http.port, http.after_restore_path)

    async def _explain(self, pod: _Pod, error: BaseException) -> BaseException:
        """The reason to give: the function's own last words, when it died in its initialisation."""
        if isinstance(error, (InitFailed, InvokeError, StartFailed)):
            return error
        if isinstance(error, (Lost, Unreached, TimeoutError)):
            words = await self._watch.until(
                lambda: _last_words(self._watch.pod(pod.namespace, pod.name, pod.uid)), _WHY
            )
            if words is not None:
                return InitFailed(words)
            what = "it took too long" if isinstance(error, TimeoutError) else str(error)
            return StartFailed(what, retryable=not isinstance(error, TimeoutError))
        return error

    def _count_failure(self, target: Target, error: BaseException) -> None:
        if not isinstance(error, asyncio.CancelledError):
            self._metrics.start_failures.labels(
                target.namespace, target.function, target.qualifier, type(error).__name__
            ).inc()

    async def _warn(self, target: Target, error: StartFailed) -> None:
        """Of a failure that stays until somebody does something: that somebody may not be the caller."""
        owner = target.owner
        kind = FUNCTION_VERSION if owner["kind"] == FUNCTION_VERSION.kind else FUNCTION
        event = Event("Warning", "InstanceNotStarted", f"An instance could not be started: {error}")
        await self._events.write(kind, target.namespace, owner["name"], owner["uid"], event)

    def _tell(self, target: Target, instance: Instance, watch: Stopwatch) -> None:
        self._metrics.starts.labels(instance.start).observe(watch.total)
        for piece, seconds in watch.pieces.items():
            self._metrics.pieces.labels(instance.start, piece).observe(seconds)
        log.info(
            "instance started",
            namespace=target.namespace,
            function=target.function,
            version=target.qualifier,
            pod=instance.pod,
            start=instance.start,
            restore_ms=round(instance.restore_ms, 1),
            total_ms=round(watch.total * 1000, 1),
            **{f"{piece}_ms": round(seconds * 1000, 1) for piece, seconds in watch.pieces.items()},
        )
        self._later(self._annotate(instance))

    async def _annotate(self, instance: Instance) -> None:
        annotations: dict[str, str] = {names.ANNOTATION_START: instance.start}
        if instance.start == "restore":
            annotations[names.ANNOTATION_RESTORE_MS] = f"{instance.restore_ms:.1f}"
        try:
            await self._kube.patch(POD, instance.namespace, instance.pod, {"metadata": {"annotations": annotations}})
        except ClusterError as e:
            log.info("pod not annotated", pod=instance.pod, error=str(e))

    async def _remove(self, namespace: str, name: str, uid: str, agent: str) -> None:
        try:
            await self._kube.delete(POD, namespace, name, uid=uid, grace_seconds=1)
            if agent:
                await self._agents.drop(agent, uid)
        except (ClusterError, NodeError) as e:
            log.warning("instance not removed cleanly", namespace=namespace, pod=name, error=str(e))
        finally:
            self.alive.discard(uid)

    def _later(self, work: Any) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._background.add(task)
        task.add_done_callback(self._background.discard)


def _fallback(target: Target, refused: Fallback | None, report: Report) -> Fallback | None:
    """Why a start is cold that should have been a restore; None when it should not."""
    if refused is not None:
        return refused
    if target.snapshot_uid is not None:
        return Fallback("RestoreFailed", report.restore_error or "the container was not restored")
    return Fallback("NoSnapshot", target.fallback) if target.fallback else None


def _init_limit(target: Target) -> float:
    return max(_COLD_INIT, target.template.spec.timeout)


_STUCK = {
    "ErrImagePull",
    "ImagePullBackOff",
    "ErrImageNeverPull",
    "InvalidImageName",
    "CreateContainerConfigError",
    "CrashLoopBackOff",
}


def _trouble(pod: Object | None) -> str | None:
    """What keeps a pod from ever starting its container; None while it may still."""
    if pod is None:
        return None
    if pod["metadata"].get("deletionTimestamp"):
        return "its pod was deleted"
    for status in pod.get("status", {}).get("containerStatuses", []):
        waiting = status.get("state", {}).get("waiting") or {}
        if waiting.get("reason") in _STUCK:
            return f"{waiting['reason']}: {waiting.get('message', '')}".rstrip(": ")
    if pod.get("status", {}).get("phase") == "Failed":
        return pod["status"].get("message") or pod["status"].get("reason") or "its pod failed"
    return None


def _last_words(pod: Object | None) -> dict[str, Any] | None:
    """What thaw-init wrote to the termination log, as Lambda's error; None unless the container ended by itself."""
    for status in (pod or {}).get("status", {}).get("containerStatuses", []):
        ended = status.get("state", {}).get("terminated")
        if status["name"] == names.FUNCTION_CONTAINER and ended:
            try:
                words = json.loads(ended.get("message") or "")
            except ValueError:
                words = None
            if isinstance(words, dict) and "errorType" in words:
                return words
            if ended.get("reason") not in OWN_EXITS:
                return None
            text = ended.get("message") or f"{ended['reason']} with status {ended.get('exitCode')}"
            return {"errorType": "Runtime.ExitError", "errorMessage": f"Runtime exited during initialisation: {text}"}
    return None
