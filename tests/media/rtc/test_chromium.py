"""A real browser as the caller: both voices get through, keys too, and its statistics call the path clean."""

from __future__ import annotations

import asyncio
import wave
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import Page, async_playwright

from media.format import ms_to_bytes
from media.playout import PartKey
from media.rtc.peer import Peer, PeerConfig
from tests.fakes.listener import Listener
from tests.fakes.tones import loudest_hz, loudness, tone

pytestmark = pytest.mark.browser

PART = PartKey("response", "item", 0)

CALL = """async () => {
  const plain = {echoCancellation: false, noiseSuppression: false, autoGainControl: false}
  const microphone = await navigator.mediaDevices.getUserMedia({audio: plain})
  window.pc = new RTCPeerConnection()
  window.pc.ontrack = ({streams, track}) => {
    const speaker = new Audio()
    speaker.srcObject = streams[0] ?? new MediaStream([track])
    speaker.play()
    window.speaker = speaker
    const context = new AudioContext()
    window.analyser = context.createAnalyser()
    window.analyser.fftSize = 8192
    context.createMediaStreamSource(speaker.srcObject).connect(window.analyser)
    window.rate = context.sampleRate
  }
  microphone.getTracks().forEach(track => window.pc.addTrack(track, microphone))
  await window.pc.setLocalDescription()
  const answer = await window.post(window.pc.localDescription.sdp)
  await window.pc.setRemoteDescription({type: 'answer', sdp: answer})
}"""

LOUDEST = """() => {
  const bins = new Float32Array(window.analyser.frequencyBinCount)
  window.analyser.getFloatFrequencyData(bins)
  let best = 1
  for (let i = 1; i < bins.length; i++) if (bins[i] > bins[best]) best = i
  return [best * window.rate / window.analyser.fftSize, bins[best]]
}"""

INBOUND = """async () => {
  for (const report of (await window.pc.getStats()).values())
    if (report.type === 'inbound-rtp') return report
}"""


@pytest.fixture
async def page(tmp_path: Path) -> AsyncIterator[Page]:
    """A page with a microphone that hums at 1000 Hz."""
    with wave.open(str(tmp_path / "hum.wav"), "wb") as file:
        file.setparams((1, 2, 48_000, 0, "NONE", ""))
        file.writeframes(tone(1000, 10.0, rate=48_000))
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(
            executable_path="/usr/bin/chromium",
            args=[
                "--no-sandbox",
                "--disable-gpu",
                "--use-fake-device-for-media-stream",
                f"--use-file-for-fake-audio-capture={tmp_path / 'hum.wav'}",
                "--autoplay-policy=no-user-gesture-required",
                "--allow-loopback-in-peer-connection",
            ],
        )
        context = await browser.new_context(permissions=["microphone"])
        page = await context.new_page()
        await page.route("**/*", lambda route: route.fulfill(body="<html></html>", content_type="text/html"))
        await page.goto("http://localhost/")
        yield page
        await browser.close()


async def test_a_browser_and_the_server_hear_each_other(page: Page) -> None:
    listener = Listener()
    peers: list[Peer] = []
    loop = asyncio.get_running_loop()
    posted: list[float] = []

    async def post(offer: str) -> str:
        posted.append(loop.time())
        peers.append(await Peer.answer(offer, listener, PeerConfig()))
        return peers[0].answer_sdp

    await page.expose_function("post", post)
    await page.evaluate(CALL)
    connected = await listener.until("connected", timeout_s=10)
    peer = peers[0]
    peer.play(PART, tone(440, 6.0))
    peer.finish(PART)
    await listener.until_true(lambda: loudness(listener.heard()[-ms_to_bytes(500) :]) > 300, timeout_s=10)
    await listener.frames(60)

    assert loudest_hz(listener.heard()[-ms_to_bytes(1000) :]) == pytest.approx(1000, abs=5)
    hz, level = await page.evaluate(LOUDEST)
    assert hz == pytest.approx(440, abs=8)
    assert level > -60
    seen: dict[str, Any] = await page.evaluate(INBOUND)
    assert seen["packetsLost"] == 0
    assert seen["packetsReceived"] > 40

    await page.evaluate("() => window.pc.getSenders()[0].dtmf.insertDTMF('5#', 100, 70)")
    await listener.until_true(lambda: listener.names().count("digit") == 2, timeout_s=5)
    digits = [line[1:] for line in listener.told if line[0] == "digit"]
    assert [digit for digit, _ in digits] == ["5", "#"]
    assert isinstance(connected[2], float)
    assert connected[2] - posted[0] < 3

    await page.evaluate("() => window.pc.close()")
    gone = await listener.until("gone", timeout_s=5)
    assert gone[1] == "closed"
    await peer.close()
