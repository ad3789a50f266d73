"""The desk under pressure: `python -m tests.benchmarks.desk`.

20 calls ask for a person in the same moment, 5 operators take what rings and talk for a second each; a real Redis,
no audio. Prints who had to wait for how long, and holds that nobody was asked twice.
"""

from __future__ import annotations

import asyncio
import statistics
import tempfile
from pathlib import Path

from signaling.roster.roster import Roster
from signaling.server.desk import Desk
from storage.events import HandoffConnected, HandoffOffered
from tests.fakes.desk_call import DeskCallFake, takes_whatever_rings
from tests.fakes.eventually import eventually
from tests.fakes.servers import RedisServer

CALLS, OPERATORS, TALKS_S = 20, 5, 1.0


async def measure(redis_url: str) -> None:
    calls: dict[str, DeskCallFake] = {}
    roster = Roster(redis_url, tenant="default", node="one", on_change=lambda: desk.changed())
    desk = Desk(
        roster,
        tenant="default",
        call_of=calls.get,
        annotate=lambda call_id, fact: True,
        announce=lambda envelope: None,
    )
    roster.start()
    desk.start()
    taken: asyncio.Queue[tuple[str, str, float]] = asyncio.Queue()
    people = [
        asyncio.create_task(takes_whatever_rings(desk, f"op{n}", calls, talks_s=TALKS_S, taken=taken))
        for n in range(OPERATORS)
    ]
    await eventually(lambda: _all_there(desk))
    loop = asyncio.get_running_loop()
    began = loop.time()
    for _ in range(CALLS):
        call = DeskCallFake(desk=desk)
        calls[call.call_id] = call
        call.ask()
    served = [await taken.get() for _ in range(CALLS)]
    took = loop.time() - began
    for task in people:
        task.cancel()
    await asyncio.gather(*people, return_exceptions=True)
    waits = sorted(
        event.waited_ms
        for call in calls.values()
        for event in call.events
        if isinstance(event, HandoffConnected)
    )
    offers = [sum(isinstance(event, HandoffOffered) for event in call.events) for call in calls.values()]
    by_operator = {who: sum(1 for each, _, _ in served if each == who) for who, _, _ in served}
    print(f"{CALLS} calls, {OPERATORS} operators, {TALKS_S:g} s of talk each")
    print(f"all connected after {took:.2f} s; at best {(CALLS / OPERATORS - 1) * TALKS_S:.0f} s")
    print(f"waited p50 {statistics.median(waits):.0f} ms, first {waits[0]} ms, last {waits[-1]} ms")
    print(
        f"calls an operator: {dict(sorted(by_operator.items()))}; offers a call: {min(offers)} to {max(offers)}"
    )
    assert len({call_id for _, call_id, _ in served}) == CALLS
    assert offers == [1] * CALLS
    await desk.stop()
    await roster.stop()


async def _all_there(desk: Desk) -> bool:
    return len(await desk.operators()) == OPERATORS


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        server = RedisServer(Path(folder) / "redis")
        server.start()
        try:
            asyncio.run(measure(server.url))
        finally:
            server.kill()


if __name__ == "__main__":
    main()
