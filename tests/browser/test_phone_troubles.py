"""Everything that can go wrong, and that the page names it, says what to do, and offers the way on."""

from __future__ import annotations

import asyncio
import socket

import pytest
from playwright.async_api import Browser, expect

from tests.browser.phone_driver import PhonePage, launched, phone_in
from tests.fakes.phone_server import PhoneServer, Refusal

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="session")]


async def trouble(phone: PhonePage) -> str:
    """The code of the trouble shown, once there is one; its card has a title, a cause and a remedy."""
    await phone.until_state("failed")
    card = phone.page.locator(".trouble")
    alert = card.get_by_role("alert")
    await expect(alert.locator("h2")).not_to_be_empty()
    await expect(alert.locator("p")).to_have_count(2)
    return str(await card.get_attribute("data-trouble"))


REFUSALS = [
    (404, "unknown_agent", "agent_unknown", "?agent="),
    (403, "not_allowed", "not_allowed", "role “caller”"),
    (422, "no_audio", "offer_refused", "Update the browser"),
    (413, "too_large", "offer_refused", "Update the browser"),
    (429, "too_many_requests", "too_many_calls", "Wait a moment"),
    (503, "no_capacity", "lines_busy", "Wait a moment"),
    (503, "draining", "draining", "Try again in a little while"),
    (503, "model_unreachable", "model_unreachable", "cordboard check"),
    (500, "internal", "server_error", "server’s log"),
]


async def test_a_refusal_is_named_with_its_remedy_and_the_servers_words(
    chromium: Browser, switchboard: PhoneServer
) -> None:
    async with phone_in(chromium, switchboard.url) as phone:
        for status, code, shown, remedy in REFUSALS:
            switchboard.refusal = Refusal(status=status, code=code, detail=f"<b>{status} {code}</b>")
            await phone.press_call()

            await expect(phone.page.locator(".trouble-detail")).to_contain_text(f"<b>{status} {code}</b>")
            assert await trouble(phone) == shown
            await expect(phone.page.locator(".trouble-fix")).to_contain_text(remedy)


async def test_retry_after_is_counted_down_and_then_the_way_is_free(
    chromium: Browser, switchboard: PhoneServer
) -> None:
    switchboard.refusal = Refusal(status=503, code="no_capacity", retry_after_s=20)
    async with phone_in(chromium, switchboard.url) as phone:
        await phone.page.clock.install()
        await phone.press_call()
        await trouble(phone)
        button = phone.page.locator(".big-call")
        await expect(button).to_have_attribute("aria-disabled", "true")
        await expect(button).to_contain_text("Try again in")
        switchboard.refusal = None
        await button.click(force=True)  # too early: nothing happens
        await expect(phone.page.locator(".trouble")).to_be_visible()

        await phone.page.clock.fast_forward(20_000)
        await expect(button).to_have_text("Try again")
        await phone.call()


async def test_a_denied_microphone_is_explained_before_anything_is_sent(
    chromium: Browser, switchboard: PhoneServer
) -> None:
    async with phone_in(chromium, switchboard.url, allow_microphone=False) as phone:
        await phone.press_call()

        assert await trouble(phone) == "mic_denied"
        assert not switchboard.posted.is_set()
        await phone.page.context.grant_permissions(["microphone"])
        await phone.call()


async def test_a_missing_microphone_is_told_from_a_denied_one(switchboard: PhoneServer) -> None:
    async with launched(microphone=False) as browser, phone_in(browser, switchboard.url) as phone:
        await phone.press_call()

        assert await trouble(phone) == "mic_missing"


async def test_a_microphone_in_use_elsewhere_is_told_from_a_missing_one(
    chromium: Browser, switchboard: PhoneServer
) -> None:
    busy = """
    navigator.mediaDevices.getUserMedia = async () => { throw new DOMException("busy", "NotReadableError"); };
    """
    async with phone_in(chromium, switchboard.url, init_script=busy) as phone:
        await phone.press_call()

        assert await trouble(phone) == "mic_busy"


