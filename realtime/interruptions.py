"""The caller speaks while the agent does, or might: what stops, and what the model is told of it.

The API guide's "Interruption and truncation": on `speech_started` the playout is flushed whatever the response's
state, later audio of that response is dropped, and each item that was not wholly heard is truncated to what was.
Where the agent asks for it a sound is held first (`false_interruptions.py`).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from media.playout import Cut
from realtime.agent import Agent
from realtime.caller_words import CallerWords
from realtime.effects import Flush, PausePlayout, ResumePlayout
from realtime.ending import Ending
from realtime.false_interruptions import News, Verdict
from realtime.outgoing import Outgoing
from realtime.phase import Standing
from realtime.server_events import ServerEvent, SpeechStarted
from realtime.session_config import leading_padding_ms, takes_turns_itself
from realtime.spoken_record import SpokenRecord
from realtime.wishes import Wishes
from storage.events import TurnResumed


@dataclass(slots=True, kw_only=True)
class Interruptions:
    """`on_speech_started`, then `cut` with the answer to its `Flush`; `keep` and `judge` for sounds."""

    agent: Agent
    out: Outgoing
    standing: Standing
    record: SpokenRecord
    words: CallerWords
    wishes: Wishes
    ending: Ending
    _speech_item: str | None = None  # the interruption whose cuts are awaited
    _kept_back: Sequence[News] = ()  # what the server said of it: taken up after the cuts

    def handlers(self) -> dict[type[Any], Callable[[Any, float], None]]:
        return {SpeechStarted: self.on_speech_started}

    def on_speech_started(self, event: SpeechStarted, now: float) -> None:
        if not self.standing.ready:
            return
        audio_ms = event.audio_start_ms
        began = self.words.sent_at(audio_ms, now) if audio_ms is not None else now
        self.record.transcript.speech_started(event.item_id, began)
        if audio_ms is not None:
            spoke_at = self.words.sent_at(audio_ms + leading_padding_ms(self.agent), now)
            self.record.times.caller_began(event.item_id, spoke_at)
        if self.standing.person is not None:
            return  # sent before the person came: it is not the model that they talk to
        speaks = self.standing.playing and not self.standing.peer_lost
        unheard_ms = self.record.transcript.unheard_ms(now)
        if speaks and self.words.sounds.hold(event, now, unheard_ms=unheard_ms):
            self.out.add(PausePlayout())
            self.record.times.held(now)
            return
        self.words.forget_sound(now)  # one after the other is more than a sound
        self._interrupt(event.item_id)

    def keep(self, event: ServerEvent, now: float) -> bool:
        """Whether the event is about a sound that is held, and so not to be handled now."""
        kept = self.words.sounds.keep(event, now)
        if kept:
            self.judge(now)
        return kept

    def judge(self, now: float) -> None:
        """Decide about the sound that is held, if there is one and it is known what it was."""
        verdict = self.words.sounds.verdict(now)
        if verdict is Verdict.NOTHING_SAID:
            paused_ms = self.words.forget_sound(now)
            self.out.publish(TurnResumed(paused_ms=paused_ms))
            self.out.note("realtime.false_interruption", "the agent goes on")
        elif verdict is Verdict.INTERRUPTION:
            began, *kept = self.words.sounds.take()
            self._kept_back = [event for event in kept if not isinstance(event, SpeechStarted)]
            self._interrupt(began.item_id)
            self.out.add(ResumePlayout())

    def cut(self, cuts: Sequence[Cut], now: float) -> None:
        """What had been heard of each part that will not be played to its end."""
        self.standing.playing = False
        unheard = [cut for cut in cuts if not cut.finished]
        self.record.times.cut([cut.part.item_id for cut in unheard], now)
        finals = self.record.transcript.cut(tuple(unheard))
        if self.standing.ready:
            for cut in unheard:
                self.record.truncate(cut.part, min(cut.heard_ms, cut.received_ms))
        if unheard and self._speech_item is not None:
            self.record.interrupted(unheard[0], finals)
        self.record.finals(finals)
        if self._speech_item is not None:
            item_id, self._speech_item = self._speech_item, None
            self.out.publish(*self.record.turns.caller_speaks(item_id))
        elif self.standing.person is not None:
            self.out.publish(*self.record.turns.close())
        kept, self._kept_back = self._kept_back, ()
        for event in kept:
            self.words.handlers()[type(event)](event, now)

    def _interrupt(self, item_id: str) -> None:
        self.wishes.responses.speech_started()
        self.wishes.calls.caller_speaks()
        self.ending.withdraw()
        self.wishes.replies.mute_all()  # the server cancels what it generates by itself (interrupt_response)
        if takes_turns_itself(self.agent):
            self.wishes.stop_active()
        self._speech_item = item_id
        self.wishes.resume = False
        self.words.idle.caller_makes_sound(True)
        self.out.add(Flush())
