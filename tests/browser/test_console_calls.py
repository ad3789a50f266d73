"""What an operator does at the console, by keyboard and by pointer, and what others see of it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
from playwright.async_api import Browser, expect

from tests.browser.console_driver import console_in, console_page
from tests.fakes.console_server import ConsoleServer
from tests.fakes.phone_server import Refusal

DENIED = """() => {
  navigator.mediaDevices.getUserMedia = () => Promise.reject(new DOMException("", "NotAllowedError"));
}"""

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="session")]


@pytest_asyncio.fixture(loop_scope="session")
async def desk(built_pages: Path) -> AsyncIterator[ConsoleServer]:
    """A fresh fake desk."""
    async with ConsoleServer(built_pages) as server:
        yield server


async def test_a_ringing_call_is_answered_held_returned_and_noted_by_keyboard_alone(
    chromium: Browser, desk: ConsoleServer
) -> None:
    async with console_in(chromium, desk.url) as console:
        call = await desk.new_call()
        await desk.ring(call, "sato")
        await console.until_strip("rings")
        await expect(console.strip).to_contain_text("refund")
        await expect(console.strip).to_contain_text("Wants the deposit back.")

        await console.press("a")
        await console.until_strip("mine")
        leg = await desk.until_leg()
        assert (leg.direction, "/accept?offer=" in leg.path) == ("sendrecv", True)
        await asyncio.wait_for(leg.heard.wait(), 10)
        await console.talking()
        await expect(console.strip).to_contain_text("You are talking")

        await console.press("m")
        assert await desk.until_asked("PATCH", "/operator") == {"muted": True}
        await expect(console.strip).to_contain_text("You are muted")
        await console.press("m", "h")
        assert await desk.until_asked("PATCH", "/operator", count=3) == {"hold": True}
        await expect(console.strip).to_contain_text("on hold")
        await console.talking()
        await console.press("h")
        await expect(console.strip).to_contain_text("You are talking")

        await console.press("r")
        await expect(console.page.locator(".one-line input")).to_be_focused()
        await console.page.keyboard.type("Harm done, mhrle?")  # letters that are keys, too
        await console.press("Enter")
        assert await desk.until_asked("POST", "/return") == {"note": "Harm done, mhrle?"}
        await console.until_strip("idle")
        await expect(console.row(call.id)).to_contain_text("With the agent")

        assert (await desk.until_asked("PUT", "/presence", count=2)) == {"state": "wrap_up"}
        await console.page.get_by_label("Solved", exact=True).focus()
        await console.press("Space", "Tab")
        await console.page.keyboard.type("Paid back.")
        await console.press("Tab", "Enter")
        noted = await desk.until_asked("POST", "/wrap-up")
        assert noted == {"outcome": "solved", "notes": "Paid back."}
        await expect(console.page.locator(".wrap-up")).to_have_count(0)
        assert (await desk.until_asked("PUT", "/presence", count=3)) == {"state": "available"}


async def test_a_call_is_taken_over_by_keyboard_alone_and_ended_at_the_second_press(
    chromium: Browser, desk: ConsoleServer
) -> None:
    first, second = await desk.new_call("+1"), await desk.new_call("+2")
    async with console_in(chromium, desk.url) as console:
        await expect(console.row(second.id)).to_be_visible()

        await console.press("j", "j", "k", "j")
        await expect(console.row(second.id).locator("[aria-current]")).to_have_count(1)
        await console.press("Enter")
        await expect(console.page.locator("#call-title")).to_be_focused()
        await console.press("t")
        leg = await desk.until_leg()
        assert leg.path == f"/v1/calls/{second.id}/takeover"
        await console.talking()

        await console.press("e")
        await expect(console.action("end").first).to_contain_text("press again")
        assert not [path for _, method, path, _ in desk.asked if method == "DELETE"]
        await console.press("e")
        await desk.until_asked("DELETE", second.id)
        await expect(console.row(second.id)).to_contain_text("Ended")
        await console.until_strip("idle")
        await expect(console.page.locator(".wrap-up")).to_contain_text("+2")
        await expect(console.row(first.id)).to_contain_text("With the agent")


async def test_listening_sends_nothing_and_becomes_joining_in_then_talking(
    chromium: Browser, desk: ConsoleServer
) -> None:
    call = await desk.new_call()
    async with console_in(chromium, desk.url, allow_microphone=True) as console:
        await console.press("j", "l")
        await console.until_strip("listen")
        assert (await desk.until_leg(1)).direction == "recvonly"
        await expect(console.strip).to_contain_text("Nobody hears you")

        await console.press("w")
        await expect(console.page.locator(".one-line input")).to_be_focused()
        await console.page.keyboard.type("Offer Thursday.")
        await console.press("Enter")
        assert await desk.until_asked("POST", "/say") == {"text": "Offer Thursday."}
        await expect(console.page.locator('[data-notice="whispered"]')).to_have_count(1)
        await expect(console.action("barge")).to_have_attribute("aria-disabled", "false")
        await console.press("b")
        await console.until_strip("barge")
        leg = await desk.until_leg(2)
        assert leg.direction == "sendrecv"
        await asyncio.wait_for(leg.heard.wait(), 10)
        await expect(console.row(call.id)).to_contain_text("joined in")
        await expect(console.action("takeover")).to_have_attribute("aria-disabled", "false")
        await console.press("t")
        await console.until_strip("mine")
        assert (await desk.until_leg(3)).path.endswith("/takeover")


async def test_others_see_who_answered_and_that_nothing_is_left_to_answer(
    chromium: Browser, desk: ConsoleServer
) -> None:
    async with (
        console_in(chromium, desk.url, person="sato") as sato,
        console_in(chromium, desk.url, person="mori") as mori,
    ):
        call = await desk.new_call("+81 3")
        await desk.ring(call, "sato")
        await sato.until_strip("rings")
        await expect(mori.row(call.id)).to_contain_text("Rings at 佐藤 花子")

        await mori.row(call.id).locator('[data-action="take"]').click()  # whoever is quicker
        await mori.talking()

        await expect(sato.page.locator('[data-notice="answered"]')).to_contain_text("森 健 answered +81 3")
        await sato.until_strip("idle")
        await expect(sato.row(call.id)).to_contain_text("With 森 健")
        await expect(sato.row(call.id).locator('[data-action="take"]')).to_have_count(0)


async def test_a_refusal_says_who_has_the_call(chromium: Browser, desk: ConsoleServer) -> None:
    desk.refusals["takeover"] = Refusal(status=409, code="already_taken")
    await desk.new_call()
    async with console_in(chromium, desk.url) as console:
        await console.press("j", "t")

        await expect(console.page.locator('[data-notice="problem"]')).to_contain_text(
            "Somebody else has this call"
        )
        await console.until_strip("idle")


async def test_without_a_microphone_it_goes_on_ringing_and_the_remedy_is_said(
    chromium: Browser, desk: ConsoleServer
) -> None:
    async with console_in(chromium, desk.url, allow_microphone=False) as console:
        await desk.ring(await desk.new_call(), "sato")
        await console.until_strip("rings")
        await console.page.evaluate(DENIED)

        await console.press("a")

        await expect(console.page.locator('[data-notice="problem"]')).to_contain_text(
            "may not use your microphone"
        )
        await console.until_strip("rings")
        assert desk.legs == []


async def test_declining_silences_this_console_only(chromium: Browser, desk: ConsoleServer) -> None:
    async with console_in(chromium, desk.url) as console:
        call = await desk.new_call()
        handoff_id = await desk.ring(call, "sato")
        await console.until_strip("rings")

        await console.press("d")

        assert "offer_id" in await desk.until_asked("POST", f"{handoff_id}/decline")
        await console.until_strip("idle")
        await expect(console.row(call.id)).to_contain_text("Waiting for a person")


async def test_a_missed_ring_is_said_and_one_click_makes_available_again(
    chromium: Browser, desk: ConsoleServer
) -> None:
    async with console_in(chromium, desk.url) as console:
        call = await desk.new_call()
        handoff_id = await desk.ring(call, "sato")
        await console.until_strip("rings")
        missed = {"handoff_id": handoff_id, "operator": "sato", "offer_id": None, "reason": "no_answer"}
        await desk.publish(call, "handoff.declined", missed)

        await expect(console.page.locator('[data-notice="missed"]')).to_contain_text("You missed")
        await console.action("available").click()

        assert await desk.until_asked("PUT", "/presence", count=2) == {"state": "available"}
        await expect(console.page.locator('[data-notice="missed"]')).to_have_count(0)


async def test_a_reload_resumes_the_audio_with_one_key(chromium: Browser, desk: ConsoleServer) -> None:
    async with console_in(chromium, desk.url) as console:
        call = await desk.new_call()
        await desk.ring(call, "sato")
        await console.until_strip("rings")
        await console.press("a")
        await console.talking()

        await console.page.reload()
        await console.until_strip("resume")
        await expect(console.action("resume")).to_be_focused()
        await console.press("Enter")

        leg = await desk.until_leg(2)
        assert leg.path == f"/v1/calls/{call.id}/operator"
        await asyncio.wait_for(leg.heard.wait(), 10)
        await console.talking()


async def test_a_lost_path_is_replaced_without_a_click(chromium: Browser, desk: ConsoleServer) -> None:
    async with console_in(chromium, desk.url) as console:
        call = await desk.new_call()
        await desk.ring(call, "sato")
        await console.until_strip("rings")
        await console.press("a")
        await console.talking()

        await (await desk.until_leg(1)).drop()
        leg = await desk.until_leg(2, within_s=20)

        assert leg.path.endswith("/operator")
        await asyncio.wait_for(leg.heard.wait(), 10)
        await expect(console.strip).to_contain_text("You are talking")


async def test_one_tab_has_the_audio_and_another_can_take_it(chromium: Browser, desk: ConsoleServer) -> None:
    async with console_in(chromium, desk.url) as first:
        await expect(first.page.locator(".audio-here")).to_have_count(1)
        call = await desk.new_call()
        await desk.ring(call, "sato")
        await first.until_strip("rings")
        await first.press("a")
        await first.talking()
        second = await console_page(await first.page.context.new_page(), desk.url)
        await second.until_strip("resume")

        await second.page.locator(".audio-move").click()

        await expect(second.page.locator(".audio-here")).to_have_count(1)
        await expect(first.page.locator(".audio-move")).to_have_count(1)
        await desk.until_leg(2)
        await second.talking()
        await first.until_strip("resume")
        assert second.page_errors == []
