"""The console in a real browser, at a gateway of the unit tests' small cluster."""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import AsyncIterator
from types import SimpleNamespace
from typing import Any

import pytest
from aiohttp import web
from axe_playwright_python.async_playwright import Axe
from playwright.async_api import Browser, Page, expect

from browser import Console, chromium, console
from thaw.api.node import CachedSnapshot, CacheInfo, NodeInfo
from thaw.kube import kinds
from unit.gateway.conftest import Lambda
from unit.gateway.world import NAMESPACE, NODE, World

pytestmark = [pytest.mark.integration, pytest.mark.timeout(120)]
USER = "system:serviceaccount:default:ann"
TOKEN, POWERLESS = "a-token-of-ann", "a-token-of-nobody"
NONE = "\N{EN DASH}"
PENDING = {"state": "Pending", "stateReasonCode": "Creating", "stateReason": "the function initialises"}
MARKUP = "<img src=x onerror=\"window.run='description'\">"
PAGES = ("functions", "functions/greet", "functions/greet/test", "functions/greet/configuration")
PAGES += ("functions/greet/starts", "snapshots", "nodes")


async def hello(process: Any, headers: dict[str, str], payload: bytes) -> web.StreamResponse:
    log = f"START RequestId: 1\n{MARKUP}\nREPORT RequestId: 1\tDuration: 12.50 ms\tBilled Duration: 13 ms\n"
    tail = {"Thaw-Log-Tail": base64.b64encode(log.encode()).decode()}
    return web.json_response({"greeting": f"hello {json.loads(payload).get('name')}"}, headers=tail)


@pytest.fixture
async def world() -> AsyncIterator[World]:
    found = World()
    await found.serve()
    found.invoke = hello
    found.kube.tokens |= {TOKEN: {"username": USER}, POWERLESS: {"username": "nobody"}}
    for verb in ("invoke", "publish", "get", "list", "create", "update", "delete"):
        found.kube.rights.add((USER, verb, NAMESPACE, ""))
    yield found
    await found.close()


@pytest.fixture
async def browser() -> AsyncIterator[Browser]:
    async with chromium() as found:
        yield found


@pytest.fixture
async def tab(world: World, browser: Browser) -> AsyncIterator[Console]:
    async with console(browser, world.endpoint) as found:
        yield found


async def furnish(world: World) -> None:
    """A function with a version that restores, one that is not there yet, and one that failed; an alias; starts."""
    world.function("greet", snapStart={"applyOn": "PublishedVersions"}, environment={"A": "1"}, description=MARKUP)
    await published(world, {"state": "Active", "initDurationMs": 2104.0, "snapshotBytes": 80 << 20})
    await published(world, PENDING)
    await published(world, {"state": "Failed", "stateReasonCode": "FunctionError", "stateReason": MARKUP})
    spec = {"functionName": "greet", "name": "live", "functionVersion": "1", "description": MARKUP}
    world.kube.put(kinds.FUNCTION_ALIAS, {"metadata": {"name": "greet-live"}, "spec": spec})
    status = {"sizeBytes": 80 << 20, "storedBytes": 20 << 20, "createdAt": "2026-01-01T00:00:00Z"}
    await world.kube.patch(kinds.SNAPSHOT, NAMESPACE, "greet-1-s1", {"status": status})
    cached = CachedSnapshot(id="snap-greet-1", digest="d", bytes=70 << 20)
    on_node(world, CacheInfo(node=NODE, snapshots=(cached,)))
    target: Any = SimpleNamespace(namespace=NAMESPACE, function="greet", qualifier="1")
    for start, seconds in (("restore", 0.3), ("restore", 0.34), ("cold", 2.3), ("cold", 2.4), ("warm", 0.01)):
        world.gateway.front.live.recent.saw(target, start, seconds, 140 if start == "restore" else 0)


def on_node(world: World, cache: CacheInfo) -> None:
    async def node(base_url: str) -> NodeInfo:
        return NodeInfo(node=NODE, checkpoint=True, version="1.2.3", fingerprint={"arch": "x86_64", "criu": "4.2.1"})

    async def held(base_url: str) -> CacheInfo:
        return cache

    world.agents.node, world.agents.cache = node, held


