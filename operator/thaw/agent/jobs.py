"""Snapshot jobs: from "the pod exists" to "stored and read back".

=============  ==============================================================================================
``init``       the container starts, the function initialises, its connections close
``checkpoint`` the kubelet dumps it, one at a time on a node; the archive is checked and taken apart
``store``      chunks, then the manifest: from here on the snapshot exists
``verify``     every chunk is read back, the files become the node's cache
``done``       or ``failed``, with a reason and whether another try may help
=============  ==============================================================================================

Whatever happens, the kubelet's archive and the job's folder are removed. The kubelet goes on when its caller has
crashed or lost patience, so a note of each archive that it was asked for outlives both, and :meth:`Jobs.sweep` looks
again.
"""

from __future__ import annotations

import asyncio
import json
import secrets
import shutil
import time
from collections.abc import Callable, Coroutine
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from time import monotonic
from typing import Any, Protocol

import structlog

from thaw.agent import archive, process
from thaw.agent.cache import Cache
from thaw.agent.errors import Refused
from thaw.agent.files import read_small, write_atomic
from thaw.agent.metrics import Metrics
from thaw.agent.options import AgentSettings
from thaw.agent.paths import CHECKPOINTS, Paths
from thaw.agent.readiness import JobFailed
from thaw.agent.threads import in_thread, to_the_end
from thaw.api.base import Model
from thaw.api.node import JobError, JobPhase, Report, SnapshotJob, SnapshotRequest
from thaw.api.v1alpha1 import Fingerprint
from thaw.errors import ArchiveError, CheckpointError, SnapshotMissing, StoreError, ThawError
from thaw.store.base import SnapshotStore, StoredSnapshot, check_id

_KEPT = 256
"""Jobs remembered after their end; of those that went well the store knows as much."""
_CLOSING = 2.0
"""Seconds that connections get to close before the dump; thaw-runc ends those that stay."""
_NAMED = 10
"""Connections that are told of."""
_PUTS = 2
"""Snapshots stored at the same time."""
_LATE = 60.0
"""Seconds beyond the kubelet's own timeout in which an archive may still appear that nobody waits for any more."""

log = structlog.get_logger("thaw.agent.jobs")


class Checkpointer(Protocol):
    """The kubelet, or a test's."""

    def checkpoint(self, namespace: str, pod: str, container: str) -> Coroutine[Any, Any, Path]:
        """Dumps a container and tells where the archive lies; raises CheckpointError."""
        ...


class Initialised(Protocol):
    """Waits for an initialised process: :class:`thaw.agent.readiness.Readiness`, or a test's."""

    async def wait(self, request: SnapshotRequest) -> tuple[Report, float]:
        """The container's report and the initialisation's milliseconds; raises JobFailed."""
        ...


class Facts(Model):
    """What a job leaves in the manifest, so that its outcome can be told after a restart."""

    init_ms: float | None = None
    checkpoint_ms: float | None = None
    fingerprint: Fingerprint | None = None
    node: str = ""
    namespace: str = ""
    pod: str = ""
    function: str = ""
    version: str = ""
    image: str = ""
    protocol: str = ""
    closed_connections: tuple[str, ...] = ()
    created_at: str = ""


@dataclass
class Tools:
    """What jobs work with."""

    paths: Paths
    settings: AgentSettings
    store: SnapshotStore
    cache: Cache
    kubelet: Checkpointer
    readiness: Initialised
    report: Callable[[str], Report | None]
    """What thaw-runc says of a pod's container, by the pod's UID."""
    metrics: Metrics
    fingerprint: Callable[[], Fingerprint]


@dataclass
class _Job:
    id: str
    request: SnapshotRequest
    state: SnapshotJob
    ended: asyncio.Event = field(default_factory=asyncio.Event)
    task: asyncio.Task[None] | None = None
    dumping: bool = False
    """Whether the kubelet may still be writing an archive."""

    def at(self, phase: JobPhase, **facts: Any) -> None:
        self.state = self.state.model_copy(update={"phase": phase, **facts})

    @property
    def over(self) -> bool:
        return self.state.phase in ("done", "failed")


