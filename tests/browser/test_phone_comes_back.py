"""The page takes its call up again: after a reload, after a lost path, on another network."""

from __future__ import annotations

import asyncio

import pytest
from playwright.async_api import Browser, expect

from tests.browser.phone_driver import PhonePage, phone_in
from tests.fakes.eventually import eventually
from tests.fakes.phone_server import FakeCall, PhoneServer

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="session")]


async def called(phone: PhonePage, server: PhoneServer) -> FakeCall:
    await phone.call()
    call = await server.next_call()
    await call.watched.wait()
    return call


async def test_a_reloaded_page_is_on_the_same_call_with_all_that_was_said(
    chromium: Browser, switchboard: PhoneServer
) -> None:
    async with phone_in(chromium, switchboard.url) as phone:
        call = await called(phone, switchboard)
        await call.says("a", 0, "agent", "Before the reload.")
        await expect(phone.page.locator(".line")).to_have_count(1)

        await phone.page.reload()
        await expect(phone.page.locator('.phone[data-state="reconnecting"]')).to_contain_text(
            "Please stay on the line"
        )
        await asyncio.wait_for(call.until_back(), 10)
        await phone.until_state("talking")

        await asyncio.wait_for(call.until_rms(above=500), 5)
        await call.says("b", 1, "agent", "After it.")
        await expect(phone.page.locator(".line .line-text")).to_have_text(["Before the reload.", "After it."])
        assert not call.hung_up.is_set()
        assert len(switchboard.calls) == 1
        await phone.hang_up()
        await asyncio.wait_for(call.hung_up.wait(), 5)
        await phone.page.reload()  # nothing is left to come back to
        await phone.until_state("idle")


async def test_a_call_that_ended_during_the_reload_is_said_to_be_over(
    chromium: Browser, switchboard: PhoneServer
) -> None:
    async with phone_in(chromium, switchboard.url) as phone:
        call = await called(phone, switchboard)
        call.hung_up.set()

        await phone.page.reload()
        await phone.until_state("ended")

        await expect(phone.page.locator(".explanation")).to_contain_text("The other side ended the call.")


async def test_a_path_that_stays_lost_is_replaced(chromium: Browser, switchboard: PhoneServer) -> None:
    async with phone_in(chromium, switchboard.url) as phone:
        call = await called(phone, switchboard)

        await call.drop_media()
        await phone.until_state("reconnecting", timeout_s=15)
        await asyncio.wait_for(call.until_back(), 10)
        await phone.until_state("talking")

        await asyncio.wait_for(call.until_rms(above=500), 5)


async def test_on_another_network_a_new_path_is_made_at_once(
    chromium: Browser, switchboard: PhoneServer
) -> None:
    async with phone_in(chromium, switchboard.url) as phone:
        call = await called(phone, switchboard)

        await phone.page.context.set_offline(True)
        await phone.page.context.set_offline(False)
        await asyncio.wait_for(call.until_back(), 5)

        await phone.until_state("talking")


async def test_a_duplicated_tab_leaves_the_call_to_the_first(
    chromium: Browser, switchboard: PhoneServer
) -> None:
    async with phone_in(chromium, switchboard.url) as phone:
        call = await called(phone, switchboard)
        held = await phone.page.evaluate("sessionStorage.getItem('cordboard.call')")
        twin = await phone.page.context.new_page()
        await twin.add_init_script(f"sessionStorage.setItem('cordboard.call', {held!r})")

        await twin.goto(switchboard.url)
        await eventually(lambda: twin.evaluate("sessionStorage.getItem('cordboard.call') === null"))

        await expect(twin.locator('.phone[data-state="idle"]')).to_be_visible()
        assert call.came_back == 0
