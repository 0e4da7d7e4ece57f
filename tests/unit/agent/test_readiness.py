"""When a function is initialised, and all the ways it is not."""

from __future__ import annotations

import asyncio
import json

import pytest
from aiohttp import web

from thaw.agent.readiness import JobFailed
from unit.agent.world import TOKEN, World


async def failed(world: World, **request) -> tuple[str, str, bool]:
    with pytest.raises(JobFailed) as e:
        await world.readiness.wait(world.request(**request))
    error = e.value.error
    return error.code, error.message, error.retryable


async def test_lambda(world: World) -> None:
    world.pod.start()
    report, init_ms = await world.readiness.wait(world.request())
    assert (report.pid, init_ms) == (4242, 2100.5)
    [(method, path, headers)] = world.pod.calls
    assert (method, path.split("?")[0]) == ("GET", "/v1/state")
    assert headers["Authorization"] == f"Bearer {TOKEN}"
    assert headers["Connection"] == "close"


async def test_lambda_asked_until_it_is_ready(world: World) -> None:
    world.pod.start()
    phases = iter([{"phase": "init"}, {"phase": "init"}, {"phase": "ready", "initMs": 5}])

    async def answer(request: web.Request) -> web.StreamResponse:
        return web.json_response(next(phases))

    world.pod.answer = answer
    assert (await world.readiness.wait(world.request()))[1] == 5


async def test_lambda_not_listening_yet(world: World) -> None:
    world.pod.start()
    await world.pod.runner.cleanup()
    waiting = asyncio.create_task(world.readiness.wait(world.request()))
    await asyncio.sleep(0.1)
    assert not waiting.done()
    waiting.cancel()


async def test_the_functions_own_error(world: World) -> None:
    world.pod.start()
    error = {"errorType": "ImportError", "errorMessage": "no module named x", "stackTrace": ["a"]}
    world.pod.says(phase="failed", error=error)
    assert await failed(world) == ("FunctionError", "ImportError: no module named x", False)
    world.pod.says(phase="exited", error=None)
    assert await failed(world) == ("FunctionError", "the initialisation failed without a message", False)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (json.dumps({"errorType": "Runtime.ExitError", "errorMessage": "exit 3"}), "Runtime.ExitError: exit 3"),
        ("Segmentation fault", "Segmentation fault"),
        ("", "the process exited before it was initialised"),
        ("x" * 4096, "x" * 3500),
    ],
)
async def test_a_process_that_died_is_quoted(world: World, words: str, message: str) -> None:
    world.pod.start()
    world.pod.die(words)
    world.pod.says(phase="init")
    assert await failed(world) == ("FunctionError", message, False)


async def test_too_slow(world: World) -> None:
    world.pod.start()
    world.pod.says(phase="init")
    code, message, retryable = await failed(world, initTimeoutSeconds=0.2)
    assert (code, retryable) == ("Timeout", False)
    assert "0.2 s" in message


async def test_a_container_that_never_comes(world: World) -> None:
    world.restart(container_timeout=0.05)
    code, message, retryable = await failed(world)
    assert (code, retryable) == ("InternalError", True)
    assert "did not start" in message


@pytest.mark.parametrize(
    ("why", "code", "retryable"),
    [
        ('exec: "app": executable file not found in $PATH', "InvalidImage", False),
        ("unable to find user nobody2", "InvalidImage", False),
        ("no space left on device", "InternalError", True),
        ("", "InternalError", True),
    ],
)
async def test_a_container_that_could_not_be_made(world: World, why: str, code: str, retryable: bool) -> None:
    world.pod.start("failed", restoreError=why)
    assert (await failed(world))[::2] == (code, retryable)


async def test_a_token_that_thaw_init_refuses_is_not_waited_for(world: World) -> None:
    world.pod.start()

    async def answer(request: web.Request) -> web.StreamResponse:
        return web.Response(status=401)

    world.pod.answer = answer
    assert (await failed(world))[0] == "InternalError"


# ---------------------------------------------------------------- http


def http(world: World, **http_) -> dict:
    return {"protocol": "http", "http": {"port": world.pod.port} | http_}


async def test_http_is_asked_until_2xx_or_3xx(world: World) -> None:
    world.pod.start()
    statuses = iter([503, 404, 302])

    async def answer(request: web.Request) -> web.StreamResponse:
        return web.Response(status=next(statuses), headers={"Location": "/nowhere"})

    world.pod.answer = answer
    _, init_ms = await world.readiness.wait(world.request(**http(world, readyPath="/ready")))
    # From the container's start (1000) to now (3500).
    assert init_ms == 2500
    assert [path for _, path, _ in world.pod.calls] == ["/ready"] * 3
    assert all(headers["Connection"] == "close" for _, _, headers in world.pod.calls)


async def test_http_hook_before_the_snapshot(world: World) -> None:
    world.pod.start()
    await world.readiness.wait(world.request(**http(world, beforeSnapshotPath="/hook")))
    assert [(method, path) for method, path, _ in world.pod.calls] == [("GET", "/"), ("POST", "/hook")]


@pytest.mark.parametrize("status", [302, 404, 500])
async def test_http_hook_that_fails(world: World, status: int) -> None:
    world.pod.start()

    async def answer(request: web.Request) -> web.StreamResponse:
        return web.Response(status=status if request.method == "POST" else 200)

    world.pod.answer = answer
    code, message, retryable = await failed(world, **http(world, beforeSnapshotPath="/hook"))
    assert (code, message, retryable) == ("FunctionError", f"beforeSnapshotPath /hook answered {status}", False)


async def test_http_process_that_died(world: World) -> None:
    world.pod.start()
    world.pod.die("no such database")
    await world.pod.runner.cleanup()
    assert await failed(world, **http(world)) == ("FunctionError", "no such database", False)