class Jobs:
    """All snapshot jobs of this node, by the snapshot's id."""

    def __init__(self, tools: Tools) -> None:
        self._tools = tools
        self._jobs: dict[str, _Job] = {}
        self._one_dump = asyncio.Semaphore(1)
        # Writers and the collector of unused chunks wait for each other, minutes at worst and also for other nodes',
        # each in a thread. Grants and restores need threads as well.
        self._few_puts, self._one_collection = asyncio.Semaphore(_PUTS), asyncio.Semaphore(1)

    # ------------------------------------------------------------ calls

    async def start(self, snapshot_id: str, request: SnapshotRequest) -> SnapshotJob:
        """Begins a job, or tells of the one with this id: under way, done (also by an agent before this one), failed.

        A new pod for an id that is not done is a new attempt: the job of the pod before it is given up.
        """
        check_id(snapshot_id)
        job = self._jobs.get(snapshot_id)
        if job is None:
            stored = await self._stored(snapshot_id)
            if stored is not None:
                return stored
            job = self._jobs.get(snapshot_id)  # somebody else may have begun it meanwhile
        if job is not None and (job.state.phase == "done" or job.request.pod_uid == request.pod_uid):
            return job.state
        if job is not None:
            await self._stop(job)
        return self._begin(snapshot_id, request).state

    async def get(self, snapshot_id: str, wait: float) -> SnapshotJob:
        """How far a job is; waits up to ``wait`` seconds for its end.

        :raises Refused: 404 when there is neither a job nor a stored snapshot.
        """
        job = self._jobs.get(check_id(snapshot_id))
        if job is None:
            stored = await self._stored(snapshot_id)
            if stored is None:
                raise Refused(404, "NotFound", f"no snapshot {snapshot_id}")
            return stored
        if not job.over and wait > 0:
            with suppress(TimeoutError):  # then it goes on, and its state says how far it is
                async with asyncio.timeout(wait):
                    await job.ended.wait()
        return job.state

    async def delete(self, snapshot_id: str, *, store: bool) -> list[str]:
        """Removes a snapshot from this node, and from the store if told so; tells what there was."""
        tools, removed = self._tools, []
        job = self._jobs.get(check_id(snapshot_id))
        if job is not None:
            await self._stop(job)
            self._jobs.pop(snapshot_id, None)
            removed.append("job")
            archives = await in_thread(_remove_archives, tools.paths, job.request)
            removed += ["archives"] if archives else []
        if await tools.cache.drop_snapshot(snapshot_id):
            removed.append("cache")
        if store:
            known = await in_thread(tools.store.exists, snapshot_id)
            async with self._one_collection:
                collected = await in_thread(tools.store.delete, snapshot_id)
            removed += (["manifest"] if known else []) + ([f"{collected} chunks"] if collected else [])
            # Until the manifest was gone, a grant could bring it here again.
            await tools.cache.drop_snapshot(snapshot_id)
        return removed

    def sweep(self) -> int:
        """Removes archives that no job waits for: of jobs that a crash cut off, or that the kubelet kept waiting.

        Called at the agent's start and every few seconds; tells how many.
        """
        tools, removed = self._tools, 0
        active = [job for job in self._jobs.values() if not job.over]
        busy = {job.id for job in active} | {_prefix(job.request) for job in active}
        for note in tools.paths.archives.iterdir():
            prefix = _noted_prefix(note)
            if note.name in busy or prefix in busy:
                continue  # that job removes them when it ends
            if prefix:
                removed += archive.remove_archives(tools.paths.checkpoints, prefix)
            if not prefix or time.time() - note.stat().st_mtime > tools.settings.checkpoint_timeout + _LATE:
                note.unlink(missing_ok=True)
        return removed

    async def close(self) -> None:
        """Ends all jobs; those that were not done begin anew when they are asked for again."""
        for job in list(self._jobs.values()):
            await self._stop(job)

    # ------------------------------------------------------------ one job

    def _begin(self, snapshot_id: str, request: SnapshotRequest) -> _Job:
        for old in [key for key, job in self._jobs.items() if job.over][: max(0, len(self._jobs) - _KEPT)]:
            del self._jobs[old]
        job = _Job(snapshot_id, request, SnapshotJob(id=snapshot_id, phase="init"))
        self._jobs[snapshot_id] = job
        job.task = asyncio.create_task(self._run(job), name=f"snapshot {snapshot_id}")
        return job

    async def _stop(self, job: _Job) -> None:
        if job.task is not None and not job.task.done():
            job.task.cancel()
            await asyncio.wait([job.task])

    async def _run(self, job: _Job) -> None:
        folder = self._tools.paths.tmp / f"job-{job.id}-{secrets.token_hex(4)}"
        try:
            await self._steps(job, folder)
        except asyncio.CancelledError:
            job.at("failed", error=JobError(code="InternalError", message="the job was given up", retryable=True))
            raise
        except Exception as e:
            job.at("failed", error=_job_error(e))
            if not isinstance(e, ThawError):
                log.exception("job.bug", snapshot=job.id)
        finally:
            await in_thread(_clean, self._tools.paths, job, folder)
            self._report(job)
            job.ended.set()

    async def _steps(self, job: _Job, folder: Path) -> None:
        tools = self._tools
        report, init_ms = await tools.readiness.wait(job.request)
        tools.metrics.init.observe(init_ms / 1000)
        job.at("init", init_ms=init_ms)
        await self._quiet(report.pid)
        async with self._one_dump:
            job.at("checkpoint")
            began = monotonic()
            tree = await self._dump(job, folder, report)
            took = monotonic() - began
        tools.metrics.checkpoint.observe(took)
        ended = self._ended(report)
        job.at("store", checkpoint_ms=took * 1000, fingerprint=tools.fingerprint(), closed_connections=ended)
        stored = await self._store(job, tree)
        job.at("verify")
        await self._verify(stored, tree)
        job.at("done")

    async def _quiet(self, pid: int) -> None:
        """Waits a while for connections with a peer elsewhere to close, our own with thaw-init among them."""
        deadline = monotonic() + _CLOSING
        while process.connections(self._tools.paths.proc, pid):
            if monotonic() >= deadline:
                return
            await asyncio.sleep(0.02)

    def _ended(self, report: Report) -> tuple[str, ...]:
        """The connections that thaw-runc ended when it was told to dump."""
        now = self._tools.report(report.pod_uid)
        return now.closed_connections[:_NAMED] if now is not None else ()

    async def _dump(self, job: _Job, folder: Path, report: Report) -> Path:
        await in_thread(_note_archives, self._tools.paths, job)
        # To its end: the kubelet would go on without us.
        path = await to_the_end(self._ask_kubelet(job))
        return await in_thread(self._unpack, job, folder, report, path)

    async def _ask_kubelet(self, job: _Job) -> Path:
        request, job.dumping = job.request, True
        try:
            path = await self._tools.kubelet.checkpoint(request.namespace, request.name, request.container)
        except CheckpointError as e:
            job.dumping = e.code in ("Timeout", "Unreachable")
            raise
        job.dumping = False
        return path

    def _unpack(self, job: _Job, folder: Path, report: Report, path: Path) -> Path:
        paths, tree = self._tools.paths, folder / "tree"
        folder.mkdir(mode=0o700)
        # What the kubelet names is its path; the folder is mounted at the same place.
        local = paths.checkpoints / path.name if path.parent == CHECKPOINTS else path
        archive.unpack(local, paths.checkpoints, tree, max_bytes=self._tools.settings.snapshot_max_bytes)
        if job.request.protocol == "lambda":
            process.copy_executable(paths.proc, report.pid, tree / "thaw-init")
        _remove_archives(paths, job.request)
        return tree

    async def _store(self, job: _Job, tree: Path) -> StoredSnapshot:
        tools, request, state = self._tools, job.request, job.state
        facts = Facts(
            init_ms=state.init_ms,
            checkpoint_ms=state.checkpoint_ms,
            fingerprint=state.fingerprint,
            node=tools.settings.node_name,
            namespace=request.namespace,
            pod=request.name,
            function=request.function,
            version=request.version,
            image=request.image,
            protocol=request.protocol,
            closed_connections=state.closed_connections,
            created_at=datetime.now(UTC).isoformat(),
        )
        began = monotonic()
        async with self._few_puts:
            stored = await in_thread(tools.store.put, job.id, tree, facts.to_json())
        took = monotonic() - began
        tools.metrics.store.observe(took)
        tools.metrics.snapshot_bytes.observe(stored.size_bytes)
        tools.metrics.stored_bytes.inc(stored.stored_bytes)
        job.at(
            "store",
            store_ms=took * 1000,
            digest=stored.digest,
            size_bytes=stored.size_bytes,
            stored_bytes=stored.stored_bytes,
        )
        return stored

    async def _verify(self, stored: StoredSnapshot, tree: Path) -> None:
        """Reads everything back. What cannot be read is taken out of the store again: nobody must find it."""
        tools = self._tools
        try:
            await in_thread(tools.store.verify, stored.id)
        except BaseException:
            async with self._one_collection:
                await in_thread(_forget, tools.store, stored.id)
            raise
        await in_thread(tools.cache.adopt, stored, tree)

    async def _stored(self, snapshot_id: str) -> SnapshotJob | None:
        """The job of an agent before this one, if it came to its end: what was not read back is not done."""
        try:
            stored = await in_thread(self._tools.store.verified, snapshot_id)
        except SnapshotMissing:
            return None
        facts = Facts.model_validate(stored.meta)
        return SnapshotJob(
            id=snapshot_id,
            phase="done",
            init_ms=facts.init_ms,
            checkpoint_ms=facts.checkpoint_ms,
            digest=stored.digest,
            size_bytes=stored.size_bytes,
            stored_bytes=stored.stored_bytes,
            fingerprint=facts.fingerprint,
            closed_connections=facts.closed_connections,
        )

    def _report(self, job: _Job) -> None:
        state, request = job.state, job.request
        self._tools.metrics.jobs.labels(state.error.code if state.error else "done").inc()
        log.info(
            "job.ended",
            snapshot=job.id,
            pod=f"{request.namespace}/{request.name}",
            function=request.function,
            version=request.version,
            **state.to_json(),
        )


