"""Every state of the console in both languages, in light and dark: axe-core finds nothing, nothing is cut off."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest
import pytest_asyncio
from playwright.async_api import Browser, expect

from tests.browser.axe import violations
from tests.browser.console_driver import ConsolePage, console_in
from tests.fakes.console_server import ConsoleServer, FakeDeskCall

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="session")]


@pytest_asyncio.fixture(loop_scope="session")
async def desk(built_pages: Path) -> AsyncIterator[ConsoleServer]:
    """A fresh fake desk."""
    async with ConsoleServer(built_pages) as server:
        yield server


async def at_the_door(console: ConsolePage, desk: ConsoleServer) -> None:
    await console.page.get_by_role("button", name="Sign out").click()
    await console.page.locator("input[name=username]").fill("sato")
    await console.page.locator("input[name=password]").fill("wrong")
    await console.press("Enter")
    await console.page.locator(".form-problem").wait_for()


async def empty(console: ConsolePage, desk: ConsoleServer) -> None:
    await expect(console.page.get_by_text("No calls right now")).to_be_visible()
    await console.page.locator(".menu summary").click()


async def busy_desk(desk: ConsoleServer) -> FakeDeskCall:
    """A call in every group; returns the one that waits."""
    desk.here("mori", "busy")
    with_mori = await desk.new_call("+1 212 555 0100")
    await desk.connect(with_mori, "mori")
    await desk.new_call(None)
    waiting = await desk.new_call("+81 90 1234 5678")
    await desk.says(waiting, "agent", "At ten, or at three.", heard_text="At ten,", interrupted=True)
    await desk.says(waiting, "caller", "I want my money back.")
    tool = {"name": "book", "call_item_id": "t", "arguments": {"at": "15:00"}}
    await desk.publish(waiting, "tool.called", tool)
    slot = {"goal": "booking", "slot": "name", "value": "Sato", "confirmed": True}
    await desk.publish(waiting, "slot.filled", slot)
    await desk.publish(waiting, "recording.started", {"offset_ms": 0, "notice_heard": True})
    return waiting


async def ringing(console: ConsolePage, desk: ConsoleServer) -> None:
    await desk.ring(await busy_desk(desk), "sato")
    await console.until_strip("rings")
    await expect(console.page.locator(".line-text")).to_have_count(2)
    await expect(console.page.locator(".badge-rec")).to_have_count(1)


async def talking(console: ConsolePage, desk: ConsoleServer) -> None:
    await ringing(console, desk)
    await console.press("a")
    await console.talking()
    await console.press("r")
    await expect(console.page.locator(".one-line input")).to_be_focused()


async def listening(console: ConsolePage, desk: ConsoleServer) -> None:
    call = await desk.new_call()
    await console.row(call.id).wait_for()
    await console.press("j", "l")
    await console.until_strip("listen")
    await console.press("w")


async def wrapping_up(console: ConsolePage, desk: ConsoleServer) -> None:
    await talking(console, desk)
    await console.press("Enter")
    await console.page.locator(".wrap-up").wait_for()


async def resuming(console: ConsolePage, desk: ConsoleServer) -> None:
    call = await desk.new_call()
    await desk.connect(call, "sato")
    await console.until_strip("resume")


async def offline(console: ConsolePage, desk: ConsoleServer) -> None:
    await desk.wants_a_person(await busy_desk(desk))
    await console.press("j")
    desk.feed_open = False
    await desk.cut_feeds()
    await console.page.locator(".banner").wait_for()


async def on_a_break(console: ConsolePage, desk: ConsoleServer) -> None:
    call = await desk.new_call()
    missed = {"handoff_id": await desk.ring(call, "sato"), "operator": "sato", "offer_id": None}
    await desk.publish(call, "handoff.declined", missed | {"reason": "no_answer"})
    await console.page.locator('[data-notice="missed"]').wait_for()


async def helping(console: ConsolePage, desk: ConsoleServer) -> None:
    await console.press("?")
    await console.page.locator("dialog[open]").wait_for()


State = Callable[[ConsolePage, ConsoleServer], Awaitable[None]]
STATES: list[State] = [
    at_the_door, empty, ringing, talking, listening, wrapping_up, resuming, offline, on_a_break, helping,
]  # fmt: skip


@pytest.mark.parametrize("state", STATES)
async def test_axe_finds_nothing(
    chromium: Browser, desk: ConsoleServer, axe_source: str, state: State
) -> None:
    async with console_in(chromium, desk.url, color_scheme="light") as console:
        await state(console, desk)

        assert await violations(console.page, axe_source) == []
        await console.page.emulate_media(color_scheme="dark")
        # The menu stands behind the dialog of keys.
        await console.page.evaluate(
            "(menu) => { menu.value = 'ja'; menu.dispatchEvent(new Event('change', { bubbles: true })); }",
            await console.page.locator(".header-settings select").element_handle(),
        )
        await expect(console.page.locator("html")).to_have_attribute("lang", "ja")
        assert await violations(console.page, axe_source) == []


@pytest.mark.parametrize("lang", ["en", "ja"])
@pytest.mark.parametrize("state", [ringing, talking, wrapping_up])
async def test_nothing_is_wider_than_a_small_screen_and_buttons_are_big_enough(
    chromium: Browser, desk: ConsoleServer, lang: str, state: State
) -> None:
    small = {"width": 320, "height": 640}  # WCAG 1.4.10
    async with console_in(chromium, f"{desk.url}?lang={lang}", viewport=small) as console:
        await state(console, desk)

        assert await console.page.evaluate("document.documentElement.scrollWidth") <= 320
        for button in await console.page.locator(".strip .action").all():
            box = await button.bounding_box()
            assert box is not None
            assert min(box["width"], box["height"]) >= 44


async def test_the_console_in_japanese_is_japanese_throughout(chromium: Browser, desk: ConsoleServer) -> None:
    async with console_in(chromium, f"{desk.url}?lang=ja") as console:
        await ringing(console, desk)
        shown = [await console.page.locator(each).inner_text() for each in (".strip", ".actions", ".calls")]
        await console.press("?")
        shown.append(await console.page.locator("dialog").inner_text())

        latin = {word for text in shown for word in text.split() if word.isascii() and word.isalpha()}
        of_the_call = {"refund", "Wants", "the", "deposit", "I", "want", "my", "money"}
        keys = set("JKADLBTWMHRE") | {"Enter", "Esc"}
        assert latin - of_the_call - keys == set()
