"""The whole desk: three real Chromiums (a caller, two operators) on real speech, the hearing simulator as the model.

What is said at one page is recognised, by speech-to-text, in what another page has played.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from pathlib import Path

from playwright.async_api import expect

from signaling.web.passwords import hash_password
from storage.people import Person
from storage.postgres.people import PeopleBook
from storage.postgres.pool import Database
from tests.browser.console_driver import ConsolePage, console_in
from tests.browser.phone_driver import PhonePage, launched, phone_in
from tests.browser.spoken_page import MICROPHONE, has, heard, listen_on, mark, say, until_heard
from tests.scenarios.house import House

PASSWORD = "a password of the tests"
LOST = "I lost my red umbrella at your office on Monday morning."
KEPT = "We found the umbrella, you can have it back on Friday."
TAKEN = "Good morning, this is the manager, how are you today?"
NAMES = {"sato": "Sato Hanako", "mori": "Mori Ken"}


async def seat(database_url: str) -> None:
    """Let them in."""
    database = Database(database_url, max_size=1)
    hashed = await asyncio.to_thread(hash_password, PASSWORD)
    try:
        for id, name in NAMES.items():
            person = Person(id=id, name=name, role="operator", queues=("front-desk",))
            await PeopleBook(database).add(person, hashed)
    finally:
        await database.close()


@asynccontextmanager
async def at_the_console(url: str, person: str) -> AsyncIterator[ConsolePage]:
    """A Chromium of one's own, signed in."""
    async with launched() as browser, console_in(browser, f"{url}/console", person=None) as console:
        await console.page.add_init_script(MICROPHONE)
        await console.page.reload()
        await console.sign_in(person, PASSWORD)
        await listen_on(console.page)
        yield console


@asynccontextmanager
async def at_the_phone(url: str) -> AsyncIterator[PhonePage]:
    async with launched() as browser, phone_in(browser, f"{url}/phone", init_script=MICROPHONE) as phone:
        yield phone


async def test_a_caller_asks_for_a_person_who_comes_gives_back_and_is_followed_by_another(
    house: Callable[..., AbstractAsyncContextManager[House]], built_pages: Path
) -> None:
    async with AsyncExitStack() as stack:
        running = await stack.enter_async_context(house(settings={"CORDBOARD_DEMO": "true"}))
        events = running.events
        await seat(running.database_url)
        url = running.url.replace("127.0.0.1", "localhost")
        sato = await stack.enter_async_context(at_the_console(url, "sato"))
        mori = await stack.enter_async_context(at_the_console(url, "mori"))
        phone = await stack.enter_async_context(at_the_phone(url))
        await phone.call()
        call_id = (await events.until("call.started")).call_id
        await events.until("turn.completed", call_id=call_id, within_s=30)

        # Asked for aloud; both consoles show it, one of them rings.
        await say(phone.page, "I would like to speak to a person, please.")
        offered = await events.until("handoff.offered", call_id=call_id, within_s=30)
        assert offered.data["operator"] == "sato"  # free for longest
        await sato.until_strip("rings")
        await expect(mori.row(call_id)).to_contain_text("Rings at Sato Hanako")

        # One answers, the other sees who, and listens without being heard.
        await sato.press("a")
        await events.until("handoff.connected", call_id=call_id)
        await sato.talking()
        await expect(mori.row(call_id)).to_contain_text("With Sato Hanako")
        await mori.press("j", "l")
        await mori.until_strip("listen")
        await expect(mori.strip.locator(".strip-status-up")).to_have_count(1)

        # The two people hear each other, the listener hears both, the model hears and says nothing.
        (model,) = [each for each in running.simulator.sessions if each.append_count > 100]
        appended, spoken = model.append_count, len(events.of(call_id, "turn.completed"))
        at_sato, at_mori = await mark(sato.page), await mark(mori.page)
        await say(phone.page, LOST)
        await until_heard(sato.page, at_sato, LOST)
        await until_heard(mori.page, at_mori, LOST)
        at_phone, at_mori = await mark(phone.page), await mark(mori.page)
        await say(sato.page, KEPT)
        await until_heard(phone.page, at_phone, KEPT)
        await until_heard(mori.page, at_mori, KEPT)
        await events.until(
            "transcript.final", call_id=call_id, where=lambda data: data["speaker"] == "operator", within_s=30
        )
        assert model.append_count <= appended + 5
        assert len(events.of(call_id, "turn.completed")) == spoken

        # Given back: the agent speaks again, knows what was said, and does not greet anew.
        at_phone = await mark(phone.page)
        await sato.press("r")
        await expect(sato.page.locator(".one-line input")).to_be_focused()
        await sato.page.keyboard.type("The umbrella is taken care of.")
        await sato.press("Enter")
        await events.until("handoff.returned", call_id=call_id)
        await events.until("turn.completed", call_id=call_id, count=spoken + 1, within_s=30)
        known = " ".join(str(item.retrieved()) for item in model.items).lower()
        assert has(known, LOST)
        assert has(known, KEPT)
        assert "the umbrella is taken care of." in known
        said = await heard(phone.page, at_phone)
        assert has(said, "taken care of")  # what the person has learned, in the agent's voice
        assert "this is harbour dental" not in said
        assert "how can i help" not in said
        await expect(sato.page.locator(".wrap-up")).to_be_visible()
        await sato.action("skip").click()

        # Whispered to by another, who then takes the call unasked and ends it.
        await mori.press("w")
        await expect(mori.page.locator(".one-line input")).to_be_focused()
        await mori.page.keyboard.type("Say that parking is free.")
        await mori.press("Enter")
        await expect(mori.page.locator('[data-notice="whispered"]')).to_have_count(1)
        await events.until("turn.completed", call_id=call_id, count=spoken + 2, within_s=30)
        asked = [each for each in model.client_events if each["type"] == "response.create"]
        assert "Say that parking is free." in str(asked[-1])
        await mori.press("t")
        await events.until("handoff.connected", call_id=call_id, count=2)
        await mori.talking()
        at_phone = await mark(phone.page)
        await say(mori.page, TAKEN)
        await until_heard(phone.page, at_phone, TAKEN)
        await mori.press("e")
        await expect(mori.action("end").first).to_contain_text("press again")
        await mori.press("e")
        ended = await events.until("call.ended", call_id=call_id)
        assert ended.data["reason"] == "operator_hangup"
        await phone.until_state("ended")

        shown = [text for _, text in await phone.transcript()]
        assert any(has(text, KEPT) for text in shown)
        assert phone.page_errors + sato.page_errors + mori.page_errors == []
