"""Every runtime: a package with hooks becomes a version, is restored, and its clones differ."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import pytest
from botocore.exceptions import ClientError

from e2e import packages
from e2e.support import header, invoke

CLONES = 3


@dataclass(frozen=True)
class Runtime:
    """A runtime, and how a function of it is packaged."""

    name: str
    handler: str
    package: Callable[[str], bytes]
    version: str = ""

    def __str__(self) -> str:
        return self.name


RUNTIMES = [
    Runtime("python3.11", "app.handler", packages.python, "3.11."),
    Runtime("python3.12", "app.handler", packages.python, "3.12."),
    Runtime("python3.13", "app.handler", packages.python, "3.13."),
    Runtime("java17", "e2e.App", packages.java, "17."),
    Runtime("java21", "e2e.App::handleRequest", packages.java_with_library, "21."),
    Runtime("nodejs20", "index.handler", packages.nodejs, "v20."),
    Runtime("nodejs22", "index.handler", packages.nodejs, "v22."),
    Runtime("provided", "any.thing", packages.provided),
]
ONE_OF_EACH = [r for r in RUNTIMES if r.name in ("python3.13", "java17", "nodejs22", "provided")]


def create(lam: Any, name: str, runtime: Runtime, fail: str = "", publish: bool = True) -> None:
    """CreateFunction with Publish: version 1, on its way."""
    lam.create_function(
        FunctionName=name,
        Runtime=runtime.name,
        Handler=runtime.handler,
        Role="arn:aws:iam::111122223333:role/lambda-role",
        Code={"ZipFile": runtime.package(runtime.name)},
        SnapStart={"ApplyOn": "PublishedVersions"},
        Environment={"Variables": {"FAIL": fail}} if fail else {},
        Timeout=20,
        MemorySize=256,
        Publish=publish,
    )


def active(lam: Any, name: str) -> None:
    waiter = lam.get_waiter("published_version_active")
    waiter.wait(FunctionName=name, Qualifier="1", WaiterConfig={"Delay": 1, "MaxAttempts": 120})


@pytest.mark.parametrize("runtime", RUNTIMES, ids=str)
def test_clones_of_a_package_with_hooks(lam, name, runtime):
    """Active, restored, hooks in their order, and nothing random is drawn by two clones."""
    create(lam, name, runtime)
    active(lam, name)
    with ThreadPoolExecutor(CLONES) as pool:
        answers = list(pool.map(lambda _: invoke(lam, name, {"sleep": 3}, "1"), range(CLONES)))
    assert [header(response, "x-thaw-start") for _, response in answers] == ["restore"] * CLONES
    bodies = [body for body, _ in answers]
    for body in bodies:
        assert body["calls"] == ["before-2", "before-1", "after-1", "after-2"]
        assert body.get("version", "").startswith(runtime.version)
        assert body["drawnAtInit"] == bodies[0]["drawnAtInit"]
    shared = [source for source in bodies[0]["drawn"] if len({b["drawn"][source] for b in bodies}) < CLONES]
    assert not shared


@pytest.mark.parametrize("runtime", ONE_OF_EACH, ids=str)
def test_a_failing_hook_before_the_snapshot_fails_the_version(lam, name, runtime):
    create(lam, name, runtime, fail="before-1")
    with pytest.raises(Exception, match="Failed"):
        active(lam, name)
    found = lam.get_function_configuration(FunctionName=name, Qualifier="1")
    assert (found["State"], found["StateReasonCode"]) == ("Failed", "FunctionError")
    assert "before-1: no database today" in found["StateReason"]


@pytest.mark.parametrize("runtime", ONE_OF_EACH, ids=str)
def test_a_failing_hook_after_the_restore_fails_the_invocation(lam, name, runtime):
    create(lam, name, runtime, fail="after-1")
    active(lam, name)
    with pytest.raises(ClientError) as caught:
        lam.invoke(FunctionName=name, Qualifier="1", Payload=b"{}")
    assert caught.value.response["Error"]["Code"] == "SnapStartException"
    assert "after-1: no database today" in caught.value.response["Error"]["Message"]
