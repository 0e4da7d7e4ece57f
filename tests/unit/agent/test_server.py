"""The API as its callers see it: with the client that the operator and the gateway use."""

from __future__ import annotations

import hashlib
import io
import json
import zipfile
from collections.abc import Iterator
from pathlib import Path
from time import monotonic

import pytest
from aiohttp.test_utils import TestClient, TestServer

from thaw.agent.errors import Refused
from thaw.agent.leftovers import Leftovers
from thaw.agent.packages import zip_hash
from thaw.agent.server import Api, Node
from thaw.api.node import GrantRequest, NodeInfo
from thaw.api.v1alpha1 import Code, ZipCode
from thaw.errors import NodeError, NodeInvalid
from thaw.kube.agents import Agents
from unit.agent.world import TOKEN, UID, World


class Callers:
    """Knows two callers by name."""

    async def caller(self, header: str) -> str:
        name = header.removeprefix("Bearer ")
        if name not in ("operator", "gateway"):
            raise Refused(401, "Unauthenticated", "who are you?")
        return name


class Clients:
    def __init__(self, world: World, tmp_path: Path) -> None:
        self.world, self.uninstalled = world, 0

        async def uninstall() -> None:
            self.uninstalled += 1

        self.api = Api(
            node=Node(NodeInfo(node="n1", checkpoint=True), monotonic()),
            verifier=Callers(),
            instances=world.instances,
            cache=world.cache,
            jobs=world.jobs,
            leftovers=Leftovers(world.cache, world.store, world.jobs),
            store=world.store,
            metrics=world.metrics,
            uninstall=uninstall,
        )
        self.tokens = tmp_path / "tokens"
        self.tokens.mkdir()
        self.made: list[Agents] = []

    def of(self, who: str) -> Agents:
        (self.tokens / who).write_text(who)
        self.made.append(Agents(str(self.tokens / who)))
        return self.made[-1]


@pytest.fixture
async def clients(world: World, tmp_path: Path):
    found = Clients(world, tmp_path)
    async with TestClient(TestServer(found.api.app())) as http:
        found.http, found.url = http, str(http.make_url("")).rstrip("/")
        yield found
        for agents in found.made:
            await agents.close()


def package(text: str = "x = 1") -> tuple[str, bytes]:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as zip_:
        zip_.writestr("app.py", text)
    return hashlib.sha256(out.getvalue()).hexdigest(), out.getvalue()


def grant(**changes) -> GrantRequest:
    return GrantRequest(**({"namespace": "ns", "name": "pod-1", "role": "instance", "token": TOKEN} | changes))


CALLS = [
    ("GET", "/v1/node", {"operator", "gateway"}),
    ("GET", "/v1/cache", {"operator", "gateway"}),
    ("PUT", f"/v1/pods/{UID}/grant", {"operator", "gateway"}),
    ("GET", f"/v1/pods/{UID}", {"operator", "gateway"}),
    ("DELETE", f"/v1/pods/{UID}", {"operator", "gateway"}),
    ("PUT", f"/v1/code/ns/{'a' * 64}", {"operator", "gateway"}),
    ("DELETE", f"/v1/code/ns/{'a' * 64}", {"operator"}),
    ("PUT", "/v1/snapshots/s1", {"operator"}),
    ("GET", "/v1/snapshots/s1", {"operator", "gateway"}),
    ("DELETE", "/v1/snapshots/s1?store=true", {"operator"}),
    ("POST", "/v1/keep", {"operator"}),
    ("POST", "/v1/uninstall", {"operator"}),
]


@pytest.mark.parametrize(("method", "path", "allowed"), CALLS)
async def test_who_may_call_what(clients: Clients, method: str, path: str, allowed: set[str]) -> None:
    for who in ("operator", "gateway", "somebody", ""):
        headers = {"Authorization": f"Bearer {who}"} if who else {}
        answer = await clients.http.request(method, path, headers=headers)
        body = await answer.text()
        if who in allowed:
            assert answer.status not in (401, 403), body
        else:
            assert answer.status == (403 if who == "gateway" else 401)
            assert set(json.loads(body)) == {"code", "message", "retryable"}
    assert clients.uninstalled == (1 if path == "/v1/uninstall" else 0)


async def test_after_uninstall_nothing_is_said_of_the_node(clients: Clients) -> None:
    operator = {"Authorization": "Bearer operator"}
    assert (await clients.http.get("/v1/node", headers=operator)).status == 200
    assert (await clients.http.post("/v1/uninstall", headers=operator)).status == 200
    answer = await clients.http.get("/v1/node", headers=operator)
    assert (answer.status, (await answer.json())["code"]) == (503, "Uninstalled")


