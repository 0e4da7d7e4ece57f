"""Grants, tokens, reports: the files that thaw-runc and thaw-init read and write."""

from __future__ import annotations

import asyncio
import json
import os
from pathlib import Path

import pytest

from thaw.agent.errors import Refused
from thaw.agent.instances import Instances
from thaw.agent.metrics import Metrics
from thaw.agent.paths import Paths
from thaw.api.node import Credentials, GrantRequest, NeededSecret
from thaw.errors import UserError

UID = "3f0c1d9e-0000-4000-8000-000000000001"
TOKEN = "t" * 43


class Now:
    def __init__(self) -> None:
        import time

        self.offset, self._time = 0.0, time.time

    def __call__(self) -> float:
        return self._time() + self.offset


@pytest.fixture
def now() -> Now:
    return Now()


@pytest.fixture
def instances(paths: Paths, metrics: Metrics, now: Now) -> Instances:
    return Instances(paths, metrics, now)


def request(**changes) -> GrantRequest:
    return GrantRequest(**({"namespace": "ns", "name": "pod-1", "role": "instance", "token": TOKEN} | changes))


def report(paths: Paths, state: str, uid: str = UID, **more) -> None:
    body = {"podUID": uid, "containerID": "c1", "state": state, "pid": 7, "ip": "10.244.0.7", "at": 1} | more
    (paths.reports / f"{uid}.json").write_text(json.dumps(body))


def mode(path: Path) -> int:
    return path.stat().st_mode & 0o777


def test_the_grant_is_what_the_contract_says(instances: Instances, paths: Paths) -> None:
    old = os.umask(0o022)
    try:
        code, snapshot = paths.code / ("a" * 64), paths.snapshots / ("b" * 64)
        instances.grant(UID, request(), code=code, snapshot=snapshot)
    finally:
        os.umask(old)
    file, folder = paths.grants / f"{UID}.json", paths.pods / UID
    assert json.loads(file.read_text()) == {
        "podUID": UID,
        "namespace": "ns",
        "name": "pod-1",
        "container": "function",
        "role": "instance",
        "wrap": True,
        # As the node knows them: nothing of the root that this agent sees them below.
        "codeDir": f"/var/lib/thaw/code/{'a' * 64}",
        "snapshotDir": f"/var/lib/thaw/snapshots/{'b' * 64}",
        "coldFallback": True,
        "secrets": [],
    }
    assert (folder / "token").read_text() == TOKEN
    readable = (folder / "token", folder / "credentials.json")
    assert [mode(p) for p in (paths.run, paths.grants, file, folder, *readable)] == [
        0o700,
        0o700,
        0o600,
        0o755,
        0o444,
        0o444,
    ]
    assert list(paths.grants.iterdir()) == [file]


def test_where_credentials_come_from_and_which_secrets_are_needed(instances: Instances, paths: Paths) -> None:
    """In the names that thaw-init and thaw-runc read."""
    credentials = Credentials(
        source="sts",
        role_arn="arn:aws:iam::1:role/r",
        session_name="pod-1",
        sts_endpoint="http://sts",
        sts_ca_bundle="x",
    )
    needs = (NeededSecret(secret_name="db", mount_path="/etc/db"),)
    instances.grant(UID, request(credentials=credentials, secrets=needs), code=None, snapshot=None)
    assert json.loads((paths.pods / UID / "credentials.json").read_text()) == {
        "source": "sts",
        "secretName": "",
        "roleArn": "arn:aws:iam::1:role/r",
        "sessionName": "pod-1",
        "stsEndpoint": "http://sts",
        "stsCaBundle": "x",
    }
    grant = json.loads((paths.grants / f"{UID}.json").read_text())
    assert grant["secrets"] == [{"secretName": "db", "mountPath": "/etc/db"}]


def test_an_http_function_is_not_wrapped(instances: Instances, paths: Paths) -> None:
    instances.grant(UID, request(protocol="http"), code=None, snapshot=None)
    grant = json.loads((paths.grants / f"{UID}.json").read_text())
    assert (grant["wrap"], grant["codeDir"], grant["snapshotDir"]) == (False, "", "")


@pytest.mark.parametrize("token", ["", "short", "x" * 31, "x" * 40 + "\n", "x" * 40 + " y", "x" * 2000, "ä" * 40])
def test_a_token_that_could_be_guessed_or_sent_otherwise(instances: Instances, paths: Paths, token: str) -> None:
    with pytest.raises(UserError):
        instances.grant(UID, request(token=token), code=None, snapshot=None)
    assert list(paths.grants.iterdir()) == []