async def published(world: World, state: dict[str, Any]) -> None:
    world.next_state = state
    count = str(len(world.kube.all(kinds.FUNCTION_VERSION)))
    await world.kube.patch(kinds.FUNCTION, NAMESPACE, "greet", {"spec": {"environment": {"A": count}}})
    await world.publish("greet")


async def activate(world: World, version: str) -> None:
    """What the operator does when the snapshot is stored: the version is as if it had been Active at once."""
    found = await world.kube.get(kinds.FUNCTION_VERSION, NAMESPACE, version)
    number = found["status"]["version"]
    snapshot = {
        "metadata": {"name": f"{version}-s1", "uid": f"snap-{version}"},
        "spec": {"functionName": found["spec"]["functionName"], "versionName": version, "version": number},
        "status": {"phase": "Ready", "node": NODE},
    }
    world.kube.put(kinds.SNAPSHOT, snapshot)
    snap_start = {"applyOn": "PublishedVersions", "optimizationStatus": "On"}
    status = {"state": "Active", "stateReason": "", "stateReasonCode": "", "snapStart": snap_start}
    status |= {"snapshotRef": f"{version}-s1", "initDurationMs": 2100.0}
    await world.kube.patch(kinds.FUNCTION_VERSION, NAMESPACE, version, {"status": status})


async def spec_of(world: World, name: str) -> dict[str, Any]:
    return (await world.kube.get(kinds.FUNCTION, NAMESPACE, name))["spec"]


# ------------------------------------------------------------ the walk-through


async def test_choose_published_versions_save_publish_wait_and_test(world: World, tab: Console) -> None:
    world.function("greet")
    world.next_state = PENDING
    page = tab.page
    await tab.sign_in(TOKEN)
    await tab.follow("greet", "Configuration")
    await page.get_by_label("Published versions").check()
    await page.get_by_label("Memory").fill("512")
    await page.get_by_label("Description").fill("says hello")
    await page.get_by_role("button", name="Add a variable").click()
    await page.get_by_label("Name", exact=True).fill("TABLE")
    await page.get_by_label("Value", exact=True).fill("orders")
    await page.get_by_role("button", name="Save").click()
    await expect(page.locator("form").get_by_role("status")).to_contain_text("Saved.")
    spec = await spec_of(world, "greet")
    assert spec["snapStart"] == {"applyOn": "PublishedVersions"}
    assert (spec["memorySize"], spec["description"], spec["environment"]) == (512, "says hello", {"TABLE": "orders"})

    await tab.follow("Publish a version to get a snapshot of it")
    await page.get_by_role("button", name="Publish version").click()
    told = page.locator("form", has_text="Publish version").get_by_role("status")
    await expect(told).to_contain_text("Version 1: Creating: the function initialises")
    await expect(page.get_by_role("region", name="Versions of greet")).to_contain_text("Pending")
    await activate(world, "greet-1")
    await expect(told).to_contain_text("Version 1 is ready.")
    await expect(page.locator("#announcement")).to_have_text("Version 1 is Active.")
    row = (await tab.table("Versions of greet"))[0]
    assert row[:4] == ["1", "● Active", "On", "2.10 s"]

    await tab.follow("Test it")
    await expect(page.get_by_label("Version or alias")).to_have_value("1")
    await page.get_by_label("Payload", exact=True).fill('{"name": "Bob"}')
    await page.get_by_role("button", name="Test").click()
    await expect(page.get_by_label("Payload of the answer")).to_contain_text('"greeting": "hello Bob"')
    facts = dict(
        zip(await page.locator("dt").all_inner_texts(), await page.locator("dd").all_inner_texts(), strict=True)
    )
    assert facts.pop("Until the answer").endswith(" ms")
    assert float(facts.pop("Restore").removesuffix(" ms")) >= 100
    assert facts == {
        "Result": "✓ Succeeded",
        "Start": "❄ restore",
        "Duration in the function": "13 ms",
        "Version": "1",
    }
    await expect(page.get_by_label("Tail of the log")).to_contain_text("REPORT RequestId: 1")


async def test_publishing_what_has_not_changed_says_so(world: World, tab: Console) -> None:
    await furnish(world)
    await tab.sign_in(TOKEN)
    await tab.open("functions/greet")
    await page_has_rows(tab.page, "Versions of greet", 3)
    await tab.page.get_by_role("button", name="Publish version").click()
    await expect(tab.page.get_by_text("Nothing has changed since version 3")).to_be_visible()