async def test_a_page_that_is_neither_https_nor_localhost_says_so(
    chromium: Browser, switchboard: PhoneServer
) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.connect(("192.0.2.1", 9))  # sends nothing; tells this machine's own address
        address = probe.getsockname()[0]
    async with phone_in(chromium, f"http://{address}:{switchboard.port}/phone") as phone:
        await phone.press_call()

        assert await trouble(phone) == "insecure_page"
        await expect(phone.page.locator(".trouble-fix")).to_contain_text("localhost")


async def test_a_network_that_lets_no_voice_through_is_given_ten_seconds(
    chromium: Browser, switchboard: PhoneServer
) -> None:
    switchboard.no_path = True
    async with phone_in(chromium, switchboard.url) as phone:
        await phone.page.clock.install()
        await phone.press_call()
        call = await switchboard.next_call()
        await call.watched.wait()

        await phone.page.clock.fast_forward(2_500)
        await expect(phone.page.locator(".explanation")).to_contain_text("Finding a path")
        await phone.page.clock.fast_forward(8_000)

        assert await trouble(phone) == "ice_timeout"
        await asyncio.wait_for(call.hung_up.wait(), 5)


async def test_a_switchboard_that_never_answers_is_given_fifteen_seconds(
    chromium: Browser, switchboard: PhoneServer
) -> None:
    switchboard.answering.clear()
    async with phone_in(chromium, switchboard.url) as phone:
        await phone.page.clock.install()
        await phone.press_call()
        await switchboard.posted.wait()

        await phone.page.clock.fast_forward(16_000)

        assert await trouble(phone) == "server_silent"


async def test_an_unreachable_server_is_named(chromium: Browser, switchboard: PhoneServer) -> None:
    async with phone_in(chromium, switchboard.url) as phone:
        await phone.page.context.set_offline(True)
        await phone.press_call()

        assert await trouble(phone) == "server_unreachable"


async def test_a_lost_connection_is_waited_for_and_then_given_up(
    chromium: Browser, switchboard: PhoneServer
) -> None:
    async with phone_in(chromium, switchboard.url) as phone:
        await phone.page.clock.install()
        await phone.call()
        call = await switchboard.next_call()

        switchboard.comes_back = False
        await call.drop_media()
        await phone.until_state("reconnecting", timeout_s=15)
        await expect(phone.page.locator(".explanation")).to_contain_text("stay on the line")
        await phone.page.clock.fast_forward(21_000)

        assert await trouble(phone) == "lost"
        await asyncio.wait_for(call.hung_up.wait(), 5)


async def test_sound_held_back_by_the_browser_is_one_click_away(
    chromium: Browser, switchboard: PhoneServer
) -> None:
    held_back = """
    const play = HTMLMediaElement.prototype.play;
    let clicked = false;
    addEventListener("click", (event) => { if (event.target.closest(".notice")) clicked = true; }, true);
    HTMLMediaElement.prototype.play = function () {
      return clicked ? play.call(this) : Promise.reject(new DOMException("no click yet", "NotAllowedError"));
    };
    """
    async with phone_in(chromium, switchboard.url, init_script=held_back) as phone:
        await phone.call()
        hear = phone.page.get_by_role("button", name="Click to hear")

        await hear.click()

        await expect(hear).to_have_count(0)
        assert await phone.page.evaluate("!document.querySelector('audio').paused")


async def test_the_model_lost_during_the_call_is_told_and_its_end_explained(
    chromium: Browser, switchboard: PhoneServer
) -> None:
    async with phone_in(chromium, switchboard.url) as phone:
        await phone.call()
        call = await switchboard.next_call()
        await call.watched.wait()

        await call.publish("session.failed", {"code": "disconnected", "message": "1011"})
        await expect(phone.page.locator('[data-notice="model_gone"]')).to_be_visible()
        await call.publish("call.ended", {"reason": "provider_failed", "duration_ms": 900})

        assert await trouble(phone) == "model_unreachable"


