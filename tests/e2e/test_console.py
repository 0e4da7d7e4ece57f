"""The console's own walk-through, in a real browser at the real gateway, signed in as a service account."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AsyncExitStack

import pytest
from playwright.async_api import expect

from browser import Console, chromium, console
from e2e.support import NAMESPACE, Cluster, eventually, inline, token_of_role

SOURCE = """
import time; time.sleep(1)
def handler(event, context):
    print("asked for", event["name"])
    return f"hello {event['name']}"
"""


@pytest.fixture
def token(cluster: Cluster, name: str) -> Iterator[str]:
    """Of a service account that may edit its namespace, by the cluster's own role."""
    with token_of_role(cluster, name, "edit") as token:
        yield token


@pytest.mark.timeout(300)
async def test_choose_published_versions_save_publish_wait_and_test(cluster: Cluster, name: str, token: str) -> None:
    cluster.apply("Function", "functions", name, inline(SOURCE, snapStart={"applyOn": "None"}))
    eventually(
        "the function is Active",
        lambda: (cluster.get("functions", name) or {}).get("status", {}).get("state") == "Active",
        30,
    )
    async with AsyncExitStack() as stack:
        browser = await stack.enter_async_context(chromium())
        tab = await stack.enter_async_context(console(browser, cluster.endpoint))
        await tab.sign_in(token, NAMESPACE)
        await save_published_versions(tab, name)
        await publish(tab)
        await invoke(tab)
        await look_around(tab, cluster, name)


async def save_published_versions(tab: Console, name: str) -> None:
    await tab.follow(name, "Configuration")
    await tab.page.get_by_label("Published versions").check()
    await tab.page.get_by_role("button", name="Save").click()
    await expect(tab.page.get_by_text("Saved.")).to_be_visible()


async def publish(tab: Console) -> None:
    await tab.follow("Publish a version to get a snapshot of it")
    await tab.page.get_by_role("button", name="Publish version").click()
    told = tab.page.locator("form", has_text="Publish version").get_by_role("status")
    await expect(told).to_contain_text("Version 1: Creating")
    await expect(told).to_contain_text("Version 1 is ready.", timeout=180_000)


async def invoke(tab: Console) -> None:
    await tab.follow("Test it")
    await tab.page.get_by_label("Payload", exact=True).fill('{"name": "Bob"}')
    await tab.page.get_by_role("button", name="Test").click()
    await expect(tab.page.get_by_label("Payload of the answer")).to_have_text('"hello Bob"', timeout=60_000)
    await expect(tab.page.get_by_label("Tail of the log")).to_contain_text("asked for Bob")
    await expect(tab.page.locator("dd", has_text="restore")).to_be_visible()


async def look_around(tab: Console, cluster: Cluster, name: str) -> None:
    """What the walk-through left: a start in the chart, a snapshot, and its place in a node's cache."""
    await tab.follow("Starts")
    await expect(tab.page.locator(".restore circle.dot")).to_have_count(1)
    await tab.follow("Snapshots")
    snapshots = tab.page.get_by_role("region", name="Snapshots", exact=True)
    await expect(snapshots.get_by_role("row").filter(has_text=f"{name}:1")).to_contain_text("Ready")
    await tab.follow("Nodes")
    for node in cluster.nodes():
        await expect(tab.page.get_by_role("heading", name=node, exact=True)).to_be_visible()
    await expect(tab.page.get_by_text(f"{NAMESPACE}/{name}:1").first).to_be_visible()
