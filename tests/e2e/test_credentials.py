"""Credentials and Secrets: new after a restore, and nowhere in a snapshot."""

from __future__ import annotations

import base64
import gzip
import json
import secrets
import subprocess
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import zstandard
from botocore.exceptions import ClientError
from kubernetes import client, stream

from e2e.support import NAMESPACE, Cluster, eventually, header, inline, invoke, publish, source, state, upgrade

MOUNT = "/etc/secrets/db"
STS = "thaw-test-sts"
NONE_YET = "NO_CREDENTIALS_BEFORE_THE_RESTORE"
ROLE = "arn:aws:iam::123456789012:role/reader"


class Vault:
    """Secrets of a test's own."""

    def __init__(self, cluster: Cluster, prefix: str) -> None:
        self._core, self._prefix = cluster.core, prefix
        self._names: list[str] = []

    def put(self, name: str, **values: str) -> str:
        """Makes a Secret or replaces its values; gives its whole name."""
        whole = f"{self._prefix}-{name}"
        body = client.V1Secret(metadata=client.V1ObjectMeta(name=whole), string_data=values)
        if whole in self._names:
            self._core.patch_namespaced_secret(whole, NAMESPACE, body)
        else:
            self._core.create_namespaced_secret(NAMESPACE, body)
            self._names.append(whole)
        return whole

    def name(self, name: str) -> str:
        return f"{self._prefix}-{name}"

    def empty(self) -> None:
        for name in self._names:
            self._core.delete_namespaced_secret(name, NAMESPACE)


@pytest.fixture
def vault(cluster: Cluster, name: str) -> Iterator[Vault]:
    made = Vault(cluster, name)
    yield made
    made.empty()


def confidential(seed: str = "seed", **more: Any) -> dict[str, Any]:
    return inline(source("confidential"), environment={"SEED": seed}, **more)


def secret(name: str, **more: Any) -> dict[str, Any]:
    return {"secretName": name, "mountPath": MOUNT, **more}


# ---------------------------------------------------------------- looking for bytes


def fetch(node: str, folder: str, into: Path) -> Path:
    """A copy of a node's folder."""
    packed = subprocess.run(
        ["docker", "exec", node, "tar", "-C", folder, "-cf", "-", "."], check=True, capture_output=True
    )
    into.mkdir()
    subprocess.run(["tar", "-C", str(into), "-xf", "-"], check=True, input=packed.stdout)
    return into


def opened(data: bytes) -> bytes:
    """What is in a file, compressed or not."""
    if data[:4] == b"\x28\xb5\x2f\xfd":
        return zstandard.ZstdDecompressor().decompress(data)
    return gzip.decompress(data) if data[:2] == b"\x1f\x8b" else data


def stored_files(store: Path, snapshot: str) -> dict[str, bytes]:
    """A snapshot's files, put together from the store's chunks: a value may lie over the border of two."""

    def chunk(digest: str) -> bytes:
        return opened((store / "chunks" / digest[:2] / digest).read_bytes())

    manifest = json.loads((store / "snapshots" / snapshot / "manifest.json").read_text())
    return {file["path"]: opened(b"".join(map(chunk, file["chunks"]))) for file in manifest["files"]}


def where(files: dict[str, bytes], value: str) -> set[str]:
    """The files in which a value is, as it is or as Kubernetes writes it."""
    shapes = (value.encode(), base64.b64encode(value.encode()))
    return {name for name, content in files.items() if any(shape in content for shape in shapes)}