async def test_a_publish_that_fails_tells_the_functions_own_words(world: World, tab: Console) -> None:
    world.function("greet")
    world.next_state = PENDING
    await tab.sign_in(TOKEN)
    await tab.open("functions/greet")
    await tab.page.get_by_role("button", name="Publish version").click()
    await expect(tab.page.get_by_text("Version 1: Creating")).to_be_visible()
    status = {"state": "Failed", "stateReasonCode": "FunctionError", "stateReason": "KeyError: 'TABLE'"}
    await world.kube.patch(kinds.FUNCTION_VERSION, NAMESPACE, "greet-1", {"status": status})
    await expect(tab.page.get_by_text("Version 1: FunctionError: KeyError: 'TABLE'")).to_be_visible()
    await expect(tab.page.locator("#announcement")).to_contain_text("Version 1 is Failed. FunctionError: KeyError")


async def page_has_rows(page: Page, region: str, count: int) -> None:
    await expect(page.get_by_role("region", name=region).locator("tbody tr")).to_have_count(count)


async def test_the_walk_through_by_keyboard_alone(world: World, tab: Console) -> None:
    world.function("greet")
    page = tab.page
    await page.goto(tab.url)
    await expect(page.get_by_label("Token")).to_be_focused()
    await page.keyboard.insert_text(TOKEN)
    await page.keyboard.press("Enter")
    await expect(page.get_by_role("heading", level=1, name="Functions")).to_be_focused()
    await step_to(page, "greet")
    await page.keyboard.press("Enter")
    await expect(page.get_by_role("heading", level=1, name="greet")).to_be_focused()
    await step_to(page, "Configuration")
    await page.keyboard.press("Enter")
    await expect(page.get_by_label("Memory")).to_be_visible()
    await expect(page.get_by_role("heading", level=1, name="greet")).to_be_focused()
    await step_to(page, "None")
    await page.keyboard.press("ArrowDown")
    await step_to(page, "Save")
    await page.keyboard.press("Enter")
    await expect(page.get_by_text("Saved.")).to_be_visible()
    await step_to(page, "Publish a version to get a snapshot of it")
    await page.keyboard.press("Enter")
    await expect(page.get_by_role("button", name="Publish version")).to_be_visible()
    await expect(page.get_by_role("heading", level=1, name="greet")).to_be_focused()
    await step_to(page, "Publish version")
    await page.keyboard.press("Enter")
    await expect(page.get_by_text("Version 1 is ready.")).to_be_visible()
    await step_to(page, "Test it")
    await page.keyboard.press("Enter")
    await expect(page.get_by_role("heading", level=1, name="greet")).to_be_focused()
    await step_to(page, "Payload")
    await page.keyboard.press("Control+Enter")
    await expect(page.get_by_label("Payload of the answer")).to_contain_text("hello")
    assert "restore" in await page.get_by_text("Start", exact=True).locator("xpath=following-sibling::dd").inner_text()


_FOCUSED = """() => {
  const e = document.activeElement;
  const style = getComputedStyle(e);
  const label = e.labels?.[0]?.innerText ?? e.getAttribute("aria-label") ?? e.innerText ?? "";
  return {label: label.trim(), shown: style.outlineStyle !== "none" && parseFloat(style.outlineWidth) >= 2};
}"""


async def step_to(page: Page, label: str) -> None:
    """Presses Tab until the focus is on what is called so; the focus is seen at each step."""
    seen = []
    for _ in range(40):
        await page.keyboard.press("Tab")
        at = await page.evaluate(_FOCUSED)
        assert at["shown"] or not at["label"], f"the focus on {at['label']!r} is not to be seen"
        if at["label"] == label:
            return
        seen.append(at["label"])
    pytest.fail(f"Tab does not reach {label!r}: {seen}")


# ------------------------------------------------------------ what the API says