async def test_an_unplugged_microphone_is_noticed(chromium: Browser, switchboard: PhoneServer) -> None:
    unplug = """
    const real = navigator.mediaDevices.getUserMedia.bind(navigator.mediaDevices);
    navigator.mediaDevices.getUserMedia = async (...asked) => (window.microphone = await real(...asked));
    """
    async with phone_in(chromium, switchboard.url, init_script=unplug) as phone:
        await phone.call()

        await phone.page.evaluate("window.microphone.getTracks()[0].dispatchEvent(new Event('ended'))")

        await expect(phone.page.locator('[data-notice="mic_gone"]')).to_contain_text("Plug it in again")


async def test_a_microphone_that_brings_nothing_is_noticed(
    switchboard: PhoneServer, chromium: Browser
) -> None:
    silent = """
    navigator.mediaDevices.getUserMedia = async () => {
      const context = new AudioContext();
      const nothing = context.createMediaStreamDestination();
      return nothing.stream;
    };
    """
    switchboard.sounding = False  # nobody else speaks
    async with phone_in(chromium, switchboard.url, init_script=silent) as phone:
        await phone.page.clock.install()
        await phone.call()
        await phone.page.clock.run_for(8_500)

        await expect(phone.page.locator('[data-notice="not_heard"]')).to_contain_text("We can’t hear you")


async def test_signing_in_after_a_refusal_calls_at_once(chromium: Browser, switchboard: PhoneServer) -> None:
    switchboard.token = "right"
    async with phone_in(chromium, switchboard.url) as phone:
        await phone.press_call()
        assert await trouble(phone) == "signed_out"
        field = phone.page.get_by_label("Access token")
        await expect(field).to_be_focused()
        await field.fill("wrong")
        await field.press("Enter")
        await expect(field).to_have_value("")  # a fresh one: the wrong token is forgotten

        await field.fill("right")
        await phone.page.get_by_role("button", name="Sign in and call").click()

        await phone.until_state("talking")
        assert (await switchboard.next_call()).bearer == "right"


async def test_a_token_in_the_fragment_is_used_and_leaves_the_address(
    chromium: Browser, switchboard: PhoneServer
) -> None:
    switchboard.token = "secret"
    async with phone_in(chromium, f"{switchboard.url}?lang=en#token=secret") as phone:
        assert "secret" not in phone.page.url
        await phone.page.reload()  # the tab stays signed in
        await phone.call()

        assert (await switchboard.next_call()).bearer == "secret"


@pytest.mark.parametrize("place", ["?ticket=once", "#ticket=once"])
async def test_a_call_ticket_is_good_for_one_call(
    chromium: Browser, switchboard: PhoneServer, place: str
) -> None:
    switchboard.token = "once"
    async with phone_in(chromium, switchboard.url + place) as phone:
        assert "once" not in phone.page.url
        await phone.call()
        call = await switchboard.next_call()
        await phone.hang_up()

        assert (call.bearer, call.agent) == ("once", None)  # the ticket itself knows the agent
        await phone.press_call()
        assert await trouble(phone) == "signed_out"


async def test_cancelling_while_it_rings_hangs_up_the_answer_that_comes_later(
    chromium: Browser, switchboard: PhoneServer
) -> None:
    switchboard.answering.clear()
    async with phone_in(chromium, switchboard.url) as phone:
        await phone.press_call()
        await switchboard.posted.wait()
        await phone.page.get_by_role("button", name="Cancel").click()
        await phone.until_state("ended")

        switchboard.answering.set()

        await asyncio.wait_for((await switchboard.next_call()).hung_up.wait(), 5)


async def test_a_double_click_on_call_does_not_cancel_it(chromium: Browser, switchboard: PhoneServer) -> None:
    async with phone_in(chromium, switchboard.url) as phone:
        await phone.page.locator(".big-call").dblclick()

        await phone.until_state("talking")
