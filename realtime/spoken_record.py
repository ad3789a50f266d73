"""What was said goes on record, once and in every place that needs it: as it was heard.

A finished entry of the transcript is an event, a line of the history that a next session is told, and something the
note taker reads. What the caller did not hear of the agent's words is taken out of the model's memory here, too.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from media.playout import Cut, PartKey
from realtime import client_events
from realtime.effects import FinishPart, PlayRecorded
from realtime.history import History
from realtime.note_taker import NoteTaker
from realtime.outgoing import Outgoing
from realtime.phase import PARTIAL_EVERY_S, Standing
from realtime.recorded_words import RecordedWords
from realtime.speaking_times import SpeakingTimes
from realtime.transcript import Final, Transcript
from realtime.turns import Turns
from storage.events import Speaker, TranscriptPartial, TurnInterrupted

RECORDED = "recorded"  # response_id of what is played from a recording: no item of any session


@dataclass(slots=True, kw_only=True)
class SpokenRecord:
    """`wall`: the clock's time at an instant of the conversation's."""

    out: Outgoing
    standing: Standing
    notes: NoteTaker
    wall: Callable[[float], datetime]
    times: SpeakingTimes
    transcript: Transcript = field(default_factory=Transcript)
    turns: Turns = field(default_factory=Turns)
    history: History = field(default_factory=History)
    carried: frozenset[str] = frozenset()  # items of a lost session that were still being played
    _partial_at: dict[str, float] = field(default_factory=dict)

    def finals(self, finals: Sequence[Final]) -> None:
        """Entries of the transcript that are finished."""
        for final in finals:
            self._partial_at.pop(final.item_id, None)
            line = self.history.said(final.speaker, final.heard_text, final.started_at)
            if line is not None and final.item_id in self.carried and self.standing.ready:
                self.out.send(
                    client_events.create_item(self.out.new_id("ev"), self.out.new_id("seed"), line.item)
                )
            self.notes.heard(final)
            self.out.publish(final.event(self.wall(final.started_at), self.times.span(final.item_id)))

    def told(self, final: Final) -> None:
        """A line of the talk between the caller and a person; the model is told of it in another way."""
        self.notes.heard(final)
        self.out.publish(final.event(self.wall(final.started_at)))

    def partial(self, speaker: Speaker, item_id: str, text: str, now: float) -> None:
        """Words so far, for live captions."""
        if text and now - self._partial_at.get(item_id, -1e9) >= PARTIAL_EVERY_S:
            self._partial_at[item_id] = now
            self.out.publish(TranscriptPartial(item_id=item_id, speaker=speaker, text=text))

    def no_more_of(self, item_id: str) -> None:
        """This item will have no final words."""
        self._partial_at.pop(item_id, None)

    def interrupted(self, cut: Cut, finals: Sequence[Final]) -> None:
        """The caller spoke while `cut` was being heard."""
        item_id = cut.part.item_id
        final = next((final for final in finals if final.item_id == item_id), None)
        if final is not None:
            heard_ms, heard_text = final.heard_ms or 0, final.heard_text
        else:
            heard_ms, heard_text = self.transcript.heard_so_far(item_id)
        self.out.publish(TurnInterrupted(item_id=item_id, heard_ms=heard_ms, heard_text=heard_text))

    def truncate(self, part: PartKey, audio_end_ms: int) -> None:
        """The model forgets what was not heard of a part."""
        if part.item_id in self.carried or part.response_id == RECORDED:
            return  # this session does not have it
        self.out.send(
            client_events.truncate_item(self.out.new_id("ev"), part.item_id, part.content_index, audio_end_ms)
        )

    def finish_parts(self, parts: Sequence[PartKey]) -> None:
        """No more audio comes for these."""
        if self.standing.ready:
            self.out.add(*(FinishPart(part=part) for part in parts))

    def play_recorded(self, words: RecordedWords, now: float) -> None:
        """Have a recorded sentence said: on record like any other words of the agent's."""
        part = PartKey(response_id=RECORDED, item_id=self.out.new_id(RECORDED), content_index=0)
        self.transcript.agent_item(RECORDED, part.item_id, now)
        self.transcript.agent_partial(part, words.text)
        self.transcript.agent_audio(part, words.ms)
        self.times.agent_audio(part.item_id, words.ms)
        self.transcript.agent_audio_done(part)
        self.out.add(PlayRecorded(part=part, words=words))
        self.finals(self.transcript.response_over(RECORDED))

    def abandon_untranscribed(self) -> None:
        """Nobody transcribes any more: what was partial stays what it is."""
        untranscribed = [speech.item_id for speech in self.transcript.untranscribed()]
        abandoned = [self.transcript.caller_abandoned(item_id) for item_id in untranscribed]
        self.finals([final for final in abandoned if final is not None])

    def take_notes(self) -> None:
        """What was written down beside the conversation, or is to be."""
        self.out.publish(*self.notes.events())
        for message in self.notes.messages():
            if not self.standing.session_gone:
                self.out.send(message)
