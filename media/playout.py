"""What became of the agent's audio: queued, sent, heard, cut.

The ledger answers one question, "how much of this part has the caller heard by now?", which is what the model's
memory, the transcript and the metrics are cut to when the caller interrupts. It knows samples and seconds; it
does not know sockets, codecs or the conversation.

A packet's last sample is taken as heard `delay` after the packet left, where delay is half the round trip plus
the receiver's buffer; between two packets heard time grows with the clock. So during steady playing
heard = sent - delay, and it reaches sent once the delay has passed.

Order of calls: `queue` any number of times, `finish` once no more comes, `sent` as packets leave, `settle` from
time to time to forget parts that are done, `cut` to end everything.
"""

from __future__ import annotations

from collections import OrderedDict, deque
from dataclasses import dataclass
from typing import Final

from media.format import ms_to_samples, samples_to_ms

RECEIVER_BUFFER_MS: Final = 40  # what browsers' jitter buffers hold on a quiet network
REMEMBERED_PARTS: Final = 64  # finished parts whose heard_ms can still be asked for


@dataclass(frozen=True, slots=True)
class PartKey:
    """One audio part of one item of one response: the unit of playing and of truncation."""

    response_id: str
    item_id: str
    content_index: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Cut:
    """How far one part had come when everything was stopped. received >= sent >= heard."""

    part: PartKey
    received_ms: int  # queued by the model so far
    sent_ms: int  # put on RTP
    heard_ms: int  # what had reached the caller's ear
    finished: bool  # its whole audio was already heard: no truncation is due


@dataclass(slots=True)
class _Entry:
    """One part's account, in samples."""

    part: PartKey
    received: int = 0
    sent: int = 0
    complete: bool = False  # the model has said that no more comes


@dataclass(frozen=True, slots=True)
class _Departure:
    """One packet's worth of a part, and when it left."""

    part: PartKey
    samples: int
    at: float


class PlayoutLedger:
    """The account of every part that is not yet wholly heard, in play order.

    Bounded by what is queued: one small record per packet in flight (about the delay's worth), one per part.
    """

    def __init__(self, receiver_buffer_ms: float = RECEIVER_BUFFER_MS) -> None:
        self._entries: OrderedDict[PartKey, _Entry] = OrderedDict()
        self._in_flight: deque[_Departure] = deque()
        self._heard_wholly: OrderedDict[PartKey, int] = OrderedDict()
        self._receiver_buffer_ms = receiver_buffer_ms
        self._rtt_ms = 0.0

    @property
    def delay_ms(self) -> float:
        """From a packet's departure until its last sample is heard."""
        return self._rtt_ms / 2 + self._receiver_buffer_ms

    @property
    def empty(self) -> bool:
        """Nothing is queued, on its way or unfinished."""
        return not self._entries

    def round_trip_measured(self, rtt_ms: float) -> None:
        """Takes the newest round trip, from the peer's receiver reports (RFC 3550 section 6.4.1)."""
        self._rtt_ms = max(0.0, rtt_ms)

    def queue(self, part: PartKey, samples: int) -> None:
        """Audio of `part` has come from the model and waits to be sent."""
        entry = self._entries.get(part)
        if entry is None:
            entry = self._entries[part] = _Entry(part)
            self._heard_wholly.pop(part, None)
        entry.received += samples

    def finish(self, part: PartKey) -> None:
        """No more audio of `part` comes. Unknown parts (already cut, or empty) are ignored."""
        entry = self._entries.get(part)
        if entry is not None:
            entry.complete = True

    def sent(self, part: PartKey, samples: int, now: float) -> None:
        """`samples` of `part` have left on RTP. Never more than was queued: padding is not counted."""
        entry = self._entries.get(part)
        if entry is None:
            raise AssertionError(f"sent audio of {part.item_id}, which was never queued")
        samples = min(samples, entry.received - entry.sent)
        entry.sent += samples
        self._in_flight.append(_Departure(part, samples, now))
        self._land(now)

    def heard_ms(self, part: PartKey, now: float) -> int:
        """Milliseconds of `part` that the caller has heard by `now`; 0 for a part never queued."""
        entry = self._entries.get(part)
        if entry is None:
            return self._heard_wholly.get(part, 0)
        return samples_to_ms(self._heard(entry, now))

    def queued_ms(self) -> int:
        """Milliseconds that wait to be sent, all parts together."""
        return samples_to_ms(sum(entry.received - entry.sent for entry in self._entries.values()))

    def settle(self, now: float) -> tuple[PartKey, ...]:
        """Forgets, in play order, the finished parts that have been wholly heard by `now`, and names them."""
        settled: list[PartKey] = []
        for part, entry in list(self._entries.items()):
            # Asked every 20 ms: the sum over packets is made only when all have left.
            if not entry.complete or entry.sent < entry.received or self._heard(entry, now) < entry.received:
                break
            del self._entries[part]
            self._remember(part, samples_to_ms(entry.received))
            settled.append(part)
        return tuple(settled)

    def cut(self, now: float) -> tuple[Cut, ...]:
        """Ends every part still in the account, in play order, and says how far each had come.

        A part that turns out to be wholly heard is among them with `finished` set, so that each queued part is
        either settled or cut, exactly once. The account is empty afterwards; `heard_ms` still answers.
        """
        self._land(now)
        cuts: list[Cut] = []
        for part, entry in self._entries.items():
            heard = self._heard(entry, now)
            cuts.append(
                Cut(
                    part=part,
                    received_ms=samples_to_ms(entry.received),
                    sent_ms=samples_to_ms(entry.sent),
                    heard_ms=samples_to_ms(heard),
                    finished=entry.complete and heard >= entry.received,
                )
            )
        self._entries.clear()
        self._in_flight.clear()
        for cut in cuts:
            self._remember(cut.part, cut.heard_ms)
        return tuple(cuts)

    def _heard(self, entry: _Entry, now: float) -> int:
        unheard = 0
        for departure in self._in_flight:
            if departure.part == entry.part:
                to_go = departure.at + self.delay_ms / 1000 - now
                unheard += min(departure.samples, max(0, ms_to_samples(round(to_go * 1000, 6))))
        return max(0, entry.sent - unheard)

    def _land(self, now: float) -> None:
        while self._in_flight and self._in_flight[0].at + self.delay_ms / 1000 <= now:
            self._in_flight.popleft()

    def _remember(self, part: PartKey, heard_ms: int) -> None:
        self._heard_wholly[part] = heard_ms
        while len(self._heard_wholly) > REMEMBERED_PARTS:
            self._heard_wholly.popitem(last=False)
