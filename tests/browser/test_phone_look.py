"""Languages, colours, and accessibility of every state (axe-core finds nothing)."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest
from playwright.async_api import Browser, expect

from tests.browser.axe import violations
from tests.browser.phone_driver import PhonePage, phone_in
from tests.fakes.phone_server import AGENTS, PhoneServer, Refusal

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="session")]

HOLD_MICROPHONE = "navigator.mediaDevices.getUserMedia = () => new Promise(() => {});"


async def idle(phone: PhonePage, server: PhoneServer) -> None:
    await expect(phone.page.get_by_role("combobox")).to_have_count(2)  # language and agents


async def connecting(phone: PhonePage, server: PhoneServer) -> None:
    server.answering.clear()
    await phone.press_call()
    await phone.until_state("connecting")


async def talking(phone: PhonePage, server: PhoneServer) -> None:
    await phone.call()
    call = await server.next_call()
    await call.watched.wait()
    await call.says("a", 0, "agent", "At ten, or at three.", heard_text="At ten,", interrupted=True)
    await call.says("b", 1, "caller", "Three.")
    await call.publish("tool.called", {"name": "book", "call_item_id": "t", "arguments": {"at": "15:00"}})
    await call.publish("handoff.requested", {"handoff_id": "h", "reason": "asked", "summary": ""})
    await call.publish("session.failed", {"code": "x", "message": "y"})
    await call.publish(
        "transcript.partial", {"item_id": "c", "speaker": "agent", "text": "Than"}, numbered=False
    )
    await expect(phone.page.locator(".line-partial")).to_have_count(1)
    await phone.page.locator(".line-tool summary").click()
    await phone.page.locator(".round").nth(1).click()
    await phone.page.locator(".sound summary").click()


async def ended(phone: PhonePage, server: PhoneServer) -> None:
    await phone.call()
    await phone.hang_up()


async def failed(phone: PhonePage, server: PhoneServer) -> None:
    server.refusal = Refusal(status=503, code="no_capacity", retry_after_s=30)
    await phone.press_call()
    await phone.until_state("failed")


async def signing_in(phone: PhonePage, server: PhoneServer) -> None:
    server.token = "t"
    await phone.press_call()
    await phone.until_state("failed")


State = Callable[[PhonePage, PhoneServer], Awaitable[None]]


@pytest.mark.parametrize("state", [idle, connecting, talking, ended, failed, signing_in])
async def test_axe_finds_nothing(
    chromium: Browser, switchboard: PhoneServer, axe_source: str, state: State
) -> None:
    switchboard.agents = AGENTS
    async with phone_in(chromium, f"{switchboard.url}?debug=1", color_scheme="light") as phone:
        await state(phone, switchboard)

        assert await violations(phone.page, axe_source) == []
        await phone.page.emulate_media(color_scheme="dark")
        await phone.page.get_by_label("Language").select_option("ja")
        assert await violations(phone.page, axe_source) == []


async def test_axe_finds_nothing_while_the_microphone_is_asked_for(
    chromium: Browser, switchboard: PhoneServer, axe_source: str
) -> None:
    async with phone_in(chromium, switchboard.url, init_script=HOLD_MICROPHONE) as phone:
        await phone.press_call()
        await phone.until_state("asking_mic")

        await expect(phone.page.locator(".explanation")).to_contain_text("Choose “Allow”")
        await expect(phone.page.get_by_role("button", name="Cancel")).to_be_focused()
        assert await violations(phone.page, axe_source) == []


@asynccontextmanager
async def on_a_small_screen(browser: Browser, server: PhoneServer, lang: str) -> AsyncIterator[PhonePage]:
    small = {"width": 320, "height": 640}  # WCAG 1.4.10: no sideways scrolling from 320 px on
    async with phone_in(browser, f"{server.url}?lang={lang}", viewport=small) as phone:
        yield phone


@pytest.mark.parametrize("lang", ["en", "ja"])
async def test_nothing_is_wider_than_a_small_screen_and_buttons_are_big_enough(
    chromium: Browser, switchboard: PhoneServer, lang: str
) -> None:
    async with on_a_small_screen(chromium, switchboard, lang) as phone:
        await talking(phone, switchboard)

        assert await phone.page.evaluate("document.documentElement.scrollWidth") <= 320
        for button in await phone.page.locator(".round, .key").all():
            box = await button.bounding_box()
            assert box is not None
            assert min(box["width"], box["height"]) >= 44


async def test_the_language_follows_the_browser_the_address_and_the_menu(
    chromium: Browser, switchboard: PhoneServer
) -> None:
    async with phone_in(chromium, switchboard.url, locale="ja-JP") as phone:
        call = phone.page.locator(".big-call")
        html = phone.page.locator("html")
        await expect(call).to_have_text("電話をかける")
        await expect(html).to_have_attribute("lang", "ja")

        await phone.page.get_by_label("言語").select_option("en")
        await expect(call).to_have_text("Call")
        await expect(html).to_have_attribute("lang", "en")
        assert "lang=en" in phone.page.url
        await phone.page.goto(switchboard.url)  # remembered
        await expect(call).to_have_text("Call")
        await phone.page.goto(f"{switchboard.url}?lang=ja")  # a link's wish goes before

        await expect(call).to_have_text("電話をかける")


async def test_a_call_in_japanese_is_japanese_throughout(chromium: Browser, switchboard: PhoneServer) -> None:
    switchboard.agents = [AGENTS[1]]
    async with phone_in(chromium, f"{switchboard.url}?lang=ja") as phone:
        await talking(phone, switchboard)
        await phone.page.locator(".sound summary").click()  # a microphone's name is its maker's word
        shown = [
            await phone.page.locator(".phone").inner_text(),
            await phone.page.locator(".header").inner_text(),
        ]
        await phone.hang_up()
        shown.append(await phone.page.locator(".phone").inner_text())

        latin = {word for text in shown for word in text.split() if word.isascii() and word.isalpha()}
        keys = {"ABC", "DEF", "GHI", "JKL", "MNO", "PQRS", "TUV", "WXYZ"}
        assert latin - keys <= {"Cordboard", "English"}


async def test_colours_follow_the_device_until_the_reader_chooses(
    chromium: Browser, switchboard: PhoneServer
) -> None:
    ground = "getComputedStyle(document.body).backgroundColor"
    async with phone_in(chromium, switchboard.url, color_scheme="light") as phone:
        light = await phone.page.evaluate(ground)
        await phone.page.emulate_media(color_scheme="dark")
        dark = await phone.page.evaluate(ground)
        assert light != dark

        await phone.page.get_by_role("button", name="Colours: Auto").click()
        assert await phone.page.evaluate(ground) == light
        await phone.page.get_by_role("button", name="Colours: Light").click()
        assert await phone.page.evaluate(ground) == dark
        await phone.page.emulate_media(color_scheme="light")
        await phone.page.reload()

        assert await phone.page.evaluate(ground) == dark
