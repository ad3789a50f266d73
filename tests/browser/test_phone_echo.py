"""The agent must not hear itself: what the page asks of the browser's microphone, and what it gets."""

from __future__ import annotations

import pytest
from playwright.async_api import Browser

from tests.browser.phone_driver import phone_in
from tests.fakes.phone_server import PhoneServer

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="session")]

# Every microphone that the page opens, as the browser gave it.
_REMEMBER = """
window.microphones = [];
const open = navigator.mediaDevices.getUserMedia.bind(navigator.mediaDevices);
navigator.mediaDevices.getUserMedia = async (wanted) => {
  const stream = await open(wanted);
  window.microphones.push(...stream.getAudioTracks());
  return stream;
};
"""


@pytest.mark.trap(17)
async def test_the_microphone_of_a_call_has_the_agents_voice_taken_out(
    chromium: Browser, switchboard: PhoneServer
) -> None:
    async with phone_in(chromium, switchboard.url, init_script=_REMEMBER) as phone:
        await phone.call()
        settings = await phone.page.evaluate("() => window.microphones.map((each) => each.getSettings())")
        await phone.hang_up()

    assert [each["echoCancellation"] for each in settings] == [True]
