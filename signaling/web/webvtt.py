"""A transcript as WebVTT: cues in spoken order, timed from the start of the call. Pure.

A cue shows what was heard, not what the agent had meant to say. A caller's words have no measured length,
so their cue lasts until the next speaker begins, within limits.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from storage.projection import TranscriptEntry

SHORTEST_MS = 1_000  # a cue shorter than that cannot be read
LONGEST_GUESS_MS = 10_000  # where the length is not known


def to_webvtt(entries: Sequence[TranscriptEntry], *, started_at: str | None) -> str:
    """The whole file. `started_at` is the call's start (RFC 3339); None takes the first entry's."""
    lines = ["WEBVTT", ""]
    if entries:
        zero = _ms(started_at or entries[0].started_at)
        starts = [max(0, _ms(entry.started_at) - zero) for entry in entries]
        for index, entry in enumerate(entries):
            until = starts[index + 1] if index + 1 < len(entries) else None
            end = starts[index] + _length_ms(entry, starts[index], until)
            lines += [
                f"{_clock(starts[index])} --> {_clock(end)}",
                f"<v {entry.speaker}>{_text(entry.heard_text)}",
                "",
            ]
    return "\n".join(lines)


def _length_ms(entry: TranscriptEntry, start: int, until: int | None) -> int:
    if entry.heard_ms is not None:
        return max(SHORTEST_MS, entry.heard_ms)
    room = LONGEST_GUESS_MS if until is None else until - start
    return min(LONGEST_GUESS_MS, max(SHORTEST_MS, room))


def _ms(at: str) -> int:
    return round(datetime.fromisoformat(at).timestamp() * 1000)


def _clock(ms: int) -> str:
    seconds, milliseconds = divmod(ms, 1000)
    minutes, seconds = divmod(seconds, 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours:02}:{minutes:02}:{seconds:02}.{milliseconds:03}"


def _text(text: str) -> str:
    """WebVTT §4.1: & and < must be escaped; escaping > keeps `-->` out; a blank line would end the cue."""
    flat = " ".join(text.split())
    return flat.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;") or "…"
