"""When each side really spoke, for the figures of a call: at our end of the line, without what detection adds.

Of the agent's words: from the first packet that left to the last one, or to where it was stopped. Of the caller's:
from the first sound to the last, without the padding before and the silence after them that voice detection counts
to speech. What was said, and how much of it was heard, is the transcript's business.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

REMEMBERED = 128  # items of each side whose words are still to come; the oldest are forgotten


@dataclass(slots=True)
class _Playing:
    audio_ms: float = 0.0
    began_at: float | None = None
    held_s: float = 0.0
    stopped_at: float | None = None

    def ends_at(self) -> float | None:
        """When all of it has left, if nothing more comes and nobody stops it."""
        return None if self.began_at is None else self.began_at + self.audio_ms / 1000 + self.held_s


@dataclass(slots=True)
class _Sound:
    began_at: float | None
    stopped_at: float | None = None


@dataclass(slots=True, kw_only=True)
class SpeakingTimes:
    """Tell it what happens; `span` at the end of each item, once. Times are the conversation's, in seconds."""

    zero: float  # where the call's clock begins
    _agent: dict[str, _Playing] = field(default_factory=dict)
    _caller: dict[str, _Sound] = field(default_factory=dict)
    _held_at: float | None = None

    def agent_audio(self, item_id: str, ms: float) -> None:
        """So much more of an item is to be played."""
        self._agent.setdefault(item_id, _Playing()).audio_ms += ms
        _forget_oldest(self._agent)

    def agent_began(self, item_id: str, at: float) -> None:
        """Its first packet has left; of several parts the first counts."""
        playing = self._agent.get(item_id)
        if playing is not None and playing.began_at is None:
            playing.began_at = at

    def held(self, at: float) -> None:
        """Playing pauses. Idempotent."""
        if self._held_at is None:
            self._held_at = at

    def released(self, at: float) -> int:
        """Playing goes on; returns how many milliseconds it had paused."""
        since, self._held_at = self._held_at, None
        if since is None:
            return 0
        for playing in self._agent.values():
            ends_at = playing.ends_at()
            if playing.stopped_at is None and ends_at is not None and ends_at > since:
                playing.held_s += at - since
        return round((at - since) * 1000)

    def cut(self, item_ids: Iterable[str], at: float) -> None:
        """Playing was stopped, and these were not at their end."""
        silent_since = at if self._held_at is None else self._held_at
        self._held_at = None
        for item_id in item_ids:
            playing = self._agent.get(item_id)
            if playing is not None and playing.stopped_at is None:
                playing.stopped_at = silent_since

    def caller_began(self, item_id: str, at: float) -> None:
        self._caller.setdefault(item_id, _Sound(at))
        _forget_oldest(self._caller)

    def caller_stopped(self, item_id: str, at: float) -> None:
        sound = self._caller.get(item_id)
        if sound is not None:
            sound.stopped_at = at

    def caller_committed(self, item_id: str, at: float) -> None:
        """The end of words that nobody heard the end of: the caller hung up over them."""
        sound = self._caller.get(item_id)
        if sound is not None and sound.stopped_at is None:
            sound.stopped_at = at

    def span(self, item_id: str) -> tuple[int, int] | None:
        """(start_ms, end_ms) of an item on the call's clock, and forget it; None where it was never on the line."""
        playing, sound = self._agent.pop(item_id, None), self._caller.pop(item_id, None)
        began_at = playing.began_at if playing else sound.began_at if sound else None
        ends_at = playing.ends_at() if playing else sound.stopped_at if sound else None
        if playing and playing.stopped_at is not None and ends_at is not None:
            ends_at = min(ends_at, playing.stopped_at)
        if began_at is None or ends_at is None:
            return None
        return self._ms(began_at), max(self._ms(began_at), self._ms(ends_at))

    def _ms(self, at: float) -> int:
        return max(0, round((at - self.zero) * 1000))


def _forget_oldest(items: dict[str, _Playing] | dict[str, _Sound]) -> None:
    if len(items) > REMEMBERED:
        del items[next(iter(items))]