async def test_every_call_is_in_the_table(clients: Clients) -> None:
    routes = {(r.method, r.resource.canonical) for r in clients.api.app().router.routes() if r.method != "HEAD"}
    listed = {
        (
            m,
            p.split("?")[0]
            .replace(UID, "{uid}")
            .replace("ns/" + "a" * 64, "{namespace}/{sha256}")
            .replace("s1", "{id}"),
        )
        for m, p, _ in CALLS
    }
    assert routes == listed | {("GET", "/healthz"), ("GET", "/metrics")}


async def test_what_the_node_has_ready(clients: Clients) -> None:
    gateway = clients.of("gateway")
    code = Code(inline={"app.py": "x = 1"})
    await gateway.grant(clients.url, UID, grant(code=code))
    found = await gateway.cache(clients.url)
    assert (found.node, found.snapshots, found.code_count) == ("n1", (), 1)
    assert found.code_bytes >= 5


async def test_grant_and_report(clients: Clients) -> None:
    gateway = clients.of("gateway")
    sha256, data = package()
    await gateway.put_code(clients.url, "ns", sha256, data)
    result = await gateway.grant(clients.url, UID, grant(code=Code(zip=ZipCode(sha256=sha256))))
    assert result.code_ms > 0
    written = json.loads((clients.world.paths.grants / f"{UID}.json").read_text())
    assert written["codeDir"] == f"/var/lib/thaw/code/{zip_hash('ns', sha256)}"
    with pytest.raises(NodeError, match="has not started"):
        await gateway.report(clients.url, UID, 0)
    clients.world.pod.start("restored", restoreMs=12)
    assert (await gateway.report(clients.url, UID, 1)).restore_ms == 12
    await gateway.drop(clients.url, UID)
    assert list(clients.world.paths.grants.iterdir()) == []


async def test_a_snapshot_that_cannot_be_used_is_said_so_and_no_grant_is_written(clients: Clients) -> None:
    gateway = clients.of("gateway")
    with pytest.raises(NodeError) as e:
        await gateway.grant(clients.url, UID, grant(snapshot="s1"))
    assert (e.value.code, e.value.retryable) == ("SnapshotUnusable", False)
    assert "no snapshot s1" in e.value.message
    assert list(clients.world.paths.grants.iterdir()) == []


async def test_a_snapshot_from_start_to_end(clients: Clients) -> None:
    operator, gateway, world = clients.of("operator"), clients.of("gateway"), clients.world
    world.pod.start()
    assert await operator.snapshot(clients.url, "s1") is None
    assert (await operator.start_snapshot(clients.url, "s1", world.request())).phase == "init"
    job = await operator.snapshot(clients.url, "s1", 20)
    assert job.phase == "done"
    await gateway.grant(clients.url, UID, grant(snapshot="s1"))
    written = json.loads((world.paths.grants / f"{UID}.json").read_text())
    assert written["snapshotDir"] == f"/var/lib/thaw/snapshots/{job.digest.removeprefix('sha256:')}"
    await operator.delete_snapshot(clients.url, "s1", store=True)
    assert await operator.snapshot(clients.url, "s1") is None


async def test_code_that_cannot_be_unpacked_is_its_authors(clients: Clients) -> None:
    with pytest.raises(NodeInvalid, match=r"code\.inline: 'a' is both a file and a folder"):
        await clients.of("gateway").grant(clients.url, UID, grant(code=Code(inline={"a": "", "a/b": ""})))
    assert list(clients.world.paths.grants.iterdir()) == []


async def test_a_hash_of_another_namespaces_package_gives_nothing(clients: Clients) -> None:
    """Not from the store, and not from the node, where the other's instance runs."""
    gateway = clients.of("gateway")
    sha256, data = package()
    await gateway.put_code(clients.url, "other", sha256, data)
    code = Code(zip=ZipCode(sha256=sha256))
    await gateway.grant(clients.url, UID, grant(code=code, namespace="other"))
    with pytest.raises(NodeError, match="was uploaded in namespace ns") as e:
        await gateway.grant(clients.url, UID, grant(code=code))
    assert e.value.code == "NotFound"
    await gateway.put_code(clients.url, "ns", sha256, data)
    await gateway.grant(clients.url, UID, grant(code=code))
    await clients.of("operator").delete_code(clients.url, "other", sha256)
    assert [path.name for path in clients.world.paths.code.iterdir()] == [zip_hash("ns", sha256)]


