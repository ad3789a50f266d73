"""Pages that say what a test tells them to, when it tells them, and that write down what they play.

The microphone is a stream of the page's own: what is said is real audio from there on (Opus, RTP, jitter buffers).
Chromium's own fake microphone can only play a file from the moment it is opened.
"""

from __future__ import annotations

import asyncio
import base64
import re

from playwright.async_api import Page

from realtime.simulator.speech import synthesize, transcribe
from tests.browser.phone_driver import _RECORD, _TAKE, RECORDED_HZ
from tests.fakes.eventually import eventually

MICROPHONE = """
navigator.mediaDevices.getUserMedia = async () => {
  const context = (window.cordboardVoice ??= new AudioContext({ sampleRate: 24000 }));
  await context.resume();
  window.cordboardMouth = context.createMediaStreamDestination();
  // A graph without a source that plays is not rendered, and then nothing is sent at all.
  const breath = context.createOscillator();
  const quiet = context.createGain();
  quiet.gain.value = 0.0002;
  breath.connect(quiet).connect(window.cordboardMouth);
  breath.start();
  return window.cordboardMouth.stream;
};
"""
_SAY = """
async (encoded) => {
  const bytes = Uint8Array.from(atob(encoded), (each) => each.charCodeAt(0));
  const samples = Float32Array.from(new Int16Array(bytes.buffer), (each) => each / 32768);
  const context = window.cordboardVoice;
  const buffer = context.createBuffer(1, samples.length, 24000);
  buffer.copyToChannel(samples, 0);
  const source = context.createBufferSource();
  source.buffer = buffer;
  source.connect(window.cordboardMouth);
  await new Promise((resolve) => { source.onended = resolve; source.start(); });
}
"""


async def listen_on(page: Page) -> None:
    """Write down what the page plays from now on. Once a page, before its first call."""
    await page.evaluate(_RECORD, RECORDED_HZ)


async def say(page: Page, text: str) -> None:
    """Say it into the page's microphone; returns when it is said. It is heard a little later."""
    pcm = await asyncio.to_thread(synthesize, text)
    await page.evaluate(_SAY, base64.b64encode(pcm).decode())


async def mark(page: Page) -> int:
    """Where the recording is now, in samples."""
    return int(await page.evaluate("window.cordboardRecording.samples"))


async def heard(page: Page, since: int) -> str:
    """What somebody at this page has heard since the mark, written down by speech-to-text, in lower case."""
    pcm = base64.b64decode(await page.evaluate(_TAKE))[since * 2 :]
    return (await asyncio.to_thread(transcribe, pcm)).lower()


async def until_heard(page: Page, since: int, sentence: str, within_s: float = 12) -> str:
    """All that was heard since the mark, as soon as this sentence is in it."""
    seen: list[str] = []

    async def look() -> bool:
        seen[:] = [await heard(page, since)]
        return has(seen[0], sentence)

    try:
        await eventually(look, within=within_s)
    except AssertionError:
        raise AssertionError(f"{sentence!r} was not heard, but {seen[0]!r}") from None
    return seen[0]


def has(text: str, sentence: str) -> bool:
    """Whether most words of the sentence are in a text that a small speech model has written down."""
    wanted = _words(sentence)
    found = set(_words(text))
    return sum(word in found for word in wanted) >= 0.65 * len(wanted)


def _words(text: str) -> list[str]:
    return re.sub(r"[^a-z0-9 ]", " ", text.lower()).split()
