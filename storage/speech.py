"""Who spoke when, as spans of milliseconds: what overlaps, what is between, what somebody broke into.

Times are on the call's clock, at our end of the line.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

# What voice detection takes for speech below this is a click; gaps below that are breath (tau-voice, EVA).
SHORTEST_MS = 200
JOINED_BELOW_MS = 300


class Span(NamedTuple):
    """From `start` up to `end`, in milliseconds."""

    start: int
    end: int

    @property
    def ms(self) -> int:
        return self.end - self.start


def joined(spans: Iterable[Span], *, below_ms: int = 0) -> list[Span]:
    """In order, without overlaps, those with less than `below_ms` between them made one."""
    found: list[Span] = []
    for span in sorted(span for span in spans if span.end > span.start):
        if found and span.start - found[-1].end < max(below_ms, 1):
            found[-1] = Span(found[-1].start, max(found[-1].end, span.end))
        else:
            found.append(span)
    return found


def segments(spans: Iterable[Span]) -> list[Span]:
    """Speech segments: gaps below 300 ms joined, then what is shorter than 200 ms left out."""
    return [span for span in joined(spans, below_ms=JOINED_BELOW_MS) if span.ms >= SHORTEST_MS]


def total_ms(spans: Iterable[Span]) -> int:
    return sum(span.ms for span in spans)


def overlap_ms(one: Sequence[Span], other: Sequence[Span]) -> int:
    """For how long both are going on; each without overlaps of its own."""
    return sum(max(0, min(a.end, b.end) - max(a.start, b.start)) for a in one for b in other)


def gaps(busy: Iterable[Span], window: Span) -> list[Span]:
    """What of the window nothing of `busy` covers."""
    found: list[Span] = []
    at = window.start
    for span in joined(busy):
        if span.start > at:
            found.append(Span(at, min(span.start, window.end)))
        at = max(at, span.end)
    if at < window.end:
        found.append(Span(at, window.end))
    return [span for span in found if span.end > span.start]


def broken_into(start: int, others: Sequence[Span]) -> Span | None:
    """The span that is going on when somebody else begins at `start`."""
    return next((span for span in others if span.start < start < span.end), None)
