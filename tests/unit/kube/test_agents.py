"""The agents' client against a real server."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer, unused_port

from thaw.api.node import GrantRequest
from thaw.errors import NodeError, NodeInvalid
from thaw.kube.agents import Agents, agents_by_node
from thaw.kube.client import Object

Answer = Callable[[web.Request], Awaitable[web.StreamResponse]]


def agent_pod(node: str, ip: str = "10.0.0.1", *, ready: str = "True", deleting: bool = False) -> Object:
    meta: dict[str, Any] = {"name": f"agent-{node}"}
    if deleting:
        meta["deletionTimestamp"] = "2026-01-01T00:00:00Z"
    conditions = [{"type": "Initialized", "status": "True"}, {"type": "Ready", "status": ready}]
    return {"metadata": meta, "spec": {"nodeName": node}, "status": {"podIP": ip, "conditions": conditions}}


def test_agents_by_node_are_those_that_answer() -> None:
    pods = [
        agent_pod("four"),
        agent_pod("six", "fd00::1"),
        agent_pod("unready", ready="False"),
        agent_pod("unknown", ready="Unknown"),
        agent_pod("deleting", deleting=True),
        agent_pod("addressless", ""),
        {"metadata": {"name": "pending"}, "spec": {}},
        {"metadata": {"name": "scheduled"}, "spec": {"nodeName": "scheduled"}, "status": {"phase": "Pending"}},
    ]
    assert agents_by_node(pods) == {"four": "http://10.0.0.1:8440", "six": "http://[fd00::1]:8440"}


class Agent:
    """One agent, which answers as it is told, and remembers what it was asked."""

    def __init__(self, path: Path) -> None:
        self.token = path / "token"
        self.token.write_text("first\n")
        self.seen: list[tuple[str, str, str]] = []
        self.bodies: list[bytes] = []
        self.status, self.body = 200, b"{}"
        app = web.Application()
        app.router.add_route("*", "/{path:.*}", self._handle)
        self.server = TestServer(app)
        self.client = Agents(str(self.token))

    @property
    def url(self) -> str:
        return str(self.server.make_url("")).rstrip("/")

    async def _handle(self, request: web.Request) -> web.Response:
        self.seen.append((request.method, request.path_qs, request.headers["Authorization"]))
        self.bodies.append(await request.read())
        return web.Response(status=self.status, body=self.body, content_type="application/json")


@pytest.fixture
async def agent(tmp_path: Path):
    found = Agent(tmp_path)
    await found.server.start_server()
    yield found
    await found.client.close()
    await found.server.close()


@pytest.mark.parametrize("retryable", [True, False])
async def test_its_refusal_keeps_code_and_message(agent: Agent, retryable: bool) -> None:
    agent.status = 409
    agent.body = b'{"code": "SnapshotUnusable", "message": "another CPU", "retryable": %s}' % (
        b"true" if retryable else b"false"
    )
    request = GrantRequest(namespace="default", name="p", role="init", protocol="lambda", token="t")
    with pytest.raises(NodeError) as e:
        await agent.client.grant(agent.url, "uid", request)
    assert (e.value.code, e.value.message, e.value.retryable) == ("SnapshotUnusable", "another CPU", retryable)


@pytest.mark.parametrize(
    ("status", "code", "invalid"), [(400, "Invalid", True), (400, "Other", False), (409, "Invalid", False)]
)
async def test_what_no_node_can_use_is_told_apart(agent: Agent, status: int, code: str, invalid: bool) -> None:
    agent.status = status
    agent.body = b'{"code": "%s", "message": "code.inline: is wrong"}' % code.encode()
    request = GrantRequest(namespace="default", name="p", role="init", protocol="lambda", token="t")
    with pytest.raises(NodeError, match=r"code\.inline: is wrong") as e:
        await agent.client.grant(agent.url, "uid", request)
    assert isinstance(e.value, NodeInvalid) is invalid


@pytest.mark.parametrize(("status", "retryable"), [(403, False), (502, True)])
async def test_an_answer_that_is_not_the_agents_is_an_error_by_its_status(
    agent: Agent, status: int, retryable: bool
) -> None:
    agent.status, agent.body = status, b"<html>a proxy</html>"
    with pytest.raises(NodeError) as e:
        await agent.client.node(agent.url)
    assert (e.value.code, e.value.message, e.value.retryable) == (f"HTTP{status}", "<html>a proxy</html>", retryable)


async def test_an_agent_that_is_not_there_may_be_asked_again(agent: Agent) -> None:
    url = f"http://127.0.0.1:{unused_port()}"
    with pytest.raises(NodeError) as e:
        await agent.client.drop(url, "uid")
    assert (e.value.code, e.value.retryable) == ("Unreachable", True)
    assert url in e.value.message


async def test_a_connection_that_breaks_off_may_be_tried_again(tmp_path: Path) -> None:
    async def hang_up(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.close()

    server = await asyncio.start_server(hang_up, "127.0.0.1", 0)
    (tmp_path / "token").write_text("t")
    agents = Agents(str(tmp_path / "token"))
    try:
        with pytest.raises(NodeError) as e:
            await agents.node(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}")
        assert (e.value.code, e.value.retryable) == ("Unreachable", True)
    finally:
        await agents.close()
        server.close()


async def test_a_snapshot_unknown_to_it_is_none_and_other_errors_are_not(agent: Agent) -> None:
    agent.status, agent.body = 404, b'{"code": "NotFound", "message": "no such job"}'
    assert await agent.client.snapshot(agent.url, "s-1", wait=1.5) is None
    assert agent.seen[0][:2] == ("GET", "/v1/snapshots/s-1?wait=1.5")
    agent.status, agent.body = 500, b'{"code": "Internal", "message": "no disk", "retryable": true}'
    with pytest.raises(NodeError, match="no disk"):
        await agent.client.snapshot(agent.url, "s")
    agent.status, agent.body = 200, b'{"id": "s", "phase": "store", "checkpointMs": 12.5}'
    job = await agent.client.snapshot(agent.url, "s")
    assert job is not None
    assert (job.phase, job.checkpoint_ms) == ("store", 12.5)


async def test_the_token_is_read_anew_for_every_call(agent: Agent) -> None:
    agent.status, agent.body = 204, b""
    await agent.client.drop(agent.url, "uid")
    agent.token.write_text("second\n")
    agent.status, agent.body = 200, b'{"node": "n", "removed": ["cache"]}'
    await agent.client.delete_snapshot(agent.url, "s", store=True)
    agent.token.unlink()
    with pytest.raises(NodeError) as e:
        await agent.client.delete_code(agent.url, "ns", "ab")
    assert e.value.retryable
    assert agent.seen == [
        ("DELETE", "/v1/pods/uid", "Bearer first"),
        ("DELETE", "/v1/snapshots/s?store=true", "Bearer second"),
    ]


async def test_packages_are_sent_as_they_are_and_requests_as_json(agent: Agent) -> None:
    agent.status, agent.body = 204, b""
    await agent.client.put_code(agent.url, "ns", "ab", b"PK\x00")
    agent.status, agent.body = 200, b'{"codeMs": 1, "snapshotMs": 2}'
    request = GrantRequest(namespace="default", name="p", role="init", protocol="lambda", token="t")
    granted = await agent.client.grant(agent.url, "uid", request)
    assert (granted.code_ms, granted.snapshot_ms) == (1, 2)
    assert agent.bodies[0] == b"PK\x00"
    assert GrantRequest.model_validate_json(agent.bodies[1]) == request


async def test_what_it_is_asked_for_is_one_part_of_the_path(agent: Agent) -> None:
    """A package's name came from an annotation: it must not become another of the agent's calls."""
    agent.status, agent.body = 200, b'{"node": "n"}'
    await agent.client.delete_code(agent.url, "ns", "../snapshots/s?store=true")
    assert agent.seen[0][1] == "/v1/code/ns/..%2Fsnapshots%2Fs%3Fstore=true"
    for name in ("", ".", ".."):
        with pytest.raises(ValueError, match="not a part of a path"):
            await agent.client.delete_code(agent.url, "ns", name)
    assert len(agent.seen) == 1
