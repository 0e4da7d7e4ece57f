"""Bearer tokens and access keys against a real API server: its tokens, its RBAC, its Events."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import aiohttp
import pytest

from chart_rendering import render
from integration.apiserver import Kubectl
from integration.test_gateway import Front, active, create, front, instance_agent  # noqa: F401
from integration.test_reconcile import World, world  # noqa: F401
from thaw.kube.kinds import EVENT, SECRET
from unit.gateway.world import package

pytestmark = [pytest.mark.integration, pytest.mark.timeout(180)]


@dataclass
class Callers:
    """Service accounts of the test's namespace, with the chart's roles."""

    kubectl: Kubectl
    namespace: str
    http: aiohttp.ClientSession

    def token(self, name: str, role: str = "", *options: str) -> str:
        """A new account, bound to a role in its own namespace, and a token of it."""
        self.kubectl("create", "serviceaccount", name, "-n", self.namespace)
        if role:
            account = f"--serviceaccount={self.namespace}:{name}"
            self.kubectl("create", "rolebinding", name, "-n", self.namespace, f"--clusterrole={role}", account)
        return self.kubectl("create", "token", name, "-n", self.namespace, *options).strip()

    async def __call__(
        self, token: str, method: str, path: str, *, namespace: str = "", data: bytes | None = None
    ) -> tuple[int, dict[str, Any]]:
        headers = {"Authorization": f"Bearer {token}", **({"X-Thaw-Namespace": namespace} if namespace else {})}
        async with self.http.request(method, f"/2015-03-31/functions{path}", headers=headers, data=data) as answer:
            return answer.status, await answer.json(content_type=None) if answer.status != 204 else {}


@pytest.fixture
async def callers(world: World, front: Front, crds: Kubectl) -> AsyncIterator[Callers]:  # noqa: F811
    roles = [o for o in render() if o["kind"] == "ClusterRole" and o["metadata"]["name"] in ROLES]
    crds("apply", "--server-side", "-f", "-", stdin=roles)
    async with aiohttp.ClientSession(front.client.meta.endpoint_url) as http:
        yield Callers(crds, world.namespace, http)


ROLES = ("thaw-view", "thaw-edit", "thaw-invoke")


async def test_the_charts_roles_mean_what_they_say(world: World, front: Front, callers: Callers) -> None:  # noqa: F811
    await create(front, "fn", package())
    await front("publish_version", FunctionName="fn")
    await active(front, "fn", "1")
    invoker, viewer = callers.token("invoker", "thaw-invoke"), callers.token("viewer", "thaw-view")
    editor, nobody = callers.token("editor", "thaw-edit"), callers.token("nobody")

    status, answer = await callers(invoker, "POST", "/fn/invocations?Qualifier=1", data=b'{"a": 1}')
    assert (status, answer) == (200, {"a": 1})
    table = {
        ("GET", "/fn"): (403, 200, 403),
        ("GET", "/"): (403, 200, 403),
        ("GET", "/fn/versions"): (403, 200, 403),
        ("POST", "/fn/versions"): (403, 403, 201),
    }
    for (method, path), expected in table.items():
        got = [(await callers(token, method, path))[0] for token in (invoker, viewer, editor)]
        assert tuple(got) == expected, path
        status, answer = await callers(nobody, method, path)
        assert (status, "functions.thaw.dev" in answer["message"]) == (403, True)
    assert (await callers(viewer, "POST", "/fn/invocations", data=b"{}"))[0] == 403

    for token in (invoker, viewer, editor):
        assert (await callers(token, "GET", "/fn", namespace="default"))[0] == 403
    assert (await callers(nobody + "x", "GET", "/fn"))[0] == 401


async def test_a_role_for_one_function(world: World, front: Front, callers: Callers) -> None:  # noqa: F811
    callers.kubectl(
        "create", "role", "one", "-n", world.namespace, "--verb=get", "--resource=functions.thaw.dev",
        "--resource-name=fn",
    )  # fmt: skip
    token = callers.token("one")
    account = f"--serviceaccount={world.namespace}:one"
    callers.kubectl("create", "rolebinding", "one", "-n", world.namespace, "--role=one", account)
    await create(front, "fn", package())
    await create(front, "fn2", package())
    statuses = [(await callers(token, "GET", path))[0] for path in ("/fn", "/fn2", "/")]
    assert statuses == [200, 403, 403]


async def test_a_token_for_somebody_else_is_none(front: Front, callers: Callers) -> None:  # noqa: F811
    assert (await callers(callers.token("a", "thaw-view"), "GET", "/"))[0] == 200
    assert (await callers(callers.token("b", "thaw-view", "--audience=vault"), "GET", "/"))[0] == 401


async def test_the_authors_of_keys_that_open_nothing_are_told(world: World, front: Front) -> None:  # noqa: F811
    async def put(name: str, **fields: str) -> None:
        data = {"accessKeyId": "AKIATWIN", "secretAccessKey": "0123456789abcdef", "namespace": "x"} | fields
        labels = {"thaw.dev/access-key": "true"}
        meta = {"name": name, "namespace": world.system, "labels": labels}
        await world.kube.create(SECRET, {"apiVersion": "v1", "kind": "Secret", "metadata": meta, "stringData": data})

    await put("misspelt", accessKeyId="AKIAOTHER", action="lambda:Get*")
    await put("twin-1")
    await put("twin-2")

    async def told() -> dict[str, str] | None:
        events, _ = await world.kube.list(EVENT, world.system, fields="reason=AccessKeyRefused")
        found = {e["involvedObject"]["name"]: e["message"] for e in events}
        return found if len(found) == 3 else None

    messages = await world.eventually("three events", told)
    assert "data.action: there is no such field" in messages["misspelt"]
    assert "data.accessKeyId: twin-2 has the same" in messages["twin-1"]
    assert "data.accessKeyId: twin-1 has the same" in messages["twin-2"]
    assert front.gateway.watch.keys.find("AKIATWIN") is None
    await world.kube.delete(SECRET, world.system, "twin-1")

    async def opens() -> bool:
        return front.gateway.watch.keys.find("AKIATWIN") is not None

    await world.eventually("the one that is left opens", opens)
