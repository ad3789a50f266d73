"""A real Chromium at the console.

async with console_in(browser, server.url, person="sato") as console:
    await console.until_strip("rings")
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from playwright.async_api import Browser, Locator, Page, expect

from tests.fakes.console_server import PASSWORD


@dataclass(kw_only=True)
class ConsolePage:
    """The page and what one does on it. `page` is Playwright's, for everything that is not named here."""

    page: Page
    page_errors: list[str] = field(default_factory=list)
    console_errors: list[str] = field(default_factory=list)

    async def sign_in(self, person: str, password: str = PASSWORD) -> None:
        """By keyboard alone: the name's field has the focus."""
        await expect(self.page.locator("input[name=username]")).to_be_focused()
        await self.page.keyboard.type(person)
        await self.page.keyboard.press("Tab")
        await self.page.keyboard.type(password)
        await self.page.keyboard.press("Enter")
        await self.page.locator(".console-page").wait_for()
        await expect(self.page.locator(".connection-up")).to_have_count(1)

    async def until_strip(self, *kinds: str, timeout_s: float = 30) -> str:
        """Wait until the person's line shows one of: idle, rings, mine, resume, listen, barge."""
        found = self.page.locator(", ".join(f'[data-strip="{kind}"]' for kind in kinds))
        await found.wait_for(timeout=timeout_s * 1000)
        return str(await found.get_attribute("data-strip"))

    async def talking(self, timeout_s: float = 30) -> None:
        """Wait until this person's voice path is up and the call is theirs."""
        await expect(self.strip.locator('[data-action="hold"]')).to_have_attribute(
            "aria-disabled", "false", timeout=timeout_s * 1000
        )

    @property
    def strip(self) -> Locator:
        return self.page.locator(".strip")

    def row(self, call_id: str) -> Locator:
        return self.page.locator(f'[data-call="{call_id}"]')

    def action(self, name: str) -> Locator:
        return self.page.locator(f'[data-action="{name}"]')

    async def press(self, *keys: str) -> None:
        for key in keys:
            await self.page.keyboard.press(key)


@asynccontextmanager
async def console_in(
    browser: Browser,
    url: str,
    *,
    person: str | None = "sato",
    password: str = PASSWORD,
    allow_microphone: bool = True,
    **context: Any,
) -> AsyncIterator[ConsolePage]:
    """The console in a fresh context; `person=None` stays at the door."""
    permissions = ["microphone"] if allow_microphone else []
    size = {"width": 1280, "height": 800}
    made = await browser.new_context(
        permissions=permissions, **{"locale": "en-GB", "viewport": size, **context}
    )
    try:
        console = await console_page(await made.new_page(), url)
        if person is not None:
            await console.sign_in(person, password)
        yield console
        assert console.page_errors == []
        assert [said for said in console.console_errors if "Content Security Policy" in said] == []
    finally:
        await made.close()


async def console_page(page: Page, url: str) -> ConsolePage:
    """The console on a page that is there."""
    console = ConsolePage(page=page)
    page.on("pageerror", lambda error: console.page_errors.append(str(error)))
    page.on(
        "console",
        lambda message: console.console_errors.append(message.text) if message.type == "error" else None,
    )
    await page.goto(url)
    await page.locator(".sign-in, .console-page").first.wait_for()
    return console
