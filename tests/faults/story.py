"""A call as a media server lives it, with events of every kind; a number in each tells them apart.

Pure. Events that leave rows in every table about calls are among them, and some that follow `call.ended`.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from datetime import datetime

from storage.call_ids import new_call_id
from storage.envelope import Envelope, Sequencer, rfc3339
from storage.events import (
    CallAnnotated,
    CallAnswered,
    CallEnded,
    CallStarted,
    DtmfReceived,
    Event,
    HandoffRequested,
    SlotConfirmed,
    SlotFilled,
    ToolCalled,
    ToolFinished,
    TranscriptFinal,
    TranscriptPartial,
    TurnCompleted,
)

# Between call.started and call.ended: short enough for some hundred calls to end in a short run.
SHORTEST, LONGEST = 6, 30
# Of the calls; a rating that comes when the call is over.
ANNOTATED = 0.1
# Of the events; live only, so they leave no rows and may be lost.
PARTIALS = 0.15


class Call:
    """One call. Order of calls: `next` until it is `over`, or `hang_up` earlier."""

    def __init__(self, chance: random.Random, names: Iterator[int]) -> None:
        self._chance = chance
        self._names = names
        self._sequencer = Sequencer(new_call_id())
        self._left = chance.randint(SHORTEST, LONGEST)
        self._waiting: list[Event] = [
            CallStarted(
                direction="inbound",
                agent=chance.choice(("dental", "clinic", "shop")),
                agent_version="v1",
                caller="+12065550123",
                called=None,
                media="webrtc",
                node="faults",
            ),
            CallAnswered(setup_ms=chance.randint(100, 900), codec="opus"),
        ]
        self._position = 0
        self._turn = 0
        self._will_be_rated = chance.random() < ANNOTATED
        self.over = False

    def next(self, now: datetime) -> Envelope:
        """The next event that happens on this call."""
        if not self._waiting:
            if self._sequencer.ended:
                return self._last(CallAnnotated(kind="rating", value=self._chance.randint(1, 5)), now)
            if self._left > 0 and self._chance.random() < PARTIALS:
                partial = TranscriptPartial(item_id=f"item_{self._position}", speaker="agent", text="Let me")
                return self._sequencer.stamp(partial, now)
            self._waiting = self._more(now) if self._left > 0 else [self._end()]
        event = self._waiting.pop(0)
        self._left -= 1
        return self._last(event, now) if isinstance(event, CallEnded) else self._sequencer.stamp(event, now)

    def hang_up(self, now: datetime) -> Envelope | None:
        """The last event, at once; None where `call.ended` has been, or nothing yet."""
        self.over = True
        never_began = self._sequencer.last_seq < 0
        return None if never_began or self._sequencer.ended else self._sequencer.stamp(self._end(), now)

    def _last(self, event: Event, now: datetime) -> Envelope:
        envelope = self._sequencer.stamp(event, now)
        self.over = not self._will_be_rated or isinstance(event, CallAnnotated)
        return envelope

    def _more(self, now: datetime) -> list[Event]:
        name = next(self._names)
        match self._chance.randrange(8):
            case 0 | 1 | 2:
                self._position += 1
                agent = self._position % 2 == 0
                return [
                    TranscriptFinal(
                        item_id=f"item_{self._position}",
                        position=self._position,
                        speaker="agent" if agent else "caller",
                        text=f"This is sentence {name}, and 明日 の 三時 as well.",
                        heard_text=f"This is sentence {name}",
                        heard_ms=1200 if agent else None,
                        started_at=rfc3339(now),
                        interrupted=False,
                    )
                ]
            case 3:
                self._turn += 1
                return [TurnCompleted(turn=self._turn, response_latency_ms=300 + name % 500, tools=[])]
            case 4:
                slot = self._chance.choice(("date", "time", "name"))
                return [
                    SlotFilled(goal="booking", slot=slot, value=name, confirmed=False),
                    SlotConfirmed(goal="booking", slot=slot, value=name),
                ]
            case 5:
                item = f"fc_{name}"
                return [
                    ToolCalled(name="get_customer_info", call_item_id=item, arguments={"number": name}),
                    ToolFinished(
                        name="get_customer_info",
                        call_item_id=item,
                        ok=True,
                        duration_ms=name % 90,
                        output={"found": name},
                        error=None,
                    ),
                ]
            case 6:
                return [
                    HandoffRequested(
                        handoff_id=f"h_{name}", reason="asked", summary=f"{name}", method="caller"
                    )
                ]
            case _:
                return [DtmfReceived(digit=str(name % 10), duration_ms=name)]

    def _end(self) -> CallEnded:
        metrics = {"turns": self._turn, "interruptions": 0, "latency_p50_ms": 420, "latency_p95_ms": 800}
        return CallEnded(reason="caller_hangup", duration_ms=61_000, outcome="booked", metrics=metrics)
