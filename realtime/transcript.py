"""Who said what, in spoken order, and how much of it was heard.

Keyed by item id, because a caller's words arrive after the answer to them and an answer can have several
items. A position is given when an item takes its place in the conversation, never when its text arrives.
An agent's entry is final once its audio has been heard or cut; a caller's once it is transcribed or has
failed to be.
"""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass, field

from media.playout import Cut, PartKey
from storage.events import Speaker

# Speech runs at about 15 letters a second in European languages and about 7 signs in Chinese, Japanese and
# Korean. Only used for the share of a text that has been spoken while its audio is still being generated,
# since the transcript runs ahead of the audio.
MS_PER_LETTER = 65
MS_PER_WIDE_SIGN = 140


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


@dataclass(slots=True)
class _CallerEntry:
    item_id: str
    started_at: float
    position: int | None = None
    text: str = ""


@dataclass(slots=True)
class _AgentEntry:
    item_id: str
    response_id: str
    position: int
    started_at: float
    parts: dict[int, _Part] = field(default_factory=dict)
    response_over: bool = False
    cut: bool = False
    drained: bool = False

    @property
    def text(self) -> str:
        return " ".join(part.text for _, part in sorted(self.parts.items()) if part.text).strip()


@dataclass(slots=True)
class _Part:
    text: str = ""
    received_ms: float = 0.0
    complete: bool = False  # its audio will not grow any more
    heard_ms: int | None = None  # set by a cut; None: all of it, once drained
    has_audio: bool = False


@dataclass(slots=True)
class Transcript:
    """Feed it the session's and the playout's news; it returns what has become final."""

    _next_position: int = 0
    _caller: dict[str, _CallerEntry] = field(default_factory=dict)
    _agent: dict[str, _AgentEntry] = field(default_factory=dict)

    # The caller's side.

    def speech_started(self, item_id: str, now: float) -> None:
        self._caller.setdefault(item_id, _CallerEntry(item_id=item_id, started_at=now))

    def committed(self, item_id: str, now: float) -> None:
        entry = self._caller.setdefault(item_id, _CallerEntry(item_id=item_id, started_at=now))
        if entry.position is None:
            entry.position = self._take_position()

    def caller_partial(self, item_id: str, delta: str) -> str:
        """The caller's words so far."""
        entry = self._caller.get(item_id)
        if entry is None:
            return ""
        entry.text += delta
        return entry.text

    def caller_final(self, item_id: str, text: str, now: float) -> Final | None:
        """None for an empty transcript: noise that was taken for speech."""
        entry = self._caller.pop(item_id, None)
        if entry is None:
            return None
        if not text.strip():
            return None
        position = entry.position if entry.position is not None else self._take_position()
        return Final(
            item_id=item_id,
            position=position,
            speaker="caller",
            text=text.strip(),
            heard_text=text.strip(),
            heard_ms=None,
            started_at=entry.started_at,
            interrupted=False,
        )

    def caller_failed(self, item_id: str) -> None:
        """The transcription failed: there are no words to wait for. What was partial is not a record."""
        self._caller.pop(item_id, None)

    @property
    def awaits_caller(self) -> bool:
        """Some of the caller's committed words are still being transcribed."""
        return any(entry.position is not None for entry in self._caller.values())

    def drop_uncommitted(self) -> None:
        """Speech that never became a turn (the call ended in it)."""
        for item_id in [key for key, entry in self._caller.items() if entry.position is None]:
            del self._caller[item_id]

    # The agent's side.

    def agent_item(self, response_id: str, item_id: str, now: float) -> None:
        if item_id not in self._agent:
            self._agent[item_id] = _AgentEntry(
                item_id=item_id, response_id=response_id, position=self._take_position(), started_at=now
            )

    def agent_audio(self, part: PartKey, ms: float) -> None:
        state = self._part(part)
        if state is not None:
            state.received_ms += ms
            state.has_audio = True

    def agent_partial(self, part: PartKey, delta: str) -> str:
        """The agent's words so far, of the whole item."""
        state = self._part(part)
        if state is None:
            return ""
        if not state.complete:
            state.text += delta
        return self._agent[part.item_id].text

    def agent_text(self, part: PartKey, text: str) -> None:
        """The whole text of a part; a cancelled part's text may come after the cut and be shorter."""
        state = self._part(part)
        if state is not None and len(text) >= len(state.text):
            state.text = text

    def agent_audio_done(self, part: PartKey) -> None:
        state = self._part(part)
        if state is not None:
            state.complete = True

    def part_started(self, part: PartKey, now: float) -> None:
        """The first packet left: this is when the agent began to speak, not when the text came."""
        entry = self._agent.get(part.item_id)
        if entry is not None and all(other is self._part(part) for other in entry.parts.values()):
            entry.started_at = now

    def cut(self, cuts: tuple[Cut, ...]) -> list[Final]:
        """What the caller heard of each part that playback was stopped in."""
        for cut in cuts:
            state = self._part(cut.part)
            if state is None:
                continue
            entry = self._agent[cut.part.item_id]
            if cut.finished:
                continue
            state.heard_ms = min(cut.heard_ms, round(state.received_ms))
            entry.cut = True
        return self._finals()

    def cut_unheard(self, response_id: str) -> None:
        """The response was interrupted: parts of it whose audio never came were not heard at all."""
        for entry in self._agent.values():
            if entry.response_id == response_id and not entry.drained:
                for state in entry.parts.values():
                    if not state.has_audio:
                        state.heard_ms = 0
                        entry.cut = True
                if not entry.parts:
                    entry.cut = True

    def response_over(self, response_id: str, now: float) -> list[Final]:
        for entry in self._agent.values():
            if entry.response_id == response_id:
                entry.response_over = True
                for state in entry.parts.values():
                    state.complete = True
        return self._finals()

    def drained(self) -> list[Final]:
        """All that was queued has been heard."""
        for entry in self._agent.values():
            if entry.response_over and not entry.cut:
                entry.drained = True
        return self._finals()

    def end(self) -> list[Final]:
        """The call is over: close what is open, with what was heard of it."""
        for entry in self._agent.values():
            entry.response_over = True
            if not entry.drained and not entry.cut:
                entry.cut = any(state.heard_ms is not None for state in entry.parts.values())
                entry.drained = not entry.cut
        return self._finals()

    def heard_so_far(self, item_id: str) -> tuple[int, str]:
        """(heard_ms, heard_text) of an item that has been cut."""
        entry = self._agent.get(item_id)
        return _heard(entry) if entry is not None else (0, "")

    def _finals(self) -> list[Final]:
        finals: list[Final] = []
        for item_id in list(self._agent):
            entry = self._agent[item_id]
            if not entry.response_over:
                continue
            audible = any(part.has_audio for part in entry.parts.values())
            if not (entry.cut or entry.drained or not audible):
                continue
            del self._agent[item_id]
            if not entry.text:
                continue
            heard_ms, heard_text = _heard(entry) if entry.cut or audible else (0, entry.text)
            finals.append(
                Final(
                    item_id=item_id,
                    position=entry.position,
                    speaker="agent",
                    text=entry.text,
                    heard_text=heard_text,
                    heard_ms=heard_ms,
                    started_at=entry.started_at,
                    interrupted=entry.cut,
                )
            )
        return sorted(finals, key=lambda final: final.position)

    def _part(self, part: PartKey) -> _Part | None:
        entry = self._agent.get(part.item_id)
        return entry.parts.setdefault(part.content_index, _Part()) if entry is not None else None

    def _take_position(self) -> int:
        self._next_position += 1
        return self._next_position - 1


