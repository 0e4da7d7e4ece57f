"""The console's files over HTTP. What they do is in ``tests/integration/test_console.py``, in a browser."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from importlib import resources

import aiohttp
import pytest

from unit.gateway.world import World

STATIC = resources.files("thaw.gateway.console").joinpath("static")
FILES = sorted(file.name for file in STATIC.iterdir())


@pytest.fixture
async def http(world: World) -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession(world.endpoint) as session:
        yield session


@pytest.mark.parametrize("file", ["", *FILES])
async def test_every_file_is_open_and_held_to_a_strict_policy(
    world: World, http: aiohttp.ClientSession, file: str
) -> None:
    async with http.get(f"/console/{file}") as answer:
        assert answer.status == 200
        assert await answer.read() == STATIC.joinpath(file or "index.html").read_bytes()
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        assert answer.headers["Cross-Origin-Opener-Policy"] == "same-origin"
        policy = answer.headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "frame-ancestors 'none'" in policy
    assert "require-trusted-types-for 'script'" in policy
    assert "unsafe" not in policy
    assert "http" not in policy


async def test_a_browser_that_has_it_gets_it_once(world: World, http: aiohttp.ClientSession) -> None:
    async with http.get("/console/main.js") as first:
        tag = first.headers["ETag"]
        assert first.content_type == "text/javascript"
        assert first.headers["Cache-Control"] == "no-cache"
    async with http.get("/console/main.js", headers={"If-None-Match": tag}) as again:
        assert (again.status, await again.read()) == (304, b"")
    async with http.get("/console/main.js", headers={"If-None-Match": '"another"'}) as changed:
        assert changed.status == 200


async def test_without_the_slash_it_leads_there(world: World, http: aiohttp.ClientSession) -> None:
    async with http.get("/console") as answer:
        assert (answer.status, answer.url.path) == (200, "/console/")


@pytest.mark.parametrize("path", ["/console/absent", "/console/..%2f..%2fpages.py", "/console/static/main.js"])
async def test_there_is_nothing_else(world: World, http: aiohttp.ClientSession, path: str) -> None:
    world.http_function()
    async with http.get(path) as answer:
        assert answer.status == 404
        assert "The console has no file" in await answer.text()


@pytest.mark.parametrize("world", [{"console": False}], indirect=True)
async def test_it_can_be_switched_off(world: World, http: aiohttp.ClientSession) -> None:
    async with http.get("/console/index.html") as answer:
        assert answer.status == 404
        assert "Function not found" in await answer.text()


def test_the_page_names_all_of_its_modules() -> None:
    """What the page does not preload would be found only one import after the other."""
    index = STATIC.joinpath("index.html").read_text()
    named = set(re.findall(r'(?:href|src)="([^"#]+)"', index))
    assert named == set(FILES) - {"index.html"}


def test_nothing_comes_from_elsewhere() -> None:
    for file in FILES:
        text = STATIC.joinpath(file).read_text().replace("http://www.w3.org/2000/svg", "")
        assert "//" not in re.sub(r"^\s*//.*$|/\*.*?\*/", "", text, flags=re.M | re.S), file
