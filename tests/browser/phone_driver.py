"""A real Chromium at the phone page: a WAV is its microphone, and what it hears comes back as samples.

    async with open_phone(url, microphone_wav=question) as phone:
        await phone.call()
        heard = await phone.recorded(4.0)      # int16, mono, 24 kHz, from the first sound of the call

Chromium has one microphone file per process, so `open_phone` starts a browser of its own; tests that do not
care what is said share one through the `chromium` fixture and `phone_in(browser, url)`.
"""

from __future__ import annotations

import asyncio
import base64
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from playwright.async_api import Browser, ConsoleMessage, Error, Page, async_playwright

RECORDED_HZ = 24_000
CHROMIUM = os.environ.get("CORDBOARD_TEST_CHROMIUM", "/usr/bin/chromium")

# Listening begins when the page's own <audio> element has the stream: without an element Chromium decodes
# nothing. A ScriptProcessor and not a worklet, because the page's security policy allows no foreign script.
_RECORD = """
(rate) => {
  const element = document.querySelector("audio");
  const recording = (window.cordboardRecording = { chunks: [], samples: 0, wanted: null, stream: null });
  const begin = () => {
    const stream = element.srcObject;
    if (!stream || stream === recording.stream) return;
    recording.stream = stream;
    const context = (recording.context ??= new AudioContext({ sampleRate: rate }));
    const tap = (recording.tap = context.createScriptProcessor(1024, 1, 1));
    tap.onaudioprocess = ({ inputBuffer }) => {
      const samples = Int16Array.from(inputBuffer.getChannelData(0), (x) => Math.max(-1, Math.min(1, x)) * 32767);
      recording.chunks.push(new Uint8Array(samples.buffer));
      recording.samples += samples.length;
      if (recording.wanted && recording.samples >= recording.wanted.samples) recording.wanted.resolve();
    };
    context.createMediaStreamSource(stream).connect(tap);
    tap.connect(context.destination);
  };
  for (const event of ["loadedmetadata", "playing"]) element.addEventListener(event, begin);
  begin();
}
"""
_WAIT = """
(samples) => new Promise((resolve) => {
  const recording = window.cordboardRecording;
  if (recording.samples >= samples) resolve();
  else recording.wanted = { samples, resolve };
})
"""
_TAKE = """
async () => {
  const blob = new Blob(window.cordboardRecording.chunks);
  const reader = new FileReader();
  await new Promise((resolve) => { reader.onload = resolve; reader.readAsDataURL(blob); });
  return reader.result.slice(reader.result.indexOf(",") + 1);
}
"""
_READ = """
(lines) => lines.map((line) => {
  const text = line.querySelector(".line-text").cloneNode(true);
  for (const unheard of text.querySelectorAll("del, .for-readers")) unheard.remove();
  return [line.querySelector(".line-speaker").firstChild.textContent, text.textContent.trim()];
})
"""


