"""A house for tests: takes what it is told to take, and remembers what it was told."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

from media.sdp import OfferRejected
from signaling.sip.ports import HungUp, Invitation, Line
from tests.signaling.sip.phone import ANSWER


@dataclass
class Guest:
    """Implements Taken."""

    line: Line
    answer_sdp: str = ANSWER
    told: list[object] = field(default_factory=list)
    news: asyncio.Event = field(default_factory=asyncio.Event)
    referrals: list[tuple[int, str]] | None = None
    changes_to: str | None = None

    def _tell(self, what: object) -> None:
        self.told.append(what)
        self.news.set()

    async def answered(self, answer_sdp: str) -> None:
        self._tell(("answered", answer_sdp))

    def digit(self, digit: str, duration_ms: int) -> None:
        self._tell(("digit", digit, duration_ms))

    def hold(self, held: bool) -> None:
        self._tell(("hold", held))

    async def change(self, offer_sdp: str) -> str:
        self._tell("change")
        if self.changes_to is None:
            raise OfferRejected("not_answerable", "no")
        return self.changes_to

    def referred(self, target: str) -> AsyncIterator[tuple[int, str]] | None:
        self._tell(("referred", target))
        if self.referrals is None:
            return None
        steps = self.referrals

        async def tell() -> AsyncIterator[tuple[int, str]]:
            for step in steps:
                yield step

        return tell()

    def hung_up(self, why: HungUp) -> None:
        self._tell(("hung_up", why))

    async def until(self, what: object) -> None:
        try:
            async with asyncio.timeout(5):
                while what not in self.told:
                    self.news.clear()
                    await self.news.wait()
        except TimeoutError:
            raise AssertionError(f"not told {what}, but {self.told}") from None


@dataclass
class House:
    """Implements House. `refusal` is raised instead; `open` holds a call back until it is set."""

    connects: bool = True
    refusal: Exception | None = None
    closed: int | None = None
    open: asyncio.Event = field(default_factory=asyncio.Event)
    guests: list[Guest] = field(default_factory=list)
    asked: int = 0

    def __post_init__(self) -> None:
        self.open.set()

    async def take(self, invitation: Invitation) -> Guest:
        self.asked += 1
        await self.open.wait()
        if self.refusal is not None:
            raise self.refusal
        guest = Guest(line=invitation.line)
        self.guests.append(guest)
        if self.connects:
            invitation.line.media_connected()
        return guest

    def closed_for_s(self) -> int | None:
        return self.closed
