"""A call on the page from beginning to end: sound both ways, mute, keys, hanging up from either side."""

from __future__ import annotations

import asyncio

import numpy as np
import pytest
from playwright.async_api import Browser, expect

from tests.browser.phone_driver import RECORDED_HZ, phone_in
from tests.fakes.phone_server import AGENTS, TONE_HZ, PhoneServer

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="session")]

SPEECH_RMS = 500  # of int16; the caller's tone is at 11 000 before the browser's own gain control


async def test_both_sides_hear_each_other(chromium: Browser, switchboard: PhoneServer) -> None:
    async with phone_in(chromium, switchboard.url) as phone:
        await phone.call()
        call = await switchboard.next_call()

        await asyncio.wait_for(call.until_rms(above=SPEECH_RMS), 10)
        heard = await phone.recorded(1.5)

    spectrum = np.abs(np.fft.rfft(heard[-RECORDED_HZ:].astype(float)))
    assert abs(int(spectrum.argmax()) - TONE_HZ) <= 2  # one bin is 1 Hz
    assert np.abs(heard).max() > 3000


async def test_the_page_says_who_is_talking(chromium: Browser, switchboard: PhoneServer) -> None:
    async with phone_in(chromium, switchboard.url) as phone:
        await phone.call()
        call = await switchboard.next_call()
        agent = phone.page.locator('[data-end="agent"] .end-state')

        await expect(agent).to_have_text("speaking")
        call.tone.sounding = False
        await expect(agent).to_have_text("listening")
        await call.publish("tool.called", {"name": "look", "call_item_id": "t", "arguments": {}})
        await expect(agent).to_have_text("looking it up")
        await expect(phone.page.locator('[data-end="you"] .end-state')).to_have_text("speaking")


async def test_the_timer_counts_from_the_connected_call(chromium: Browser, switchboard: PhoneServer) -> None:
    async with phone_in(chromium, switchboard.url) as phone:
        await phone.page.clock.install()
        await phone.call()

        await phone.page.clock.fast_forward(83_000)
        await expect(phone.page.get_by_role("timer")).to_have_text("1:23")
        await phone.hang_up()

        await expect(phone.page.locator(".explanation")).to_contain_text("1 min 23 s")


async def test_muting_sends_silence_and_the_button_says_how_to_undo_it(
    chromium: Browser, switchboard: PhoneServer
) -> None:
    async with phone_in(chromium, switchboard.url) as phone:
        await phone.call()
        call = await switchboard.next_call()
        await asyncio.wait_for(call.until_rms(above=SPEECH_RMS), 10)

        await phone.page.get_by_role("button", name="Mute", exact=True).click()
        await asyncio.wait_for(call.until_rms(below=5), 5)
        unmute = phone.page.get_by_role("button", name="Unmute")
        await expect(unmute).to_have_attribute("aria-pressed", "true")
        await expect(phone.page.locator('[data-end="you"] .end-state')).to_have_text("muted")
        await phone.page.keyboard.press("m")  # the same by keyboard

        await asyncio.wait_for(call.until_rms(above=SPEECH_RMS), 5)


async def test_keys_travel_in_the_voice_path(chromium: Browser, switchboard: PhoneServer) -> None:
    async with phone_in(chromium, switchboard.url) as phone:
        await phone.call()
        call = await switchboard.next_call()

        await phone.page.get_by_role("button", name="Keypad").click()
        for name in ("4 GHI", "star", "0 +"):
            await phone.page.get_by_role("button", name=name, exact=True).click()
        await phone.page.keyboard.type("7#")
        await asyncio.wait_for(call.until_keys(5), 10)

        assert "".join(call.keys) == "4*07#"
        await expect(phone.page.locator(".keypad-pressed")).to_have_text("4*07#")


async def test_keys_go_over_http_where_the_voice_path_takes_none(
    chromium: Browser, switchboard: PhoneServer
) -> None:
    switchboard.takes_keys = False
    async with phone_in(chromium, switchboard.url) as phone:
        await phone.call()
        call = await switchboard.next_call()

        await phone.page.keyboard.type("5")  # the keypad is closed: not a key of the phone
        await phone.page.get_by_role("button", name="Keypad").click()
        await phone.page.keyboard.type("9")
        await asyncio.wait_for(call.until_keys(1), 10)

        assert call.keys == ["9"]


async def test_keys_that_nobody_takes_are_admitted(chromium: Browser, switchboard: PhoneServer) -> None:
    switchboard.takes_keys = switchboard.takes_keys_over_http = False
    async with phone_in(chromium, switchboard.url) as phone:
        await phone.call()
        await phone.page.get_by_role("button", name="Keypad").click()
        await phone.page.keyboard.type("1")

        await expect(phone.page.locator('[data-notice="keys_not_carried"]')).to_contain_text("Say the digits")


async def test_hanging_up_tells_the_switchboard_and_frees_the_microphone(
    chromium: Browser, switchboard: PhoneServer
) -> None:
    remember = """
    const real = navigator.mediaDevices.getUserMedia.bind(navigator.mediaDevices);
    navigator.mediaDevices.getUserMedia = async (...asked) => (window.microphone = await real(...asked));
    """
    async with phone_in(chromium, switchboard.url, init_script=remember) as phone:
        await phone.call()
        call = await switchboard.next_call()

        await phone.hang_up()
        await asyncio.wait_for(call.hung_up.wait(), 5)

        assert await phone.page.evaluate(
            "window.microphone.getTracks().map((track) => track.readyState)"
        ) == ["ended"]
        await expect(phone.page.get_by_role("status").first).to_have_text("Call ended")
        await expect(phone.page.locator(".explanation")).to_contain_text("You hung up.")
        await expect(phone.page.get_by_role("button", name="Call again")).to_be_focused()