@pytest.mark.parametrize("uid", ["..", "../../etc", "a/b", "", "UPPER-CASE-UID", "-leading-dash", "a" * 65, "short"])
def test_a_uid_is_one_plain_segment(instances: Instances, uid: str) -> None:
    for call in (lambda: instances.grant(uid, request(), code=None, snapshot=None), lambda: instances.drop(uid)):
        with pytest.raises(Refused, match="not a pod's UID"):
            call()


async def test_waiting_ends_when_the_container_is_more_than_created(instances: Instances, paths: Paths) -> None:
    report(paths, "created")
    waiting = asyncio.create_task(instances.wait(UID, 20))
    await asyncio.sleep(0.03)
    assert not waiting.done()
    report(paths, "restored", restoreMs=143.2)
    found = await waiting
    assert (found.state, found.restore_ms, found.ip) == ("restored", 143.2, "10.244.0.7")


async def test_waiting_in_vain(instances: Instances, paths: Paths) -> None:
    report(paths, "created")
    with pytest.raises(Refused) as e:
        await instances.wait(UID, 0)
    assert (e.value.status, e.value.code) == (404, "NotFound")


async def test_starts_are_counted_once_by_what_they_were(instances: Instances, paths: Paths, metrics: Metrics) -> None:
    states = [("restored", {"restoreMs": 100}), ("started", {}), ("started", {"restoreError": "x"}), ("failed", {})]
    for i, (state, more) in enumerate(states):
        uid = f"aaaaaaaa-{i}"
        report(paths, state, uid, **more)
        for _ in range(2):
            await instances.wait(uid, 0)
    for result in ("restored", "cold", "fallback", "failed"):
        assert metrics.registry.get_sample_value("thaw_agent_restores_total", {"result": result}) == 1
    assert metrics.registry.get_sample_value("thaw_agent_restore_duration_seconds_sum") == 0.1


async def test_a_report_that_makes_no_sense_is_an_error_not_a_wait(instances: Instances, paths: Paths) -> None:
    (paths.reports / f"{UID}.json").write_text("{}")
    with pytest.raises(Refused) as e:
        await instances.wait(UID, 20)
    assert e.value.status == 500


def test_drop_leaves_nothing(instances: Instances, paths: Paths) -> None:
    instances.grant(UID, request(), code=None, snapshot=None)
    report(paths, "started")
    instances.drop(UID)
    instances.drop(UID)
    assert [list(folder.iterdir()) for folder in (paths.grants, paths.pods, paths.reports)] == [[], [], []]


def test_the_grant_of_a_pod_that_is_over_is_taken_back(instances: Instances, paths: Paths, now: Now) -> None:
    instances.grant(UID, request(), code=None, snapshot=None)
    report(paths, "started")
    assert instances.sweep() == []
    assert instances.running() == [UID]
    (paths.reports / f"{UID}.json").unlink()
    assert instances.sweep() == []
    now.offset = 59
    assert instances.sweep() == []
    now.offset = 61
    assert instances.sweep() == [UID]
    assert [list(folder.iterdir()) for folder in (paths.grants, paths.pods)] == [[], []]


def test_a_container_that_comes_back_keeps_its_grant(instances: Instances, paths: Paths, now: Now) -> None:
    instances.grant(UID, request(), code=None, snapshot=None)
    for _ in range(3):
        report(paths, "started")
        assert instances.sweep() == []
        (paths.reports / f"{UID}.json").unlink()
        assert instances.sweep() == []
        now.offset += 50
    assert (paths.grants / f"{UID}.json").exists()


def test_a_grant_that_nobody_uses_lives_an_hour(instances: Instances, paths: Paths, now: Now) -> None:
    instances.grant(UID, request(), code=None, snapshot=None)
    now.offset = 3000
    assert instances.sweep() == []
    now.offset = 3700
    assert instances.sweep() == [UID]


def test_a_token_without_a_grant_does_not_stay(instances: Instances, paths: Paths, now: Now) -> None:
    (paths.pods / UID).mkdir()
    assert instances.sweep() == []
    assert (paths.pods / UID).exists()
    now.offset = 3700
    instances.sweep()
    assert not (paths.pods / UID).exists()
