"""Who said what, in spoken order, and how much of it was heard.

Keyed by item id, because a caller's words arrive after the answer to them and an answer can have several
items. A position is given when an item takes its place in the conversation, never when its text arrives.
An agent's entry is final once its response is over and its audio has been heard or cut; a caller's once it is
transcribed or has failed to be.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from datetime import datetime

from media.playout import Cut, PartKey
from realtime.heard_text import aligned_prefix, spoken_ms, spoken_prefix
from storage.envelope import rfc3339
from storage.events import Speaker, TranscriptFinal

REMEMBERED = 64  # finished items of each side: news of one that comes twice or late opens no second entry


@dataclass(frozen=True, slots=True, kw_only=True)
class Final:
    """One finished entry, ready for `transcript.final`."""

    item_id: str
    position: int
    speaker: Speaker
    text: str
    heard_text: str
    heard_ms: int | None
    started_at: float  # the conversation's clock, seconds
    interrupted: bool

    def event(self, started_at: datetime, span: tuple[int, int] | None = None) -> TranscriptFinal:
        """For the record, with the wall clock's time; `span`: (start_ms, end_ms) on the call's clock, if known."""
        return TranscriptFinal(
            item_id=self.item_id,
            position=self.position,
            speaker=self.speaker,
            text=self.text,
            heard_text=self.heard_text,
            heard_ms=self.heard_ms,
            started_at=rfc3339(started_at),
            interrupted=self.interrupted,
            start_ms=span[0] if span else None,
            end_ms=span[1] if span else None,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Untranscribed:
    """Speech of the caller's without words yet; `ended_at` is None while it goes on."""

    item_id: str
    started_at: float
    ended_at: float | None


@dataclass(slots=True)
class _CallerEntry:
    item_id: str
    started_at: float
    ended_at: float | None = None
    position: int | None = None
    text: str = ""


@dataclass(slots=True)
class _Part:
    """One audio part of an agent's item."""

    text: str = ""
    received_ms: float = 0.0
    complete: bool = False  # its audio will not grow any more
    heard_ms: int | None = None  # set by a cut; None: all of it, once played out
    heard_text: str | None = None  # as it was told when the part was cut
    pieces: list[tuple[float, int]] = field(default_factory=list)  # of the text: (audio, signs) before each

    def grow(self, delta: str) -> None:
        self.pieces.append((self.received_ms, len(self.text)))
        self.text += delta

    def cut(self, heard_ms: int) -> None:
        self.heard_ms = min(heard_ms, int(self.received_ms))
        if self.complete or spoken_ms(self.text) >= self.received_ms:
            # The text is not behind its audio: what is told of it now stays, though more of it may come.
            self.heard_text = self._estimate()

    def heard(self) -> tuple[int, str]:
        """(heard_ms, heard_text), so far as is known now."""
        if self.heard_ms is None:
            return int(self.received_ms), self.text if self.received_ms else ""
        return self.heard_ms, self.heard_text if self.heard_text is not None else self._estimate()

    def _estimate(self) -> str:
        total_ms = self.received_ms if self.complete else max(self.received_ms, spoken_ms(self.text))
        heard_ms = self.heard_ms or 0
        aligned = aligned_prefix(self.text, self.pieces, heard_ms, total_ms)
        return aligned if aligned is not None else spoken_prefix(self.text, heard_ms, total_ms)


@dataclass(slots=True)
class _AgentEntry:
    item_id: str
    response_id: str
    position: int
    started_at: float
    parts: dict[int, _Part] = field(default_factory=dict)
    started: bool = False  # its first packet has left
    response_over: bool = False
    played_out: bool = False  # what came of its audio has been heard or cut
    interrupted: bool = False

    @property
    def text(self) -> str:
        return " ".join(part.text for _, part in sorted(self.parts.items()) if part.text).strip()

    @property
    def audible(self) -> bool:
        return any(part.received_ms for part in self.parts.values())

    def heard(self) -> tuple[int, str]:
        heard_ms = 0
        texts: list[str] = []
        for _, part in sorted(self.parts.items()):
            part_ms, part_text = part.heard()
            heard_ms += part_ms
            texts.append(part_text)
            if part_text != part.text:
                break  # nothing is heard after a part that was not heard to its end
        return heard_ms, " ".join(text for text in texts if text).strip()


