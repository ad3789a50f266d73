from __future__ import annotations

import asyncio
import logging

import pytest

from media.pacer import Due
from media.rtc.ticker import GROUPS, INTERVAL_S, Ticker, ticker


class Member:
    def __init__(self, *, fails_at: int | None = None) -> None:
        self.at: list[float] = []
        self.failed = False
        self._fails_at = fails_at
        self._enough = asyncio.Event()
        self._wanted = 0

    def tick(self, due: Due, now: float) -> None:
        self.at.append(now)
        if len(self.at) >= self._wanted:
            self._enough.set()
        if len(self.at) == self._fails_at:
            raise ValueError("on purpose")

    def tick_failed(self) -> None:
        self.failed = True

    async def ticks(self, count: int) -> None:
        self._wanted = len(self.at) + count
        self._enough.clear()
        async with asyncio.timeout(5):
            await self._enough.wait()


async def test_every_member_ticks_every_twenty_milliseconds() -> None:
    clock, members = ticker(), [Member() for _ in range(GROUPS * 2)]
    for member in members:
        clock.join(member)

    await members[0].ticks(25)

    for member in members:
        clock.leave(member)
        span = member.at[-1] - member.at[0]
        assert (len(member.at) - 1) * INTERVAL_S == pytest.approx(span, abs=0.012)


async def test_groups_are_staggered() -> None:
    clock, members = ticker(), [Member() for _ in range(GROUPS)]
    for member in members:
        clock.join(member)

    await members[0].ticks(10)

    phases = sorted((member.at[5] % INTERVAL_S) for member in members)
    for member in members:
        clock.leave(member)
    gaps = [b - a for a, b in zip(phases, [*phases[1:], phases[0] + INTERVAL_S], strict=True)]
    assert max(gaps) < 0.012


async def test_one_members_fault_stops_only_that_member(caplog: pytest.LogCaptureFixture) -> None:
    clock, bad, good = ticker(), Member(fails_at=2), [Member() for _ in range(GROUPS)]
    clock.join(bad)
    for member in good:
        clock.join(member)

    with caplog.at_level(logging.ERROR):
        await good[-1].ticks(6)

    assert bad.failed
    assert len(bad.at) == 2
    assert "media tick failed" in caplog.text
    for member in good:
        clock.leave(member)


async def test_with_nobody_left_the_clock_stands_still() -> None:
    clock, member = Ticker(asyncio.get_running_loop()), Member()
    clock.join(member)
    await member.ticks(2)

    clock.leave(member)
    clock.leave(member)

    assert clock._timer is None


async def test_each_loop_has_one_clock() -> None:
    assert ticker() is ticker()