def _heard(entry: _AgentEntry) -> tuple[int, str]:
    heard_ms = 0
    words: list[str] = []
    for _, part in sorted(entry.parts.items()):
        if part.heard_ms is None:
            heard_ms += round(part.received_ms)
            words.append(part.text)
        else:
            heard_ms += part.heard_ms
            total_ms = part.received_ms if part.complete else max(part.received_ms, spoken_ms(part.text))
            words.append(spoken_prefix(part.text, part.heard_ms, total_ms))
    return heard_ms, " ".join(word for word in words if word).strip()


def spoken_ms(text: str) -> int:
    """About how long `text` takes to say."""
    return sum(MS_PER_WIDE_SIGN if _is_wide(sign) else MS_PER_LETTER for sign in text)


def spoken_prefix(text: str, heard_ms: float, total_ms: float) -> str:
    """The whole words of `text` said in `heard_ms` when all of it takes `total_ms`."""
    if heard_ms <= 0 or total_ms <= 0:
        return ""
    if heard_ms >= total_ms:
        return text
    budget = spoken_ms(text) * heard_ms / total_ms
    end = 0
    for sign in text:
        budget -= MS_PER_WIDE_SIGN if _is_wide(sign) else MS_PER_LETTER
        if budget < 0:
            break
        end += 1
    if end < len(text) and not text[end].isspace() and not _is_wide(text[end]):
        # In the middle of a word: it was not heard.
        while end > 0 and not text[end - 1].isspace() and not _is_wide(text[end - 1]):
            end -= 1
    return text[:end].rstrip()


def _is_wide(sign: str) -> bool:
    return unicodedata.east_asian_width(sign) in "WF"
