"""The running calls of other media servers, as this one hears of them.

Pure: events come in as they are heard (`hear`) or were read from the record (`found`, `fill`), views come out.
Each event counts once, whatever its order and however often it comes. What is missing is told by `holes`; the
shell reads it from the record and calls `fill`, until nothing is missing or it gives up.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta

from storage.envelope import Envelope
from storage.projection import CallProjection, CallView
from storage.resumed_projection import ResumedProjection

MOST_CALLS = 10_000
"""About what ten servers hold; beyond it the oldest call is forgotten."""
REMEMBERED = 20_000
"""Events kept to fill gaps before they are on record, 30 MB: 4 s of 5,000 events/s, minutes of usual traffic."""
SILENT_AFTER = timedelta(minutes=5)
"""A call says something every 15 s (its quality). One that has not for this long ran on a server that is gone,
or is cut off; it is shown again when it says more."""
SHOWN_AFTER_END = timedelta(minutes=1)
"""As long as the owner itself shows an ended call from memory: by then it is on record."""


class _Call:
    """One call. All of 0…`complete` is folded in, and the numbers in `ahead` beyond it."""

    def __init__(self, call_id: str, now: datetime) -> None:
        self.news_at = now
        self.projection = CallProjection(call_id)
        self.complete = -1
        self.ahead: set[int] = set()
        self.expected = -1  # the record has events up to here
        self.events: dict[int, Envelope] = {}
        self.ended_at: datetime | None = None

    @property
    def heard(self) -> int:
        """The highest number folded in."""
        return max(self.ahead, default=self.complete)

    @property
    def has_hole(self) -> bool:
        return bool(self.ahead) or self.expected > self.complete

    def has(self, seq: int) -> bool:
        return seq <= self.complete or seq in self.ahead

    def fold(self, envelope: Envelope, now: datetime) -> None:
        assert envelope.seq is not None
        self.news_at = now
        self.projection.fold(envelope)
        self.ahead.add(envelope.seq)
        self.advance()
        if envelope.type == "call.ended":
            self.ended_at = now

    def advance(self) -> None:
        while self.complete + 1 in self.ahead:
            self.complete += 1
            self.ahead.discard(self.complete)

    def resume(self, view: CallView, last_seq: int, now: datetime) -> None:
        """Begin anew from how the call stands on record."""
        later = [self.events[seq] for seq in sorted(self.events) if seq > last_seq]
        self.projection, self.complete, self.ahead = ResumedProjection(view, last_seq), last_seq, set()
        for envelope in later:
            self.fold(envelope, now)


class OtherCalls:
    """Order of calls: any. Bounded: MOST_CALLS calls, REMEMBERED events; the oldest go first."""

    def __init__(self) -> None:
        self._calls: dict[str, _Call] = {}
        self._memory: deque[tuple[str, int]] = deque()
        self._silent: dict[str, int] = {}  # and the last number heard of it

    def hear(self, envelope: Envelope, now: datetime) -> bool:
        """Take in a numbered event; False for one that is known already."""
        assert envelope.seq is not None
        self._silent.pop(envelope.call_id, None)
        call = self._call(envelope.call_id, now)
        if call.has(envelope.seq):
            return False
        call.fold(envelope, now)
        self._remember(envelope)
        return True

    def found(self, view: CallView, last_seq: int, now: datetime) -> bool:
        """A call is on record like this. True where it, or its beginning, was unknown so far."""
        if self._silent.get(view.id, -1) >= last_seq:
            return False
        call = self._calls.get(view.id)
        if call is not None and call.complete >= 0:
            call.expected = max(call.expected, last_seq)
            return False
        if call is not None and call.ended_at is not None:
            return False  # heard the end only; the record is behind
        self._call(view.id, now).resume(view, last_seq, now)
        return True

    def fill(self, call_id: str, events: Sequence[Envelope], now: datetime) -> list[Envelope]:
        """Events read from the record. Returns those that are newer than everything heard so far, in order."""
        call = self._call(call_id, now)
        heard = call.heard
        new = [event for event in events if event.seq is not None and not call.has(event.seq)]
        for event in new:
            call.fold(event, now)
            self._remember(event)
        return [event for event in new if event.seq is not None and event.seq > heard]

    def give_up(self, call_id: str) -> None:
        """What is missing of this call will not come: go on with what there is."""
        call = self._calls.get(call_id)
        if call is not None:
            call.complete, call.ahead, call.expected = call.heard, set(), -1

    def doubt(self, seen: Iterable[str]) -> None:
        """The record shows these calls as running. Whoever runs here and not there has ended, or is very new:
        the record is asked for its next event."""
        shown = set(seen)
        for call_id, call in self._calls.items():
            if call.ended_at is None and call_id not in shown:
                call.expected = max(call.expected, call.heard + 1)

    def believe(self, call_id: str) -> None:
        """The record has nothing more of this call than was heard."""
        call = self._calls.get(call_id)
        if call is not None:
            call.expected = call.complete

    def holes(self) -> dict[str, int]:
        """Calls of which something is missing, and the number after which it is."""
        return {call_id: call.complete for call_id, call in self._calls.items() if call.has_hole}

    def has_hole(self, call_id: str) -> bool:
        call = self._calls.get(call_id)
        return call is not None and call.has_hole

    def is_ahead(self, call_id: str) -> bool:
        """Events beyond a missing one were heard."""
        call = self._calls.get(call_id)
        return call is not None and bool(call.ahead)

    def forget_ended(self, now: datetime) -> None:
        """Calls that ended more than SHOWN_AFTER_END ago."""
        gone = [
            call_id
            for call_id, call in self._calls.items()
            if call.ended_at is not None and now - call.ended_at > SHOWN_AFTER_END
        ]
        for call_id in gone:
            del self._calls[call_id]

    def forget_silent(self, now: datetime) -> bool:
        """Running calls of which there was no news for SILENT_AFTER; True if there were any."""
        gone = [
            call_id
            for call_id, call in self._calls.items()
            if call.ended_at is None and now - call.news_at > SILENT_AFTER
        ]
        for call_id in gone:
            self._silent[call_id] = self._calls.pop(call_id).heard
            if len(self._silent) > MOST_CALLS:
                del self._silent[next(iter(self._silent))]
        return bool(gone)

    def erase(self, call_ids: Iterable[str]) -> None:
        """Forget these at once, whatever they are."""
        for call_id in call_ids:
            self._calls.pop(call_id, None)
            self._silent.pop(call_id, None)

    def running(self) -> list[CallView]:
        """Those whose state is known: of a call joined in the middle the record tells it in a moment."""
        return [
            call.projection.view
            for call in self._calls.values()
            if call.ended_at is None and call.complete >= 0
        ]

    def view(self, call_id: str) -> CallView | None:
        """Running or just ended; None for a call that is not known, or of which only an end was heard."""
        call = self._calls.get(call_id)
        return None if call is None or call.complete < 0 else call.projection.view

    def last_seq(self, call_id: str) -> int:
        """Up to here nothing is missing; -1 where the beginning is."""
        call = self._calls.get(call_id)
        return -1 if call is None else call.complete

    def events_after(self, call_id: str, after: int) -> list[Envelope]:
        """What is remembered beyond `after`, in order; may have holes."""
        call = self._calls.get(call_id)
        return [] if call is None else [call.events[seq] for seq in sorted(call.events) if seq > after]

    def _call(self, call_id: str, now: datetime) -> _Call:
        call = self._calls.get(call_id)
        if call is None:
            call = self._calls[call_id] = _Call(call_id, now)
            if len(self._calls) > MOST_CALLS:
                del self._calls[next(iter(self._calls))]
        return call

    def _remember(self, envelope: Envelope) -> None:
        assert envelope.seq is not None
        self._calls[envelope.call_id].events[envelope.seq] = envelope
        self._memory.append((envelope.call_id, envelope.seq))
        while len(self._memory) > REMEMBERED:
            call_id, seq = self._memory.popleft()
            if (call := self._calls.get(call_id)) is not None:
                call.events.pop(seq, None)
