"""The list keeps still under the hand, finds what is looked for, and says when it may be old."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
from playwright.async_api import Browser, expect

from tests.browser.console_driver import console_in
from tests.fakes.console_server import ConsoleServer

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="session")]


@pytest_asyncio.fixture(loop_scope="session")
async def desk(built_pages: Path) -> AsyncIterator[ConsoleServer]:
    """A fresh fake desk."""
    async with ConsoleServer(built_pages) as server:
        yield server


async def test_no_row_moves_under_the_pointer(chromium: Browser, desk: ConsoleServer) -> None:
    first, second = await desk.new_call("+1"), await desk.new_call("+2")
    async with console_in(chromium, desk.url) as console:
        await console.row(first.id).hover()
        before = await console.row(first.id).bounding_box()

        await desk.wants_a_person(second)
        await desk.ring(second, "sato")
        third = await desk.new_call("+3")
        await desk.ends(first)
        chip = console.page.locator(".chip")
        await expect(chip).to_contain_text("2 new or changed")

        await expect(console.row(first.id)).to_contain_text("Ended")
        after = await console.row(first.id).bounding_box()
        assert before is not None
        assert after is not None
        assert abs(after["y"] - before["y"]) <= 0.5
        await expect(console.row(third.id)).to_have_count(0)
        await console.page.mouse.move(900, 500)
        await expect(chip).to_have_count(0)
        rows = console.page.locator(".row .row-caller")
        await expect(rows).to_have_text(["+2", "+1", "+3"])


async def test_no_row_moves_while_the_keyboard_is_on_the_list(chromium: Browser, desk: ConsoleServer) -> None:
    first, second = await desk.new_call("+1"), await desk.new_call("+2")
    async with console_in(chromium, desk.url) as console:
        await console.page.locator("[data-search]").focus()
        await console.press("Tab")
        await expect(console.row(first.id).locator(".row-open")).to_be_focused()

        await desk.wants_a_person(second)
        await expect(console.row(second.id)).to_contain_text("Waiting for a person")
        await expect(console.page.locator(".row .row-caller")).to_have_text(["+1", "+2"])
        await console.press("Escape")

        await expect(console.page.locator(".row .row-caller")).to_have_text(["+2", "+1"])


async def test_the_search_narrows_the_list_and_keys_are_letters_in_it(
    chromium: Browser, desk: ConsoleServer
) -> None:
    one, other = await desk.new_call("+81 90"), await desk.new_call("+44 20")
    async with console_in(chromium, desk.url) as console:
        await desk.says(other, "caller", "I lost my key.")
        await console.press("/")
        await console.page.keyboard.type("key")

        await expect(console.row(one.id)).to_have_count(0)
        await expect(console.row(other.id)).to_be_visible()
        assert await console.page.locator("[data-search]").input_value() == "key"
        await expect(console.page.locator("[aria-current]")).to_have_count(0)  # K moved nothing


async def test_single_keys_rest_while_an_input_method_composes_and_can_be_switched_off(
    chromium: Browser, desk: ConsoleServer
) -> None:
    await desk.new_call()
    async with console_in(chromium, desk.url) as console:
        await console.page.evaluate(
            "window.dispatchEvent(new KeyboardEvent('keydown', { key: 'j', isComposing: true }))"
        )
        await expect(console.page.locator("[aria-current]")).to_have_count(0)
        await console.press("?")
        await console.page.get_by_label("Single keys work").uncheck()
        await console.press("Escape", "j")
        await expect(console.page.locator("dialog[open]")).to_have_count(0)
        await expect(console.page.locator("[aria-current]")).to_have_count(0)
        await console.page.get_by_role("button", name="Keys").click()
        await console.page.get_by_label("Single keys work").check()
        await console.press("Escape", "j")

        await expect(console.page.locator("[aria-current]")).to_have_count(1)


async def test_without_the_server_the_page_says_how_old_it_is_and_comes_back(
    chromium: Browser, desk: ConsoleServer
) -> None:
    call = await desk.new_call()
    async with console_in(chromium, desk.url) as console:
        await console.press("j", "l")
        await console.until_strip("listen")
        desk.feed_open = False
        await desk.cut_feeds()

        await expect(console.page.locator(".banner")).to_contain_text("Last update")
        await expect(console.action("takeover")).to_have_attribute("aria-disabled", "true")
        await console.until_strip("listen")  # the sound does not depend on the feed
        missed = await desk.new_call("+99")
        await desk.says(call, "agent", "Said meanwhile.")
        desk.feed_open = True

        await expect(console.row(missed.id)).to_be_visible(timeout=10_000)
        await expect(console.page.locator(".banner")).to_have_count(0)
        await expect(console.page.locator(".line-text")).to_have_text(["Said meanwhile."])


async def test_a_row_says_what_became_of_a_request_and_why_a_call_ended(
    chromium: Browser, desk: ConsoleServer
) -> None:
    booked, lost = await desk.new_call("+1"), await desk.new_call("+2")
    async with console_in(chromium, desk.url) as console:
        handoff_id = await desk.wants_a_person(booked)
        await expect(console.row(booked.id)).to_contain_text("Waiting for a person")
        gone = {"handoff_id": handoff_id, "waited_ms": 1}
        await desk.publish(booked, "handoff.timed_out", gone | {"attempts": 1})
        await expect(console.row(booked.id)).to_contain_text("Nobody was free")
        await expect(console.row(booked.id).locator('[data-action="take"]')).to_have_count(0)
        await desk.publish(booked, "handoff.callback_booked", gone | {"number": None, "when": "at ten"})
        await expect(console.row(booked.id)).to_contain_text("To be called back")
        await desk.wants_a_person(lost)
        await expect(console.row(lost.id)).to_contain_text("Waiting for a person")
        await desk.ends(lost, "node_lost")

        await expect(console.row(lost.id)).to_contain_text("A server was lost")
        await expect(console.row(lost.id).locator('[data-action="take"]')).to_have_count(0)


async def test_what_is_known_and_what_is_missing_stands_beside_the_transcript_as_it_is_heard(
    chromium: Browser, desk: ConsoleServer
) -> None:
    call = await desk.new_call()
    await desk.says(call, "agent", "Hello.")
    filled = {"goal": "booking", "slot": "name", "value": "Sato", "confirmed": True}
    await desk.publish(call, "slot.filled", filled)
    async with console_in(chromium, f"{desk.url}?call={call.id}") as console:
        await expect(console.page.locator(".line-text")).to_have_text(["Hello."])
        await expect(console.page.locator(".slot")).to_have_count(3)
        await expect(console.page.locator(".slot-confirmed")).to_contain_text("Sato")
        partial = {"item_id": "p", "speaker": "caller", "text": "I would"}
        await desk.publish(call, "transcript.partial", partial, numbered=False)

        await expect(console.page.locator(".line-partial")).to_contain_text("I would")
        await expect(console.row(call.id)).to_contain_text("I would")


async def test_a_session_that_is_over_leads_back_to_the_door(chromium: Browser, desk: ConsoleServer) -> None:
    async with console_in(chromium, desk.url) as console:
        await console.page.get_by_role("button", name="Sign out").click()

        await expect(console.page.get_by_role("heading", name="Sign in to the desk")).to_be_visible()
        states = [body["state"] for _, method, _, body in desk.asked if method == "PUT"]
        assert states[-1] == "offline"


async def test_a_caller_has_no_business_here(chromium: Browser, desk: ConsoleServer) -> None:
    desk.role = "caller"
    async with console_in(chromium, desk.url, person=None) as console:
        await console.page.locator("input[name=username]").fill("sato")
        await console.page.locator("input[name=password]").fill("correct horse battery")
        await console.press("Enter")

        await expect(console.page.get_by_role("alert")).to_contain_text("not as an operator")
