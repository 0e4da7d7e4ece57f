"""Every runtime: a package with hooks becomes a version, is restored, and its clones differ."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import pytest
from botocore.exceptions import ClientError

from e2e import packages
from e2e.support import eventually, header, inline, invoke, publish, state

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
    Runtime("python3.13", "app.handler", packages.python_with_numpy, "3.13."),
    Runtime("java17", "e2e.App", packages.java, "17."),
    Runtime("java21", "e2e.App::handleRequest", packages.java_with_library, "21."),
    Runtime("nodejs20", "index.handler", packages.nodejs, "v20."),
    Runtime("nodejs22", "index.handler", packages.nodejs, "v22."),
    Runtime("provided", "any.thing", packages.provided),
    Runtime("provided.al2023", "any.thing", packages.provided_without_modes),
]
ONE_OF_EACH = [r for r in RUNTIMES if r.name in ("python3.13", "java17", "nodejs22", "provided")]


def create(lam: Any, name: str, runtime: Runtime, fail: str = "") -> None:
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
        Publish=True,
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
        answers = list(pool.map(lambda _: invoke(lam, name, {"sleep": 2}, "1"), range(CLONES)))
    assert [header(response, "x-thaw-start") for _, response in answers] == ["restore"] * CLONES
    bodies = [body for body, _ in answers]
    for body in bodies:
        assert body["calls"] == ["before-2", "before-1", "after-1", "after-2"]
        assert body.get("version", "").startswith(runtime.version)
        assert body["drawnAtInit"] == bodies[0]["drawnAtInit"]
    assert ("numpy.random" in bodies[0]["drawn"]) is (runtime.name == "python3.13")
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
    error = caught.value.response["Error"]
    assert error["Code"] == "SnapStartException"
    # Java's client posts what wraps the hook's exception, here as on Lambda; the log has it all.
    expected = "RestoreException" if runtime.name == "java17" else "after-1: no database today"
    assert expected in error["Message"]


def test_an_image_with_a_client_of_its_own(cluster, lam, name):
    """code.image, protocol lambda: the image's entrypoint is the client, its command the handler."""
    spec = {"code": {"image": "thaw.dev/example-image:dev"}, "snapStart": {"applyOn": "PublishedVersions"}}
    state(cluster, publish(cluster, name, spec), "Active")
    with ThreadPoolExecutor(2) as pool:
        answers = list(pool.map(lambda _: invoke(lam, name, {"name": "Bob"}, "1"), range(2)))
    assert {body["hello"] for body, _ in answers} == {"Bob"}
    assert header(answers[0][1], "x-thaw-start") == "restore"


def test_a_runtime_that_is_not_here_is_refused_with_those_that_are(cluster, lam, name):
    """By Lambda's API at once; of a Function by its status."""
    unknown = Runtime("dotnet8", "App::App.Function::Handler", packages.python)
    with pytest.raises(ClientError, match=r"Value dotnet8 at 'runtime' failed .*java21, nodejs20") as caught:
        create(lam, name, unknown)
    assert caught.value.response["Error"]["Code"] == "InvalidParameterValueException"
    cluster.apply("Function", "functions", name, inline("", runtime="dotnet8"))

    def failed() -> dict[str, Any]:
        return cluster.get("functions", name).get("status", {})

    status = eventually("its status", failed)
    assert status["state"] == "Failed"
    assert "runtime dotnet8 has no image in this installation; it has: java17, java21" in status["stateReason"]
