"""InvokeWithResponseStream by real boto3."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any

import pytest
from aiohttp import web
from botocore.exceptions import ClientError

from unit.gateway.conftest import Lambda
from unit.gateway.streams import Streaming, frame
from unit.gateway.world import Process, World

ERROR = '{"errorType": "MyError", "errorMessage": "half-way"}'


async def invoked(lam: Lambda, **arguments: Any) -> dict[str, Any]:
    return await lam.invoke_with_response_stream(FunctionName="fn", Payload=b'{"a": 1}', **arguments)


async def following(events: Iterator[Any]) -> Any:
    """The next event; None at the end."""
    return await asyncio.to_thread(next, events, None)


async def all_of(response: dict[str, Any]) -> tuple[list[bytes], dict[str, Any]]:
    """The pieces, and how it ended."""
    events = await asyncio.to_thread(list, response["EventStream"])
    *chunks, last = events
    return [c["PayloadChunk"]["Payload"] for c in chunks], last["InvokeComplete"]


async def test_pieces_arrive_as_they_are_made(world: World, lam: Lambda) -> None:
    world.function()
    world.invoke = function = Streaming(b"first", b"second", b"third", logTail="bG9n")
    function.go.clear()
    response = await invoked(lam, LogType="Tail")
    events = iter(response["EventStream"])
    assert await following(events) == {"PayloadChunk": {"Payload": b"first"}}
    function.go.set()
    assert await following(events) == {"PayloadChunk": {"Payload": b"second"}}
    assert await following(events) == {"PayloadChunk": {"Payload": b"third"}}
    assert await following(events) == {"InvokeComplete": {"LogResult": "bG9n"}}
    assert await following(events) is None
    assert function.event == {"a": 1}
    assert (response["StatusCode"], response["ExecutedVersion"]) == (200, "$LATEST")
    assert response["ResponseStreamContentType"] == "application/vnd.amazon.eventstream"
    headers = response["ResponseMetadata"]["HTTPHeaders"]
    assert (headers["x-thaw-start"], headers["x-thaw-restore-ms"]) == ("cold", "0.0")
    assert headers["x-amzn-requestid"]
    assert b'thaw_gateway_requests_total{code="200"' in world.gateway.front.metrics.render()


async def test_an_error_half_way(world: World, lam: Lambda) -> None:
    world.function()
    world.invoke = Streaming(b"first", functionError="Unhandled", error=ERROR)
    pieces, end = await all_of(await invoked(lam))
    assert (pieces, end) == ([b"first"], {"ErrorCode": "Unhandled", "ErrorDetails": ERROR})


async def test_a_function_that_does_not_stream_answers_in_one_piece(world: World, lam: Lambda) -> None:
    world.function()
    pieces, end = await all_of(await invoked(lam))
    assert (len(pieces), end) == (1, {})
    assert b'"event": {"a": 1}' in pieces[0]


async def test_an_error_before_the_first_piece(world: World, lam: Lambda) -> None:
    async def fail(process: Process, headers: dict[str, str], payload: bytes) -> web.StreamResponse:
        return web.Response(text=ERROR, headers={"Thaw-Function-Error": "Unhandled"})

    world.function()
    world.invoke = fail
    assert await all_of(await invoked(lam)) == ([], {"ErrorCode": "Unhandled", "ErrorDetails": ERROR})


async def test_an_instance_that_is_lost_half_way(world: World, lam: Lambda) -> None:
    """Its answer may have had an effect, so nobody else gets the request."""
    world.function()
    world.invoke = Streaming(b"first", whole=False)
    pieces, end = await all_of(await invoked(lam))
    assert pieces == [b"first"]
    assert (end["ErrorCode"], "Runtime.ExitError" in end["ErrorDetails"]) == ("Unhandled", True)
    assert await world.gateway.watch.until(lambda: not world.instances() or None, 5)


@pytest.mark.parametrize("junk", [frame(b"x") + (1 << 30).to_bytes(4), frame(b"x") + frame(b"") + b"[]", b"\0"])
async def test_what_is_no_answer_in_frames_is_a_lost_instance(world: World, lam: Lambda, junk: bytes) -> None:
    async def babble(process: Process, headers: dict[str, str], payload: bytes) -> web.StreamResponse:
        return web.Response(body=junk, headers={"Thaw-Response-Mode": "streaming"})

    world.function()
    world.invoke = babble
    _, end = await all_of(await invoked(lam))
    assert "Runtime.ExitError" in end["ErrorDetails"]


async def test_an_instance_that_says_it_is_over_serves_no_more(world: World, lam: Lambda) -> None:
    world.function()
    world.invoke = Streaming(b"first", functionError="Unhandled", error="{}", exited=True)
    await all_of(await invoked(lam))
    assert await world.gateway.watch.until(lambda: not world.instances() or None, 5)


async def test_a_caller_who_hangs_up_lets_the_function_go_on(world: World, lam: Lambda) -> None:
    world.function()
    world.invoke = function = Streaming(b"first", *[b"x" * 65536] * 200)
    function.go.clear()
    response = await invoked(lam)
    assert await following(iter(response["EventStream"]))
    response["EventStream"].close()
    function.go.set()
    async with asyncio.timeout(10):
        await function.ran_to_its_end.wait()
    world.invoke = Streaming(b"again")
    response = await invoked(lam)
    assert response["ResponseMetadata"]["HTTPHeaders"]["x-thaw-start"] == "warm"
    assert (await all_of(response))[0] == [b"again"]


async def test_invoke_collects_what_is_streamed(world: World, lam: Lambda) -> None:
    world.function()
    world.invoke = Streaming(b"a", b"b")
    assert (await lam.invoke(FunctionName="fn"))["Body"] == b"ab"


async def test_a_dry_run_starts_nothing(world: World, lam: Lambda) -> None:
    world.function()
    response = await invoked(lam, InvocationType="DryRun")
    assert (response["StatusCode"], world.instances()) == (204, [])


async def test_an_alias_and_a_function_that_is_not_there(world: World, lam: Lambda) -> None:
    world.function()
    for qualifier in ("live", "7"):
        with pytest.raises(ClientError, match="ResourceNotFoundException"):
            await invoked(lam, Qualifier=qualifier)