@dataclass(slots=True)
class Transcript:
    """Feed it the session's and the playout's news; it returns what has become final."""

    _next_position: int = 0
    _caller: dict[str, _CallerEntry] = field(default_factory=dict)
    _caller_done: deque[str] = field(default_factory=lambda: deque(maxlen=REMEMBERED))
    _agent: dict[str, _AgentEntry] = field(default_factory=dict)
    _agent_done: deque[str] = field(default_factory=lambda: deque(maxlen=REMEMBERED))

    # The caller's side.

    def speech_started(self, item_id: str, now: float) -> None:
        """`now`: when the speech began."""
        self._caller_entry(item_id, now)

    def speech_stopped(self, item_id: str, at: float) -> None:
        entry = self._caller.get(item_id)
        if entry is not None:
            entry.ended_at = at

    def committed(self, item_id: str, now: float) -> None:
        entry = self._caller_entry(item_id, now)
        if entry is not None and entry.position is None:
            entry.position = self._take_position()

    def caller_partial(self, item_id: str, delta: str) -> str:
        """The caller's words so far."""
        entry = self._caller.get(item_id)
        if entry is None:
            return ""
        entry.text += delta
        return entry.text

    def caller_final(self, item_id: str, text: str, now: float) -> Final | None:
        """None for an empty transcript (noise that was taken for speech) and for one that came before."""
        entry = self._caller_entry(item_id, now)
        if entry is None:
            return None
        self._caller_over(item_id)
        text = text.strip()
        if not text:
            return None
        return Final(
            item_id=item_id,
            position=entry.position if entry.position is not None else self._take_position(),
            speaker="caller",
            text=text,
            heard_text=text,
            heard_ms=None,
            started_at=entry.started_at,
            interrupted=False,
        )

    def caller_failed(self, item_id: str) -> None:
        """The transcription failed: there are no words to wait for. What was partial is not a record."""
        self._caller_over(item_id)

    @property
    def hears_caller(self) -> bool:
        """Some of the caller's words are being said or transcribed."""
        return bool(self._caller)

    def untranscribed(self) -> list[Untranscribed]:
        """What the caller has said, or is saying, that has no words yet; in spoken order."""
        entries = sorted(self._caller.values(), key=lambda entry: entry.started_at)
        return [
            Untranscribed(
                item_id=entry.item_id,
                started_at=entry.started_at,
                ended_at=entry.ended_at if entry.position is not None else None,
            )
            for entry in entries
        ]

    def caller_cut_off(self, now: float) -> None:
        """The session hears no more of the caller: what they were saying ends here for it."""
        for entry in self._caller.values():
            if entry.ended_at is None:
                entry.ended_at = now

    def told(self, item_id: str, speaker: Speaker, text: str, at: float) -> Final | None:
        """Words that other ears than the session's heard. None for none, and for an item that came before."""
        text = text.strip()
        if not text or item_id in self._caller_done:
            return None
        self._caller_done.append(item_id)
        return Final(
            item_id=item_id,
            position=self._take_position(),
            speaker=speaker,
            text=text,
            heard_text=text,
            heard_ms=None,
            started_at=at,
            interrupted=False,
        )

    def caller_abandoned(self, item_id: str) -> Final | None:
        """No more words will come for this item: what was partial is its record. None where there was nothing."""
        entry = self._caller.get(item_id)
        return self.caller_final(item_id, entry.text, entry.started_at) if entry is not None else None

    @property
    def awaits_caller(self) -> bool:
        """Some of the caller's committed words are still being transcribed."""
        return any(entry.position is not None for entry in self._caller.values())

    def _caller_entry(self, item_id: str, now: float) -> _CallerEntry | None:
        if item_id in self._caller_done:
            return None
        return self._caller.setdefault(item_id, _CallerEntry(item_id=item_id, started_at=now))

    def _caller_over(self, item_id: str) -> None:
        self._caller.pop(item_id, None)
        self._caller_done.append(item_id)

    # The agent's side.

    def agent_item(self, response_id: str, item_id: str, now: float) -> None:
        if item_id not in self._agent and item_id not in self._agent_done:
            self._agent[item_id] = _AgentEntry(
                item_id=item_id, response_id=response_id, position=self._take_position(), started_at=now
            )

    def agent_audio(self, part: PartKey, ms: float) -> None:
        state = self._part(part)
        if state is not None:
            state.received_ms += ms
            self._agent[part.item_id].played_out = False

    def agent_partial(self, part: PartKey, delta: str) -> str:
        """The agent's words so far, of the whole item."""
        state = self._part(part)
        if state is None:
            return ""
        if not state.complete:
            state.grow(delta)
        return self._agent[part.item_id].text

    def agent_text(self, part: PartKey, text: str) -> None:
        """The whole text of a part. A cut part's text may come late and be shorter: then the longer one stays."""
        state = self._part(part)
        if state is not None and (state.heard_ms is None or text.startswith(state.text)):
            if not text.startswith(state.text):
                state.pieces.clear()  # worded anew: where its words came is not known
            state.text = text

    def agent_audio_done(self, part: PartKey) -> None:
        state = self._part(part)
        if state is not None:
            state.complete = True

    def part_started(self, part: PartKey, now: float) -> None:
        """The first packet left: this is when the agent began to speak, not when the text came."""
        entry = self._agent.get(part.item_id)
        if entry is not None and not entry.started:
            entry.started = True
            entry.started_at = now

    def cut(self, cuts: tuple[Cut, ...]) -> list[Final]:
        """Playback was stopped: what was heard of each part of `cuts`. What is not among them was heard."""
        for cut in cuts:
            state = self._part(cut.part)
            if state is not None and not cut.finished:
                state.cut(cut.heard_ms)
                self._agent[cut.part.item_id].interrupted = True
        return self.drained()

    def response_over(self, response_id: str, *, interrupted: bool = False) -> list[Final]:
        """`response.done`; with `interrupted`, what came without audio was not heard at all."""
        for entry in self._agent.values():
            if entry.response_id == response_id:
                entry.response_over = True
                entry.interrupted |= interrupted and not entry.audible
                for state in entry.parts.values():
                    state.complete = True
        return self._finals()

    def drained(self) -> list[Final]:
        """All that was queued has been heard, so far as it was not cut."""
        for entry in self._agent.values():
            entry.played_out = True
        return self._finals()

    def session_lost(self) -> list[Final]:
        """No more comes of what was being said; what came is still played."""
        for entry in self._agent.values():
            if entry.response_over:
                continue
            entry.response_over = entry.interrupted = True
            for state in entry.parts.values():
                if not state.complete:
                    state.cut(int(state.received_ms))  # the words run ahead of the audio
        return self._finals()

    @property
    def open_agent_items(self) -> frozenset[str]:
        """What the agent has said that is not final yet."""
        return frozenset(self._agent)

    def end(self) -> list[Final]:
        """The call is over and its playback was cut: close what is open, with what was heard of it."""
        for entry in self._agent.values():
            entry.interrupted |= not entry.response_over and not entry.audible
            entry.response_over = entry.played_out = True
        return self._finals()

    def unheard_ms(self, now: float) -> float:
        """At least so much of what the agent has said is still to be heard, if it is playing."""
        playing = [entry for entry in self._agent.values() if entry.audible and not entry.played_out]
        received_ms = sum(part.received_ms for entry in playing for part in entry.parts.values())
        began = min((entry.started_at for entry in playing if entry.started), default=now)
        return received_ms - (now - began) * 1000

    def heard_so_far(self, item_id: str) -> tuple[int, str]:
        """(heard_ms, heard_text) of an item that has been cut."""
        entry = self._agent.get(item_id)
        return entry.heard() if entry is not None else (0, "")

    def _finals(self) -> list[Final]:
        finals: list[Final] = []
        for item_id, entry in list(self._agent.items()):
            if not entry.response_over or (entry.audible and not entry.played_out):
                continue
            del self._agent[item_id]
            if not entry.text:
                continue
            self._agent_done.append(item_id)
            heard_ms, heard_text = entry.heard()
            finals.append(
                Final(
                    item_id=item_id,
                    position=entry.position,
                    speaker="agent",
                    text=entry.text,
                    heard_text=heard_text,
                    heard_ms=heard_ms,
                    started_at=entry.started_at,
                    interrupted=entry.interrupted,
                )
            )
        return sorted(finals, key=lambda final: final.position)

    def _part(self, part: PartKey) -> _Part | None:
        entry = self._agent.get(part.item_id)
        return entry.parts.setdefault(part.content_index, _Part()) if entry is not None else None

    def _take_position(self) -> int:
        self._next_position += 1
        return self._next_position - 1
