"""How a new session takes over a call that is under way: what it is told, in which order, before it listens.

It was configured without turn detection, so that nothing it is told makes it speak. Then, in spoken order: the
history as text; and as audio each sentence of the caller's that the old session had taken but not transcribed,
committed by hand, so that its words come from the new session. At last turn detection, and the audio of the gap.
Those sentences keep the item ids that the record knows them by.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from realtime import client_events
from realtime.agent import Agent
from realtime.effects import AppendAudio, Effect, Send
from realtime.history import History
from realtime.session_config import listening_config
from realtime.transcript import Untranscribed

# Voice detection hears the beginning of a word late; the API's own padding is as long.
BEFORE_SPEECH_S = 0.3
# What was sent just before the server's last event may not have been listened to when that was written; so it is
# sent again, if nobody had been heard in it.
BEFORE_SIGN_OF_LIFE_S = 1.0


@dataclass(slots=True)
class SessionSeed:
    """`effects` for each new session, then `committed` and `refused` as the server answers."""

    history: History
    _commits: deque[tuple[str, str]] = field(default_factory=deque)  # (our event_id, item id on record)
    _known_as: dict[str, str] = field(default_factory=dict)  # the session's item id → the one on record
    _heard_until: float = 0.0  # the end of the caller's last finished sentence

    def sentence_ended(self, at: float) -> None:
        """The caller's speech up to `at` is an item of the session."""
        self._heard_until = max(self._heard_until, at)

    def effects(
        self,
        *,
        agent: Agent,
        instructions: str,
        listening: bool,
        untranscribed: Sequence[Untranscribed],
        deaf_since: float,
        new_id: Callable[[str], str],
    ) -> list[Effect]:
        """What to do once the new session is configured; not `listening`: a person talks with the caller.

        `deaf_since`: when the lost session last gave a sign that it heard anything.
        """
        self._commits.clear()
        self._known_as.clear()
        told: list[tuple[float, list[Effect]]] = [
            (line.at, [Send(message=client_events.create_item(new_id("ev"), new_id("seed"), line.item))])
            for line in self.history.lines()
        ]
        listen_from = max(deaf_since - BEFORE_SIGN_OF_LIFE_S, self._heard_until)
        being_said = [speech.started_at for speech in untranscribed if speech.ended_at is None]
        if being_said:
            listen_from = min(being_said) - BEFORE_SPEECH_S  # until then it was heard
        for speech in untranscribed:
            since = speech.started_at - BEFORE_SPEECH_S
            if speech.ended_at is None:
                continue
            event_id = new_id("ev")
            self._commits.append((event_id, speech.item_id))
            audio = AppendAudio(since=since, until=speech.ended_at)
            told.append((speech.started_at, [audio, Send(message=client_events.commit_audio(event_id))]))
        told.sort(key=lambda each: each[0])
        telling = [effect for _, effects in told for effect in effects]
        if not listening:
            return telling
        config = listening_config(agent, instructions=instructions)
        return [
            *telling,
            Send(message=client_events.session_update(new_id("ev"), config)),
            AppendAudio(since=listen_from),
        ]

    def committed(self, item_id: str) -> bool:
        """Whether this item is a sentence that we committed by hand."""
        if not self._commits:
            return False
        _, self._known_as[item_id] = self._commits.popleft()
        return True

    def refused(self, event_id: str | None) -> str | None:
        """An error: the sentence on record that it concerns, if it is one (its audio was not kept so long)."""
        for commit in self._commits:
            if commit[0] == event_id:
                self._commits.remove(commit)
                return commit[1]
        return None

    def on_record(self, item_id: str) -> str:
        """The id that an item of the session's has on record."""
        return self._known_as.get(item_id, item_id)
