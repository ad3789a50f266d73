"""So many tools at once, the others in order, and no more than may wait."""

from __future__ import annotations

import asyncio

import pytest

from realtime.tools.places import CALL_AT_ONCE, PROCESS_AT_ONCE, Full, Places, call_places, process_places


async def settle() -> None:
    """Every task that can go on has gone on."""
    for _ in range(5):
        await asyncio.sleep(0)


class Workers:
    """Each takes a place, is noted, and gives it back when told."""

    def __init__(self) -> None:
        self.entered: list[str] = []
        self.full: list[str] = []
        self.tasks: dict[str, asyncio.Task[None]] = {}

    def send(self, name: str, places: Places) -> None:
        async def enter() -> None:
            try:
                await places.enter()
            except Full:
                self.full.append(name)
            else:
                self.entered.append(name)

        self.tasks[name] = asyncio.create_task(enter())


async def test_who_comes_later_waits_in_order_and_beyond_that_is_turned_away() -> None:
    places, workers = Places(2, 3), Workers()
    for name in "abcdef":
        workers.send(name, places)
    await settle()
    assert workers.entered == ["a", "b"]
    assert workers.full == ["f"]

    for expected in ("abc", "abcd", "abcde"):
        places.leave()
        await settle()
        assert workers.entered == list(expected)


async def test_who_gives_up_waiting_leaves_no_gap() -> None:
    places, workers = Places(1, 2), Workers()
    for name in "abc":
        workers.send(name, places)
    await settle()
    workers.tasks["b"].cancel()
    await settle()
    workers.send("d", places)
    places.leave()
    await settle()
    places.leave()
    await settle()

    assert workers.entered == ["a", "c", "d"]


async def test_one_call_runs_eight_at_once_and_does_not_keep_others_from_the_rest() -> None:
    process = process_places()
    greedy, modest, workers = call_places(process), call_places(process), Workers()
    for number in range(20):
        workers.send(f"greedy {number}", greedy)
    await settle()
    assert len(workers.entered) == CALL_AT_ONCE == 8

    workers.send("modest", modest)
    await settle()

    assert workers.entered[-1] == "modest"


async def test_two_hundred_run_at_once_in_the_process() -> None:
    process, workers = process_places(), Workers()
    calls = [call_places(process) for _ in range(26)]
    for number, places in enumerate(calls * 8):
        workers.send(str(number), places)
    await settle()
    assert len(workers.entered) == PROCESS_AT_ONCE == 200

    calls[0].leave()
    await settle()

    assert len(workers.entered) == 201


async def test_a_call_that_finds_the_process_full_gives_its_own_place_back() -> None:
    process = Places(1, 0)
    await process.enter()
    places = Places(1, 0, within=process)

    with pytest.raises(Full):
        await places.enter()
    process.leave()

    await places.enter()