@dataclass(kw_only=True)
class PhonePage:
    """The page and what one does on it. `page` is Playwright's, for everything that is not named here."""

    page: Page
    page_errors: list[str] = field(default_factory=list)
    console_errors: list[str] = field(default_factory=list)

    async def press_call(self) -> None:
        """Press the one big button (Call, Call again or Try again) and start recording; waits for nothing."""
        await self.page.evaluate(_RECORD, RECORDED_HZ)
        await self.page.locator(".big-call").click()

    async def call(self, timeout_s: float = 20) -> None:
        """Call and wait until the call is up. Raises AssertionError with the page's own words where it fails."""
        await self.press_call()
        state = await self.until_state("talking", "failed", timeout_s=timeout_s)
        if state == "failed":
            raise AssertionError(f"The call failed: {await self.page.locator('.trouble').inner_text()}")

    async def hang_up(self) -> None:
        await self.page.locator(".round-stop").click()
        await self.until_state("ended")

    async def until_state(self, *states: str, timeout_s: float = 10) -> str:
        """Wait for one of the states of signaling/pages/phone/call.ts; returns which it is."""
        selector = ", ".join(f'.phone[data-state="{state}"]' for state in states)
        found = self.page.locator(selector)
        await found.wait_for(timeout=timeout_s * 1000)
        return str(await found.get_attribute("data-state"))

    async def recorded(self, seconds: float, *, timeout_s: float | None = None) -> npt.NDArray[np.int16]:
        """Everything heard since the call's first sound, once there are `seconds` of it.

        Mono at 24 kHz, silence included. Raises TimeoutError where so much has not come within `timeout_s`
        (twice the length and 10 s more, unless told).
        """
        limit = timeout_s if timeout_s is not None else 2 * seconds + 10
        await asyncio.wait_for(self.page.evaluate(_WAIT, int(seconds * RECORDED_HZ)), limit)
        return np.frombuffer(base64.b64decode(await self.page.evaluate(_TAKE)), dtype=np.int16)

    async def transcript(self) -> list[tuple[str, str]]:
        """(speaker as shown, what of the words was heard) of every final line, in order."""
        lines: list[list[str]] = await self.page.locator(".line:not(.line-partial)").evaluate_all(_READ)
        return [(speaker, heard) for speaker, heard in lines]


@asynccontextmanager
async def launched(*, microphone_wav: Path | None = None, microphone: bool = True) -> AsyncIterator[Browser]:
    """A headless Debian Chromium. Without a WAV its microphone beeps; `microphone=False` has none at all.

    A missing WAV would be silence to Chromium, not an error, hence the check. The file starts anew with each
    call (each getUserMedia), so begin it with half a second of silence.
    """
    arguments = [
        "--no-sandbox",
        "--disable-gpu",
        "--disable-quic",
        "--no-first-run",
        "--disable-background-networking",
        "--disable-component-update",
        "--disable-sync",
    ]
    if microphone:
        arguments.append("--use-fake-device-for-media-stream")
    if microphone_wav is not None:
        arguments.append(f"--use-file-for-fake-audio-capture={_existing(microphone_wav)}%noloop")
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=CHROMIUM, args=arguments)
        try:
            yield browser
        finally:
            await browser.close()


@asynccontextmanager
async def phone_in(
    browser: Browser,
    url: str,
    *,
    allow_microphone: bool = True,
    init_script: str | None = None,
    **context: Any,
) -> AsyncIterator[PhonePage]:
    """The phone page in a fresh context of `browser`; `context` is passed to Playwright's new_context."""
    # The permission and not --use-fake-ui-for-media-stream, which would hide addresses behind mDNS names.
    permissions = ["microphone"] if allow_microphone else []
    made = await browser.new_context(permissions=permissions, **{"locale": "en-GB", **context})
    try:
        page = await made.new_page()
        phone = PhonePage(page=page)
        page.on("pageerror", lambda error: phone.page_errors.append(str(error)))
        page.on("console", lambda message: _keep_error(phone, message))
        if init_script is not None:
            await page.add_init_script(init_script)
        await page.goto(url)
        await page.locator(".phone").wait_for()
        yield phone
        assert phone.page_errors == []
        assert [said for said in phone.console_errors if "Content Security Policy" in said] == []
    finally:
        await made.close()


@asynccontextmanager
async def open_phone(
    url: str, *, microphone_wav: Path | None = None, **context: Any
) -> AsyncIterator[PhonePage]:
    """The phone page at `url` in a browser of its own whose microphone plays `microphone_wav` once."""
    async with launched(microphone_wav=microphone_wav) as browser, phone_in(browser, url, **context) as phone:
        yield phone


def _existing(path: Path) -> Path:
    if not path.is_file():
        raise FileNotFoundError(path)
    return path.resolve()


def _keep_error(phone: PhonePage, message: ConsoleMessage) -> None:
    try:
        if message.type == "error":
            phone.console_errors.append(message.text)
    except Error:  # the page is gone already
        pass