async def test_one_can_call_again(chromium: Browser, switchboard: PhoneServer) -> None:
    async with phone_in(chromium, switchboard.url) as phone:
        await phone.call()
        first = await switchboard.next_call()
        await first.watched.wait()
        await first.says("old", 0, "agent", "From the first call")
        await expect(phone.page.locator(".line")).to_have_count(1)
        await phone.hang_up()

        await phone.call()
        second = await switchboard.next_call()
        await second.watched.wait()
        await first.says("late", 1, "agent", "Late words of the first call")
        await second.says("new", 0, "agent", "From the second call")

        await expect(phone.page.locator(".line")).to_have_text(["AgentFrom the second call"])


async def test_an_agent_that_hangs_up_is_named_as_the_reason(
    chromium: Browser, switchboard: PhoneServer
) -> None:
    async with phone_in(chromium, switchboard.url) as phone:
        await phone.call()
        call = await switchboard.next_call()
        await call.watched.wait()

        await call.publish("call.ended", {"reason": "agent_hangup", "duration_ms": 900})
        await call.end()
        await phone.until_state("ended")

        await expect(phone.page.locator(".explanation")).to_contain_text("The agent said goodbye")
        assert not call.hung_up.is_set()  # it knows already


async def test_a_closed_voice_path_ends_the_call_when_the_feed_is_silent(
    chromium: Browser, switchboard: PhoneServer
) -> None:
    async with phone_in(chromium, switchboard.url) as phone:
        await phone.call()
        call = await switchboard.next_call()

        await call.end()
        await phone.until_state("ended")

        await expect(phone.page.locator(".explanation")).to_contain_text("The other side ended the call.")


async def test_leaving_the_page_while_it_connects_hangs_up(
    chromium: Browser, switchboard: PhoneServer
) -> None:
    switchboard.no_path = True
    async with phone_in(chromium, switchboard.url) as phone:
        await phone.press_call()
        await phone.until_state("connecting")
        call = await switchboard.next_call()
        await call.watched.wait()

        await phone.page.goto("about:blank")

        await asyncio.wait_for(call.hung_up.wait(), 5)


async def test_the_chosen_agent_is_called(chromium: Browser, switchboard: PhoneServer) -> None:
    switchboard.agents = AGENTS
    async with phone_in(chromium, switchboard.url) as phone:
        picker = phone.page.get_by_label("Who would you like to call?")
        await expect(picker.locator("option")).to_have_text(
            ["Sakura Dental (English)", "サポート窓口 (Japanese)"]
        )
        await picker.select_option("support")
        await expect(phone.page.get_by_role("heading", level=1)).to_have_text("サポート窓口")
        await phone.call()

        assert (await switchboard.next_call()).agent == "support"


async def test_the_address_names_the_agent_where_the_list_is_not_told(
    chromium: Browser, switchboard: PhoneServer
) -> None:
    switchboard.agents = None
    async with phone_in(chromium, f"{switchboard.url}?agent=night%20desk") as phone:
        await expect(phone.page.get_by_role("heading", level=1)).to_have_text("night desk")
        await phone.call()

        assert (await switchboard.next_call()).agent == "night desk"


async def test_without_any_agent_named_the_switchboard_chooses(
    chromium: Browser, switchboard: PhoneServer
) -> None:
    switchboard.agents = None
    async with phone_in(chromium, switchboard.url) as phone:
        await phone.call()

        assert (await switchboard.next_call()).agent is None


async def test_another_microphone_can_be_chosen_during_the_call(
    chromium: Browser, switchboard: PhoneServer
) -> None:
    async with phone_in(chromium, switchboard.url) as phone:
        await phone.call()
        call = await switchboard.next_call()
        await asyncio.wait_for(call.until_rms(above=SPEECH_RMS), 10)
        await phone.page.get_by_text("Sound", exact=True).click()
        picker = phone.page.get_by_label("Microphone")
        devices = await picker.locator("option").evaluate_all(
            "(options) => options.map(({ value }) => value)"
        )

        await picker.select_option(devices[-1])

        await asyncio.wait_for(call.until_rms(above=SPEECH_RMS), 10)
        assert await phone.page.evaluate("localStorage.getItem('cordboard.microphone')") == devices[-1]


async def test_debug_shows_the_line_and_the_events(chromium: Browser, switchboard: PhoneServer) -> None:
    async with phone_in(chromium, f"{switchboard.url}?debug=1") as phone:
        await phone.call()
        call = await switchboard.next_call()
        await call.watched.wait()
        for latency in (500, 700, 900):
            await call.publish("turn.completed", {"turn": 1, "response_latency_ms": latency, "tools": []})

        figures = phone.page.locator(".figures dd")
        await expect(figures.nth(3)).to_have_text("opus 48 kHz")
        await expect(figures.nth(4)).to_have_text("900 ms")
        await expect(figures.nth(5)).to_have_text("700 ms")
        await expect(phone.page.locator(".events code")).to_have_text(["turn.completed"] * 3)


async def test_phone_quality_asks_for_the_telephones_own_codec(
    chromium: Browser, switchboard: PhoneServer
) -> None:
    async with phone_in(chromium, f"{switchboard.url}?debug=1") as phone:
        await phone.page.get_by_label("Phone quality").check()
        await phone.call()

        await expect(phone.page.locator(".figures dd").nth(3)).to_have_text("PCMU 8 kHz")