async def test_code(clients: Clients) -> None:
    operator, gateway, world = clients.of("operator"), clients.of("gateway"), clients.world
    sha256, data = package()
    with pytest.raises(NodeError) as e:
        await gateway.put_code(clients.url, "ns", sha256, data + b"!")
    assert (e.value.code, e.value.retryable) == ("Invalid", False)
    with pytest.raises(NodeError) as e:
        await gateway.put_code(clients.url, "ns", sha256, bytes((50 << 20) + 2))
    assert e.value.code == "TooLarge"
    await gateway.put_code(clients.url, "ns", sha256, data)
    await gateway.grant(clients.url, UID, grant(code=Code(zip=ZipCode(sha256=sha256))))
    await operator.delete_code(clients.url, "ns", sha256)
    assert world.bucket.list("") == []
    assert list(world.paths.code.iterdir()) == []


async def test_the_node(clients: Clients) -> None:
    assert (await clients.of("operator").node(clients.url)).node == "n1"


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("PUT", f"/v1/pods/{UID}/grant", b"not json"),
        ("PUT", f"/v1/pods/{UID}/grant", b"{}"),
        ("PUT", f"/v1/pods/{UID}/grant", b'{"namespace":"n","name":"p","role":"admin","token":"t"}'),
        ("PUT", f"/v1/pods/{UID}/grant", b'{"namespace":"n","name":"p","role":"init","token":"short"}'),
        ("PUT", "/v1/pods/..%2f..%2fetc/grant", grant().model_dump_json().encode()),
        ("GET", "/v1/pods/not-a-uid!", b""),
        ("GET", f"/v1/pods/{UID}?wait=x", b""),
        ("GET", f"/v1/pods/{UID}?wait=-1", b""),
        ("GET", f"/v1/pods/{UID}?wait=nan", b""),
        ("GET", f"/v1/pods/{UID}?wait=1e9", b""),
        ("PUT", "/v1/code/ns/abc", b""),
        ("DELETE", "/v1/code/ns/..%2fsnapshots", b""),
        ("PUT", "/v1/snapshots/s1", b"{}"),
        ("GET", "/v1/snapshots/..%2fx", b""),
        ("DELETE", "/v1/snapshots/.hidden", b""),
    ],
)
async def test_what_makes_no_sense_is_400(clients: Clients, method: str, path: str, body: bytes) -> None:
    url = clients.http.make_url("").with_path("/")
    answer = await clients.http.session.request(
        method,
        type(url)(str(url).rstrip("/") + path, encoded=True),
        data=body,
        headers={"Authorization": "Bearer operator"},
    )
    assert answer.status == 400, await answer.text()
    assert (await answer.json())["code"] == "Invalid"


async def test_a_snapshot_request_of_a_hostile_pod(clients: Clients) -> None:
    body = clients.world.request(podUID="../../x").model_dump_json(by_alias=True)
    answer = await clients.http.put("/v1/snapshots/s1", data=body, headers={"Authorization": "Bearer operator"})
    assert answer.status == 400


async def test_a_bug_is_a_500_without_its_words(clients: Clients, monkeypatch: pytest.MonkeyPatch) -> None:
    def bug(*args, **kwargs):
        raise RuntimeError("a path and a secret")

    monkeypatch.setattr(clients.api.jobs, "get", bug)
    answer = await clients.http.get("/v1/snapshots/s1", headers={"Authorization": "Bearer operator"})
    assert answer.status == 500
    assert "secret" not in await answer.text()


async def test_an_unknown_call(clients: Clients) -> None:
    answer = await clients.http.get("/v2/nothing")
    assert answer.status == 404
    assert (await answer.json())["code"] == "HTTPError"


async def test_health_and_metrics_need_no_token(clients: Clients) -> None:
    assert (await clients.http.get("/healthz")).status == 200
    clients.api.node.beat = monotonic() - 1000
    assert (await clients.http.get("/healthz")).status == 503
    await clients.http.get("/v1/node")
    text = await (await clients.http.get("/metrics")).text()
    assert 'thaw_agent_errors_total{code="Unauthenticated"} 1.0' in text


@pytest.fixture
def other_port(clients: Clients) -> Iterator[TestServer]:
    return TestServer(clients.api.metrics_app())


async def test_the_metrics_port_serves_nothing_else(clients: Clients, other_port: TestServer) -> None:
    async with TestClient(other_port) as http:
        assert (await http.get("/metrics")).status == 200
        assert (await http.get("/v1/node", headers={"Authorization": "Bearer operator"})).status == 404