def _noted_prefix(note: Path) -> str:
    """What a note says; nothing if it makes no sense."""
    try:
        prefix = json.loads(read_small(note, 4096) or b"")["prefix"]
    except (ValueError, KeyError, TypeError):
        return ""
    return prefix if isinstance(prefix, str) and prefix.startswith("checkpoint-") else ""


def _prefix(request: SnapshotRequest) -> str:
    return archive.prefix(request.name, request.namespace, request.container)


def _note_archives(paths: Paths, job: _Job) -> None:
    """Written before the kubelet is asked: an archive made while we crash must be found again."""
    write_atomic(paths.archives / job.id, json.dumps({"prefix": _prefix(job.request)}).encode())


def _remove_archives(paths: Paths, request: SnapshotRequest) -> int:
    return archive.remove_archives(paths.checkpoints, _prefix(request))


def _clean(paths: Paths, job: _Job, folder: Path) -> None:
    _remove_archives(paths, job.request)
    if not job.dumping:
        (paths.archives / job.id).unlink(missing_ok=True)
    shutil.rmtree(folder, ignore_errors=True)


def _forget(store: SnapshotStore, snapshot_id: str) -> None:
    try:
        store.delete(snapshot_id)
    except StoreError as e:
        log.warning("job.unverified_snapshot_left", snapshot=snapshot_id, error=str(e))


def _job_error(error: Exception) -> JobError:
    """What the operator is told: whose fault it is, and whether another pod may fare better."""
    if isinstance(error, JobFailed):
        return error.error
    message = str(error) or repr(error)
    if isinstance(error, CheckpointError):
        return JobError(code="InternalError", message=message, retryable=error.retryable)
    return JobError(code="InternalError", message=message, retryable=not isinstance(error, ArchiveError))
