"""The envelope every event travels in, and the sequencer that numbers a call's events.

One Sequencer belongs to the one process that owns the call; nobody else gives numbers. It is pure: the time
is an argument. What it does not know: where envelopes go (bus/) and what becomes of them (postgres/).
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import msgspec

from storage.clean_text import clean
from storage.events import CallEnded, Event

VERSION = 1
_ENDED = "call.ended"
_AFTER_END = "call.annotated"


class Envelope(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One event as it stands on Redis, on WebSockets and in HTTP answers.

    `id` and `seq` are None (and absent on the wire) for events that are only shown live.
    """

    v: int
    id: str | None = None  # "<call_id>:<seq>"
    tenant: str
    call_id: str
    seq: int | None = None
    at: str  # RFC 3339, UTC, milliseconds: "2026-11-22T09:30:01.120Z"
    type: str
    data: dict[str, Any]

    @property
    def live_only(self) -> bool:
        """True for events that are shown while they happen and never stored."""
        return self.seq is None


class CallOverError(Exception):
    """An event was stamped after `call.ended`. Only `call.annotated` may follow it (the contract)."""

    def __init__(self, call_id: str, type: str) -> None:
        super().__init__(f"{type} came after call.ended of {call_id}; only {_AFTER_END} may follow it")
        self.call_id = call_id
        self.type = type


class Sequencer:
    """Numbers the events of one call: 0, 1, 2, … without gaps.

    Order of calls: `stamp` for every event in the order it happened; publish each envelope in that order.
    """

    def __init__(self, call_id: str, tenant: str = "default", *, next_seq: int = 0) -> None:
        """`next_seq` > 0 continues a call whose earlier events are already out (annotations, recovery)."""
        self.call_id = call_id
        self.tenant = tenant
        self.ended = False
        self._next = next_seq

    @property
    def last_seq(self) -> int:
        """The number given last; -1 before the first."""
        return self._next - 1

    def stamp(self, event: Event, at: datetime) -> Envelope:
        """Return the envelope of `event`; `at` is when it happened (aware; any zone, written as UTC).

        Text is cleaned of what cannot be stored (see `clean_text`), `CallEnded.last_seq` is filled in.
        Raises CallOverError after `call.ended`, TypeError for data that is not JSON; neither takes a number.
        """
        if self.ended and event.type != _AFTER_END:
            raise CallOverError(self.call_id, event.type)
        data: dict[str, Any] = clean(msgspec.to_builtins(event))
        if event.live_only:
            return Envelope(
                v=VERSION,
                tenant=self.tenant,
                call_id=self.call_id,
                at=rfc3339(at),
                type=event.type,
                data=data,
            )
        seq = self._next
        if isinstance(event, CallEnded):
            data["last_seq"] = seq
        envelope = Envelope(
            v=VERSION,
            id=f"{self.call_id}:{seq}",
            tenant=self.tenant,
            call_id=self.call_id,
            seq=seq,
            at=rfc3339(at),
            type=event.type,
            data=data,
        )
        self._next += 1
        self.ended = self.ended or event.type == _ENDED
        return envelope


def rfc3339(at: datetime) -> str:
    """Write an aware time as UTC with milliseconds. ValueError for a naive one: its zone would be a guess."""
    if at.tzinfo is None:
        raise ValueError("a time without a zone cannot be put on record; use datetime.now(UTC)")
    return at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
