"""What is said as the page writes it down."""

from __future__ import annotations

import asyncio

import pytest
from playwright.async_api import Browser, expect

from tests.browser.phone_driver import phone_in
from tests.fakes.phone_server import PhoneServer

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="session")]


async def test_a_sentence_grows_in_grey_and_is_announced_once_whole(
    chromium: Browser, switchboard: PhoneServer
) -> None:
    async with phone_in(chromium, switchboard.url) as phone:
        await phone.call()
        call = await switchboard.next_call()
        await call.watched.wait()
        line = phone.page.get_by_role("log").locator(".line")

        for text in ("Good", "Good morning"):
            await call.publish(
                "transcript.partial", {"item_id": "a", "speaker": "agent", "text": text}, numbered=False
            )
        await expect(line).to_have_text("AgentGood morning")
        await expect(line).to_have_attribute("aria-hidden", "true")  # not read out while it changes
        await call.says("a", 0, "agent", "Good morning.")

        await expect(line).to_have_text("AgentGood morning.")
        await expect(line).not_to_have_attribute("aria-hidden", "true")
        assert await phone.transcript() == [("Agent", "Good morning.")]


async def test_both_sides_stand_in_spoken_order(chromium: Browser, switchboard: PhoneServer) -> None:
    async with phone_in(chromium, switchboard.url) as phone:
        await phone.call()
        call = await switchboard.next_call()
        await call.watched.wait()

        await call.says("greeting", 0, "agent", "Hello.")
        await call.says("answer", 2, "agent", "At three.")
        await call.says("question", 1, "caller", "When?")
        await expect(phone.page.locator(".line")).to_have_count(3)

        assert await phone.transcript() == [("Agent", "Hello."), ("You", "When?"), ("Agent", "At three.")]


async def test_what_was_not_heard_is_struck_after_what_was(
    chromium: Browser, switchboard: PhoneServer
) -> None:
    async with phone_in(chromium, switchboard.url) as phone:
        await phone.call()
        call = await switchboard.next_call()
        await call.watched.wait()

        await call.says(
            "a", 0, "agent", "At ten, or at three.", heard_text="At ten,", heard_ms=800, interrupted=True
        )

        await expect(phone.page.locator(".line del")).to_have_text("or at three.")
        await expect(phone.page.locator(".line-tag")).to_have_text("interrupted")
        assert await phone.transcript() == [("Agent", "At ten,")]
        text = await phone.page.locator(".line-text").text_content()
        assert text == "At ten,  not heard: or at three."  # a screen reader hears where it was cut


async def test_markup_in_any_words_is_shown_and_not_obeyed(
    chromium: Browser, switchboard: PhoneServer
) -> None:
    attack = '<img src=x onerror="window.pwned=1"><script>window.pwned=1</script>{{7*7}}'
    async with phone_in(chromium, f"{switchboard.url}?debug=1") as phone:
        await phone.call()
        call = await switchboard.next_call()
        await call.watched.wait()

        await call.says("a", 0, "caller", attack)
        await call.says("b", 1, "agent", attack, heard_text=attack[:10], interrupted=True)
        await call.publish("tool.called", {"name": attack, "call_item_id": "t", "arguments": {"x": attack}})
        await call.publish("handoff.requested", {"handoff_id": "h", "reason": attack, "summary": attack})
        await expect(phone.page.locator(".line-note")).to_contain_text(attack)

        assert (await phone.transcript())[0] == ("You", attack)
        await expect(phone.page.locator(".line-tool > summary code")).to_have_text(attack)
        assert await phone.page.locator(".card img, .card script").count() == 0
        assert await phone.page.evaluate("window.pwned") is None


async def test_a_tool_call_is_one_small_line_that_opens(chromium: Browser, switchboard: PhoneServer) -> None:
    async with phone_in(chromium, switchboard.url) as phone:
        await phone.call()
        call = await switchboard.next_call()
        await call.watched.wait()
        tool = phone.page.locator(".line-tool")

        await call.publish("tool.called", {"name": "book", "call_item_id": "t", "arguments": {"at": "15:00"}})
        await expect(tool.locator("summary")).to_have_text("bookrunning")
        finished = {"name": "book", "call_item_id": "t", "ok": True, "duration_ms": 38, "output": {"id": 7}}
        await call.publish("tool.finished", finished | {"error": None})
        await expect(tool.locator("summary")).to_have_text("bookdone in 38 ms")
        await tool.locator("summary").click()

        await expect(tool.locator("pre").first).to_contain_text('"at": "15:00"')
        await expect(tool.locator("pre").last).to_contain_text('"id": 7')
        await call.publish("tool.finished", finished | {"ok": False, "output": None, "error": "time_limit"})
        await expect(tool.locator("summary")).to_have_text("bookfailed")


async def test_what_was_said_before_the_feed_was_open_is_fetched(
    chromium: Browser, switchboard: PhoneServer
) -> None:
    async with phone_in(chromium, switchboard.url) as phone:
        await phone.call()
        call = await switchboard.next_call()
        await call.watched.wait()

        for position in range(5):  # more than one page of the fake's list
            await call.says(f"i{position}", position, "agent", str(position), send=False)
        await call.publish("turn.completed", {"turn": 1, "response_latency_ms": 1, "tools": []})

        await expect(phone.page.locator(".line-text")).to_have_text(["0", "1", "2", "3", "4"])


async def test_a_broken_feed_is_told_and_catches_up(chromium: Browser, switchboard: PhoneServer) -> None:
    async with phone_in(chromium, switchboard.url) as phone:
        await phone.call()
        call = await switchboard.next_call()
        await call.watched.wait()
        await call.says("a", 0, "agent", "Before.")
        await expect(phone.page.locator(".line")).to_have_count(1)
        call.watched.clear()
        await phone.page.clock.install()
        await phone.page.clock.pause_at(await phone.page.evaluate("Date.now() + 1000"))

        for socket in list(call.sockets):
            await socket.close()
        await call.says("b", 1, "caller", "Meanwhile.")
        await expect(phone.page.locator('[data-notice="feed_down"]')).to_be_visible()
        await phone.page.clock.run_for(500)
        await asyncio.wait_for(call.watched.wait(), 5)

        await expect(phone.page.locator(".line-text")).to_have_text(["Before.", "Meanwhile."])
        await expect(phone.page.locator('[data-notice="feed_down"]')).to_have_count(0)


async def test_late_words_still_arrive_after_hanging_up(chromium: Browser, switchboard: PhoneServer) -> None:
    async with phone_in(chromium, switchboard.url) as phone:
        await phone.call()
        call = await switchboard.next_call()
        await call.watched.wait()

        await phone.hang_up()
        await call.says("a", 0, "caller", "Goodbye then.")

        await expect(phone.page.locator(".line-text")).to_have_text(["Goodbye then."])