async def test_a_change_by_somebody_else_is_not_overwritten(world: World, tab: Console) -> None:
    world.function("greet", description="mine")
    await tab.sign_in(TOKEN)
    await tab.open("functions/greet/configuration")
    await world.kube.patch(kinds.FUNCTION, NAMESPACE, "greet", {"spec": {"description": "theirs", "memorySize": 1024}})
    await tab.page.get_by_label("Description").fill("mine again")
    await tab.page.get_by_role("button", name="Save").click()
    await expect(tab.page.get_by_text("PreconditionFailedException")).to_be_visible()
    assert (await spec_of(world, "greet"))["description"] == "theirs"
    await tab.page.get_by_role("button", name="Show their values").click()
    await expect(tab.page.get_by_label("Description")).to_have_value("theirs")
    await expect(tab.page.get_by_label("Memory")).to_have_value("1024")
    await tab.page.get_by_label("Description").fill("ours")
    await tab.page.get_by_role("button", name="Save").click()
    await expect(tab.page.get_by_text("Saved.")).to_be_visible()
    assert (await spec_of(world, "greet"))["description"] == "ours"


async def test_a_refusal_is_told_in_the_apis_words(world: World, tab: Console) -> None:
    world.function("greet")
    world.kube.rights.remove((USER, "update", NAMESPACE, ""))
    await tab.sign_in(TOKEN)
    await tab.open("functions/greet/configuration")
    await tab.page.get_by_role("button", name="Save").click()
    told = tab.page.locator("form").get_by_role("status")
    await expect(told).to_contain_text("AccessDeniedException: ")
    await expect(told).to_contain_text("lambda:UpdateFunctionConfiguration")
    await tab.open("functions/absent")
    await expect(tab.page.get_by_role("alert")).to_contain_text("ResourceNotFoundException: Function not found")


async def test_who_cannot_sign_in_is_told_why(world: World, tab: Console) -> None:
    page = tab.page
    await page.goto(tab.url)
    for token, words in (("wrong", "UnrecognizedClientException: "), (POWERLESS, "nobody may do nothing")):
        await page.get_by_label("Token").fill(token)
        await page.get_by_role("button", name="Sign in").click()
        await expect(page.locator("form").get_by_role("status")).to_contain_text(words)
    assert await page.evaluate("sessionStorage.length") == 0


async def test_a_token_that_ends_leads_back_to_signing_in(world: World, tab: Console) -> None:
    world.function("greet")
    await tab.sign_in(TOKEN)
    await tab.page.evaluate("sessionStorage.setItem('thaw.token', 'one that has ended')")
    await tab.follow("Snapshots")
    await expect(tab.page.get_by_text("You were signed out")).to_be_visible()
    assert await tab.page.evaluate("sessionStorage.length") == 0


async def test_the_token_is_in_this_tabs_session_storage_and_nowhere_else(world: World, tab: Console) -> None:
    await tab.sign_in(TOKEN)
    page = tab.page
    assert TOKEN not in page.url
    assert TOKEN not in json.dumps(await page.evaluate("({...localStorage})"))
    assert await page.context.cookies() == []
    await page.reload()
    await expect(page.get_by_role("heading", level=1, name="Functions")).to_be_visible()
    await page.get_by_role("button", name="Sign out").click()
    await expect(page.get_by_role("heading", name="Sign in to Thaw")).to_be_visible()
    assert await page.evaluate("sessionStorage.length") == 0


async def test_another_namespace_is_asked_for_by_name(world: World, tab: Console) -> None:
    world.function("greet")
    world.function("other", namespace="team-b")
    world.kube.rights.add((USER, "list", "team-b", ""))
    await tab.sign_in(TOKEN)
    await expect(tab.page.get_by_role("link", name="greet")).to_be_visible()
    await tab.page.get_by_label("Namespace").fill("team-b")
    await tab.page.get_by_role("button", name="Switch").click()
    await expect(tab.page.get_by_role("link", name="other")).to_be_visible()
    await expect(tab.page.get_by_role("link", name="greet")).to_have_count(0)


async def test_a_payload_that_is_no_json_is_not_sent(world: World, tab: Console) -> None:
    world.function("greet")
    await tab.sign_in(TOKEN)
    await tab.open("functions/greet/test")
    payload = tab.page.get_by_label("Payload", exact=True)
    await payload.fill('{"name": ')
    await expect(tab.page.get_by_text("This is not JSON")).to_be_visible()
    await expect(payload).to_have_attribute("aria-invalid", "true")
    await tab.page.get_by_role("button", name="Test").click()
    await expect(payload).to_be_focused()
    assert world.instances() == []


