"""One call's events from several places put together, and where they have a hole.

The record of a call lies in up to three places at once: in memory, in the outbox, in Postgres. What is read
from them overlaps, and for moments something is missing in between; nobody is ever handed events across such
a hole. A hole that has stayed for ten minutes stays for good: that event could not be stored (dead_letters).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta

from storage.codec import happened_at
from storage.envelope import Envelope

HOLE_STAYS_AFTER = timedelta(minutes=10)
"""Longer than a worker needs for the backlog of an hour (measured: 6,000 events/s), far longer than a re-send."""


def merged(*sources: Iterable[Envelope], after: int = -1) -> list[Envelope]:
    """Every numbered event beyond `after` once, in order, whichever source has it."""
    by_seq = {
        event.seq: event
        for source in sources
        for event in source
        if event.seq is not None and event.seq > after
    }
    return [by_seq[seq] for seq in sorted(by_seq)]


def unbroken(events: Sequence[Envelope], *, after: int, now: datetime) -> list[Envelope]:
    """As many of these (in order, all beyond `after`) as follow `after` without a hole that may still be filled.

    Empty although there are events: the very next one is still missing.
    """
    expected = after + 1
    for index, event in enumerate(events):
        assert event.seq is not None, "events without a number have no place in a sequence"
        if event.seq != expected and now - happened_at(event) < HOLE_STAYS_AFTER:
            return list(events[:index])
        expected = event.seq + 1
    return list(events)