def test_planted_secrets_are_in_the_instance_and_not_in_the_snapshot(cluster, lam, name, vault, tmp_path):
    """The endpoint's keys and a mounted file reach hook and handler; the snapshot's bytes, everywhere, hold neither."""
    seed = secrets.token_hex(12)
    planted = {kind: f"planted-{kind}-{secrets.token_hex(12)}" for kind in ("id", "key", "session", "password")}
    role = vault.put(
        "keys",
        AWS_ACCESS_KEY_ID=planted["id"],
        AWS_SECRET_ACCESS_KEY=planted["key"],
        AWS_SESSION_TOKEN=planted["session"],
        expiration="2099-01-01T00:00:00Z",
    )
    mounted = secret(vault.put("db", password=planted["password"]))
    version = publish(cluster, name, confidential(seed, role=role, secrets=[mounted]))
    status = state(cluster, version, "Active")
    snapshot = cluster.get("snapshots", status["snapshotRef"])

    body, response = invoke(lam, name, qualifier="1")
    assert header(response, "x-thaw-start") == "restore", header(response, "x-thaw-fallback")
    assert body["init"]["password"] is None
    assert body["init"]["credentials"]["AccessKeyId"] == NONE_YET
    keys = {
        "AccessKeyId": planted["id"],
        "SecretAccessKey": planted["key"],
        "Token": planted["session"],
        "Expiration": "2099-01-01T00:00:00Z",
    }
    for phase in ("hook", "handler"):
        assert body[phase] == {"credentials": keys, "password": planted["password"]}, phase
    assert body["keys"] == []

    nodes = [fetch(node, "/var/lib/thaw", tmp_path / node) for node in cluster.nodes()]
    store = next(n / "store" for n in nodes if (n / "store/snapshots" / snapshot["metadata"]["uid"]).exists())
    found = stored_files(store, snapshot["metadata"]["uid"])
    hexadecimal = snapshot["status"]["digest"].removeprefix("sha256:")
    folders = [n / "snapshots" / hexadecimal for n in nodes if (n / "snapshots" / hexadecimal).exists()]
    assert folders, "the snapshot is materialised where it was restored"
    for folder in folders:
        files = [path for path in folder.rglob("*") if path.is_file()]
        found |= {f"node: {path.relative_to(folder)}": opened(path.read_bytes()) for path in files}
    # The search finds what it must: the initialised memory, the file that was written, the environment.
    mirrored = seed[::-1]
    memory, file, environment = (
        where(found, value) for value in (f"in-memory-{mirrored}", f"in-a-file-{mirrored}", seed)
    )
    assert any("checkpoint/pages-" in path for path in memory), memory
    assert {"rootfs-diff.tar", "node: rootfs-diff.tar"} <= file, file
    assert {"config.dump", "spec.dump"} & environment, environment
    # And now what must not be there, in any file of the store either.
    found |= {f"chunk {path.name}": opened(path.read_bytes()) for path in store.glob("chunks/*/*")}
    assert {kind: where(found, value) for kind, value in planted.items()} == {kind: set() for kind in planted}


def test_a_rotated_secret_is_seen_by_a_running_instance(cluster, lam, name, vault):
    """Without a new instance: the kubelet renews the files, the endpoint reads them."""
    role = vault.put("keys", AWS_ACCESS_KEY_ID="AKIAOLD", AWS_SECRET_ACCESS_KEY="old")
    vault.put("db", password="old")
    spec = confidential(role=role, secrets=[secret(vault.name("db"))], scaling={"idleSeconds": 600})
    state(cluster, publish(cluster, name, spec), "Active")
    before, _ = invoke(lam, name, qualifier="1")
    assert before["hook"]["credentials"]["AccessKeyId"] == "AKIAOLD"
    vault.put("keys", AWS_ACCESS_KEY_ID="AKIANEW", AWS_SECRET_ACCESS_KEY="new")
    vault.put("db", password="new")

    def renewed() -> dict[str, Any] | None:
        now = invoke(lam, name, qualifier="1")[0]
        key = now["handler"]["credentials"]["AccessKeyId"]
        return now if (key, now["handler"]["password"]) == ("AKIANEW", "new") else None

    after = eventually("the new values", renewed, timeout=240, every=2)
    assert after["pod"] == before["pod"], "it is the instance that ran before"
    assert after["hook"] == before["hook"]


def test_latest_and_http_have_them_too(cluster, lam, name, vault):
    """$LATEST from its initialisation on; an HTTP image, with nothing of Thaw inside, as files."""
    role = vault.put("keys", AWS_ACCESS_KEY_ID="AKIALATEST", AWS_SECRET_ACCESS_KEY="x")
    vault.put("db", password="open sesame")
    cluster.apply("Function", "functions", name, confidential(role=role, secrets=[secret(vault.name("db"))]))
    body, response = eventually("it answers", lambda: _ready(lam, name))
    assert header(response, "x-thaw-start") == "cold"
    assert body["init"]["credentials"]["AccessKeyId"] == "AKIALATEST"
    assert body["init"]["password"] == "open sesame"
    cluster.delete("functions", name)
    eventually("deletion", lambda: cluster.get("functions", name) is None)

    web = {
        "code": {"image": "thaw.dev/example-http:dev"},
        "protocol": "http",
        "environment": {"INIT_SLEEP": "0", "INIT_MB": "1"},
        "snapStart": {"applyOn": "PublishedVersions"},
        "secrets": [secret(vault.name("db"))],
    }
    state(cluster, publish(cluster, name, web), "Active")
    response = subprocess.run(
        ["curl", "-sSf", "-D", "-", f"{cluster.endpoint}/default/{name}:1/"], check=True, capture_output=True, text=True
    )
    assert "x-thaw-start: restore" in response.stdout.lower()
    (pod,) = cluster.pods(f"thaw.dev/function={name},thaw.dev/role=instance")
    read = ["cat", f"{MOUNT}/password"]
    told = stream.stream(
        cluster.core.connect_get_namespaced_pod_exec,
        pod.metadata.name,
        NAMESPACE,
        command=read,
        stdout=True,
        stderr=True,
    )
    assert told == "open sesame"


