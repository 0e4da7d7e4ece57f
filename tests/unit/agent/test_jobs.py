"""The state machine of a snapshot, and that nothing is left behind on any way out of it."""

from __future__ import annotations

import asyncio
import threading
from pathlib import Path

import pytest

from thaw.agent import jobs
from thaw.agent.errors import Refused
from thaw.api.node import SnapshotJob
from thaw.errors import CheckpointError, SnapshotCorrupt, StoreError
from thaw.store.objects import Bucket
from thaw.store.snapshots import ChunkStore
from unit.agent.world import HERE, TOKEN, UID, World

OTHER = "aaaaaaaa-0000-4000-8000-000000000002"


async def run(world: World, snapshot_id: str = "s1", **request) -> SnapshotJob:
    await world.jobs.start(snapshot_id, world.request(**request))
    return await world.jobs.get(snapshot_id, 30)


async def until(condition) -> None:
    async with asyncio.timeout(20):
        while not condition():
            await asyncio.sleep(0.005)


async def test_from_a_pod_to_a_stored_snapshot(world: World, tmp_path: Path) -> None:
    world.pod.start()
    job = await run(world)
    assert (job.phase, job.error, job.init_ms, job.fingerprint) == ("done", None, 2100.5, HERE)
    assert job.checkpoint_ms
    assert job.store_ms
    out = tmp_path / "out"
    assert world.store.materialise("s1", out).digest == job.digest
    # The binary is the one that runs, not what is installed by now; the user's log is not kept.
    assert sorted(p.relative_to(out).as_posix() for p in out.rglob("*") if p.is_file()) == [
        "checkpoint/inventory.img",
        "checkpoint/pages-1.img",
        "config.dump",
        "rootfs-diff.tar",
        "spec.dump",
        "thaw-init",
    ]
    assert (out / "thaw-init").read_bytes() == b"the thaw-init that runs"
    assert (out / "thaw-init").stat().st_mode & 0o777 == 0o755
    assert job.size_bytes == sum(p.stat().st_size for p in out.rglob("*") if p.is_file())
    assert world.leftovers() == []


