"""One call seen whole: running ones are answered from memory, past ones from the archive, and what is between
the two from what this node has not been told to be on record yet.

While the archive is down, running calls are still answered, and past calls of which nothing lies in the
archive only; the others are a 503.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, TypeVar

from signaling.errors import RecordUnavailable, UnknownCall
from signaling.web.ports import CallArchive, CallDesk, NoOtherNodes, NothingUnstored, OtherNodes, Unstored
from storage.envelope import Envelope
from storage.gaps import merged, unbroken
from storage.metrics import as_json, measure
from storage.prices import PRICES, PriceTable
from storage.projection import CallView, TranscriptEntry, fold_call, fold_transcript

if TYPE_CHECKING:
    from signaling.web.routing import Doors

T = TypeVar("T")

MISSING_WITHIN_S = 2.0
"""How long a request waits for an event that is on its way to the record; that takes 2 ms, after a restart of
Redis or the worker a second."""
LOOK_EVERY_S = 0.1
_PAGE = 1000


async def from_archive(asked: Awaitable[T]) -> T:
    """Ask the archive. Raises RecordUnavailable where it cannot be reached; the cause goes to no client."""
    try:
        return await asked
    except (OSError, TimeoutError) as error:
        raise RecordUnavailable(
            "The record of past calls cannot be reached.",
            fix="Running calls go on. Check that Postgres is up: cordboard check.",
        ) from error


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """All that is known of calls, behind one set of questions. Each raises UnknownCall or RecordUnavailable."""

    desk: CallDesk
    archive: CallArchive
    others: OtherNodes = field(default_factory=NoOtherNodes)
    unstored: Unstored = field(default_factory=NothingUnstored)
    prices: PriceTable = PRICES

    @classmethod
    def of(cls, doors: Doors) -> Record:
        return cls(
            desk=doors.desk,
            archive=doors.archive,
            others=doors.others,
            unstored=doors.unstored,
            prices=doors.settings.metrics.price_table,
        )

    def running_calls(self) -> list[CallView]:
        """This node's, then the others'; from memory."""
        ours = self.desk.live_calls()
        known = {view.id for view in ours}
        return [*ours, *(view for view in self.others.live_calls() if view.id not in known)]

    def call_in_memory(self, call_id: str) -> CallView | None:
        """Running, or ended a moment ago."""
        return self.desk.live_call(call_id) or self.others.live_call(call_id)

    async def call(self, call_id: str) -> CallView:
        view = self.call_in_memory(call_id)
        if view is not None:
            return view
        return await self._past(
            call_id, self.archive.get_call(call_id), lambda events: fold_call(call_id, events)
        )

    async def transcript(self, call_id: str) -> Sequence[TranscriptEntry]:
        entries = self.desk.live_transcript(call_id)
        if entries is not None:
            return entries
        return await self._past(call_id, self.archive.transcript(call_id), fold_transcript)

    async def metrics(self, call_id: str) -> Mapping[str, Any]:
        """The figures that `call.ended` carries and, under `measured`, all that the log says; before the end,
        UnknownCall with the code `call_still_running`."""
        live = self.desk.live_events(call_id, -1)
        if live is None:
            return await self._past(
                call_id, self.archive.metrics(call_id), lambda events: _figures(events, self.prices)
            )
        return _figures(live, self.prices)

    async def events(self, call_id: str, *, after: int, limit: int) -> Sequence[Envelope]:
        """At most `limit` numbered events with seq > after, in order.

        Without holes and doubles, whatever of it is in memory, on its way or on record; what comes behind an
        event that is still on its way is left for the next question. Raises RecordUnavailable when the very
        next event does not come within MISSING_WITHIN_S.
        """
        live = self.desk.live_events(call_id, after)
        if live is not None:
            return live[:limit]
        give_up_at = asyncio.get_running_loop().time() + MISSING_WITHIN_S
        while True:
            known, down = await self._known_events(call_id, after, limit)
            events = unbroken(known, after=after, now=datetime.now(UTC))[:limit]
            if events:
                return events
            if down is not None:
                raise down
            if not known and self.others.last_seq(call_id) <= after:
                return []
            if asyncio.get_running_loop().time() >= give_up_at:
                raise RecordUnavailable(
                    f"Events of this call after {after} are on their way to the record.",
                    fix="Ask again in a second.",
                    retry_after_s=1,
                )
            await asyncio.sleep(LOOK_EVERY_S)

    async def _known_events(
        self, call_id: str, after: int, limit: int
    ) -> tuple[list[Envelope], RecordUnavailable | None]:
        """From all places, perhaps with holes; and why the archive had none to give, if it cannot be asked.

        The outbox first: what has left it by then is in the archive. The other way round, an event that moves
        meanwhile would be seen in neither.
        """
        unstored = await self._unstored(call_id, after, limit)
        heard = self.others.events_after(call_id, after)
        try:
            stored = await from_archive(self.archive.events_after(call_id, after, limit))
        except RecordUnavailable as down:
            return merged(unstored, heard, after=after), down
        if stored is None and not unstored and not await self._is_heard_of(call_id):
            await self.call(call_id)  # raises for one that nobody knows
        return merged(stored or [], unstored, heard, after=after), None

    async def _is_heard_of(self, call_id: str) -> bool:
        return bool(self.others.events_after(call_id, -1) or await self._unstored(call_id, -1, 1))

    async def _past(self, call_id: str, asked: Awaitable[T | None], fold: Any) -> T:
        """From the archive; where that has nothing or is down, from the events that wait to be stored, if those
        are all there are."""
        try:
            value = await from_archive(asked)
        except RecordUnavailable:
            events = await self._waiting_whole(call_id)
            if not events:
                raise
            value = fold(events)
        if value is None:
            events = await self._waiting_whole(call_id)
            value = fold(events) if events else None
        return _found(value)

    async def _waiting_whole(self, call_id: str) -> list[Envelope]:
        """Every event of a call of which none is on record for sure; none if the first ones are gone."""
        events: list[Envelope] = []
        while page := await self._unstored(call_id, len(events) - 1, _PAGE):
            if [event.seq for event in page] != list(range(len(events), len(events) + len(page))):
                return []
            events += page
        return events

    async def _unstored(self, call_id: str, after: int, limit: int) -> list[Envelope]:
        return await from_archive(self.unstored.events_after(call_id, after, limit))


def _figures(events: Sequence[Envelope], prices: PriceTable) -> Mapping[str, Any]:
    """As the worker stores them."""
    for event in reversed(events):
        if event.type == "call.ended":
            return {**event.data["metrics"], "measured": as_json(measure(events, prices))}
    raise UnknownCall("This call is running; its figures come with its end.", code="call_still_running")


def _found(value: T | None) -> T:
    if value is None:
        raise UnknownCall("No call of this id is running or on record.", fix="GET /v1/calls lists them.")
    return value