def _ready(lam: Any, name: str) -> tuple[Any, dict[str, Any]] | None:
    try:
        return invoke(lam, name)
    except ClientError as e:
        if e.response["Error"]["Code"] not in ("ResourceNotFoundException", "ResourceConflictException"):
            raise
        return None


def test_a_missing_secret_is_told_and_not_waited_for(cluster, lam, name, vault):
    """A version that lacks a Secret says which, to the caller and as an Event, and serves as soon as it is there."""
    spec = confidential(role=vault.name("keys"), secrets=[secret(vault.name("db"))])
    version = publish(cluster, name, spec)
    state(cluster, version, "Active")
    with pytest.raises(
        ClientError, match=f"Secret {vault.name('db')}, which spec.secrets mounts at {MOUNT}"
    ) as refused:
        invoke(lam, name, qualifier="1")
    assert refused.value.response["Error"]["Code"] == "ServiceException"

    def told() -> bool:
        events = cluster.core.list_namespaced_event(NAMESPACE, field_selector=f"involvedObject.name={version}").items
        return any(e.reason == "InstanceNotStarted" and vault.name("db") in e.message for e in events)

    eventually("the Event", told, 10)
    vault.put("db", password="here")
    body, response = invoke(lam, name, qualifier="1")
    assert header(response, "x-thaw-start") == "restore"
    assert body["handler"]["password"] == "here"
    # Of a role's Secret that is missing, the endpoint speaks: a function that never asks needs none.
    assert body["handler"]["credentials"]["code"] == "SecretIncomplete"
    assert vault.name("keys") in body["handler"]["credentials"]["message"]


# ---------------------------------------------------------------- STS


@pytest.fixture
def sts(cluster: Cluster) -> Iterator[None]:
    """An STS in the cluster, and a Thaw that was told of it."""
    labels = {"app": STS}
    container = {
        "name": "sts",
        "image": "thaw.dev/runtime-python3.13:dev",
        "imagePullPolicy": "IfNotPresent",
        "command": ["python3", "-c", source("sts")],
        "env": [{"name": "JWKS", "value": _keys()}],
        "readinessProbe": {"tcpSocket": {"port": 8080}, "periodSeconds": 1},
    }
    pod = {"metadata": {"name": STS, "labels": labels}, "spec": {"containers": [container]}}
    service = {"metadata": {"name": STS}, "spec": {"selector": labels, "ports": [{"port": 8080}]}}
    cluster.core.create_namespaced_service(NAMESPACE, service)
    cluster.core.create_namespaced_pod(NAMESPACE, pod)
    try:
        eventually("STS is ready", lambda: _is_ready(cluster.core.read_namespaced_pod(STS, NAMESPACE)))
        upgrade(cluster, f"aws.stsEndpoint=http://{STS}.{NAMESPACE}.svc.cluster.local:8080")
        yield
    finally:
        upgrade(cluster, "aws.stsEndpoint=")
        cluster.core.delete_namespaced_pod(STS, NAMESPACE, grace_period_seconds=0)
        cluster.core.delete_namespaced_service(STS, NAMESPACE)


def _is_ready(pod: client.V1Pod) -> bool:
    return any(c.type == "Ready" and c.status == "True" for c in pod.status.conditions or [])


def _keys() -> str:
    """The cluster's public keys, as an identity provider publishes them."""
    raw = client.OpenidApi().get_service_account_issuer_open_id_keyset(_preload_content=False)
    return raw.data.decode()


def test_each_instance_assumes_the_role_for_itself(cluster, lam, name, sts):
    """Two instances of one snapshot: each shows its own pod's token, and has a session of its own."""
    state(cluster, publish(cluster, name, confidential(role=ROLE)), "Active")
    with ThreadPoolExecutor(2) as pool:
        answers = list(pool.map(lambda _: invoke(lam, name, {"sleep": 2}, "1"), range(2)))
    assert [header(response, "x-thaw-start") for _, response in answers] == ["restore", "restore"]
    bodies = [body for body, _ in answers]
    for body in bodies:
        assert body["init"]["credentials"]["AccessKeyId"] == NONE_YET
        assert body["hook"] == body["handler"], "fetched once and kept"
        saw = json.loads(base64.b64decode(body["handler"]["credentials"]["Token"]))
        assert (saw["role"], saw["session"]) == (ROLE, body["pod"])
        assert saw["claims"]["sub"] == f"system:serviceaccount:{NAMESPACE}:default"
        assert saw["claims"]["kubernetes.io"]["pod"]["name"] == body["pod"]
    for part in ("AccessKeyId", "SecretAccessKey", "Token"):
        assert len({body["handler"]["credentials"][part] for body in bodies}) == 2, part
    assert len({body["pod"] for body in bodies}) == 2