async def test_a_function_error_is_shown_as_one(world: World, tab: Console) -> None:
    async def fails(*_: Any) -> web.StreamResponse:
        headers = {"Thaw-Function-Error": "Unhandled"}
        return web.json_response({"errorType": "ValueError", "errorMessage": "no"}, headers=headers)

    world.invoke = fails
    world.function("greet")
    await tab.sign_in(TOKEN)
    await tab.open("functions/greet/test")
    await tab.page.get_by_role("button", name="Test").click()
    await expect(tab.page.get_by_text("✕ Failed Unhandled")).to_be_visible()
    await expect(tab.page.get_by_label("Payload of the answer")).to_contain_text("ValueError")
    await expect(tab.page.locator("dd", has_text="cold")).to_be_visible()


async def test_an_alias_is_created_and_moved_with_a_share_for_a_second_version(world: World, tab: Console) -> None:
    await furnish(world)
    page = tab.page
    await tab.sign_in(TOKEN)
    await tab.open("functions/greet")
    assert (await tab.table("Aliases of greet"))[0][:4] == ["live", "1", NONE, MARKUP]
    await page.get_by_role("button", name="Move live").click()
    await page.get_by_label("Version", exact=True).select_option("3")
    await page.get_by_label("Second version").select_option("1")
    await page.get_by_label("Its share").fill("25")
    await page.get_by_role("button", name="Save alias").click()
    await expect(page.get_by_text("live was moved.")).to_be_visible()
    spec = (await world.kube.get(kinds.FUNCTION_ALIAS, NAMESPACE, "greet-live"))["spec"]
    assert (spec["functionVersion"], spec["additionalVersionWeights"]) == ("3", {"1": 0.25})
    await page.get_by_label("Name", exact=True).fill("next")
    await page.get_by_label("Second version").select_option("")
    await page.get_by_role("button", name="Save alias").click()
    await expect(page.get_by_text("next was created.")).to_be_visible()
    rows = await tab.table("Aliases of greet")
    assert [row[:3] for row in rows] == [["live", "3", "1, 25 % of the requests"], ["next", "3", NONE]]


async def test_snapshots_nodes_and_starts_are_told_as_they_are(world: World, tab: Console) -> None:
    await furnish(world)
    await tab.sign_in(TOKEN)
    await tab.follow("Snapshots")
    await page_has_rows(tab.page, "Snapshots", 1)
    row = (await tab.table("Snapshots"))[0]
    assert row[:6] == ["greet-1-s1", "greet:1", "● Ready", "Yes", "80 MiB", "20 MiB"]
    await tab.follow("Nodes")
    await page_has_rows(tab.page, f"Snapshots in the cache of {NODE}", 1)
    assert await tab.table(f"Snapshots in the cache of {NODE}") == [["greet-1-s1", "default/greet:1", "70 MiB"]]
    await tab.open("functions/greet/starts")
    await page_has_rows(tab.page, "Starts by kind", 3)
    rows = await tab.table("Starts by kind")
    assert rows[0] == ["❄ restore", "2", "300 ms", "300 ms", "340 ms", "340 ms"]
    assert rows[1] == ["◇ cold", "2", "2.30 s", "2.30 s", "2.40 s", "2.40 s"]
    chart = tab.page.get_by_role("img", name="restore: 2 starts, median 300 ms; cold: 2 starts, median 2.30 s")
    assert await chart.locator(".restore circle.dot").count() == 2
    assert await chart.locator(".cold path.dot").count() == 2
    await expect(tab.page.get_by_text("7.7 times as fast")).to_be_visible()


async def test_instances_are_counted_as_they_come(world: World, tab: Console) -> None:
    await furnish(world)
    await tab.sign_in(TOKEN)
    await tab.open("functions/greet")
    cell = tab.page.get_by_role("region", name="Versions of greet").locator("tbody tr").last.locator("td").nth(6)
    await expect(cell).to_have_text("0")
    await Lambda(world.endpoint).invoke(FunctionName="greet", Qualifier="1")
    await expect(cell).to_have_text("1")


# ------------------------------------------------------------ for everybody, and safe


async def test_text_is_never_markup(world: World, tab: Console) -> None:
    await furnish(world)
    page = tab.page
    await tab.sign_in(TOKEN)
    for place in PAGES:
        await tab.open(place)
    await tab.open("functions/greet")
    await page_has_rows(page, "Versions of greet", 3)
    assert await page.get_by_text(MARKUP).count() == 3, "the function's, the version's and the alias's, word for word"
    await tab.open("functions/greet/test?qualifier=1")
    await page.get_by_label("Payload", exact=True).fill(json.dumps({"name": MARKUP}))
    await page.get_by_role("button", name="Test").click()
    await expect(page.get_by_label("Tail of the log")).to_contain_text(MARKUP)
    assert await page.locator("main img, main script, main iframe").count() == 0
    assert await page.evaluate("window.run") is None