async def test_the_first_restore_here_brings_nothing(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    world.pod.start()
    job = await run(world)
    monkeypatch.setattr(world.store, "materialise", None)
    folder = await world.cache.snapshot("s1")
    assert folder.name == job.digest.removeprefix("sha256:")
    assert (folder / "checkpoint/inventory.img").read_bytes() == b"inventory"


async def test_an_http_function_has_no_thaw_init(world: World) -> None:
    world.pod.start()
    job = await run(world, protocol="http", http={"port": world.pod.port})
    assert job.phase == "done"
    assert "thaw-init" not in {file.path for file in world.store.manifest("s1").files}


async def test_asking_again_is_the_same_job(world: World) -> None:
    world.pod.start()
    world.kubelet.go.clear()
    await world.jobs.start("s1", world.request())
    await until(lambda: world.kubelet.asked)
    assert (await world.jobs.start("s1", world.request())).phase == "checkpoint"
    assert (await world.jobs.get("s1", 0)).phase == "checkpoint"
    world.kubelet.go.set()
    assert (await world.jobs.get("s1", 30)).phase == "done"
    assert (await world.jobs.start("s1", world.request())).phase == "done"
    assert (await world.jobs.start("s1", world.request(podUID=OTHER))).phase == "done"
    assert world.kubelet.asked == 1


async def test_waiting_for_a_job_that_goes_on(world: World) -> None:
    await world.jobs.start("s1", world.request())
    assert (await world.jobs.get("s1", 0.05)).phase == "init"


async def test_after_a_restart_what_is_done_is_done(world: World) -> None:
    world.pod.start()
    before = await run(world)
    world.restart()
    after = await world.jobs.start("s1", world.request())
    assert after == before.model_copy(update={"store_ms": None})
    assert await world.jobs.get("s1", 0) == after
    assert world.kubelet.asked == 1


async def test_after_a_restart_what_was_not_begins_anew(world: World) -> None:
    world.pod.start()
    world.kubelet.go.clear()
    await world.jobs.start("s1", world.request())
    await until(lambda: world.kubelet.asked)
    closing = asyncio.create_task(world.jobs.close())
    await asyncio.sleep(0.02)
    world.kubelet.go.set()
    await closing
    assert world.leftovers() == []
    world.restart()
    with pytest.raises(Refused, match="no snapshot s1"):
        await world.jobs.get("s1", 0)
    assert (await run(world)).phase == "done"


async def test_after_a_restart_what_was_stored_and_not_read_back_is_not_done(world: World, tmp_path: Path) -> None:
    """A crash between the manifest and the proof: what is in the store may be damaged, and nobody looked."""
    tree = tmp_path / "tree"
    tree.mkdir()
    (tree / "config.dump").write_bytes(b"{}")
    world.store.put("s1", tree, {})
    with pytest.raises(Refused, match="no snapshot s1"):
        await world.jobs.get("s1", 0)
    world.pod.start()
    job = await run(world)
    assert (job.phase, world.kubelet.asked) == ("done", 1)
    assert world.store.verified("s1").digest == job.digest


async def test_an_archive_that_comes_after_a_crash_is_swept(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    world.pod.start()
    world.kubelet.go.clear()
    await world.jobs.start("s1", world.request())
    await until(lambda: world.kubelet.asked)
    crashed, notes = world.jobs, {path.name: path.read_bytes() for path in world.paths.archives.iterdir()}
    world.kubelet.go.set()
    await crashed.get("s1", 30)
    # The agent after the crash: the note is there, the kubelet is still at work.
    for name, data in notes.items():
        (world.paths.archives / name).write_bytes(data)
    world.restart()
    assert world.jobs.sweep() == 0
    own = world.paths.checkpoints / world.kubelet.name("ns", "pod-1", "function")
    other = world.paths.checkpoints / world.kubelet.name("ns", "somebody-elses", "function")
    for path in (own, other):
        path.write_bytes(b"archive")
    assert world.jobs.sweep() == 1
    assert list(world.paths.checkpoints.iterdir()) == [other]
    # And when no more can come, the note goes.
    assert len(list(world.paths.archives.iterdir())) == 1
    monkeypatch.setattr(jobs, "_LATE", -1000.0)
    assert world.jobs.sweep() == 0
    assert list(world.paths.archives.iterdir()) == []


@pytest.mark.parametrize("code", ["Timeout", "Unreachable"])
async def test_an_archive_that_comes_after_our_patience_is_swept(world: World, code: str) -> None:
    world.pod.start()
    world.kubelet.error = CheckpointError(code, "too slow", retryable=True)
    assert (await run(world)).phase == "failed"
    late = world.paths.checkpoints / world.kubelet.name("ns", "pod-1", "function")
    late.write_bytes(b"archive")
    assert world.jobs.sweep() == 1
    assert not late.exists()


async def test_the_archive_of_a_job_at_work_is_not_swept(world: World) -> None:
    world.pod.start()
    world.kubelet.go.clear()
    await world.jobs.start("s1", world.request())
    await until(lambda: world.kubelet.asked)
    archive = world.paths.checkpoints / world.kubelet.name("ns", "pod-1", "function")
    archive.write_bytes(b"half")
    # A note that an earlier job left for the very same container changes nothing.
    (world.paths.archives / "earlier").write_bytes((world.paths.archives / "s1").read_bytes())
    assert world.jobs.sweep() == 0
    assert archive.exists()
    world.kubelet.go.set()
    assert (await world.jobs.get("s1", 30)).phase == "done"


@pytest.mark.parametrize("note", [b"", b"[]", b'{"prefix": ""}', b'{"prefix": 1}', b'{"prefix": "other-"}'])
async def test_a_note_that_makes_no_sense_removes_nothing(world: World, note: bytes) -> None:
    (world.paths.archives / "x").write_bytes(note)
    (world.paths.checkpoints / "other-2026.tar").write_bytes(b"x")
    assert world.jobs.sweep() == 0
    assert len(list(world.paths.checkpoints.iterdir())) == 1
    assert list(world.paths.archives.iterdir()) == []


# ---------------------------------------------------------------- failures


async def test_the_function_fails(world: World) -> None:
    world.pod.start()
    world.pod.says(phase="failed", error={"errorType": "ValueError", "errorMessage": "bad"})
    job = await run(world)
    assert job.phase == "failed"
    assert (job.error.code, job.error.message, job.error.retryable) == ("FunctionError", "ValueError: bad", False)
    assert world.kubelet.asked == 0
    assert world.leftovers() == []


@pytest.mark.parametrize("retryable", [True, False])
async def test_the_checkpoint_fails(world: World, retryable: bool) -> None:
    world.pod.start()
    world.kubelet.error = CheckpointError("CheckpointFailed", "Error (criu/x.c:1): no", retryable=retryable)
    job = await run(world)
    assert (job.phase, job.error.code, job.error.retryable) == ("failed", "InternalError", retryable)
    assert "criu/x.c:1" in job.error.message
    # The archive that the kubelet left all the same is gone as well.
    assert world.leftovers() == []
    assert not world.store.exists("s1")


async def test_connections_that_thaw_runc_ended_are_told(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jobs, "_CLOSING", 0.05)
    ended = [f"tcp 10.244.0.7:4{i:04} → 10.0.0.1:5432" for i in range(12)]
    world.pod.start()
    world.pod.connect("0100000A:1538")
    world.kubelet.go.clear()
    await world.jobs.start("s1", world.request())
    await until(lambda: world.kubelet.asked)
    world.pod.start(closedConnections=ended)
    world.kubelet.go.set()
    job = await world.jobs.get("s1", 30)
    assert (job.phase, job.closed_connections) == ("done", tuple(ended[:10]))
    world.restart()
    assert (await world.jobs.get("s1", 0)).closed_connections == tuple(ended[:10])


async def test_connections_that_close_are_waited_for(world: World) -> None:
    world.pod.start()
    world.pod.connect("0100000A:1538")
    await world.jobs.start("s1", world.request())
    await asyncio.sleep(0.1)
    assert world.kubelet.asked == 0
    world.pod.connect()
    assert (await world.jobs.get("s1", 30)).phase == "done"
    assert world.store.manifest("s1").meta["closedConnections"] == []


async def test_a_hostile_archive(world: World) -> None:
    world.pod.start()
    world.kubelet.members["../../../root/.ssh/authorized_keys"] = b"key"
    job = await run(world)
    assert (job.phase, job.error.code, job.error.retryable) == ("failed", "InternalError", False)
    assert "leads out" in job.error.message
    assert world.leftovers() == []


async def test_an_archive_that_is_too_great(world: World) -> None:
    world.restart(snapshot_max_bytes=1 << 20)
    world.pod.start()
    job = await run(world)
    assert "greater than" in job.error.message
    assert world.leftovers() == []


async def test_the_store_is_full(world: World) -> None:
    class Full(ChunkStore):
        def put(self, snapshot_id, tree, meta):
            raise StoreError("no space")

    world.restart(Full(world.bucket))
    world.pod.start()
    job = await run(world)
    assert (job.phase, job.error.code, job.error.retryable) == ("failed", "InternalError", True)
    assert world.leftovers() == []


async def test_what_cannot_be_read_back_is_taken_out_again(world: World) -> None:
    class Rotten(Bucket):
        """Keeps something else than it was given."""

        def write(self, path: str, data: bytes) -> None:
            super().write(path, b"rot" if path.startswith("chunks/") else data)

    world.restart(ChunkStore(Rotten(world.bucket._store)))
    world.pod.start()
    job = await run(world)
    assert (job.phase, job.error.retryable) == ("failed", True)
    assert world.bucket.list("") == []
    assert list(world.paths.snapshots.iterdir()) == []
    assert world.leftovers() == []


async def test_a_bug_ends_the_job_as_well(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    def bug(*args, **kwargs):
        raise RuntimeError("bug")

    monkeypatch.setattr(world.store, "put", bug)
    world.pod.start()
    job = await run(world)
    assert (job.phase, job.error.code) == ("failed", "InternalError")
    assert world.leftovers() == []


async def test_a_failed_job_stays_failed_for_its_pod_and_not_for_the_next(world: World) -> None:
    world.pod.start()
    world.kubelet.error = CheckpointError("CheckpointFailed", "no", retryable=True)
    assert (await run(world)).phase == "failed"
    world.kubelet.error = None
    assert (await run(world)).phase == "failed"
    assert world.kubelet.asked == 1
    report = (world.paths.reports / f"{UID}.json").read_text()
    (world.paths.reports / f"{OTHER}.json").write_text(report.replace(UID, OTHER))
    assert (await run(world, podUID=OTHER, name="pod-2")).phase == "done"


async def test_a_new_pod_takes_over_from_one_that_hangs(world: World) -> None:
    await world.jobs.start("s1", world.request(podUID=OTHER))
    world.pod.start()
    assert (await run(world)).phase == "done"


async def test_one_dump_at_a_time(world: World) -> None:
    world.pod.start()
    for i in range(4):
        await world.jobs.start(f"s{i}", world.request(name=f"pod-{i}"))
    assert [(await world.jobs.get(f"s{i}", 30)).phase for i in range(4)] == ["done"] * 4
    assert (world.kubelet.asked, world.kubelet.most) == (4, 1)


# ---------------------------------------------------------------- delete


async def test_delete_removes_every_byte(world: World) -> None:
    world.pod.start()
    await run(world)
    await run(world, "s2", name="pod-2")
    removed = await world.jobs.delete("s1", store=True)
    assert removed == ["job", "cache", "manifest"]  # all chunks are shared with s2
    assert len(list(world.paths.snapshots.iterdir())) == 1
    assert (await world.jobs.delete("s2", store=True))[2] == "manifest"
    assert world.bucket.list("") == []
    for folder in (world.paths.snapshots, world.paths.index, world.paths.tmp, world.paths.checkpoints):
        assert list(folder.iterdir()) == []
    assert await world.jobs.delete("s1", store=True) == []
    with pytest.raises(Refused):
        await world.jobs.get("s1", 0)


async def test_delete_on_this_node_only(world: World) -> None:
    world.pod.start()
    await run(world)
    assert await world.jobs.delete("s1", store=False) == ["job", "cache"]
    assert (await world.jobs.get("s1", 0)).phase == "done"
    assert (await world.cache.snapshot("s1")).is_dir()


async def test_delete_while_it_is_stored_does_not_come_too_early(world: World) -> None:
    """A thread cannot be stopped: what it commits after the delete was asked for must still go."""
    began, go = threading.Event(), threading.Event()

    class Slow(ChunkStore):
        def put(self, snapshot_id, tree, meta):
            began.set()
            go.wait(20)
            return super().put(snapshot_id, tree, meta)

    world.restart(Slow(world.bucket))
    world.pod.start()
    await world.jobs.start("s1", world.request())
    await until(began.is_set)
    deleting = asyncio.create_task(world.jobs.delete("s1", store=True))
    await asyncio.sleep(0.05)
    go.set()
    assert "job" in await deleting
    assert world.bucket.list("") == []
    assert world.leftovers() == []
    assert not list(world.paths.snapshots.iterdir())


async def test_delete_while_the_kubelet_dumps_takes_its_archive(world: World) -> None:
    world.pod.start()
    world.kubelet.go.clear()
    await world.jobs.start("s1", world.request())
    await until(lambda: world.kubelet.asked)
    deleting = asyncio.create_task(world.jobs.delete("s1", store=True))
    await asyncio.sleep(0.05)
    world.kubelet.go.set()
    await deleting
    assert world.leftovers() == []
    assert world.bucket.list("") == []


async def test_what_a_grant_brings_here_until_the_manifest_is_gone_goes_too(world: World) -> None:
    world.pod.start()
    await run(world)
    bring = asyncio.get_running_loop()

    class Late(ChunkStore):
        def exists(self, snapshot_id):
            """Asked between the two: the moment in which a grant comes."""
            asyncio.run_coroutine_threadsafe(world.cache.snapshot(snapshot_id), bring).result(20)
            return super().exists(snapshot_id)

    world.restart(Late(world.bucket))
    await world.jobs.delete("s1", store=True)
    assert [list(folder.iterdir()) for folder in (world.paths.snapshots, world.paths.index)] == [[], []]


async def test_deletions_that_wait_for_the_store_leave_threads_for_others(world: World) -> None:
    """Each may wait for minutes, for writers on any node: as many as there are threads would stop all grants here."""
    go, at_once, most = threading.Event(), 0, 0

    class Waiting(ChunkStore):
        def delete(self, snapshot_id):
            nonlocal at_once, most
            at_once += 1
            most = max(most, at_once)
            go.wait(20)
            at_once -= 1
            return super().delete(snapshot_id)

    world.restart(Waiting(world.bucket))
    deleting = [asyncio.create_task(world.jobs.delete(f"s{n}", store=True)) for n in range(64)]
    await asyncio.sleep(0.1)
    async with asyncio.timeout(5):
        assert await asyncio.to_thread(lambda: "a grant") == "a grant"
    go.set()
    await asyncio.gather(*deleting)
    assert most == 1


async def test_no_secret_of_the_platform_is_stored(world: World, tmp_path: Path) -> None:
    world.pod.start()
    await run(world)
    world.store.materialise("s1", tmp_path / "out")
    everything = [p.read_bytes() for p in (tmp_path / "out").rglob("*") if p.is_file()]
    everything.append(world.bucket.read("snapshots/s1/manifest.json"))
    assert all(TOKEN.encode() not in data for data in everything)


async def test_what_went_wrong_is_counted(world: World) -> None:
    world.pod.start()
    await run(world)
    world.kubelet.error = CheckpointError("CheckpointFailed", "no", retryable=True)
    await run(world, "s2")
    value = world.metrics.registry.get_sample_value
    assert value("thaw_agent_snapshot_jobs_total", {"code": "done"}) == 1
    assert value("thaw_agent_snapshot_jobs_total", {"code": "InternalError"}) == 1
    assert value("thaw_agent_snapshot_bytes_count") == 1


async def test_a_verification_failure_says_what(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    def rotten(snapshot_id: str) -> None:
        raise SnapshotCorrupt("chunk abc does not hash to its name")

    monkeypatch.setattr(world.store, "verify", rotten)
    world.pod.start()
    assert "does not hash" in (await run(world)).error.message
    assert not world.store.exists("s1")
