"""From the model's tool call to the ring at the console: `python -m tests.benchmarks.ring`.

20 calls ask for a person, one after another; two operators have the console open in a Chromium each. Measured from
the moment in which the function call is on record (`tool.called`) to the first animation frame after the console
shows that it rings there; at the other console, until the waiting call stands in its list. One machine, one clock.
"""

from __future__ import annotations

import asyncio
import tempfile
from contextlib import AsyncExitStack
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
from playwright.async_api import Page

from realtime.simulator.script import FunctionCall, Reply, Script
from storage.postgres.migrate import migrate
from tests.fakes.eventually import eventually
from tests.fakes.servers import PostgresServer, RedisServer
from tests.scenarios.house import House, open_house
from tests.scenarios.test_the_operator_desk import at_the_console, seat
from tests.scenarios.voices import loud

RINGS = 20
ASK = FunctionCall("request_operator_handoff", {"reason": "asks for a person", "summary": "wants a refund"})
SCRIPT = Script(
    hears=["a person please"], says=[Reply(text="Hello.", audio_ms=300), ASK, *[Reply(text="Yes.")] * 4]
)

# When something rings here, and when a row of the list first says so: milliseconds since 1970.
WATCH = """
window.shown = {};
const look = () => {
  const rings = document.querySelector('[data-strip="rings"]') !== null;
  for (const row of document.querySelectorAll('[data-call]')) {
    const call = row.dataset.call;
    const there = window.shown[call] ??= {};
    const waits = row.textContent.includes('Rings at') || row.textContent.includes('Waiting');
    if (there.row === undefined && (waits || rings)) requestAnimationFrame(() => { there.row ??= Date.now(); });
    if (there.strip === undefined && rings) requestAnimationFrame(() => { there.strip ??= Date.now(); });
  }
};
new MutationObserver(look).observe(document, {subtree: true, childList: true, attributes: true, characterData: true});
"""


async def shown(page: Page, call_id: str, what: str) -> float | None:
    found: Any = await page.evaluate("([call, what]) => window.shown[call]?.[what] ?? null", [call_id, what])
    return found


async def one(house: House, pages: list[Page]) -> tuple[float, float]:
    """(until it rings at one console, until the other's list shows it), ms."""
    caller, call_id = await house.call()
    try:
        await house.events.until("turn.completed", call_id=call_id)
        speaking = asyncio.create_task(caller.speak(loud(600)))
        called = await house.events.until("tool.called", call_id=call_id)
        began = datetime.fromisoformat(called.at).timestamp() * 1000

        async def everywhere() -> tuple[float, float] | None:
            strips = [at for page in pages if (at := await shown(page, call_id, "strip")) is not None]
            rows = [at for page in pages if (at := await shown(page, call_id, "row")) is not None]
            return (strips[0] - began, max(rows) - began) if strips and len(rows) == len(pages) else None

        found: tuple[float, float] = await eventually(everywhere)
        await speaking
        async with house.http.delete(f"/v1/calls/{call_id}"):
            pass
        await house.events.until("call.ended", call_id=call_id)
        return found
    finally:
        await caller.close()


async def measure(redis_url: str, database_url: str, folder: Path) -> None:
    async with AsyncExitStack() as stack:
        house = await stack.enter_async_context(
            open_house(redis_url=redis_url, database_url=database_url, folder=folder, mind=SCRIPT)
        )
        await seat(database_url)
        url = house.url.replace("127.0.0.1", "localhost")
        pages = []
        for person in ("sato", "mori"):
            console = await stack.enter_async_context(at_the_console(url, person))
            await console.page.evaluate(WATCH)
            pages.append(console.page)
        await one(house, pages)
        found = [await one(house, pages) for _ in range(RINGS)]
    for name, place in (("tool call to ring", 0), ("to both lists", 1)):
        values = [each[place] for each in found]
        p50, p95 = np.percentile(values, [50, 95])
        print(f"{name}: p50 {p50:.0f} ms, p95 {p95:.0f} ms, worst {max(values):.0f} ms, n {len(values)}")


def main() -> None:
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        redis, postgres = RedisServer(folder / "redis"), PostgresServer(folder / "postgres")
        redis.start()
        postgres.start()
        try:
            database_url = postgres.fresh_database()
            asyncio.run(migrate(database_url))
            asyncio.run(measure(redis.url, database_url, folder))
        finally:
            redis.kill()
            postgres.stop()


if __name__ == "__main__":
    main()