@pytest.mark.parametrize("scheme", ["light", "dark"])
async def test_nothing_that_axe_finds(world: World, browser: Browser, scheme: Any) -> None:
    await furnish(world)
    # axe writes markup itself, which the page's own policy forbids.
    async with console(browser, world.endpoint, color_scheme=scheme, bypass_csp=True) as tab:
        await tab.page.goto(tab.url)
        await tab.page.locator("summary").click()
        await accessible(tab)
        await tab.sign_in(TOKEN)
        for place in PAGES:
            await tab.open(place)
            await settled(tab.page, place)
            await accessible(tab)


async def settled(page: Page, place: str) -> None:
    """Until what comes after the page itself is there."""
    if place == "functions/greet":
        await page_has_rows(page, "Versions of greet", 3)
        await page_has_rows(page, "Aliases of greet", 1)


async def accessible(tab: Console) -> None:
    found = await Axe().run(tab.page)
    assert found.violations_count == 0, f"{tab.page.url}\n{found.generate_report()}"
    assert await tab.page.locator("h1").count() == 1


async def test_light_and_dark_are_both_drawn(world: World, browser: Browser) -> None:
    await furnish(world)
    light = {}
    for scheme in ("light", "dark"):
        async with console(browser, world.endpoint, color_scheme=scheme) as tab:
            await tab.sign_in(TOKEN)
            await tab.open("functions/greet/starts")
            light[scheme] = await brightness(tab.page)
            await tab.page.get_by_label("Theme").select_option("light" if scheme == "dark" else "dark")
            light[f"{scheme}, changed"] = await brightness(tab.page)
            await tab.page.reload()
            await expect(tab.page.locator("svg.chart")).to_be_visible()
            assert await brightness(tab.page) == pytest.approx(light[f"{scheme}, changed"], abs=2), "it is remembered"
    assert min(light["light"], light["dark, changed"]) > 200
    assert max(light["dark"], light["light, changed"]) < 60


_PIXELS = """async (png) => {
  const bytes = Uint8Array.from(atob(png), (c) => c.charCodeAt(0));
  const image = await createImageBitmap(new Blob([bytes], {type: "image/png"}));
  const canvas = new OffscreenCanvas(image.width, image.height);
  const context = canvas.getContext("2d");
  context.drawImage(image, 0, 0);
  const { data } = context.getImageData(0, 0, image.width, image.height);
  let sum = 0;
  const colours = new Set();
  for (let i = 0; i < data.length; i += 4) {
    sum += (data[i] + data[i + 1] + data[i + 2]) / 3;
    colours.add((data[i] << 16) | (data[i + 1] << 8) | data[i + 2]);
  }
  return {mean: sum / (data.length / 4), colours: colours.size};
}"""


async def brightness(page: Page) -> float:
    """The mean of the picture, 0 to 255; it is not blank."""
    drawn = await page.evaluate(_PIXELS, base64.b64encode(await page.screenshot()).decode())
    assert drawn["colours"] > 100
    return float(drawn["mean"])


async def test_a_narrow_screen_shows_all_without_scrolling_sideways(world: World, browser: Browser) -> None:
    await furnish(world)
    async with console(browser, world.endpoint, viewport={"width": 340, "height": 700}) as tab:
        await tab.sign_in(TOKEN)
        for place in PAGES:
            await tab.open(place)
            await settled(tab.page, place)
            wide = await tab.page.evaluate("document.scrollingElement.scrollWidth")
            assert wide <= 340, place


async def test_the_first_paint_waits_for_no_data(world: World, tab: Console) -> None:
    """The frame is there while the API has not answered."""
    await tab.sign_in(TOKEN)
    answer = asyncio.Event()

    async def late(route: Any) -> None:
        await answer.wait()
        await route.continue_()

    await tab.page.route("**/thaw/v1/**", late)
    await tab.page.reload()
    await expect(tab.page.get_by_role("link", name="Thaw")).to_be_visible()
    answer.set()
    await expect(tab.page.get_by_role("heading", level=1, name="Functions")).to_be_visible()
