"""A person talks with the caller, and gives the call back.

While a person is in the conversation the model is deaf and dumb: no response is asked for, one that begins all the
same is stopped, the server takes no turns, and the shell sends it none of the caller's audio (`model_hears`). Its
session is kept, and replaced if it is lost, so that it can go on at once; but no failure of it is the caller's
trouble now. What the two people say comes from other ears, line by line, and goes on record as it comes. At the end
the model is told all of it, with markers (`handback.py`), and is configured as it was, whole.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field

from realtime import client_events, handback
from realtime.agent import Agent
from realtime.caller_words import CallerWords
from realtime.effects import Flush
from realtime.ending import Ending
from realtime.history import Line
from realtime.outgoing import Outgoing
from realtime.phase import Phase, Standing
from realtime.session_config import deaf_config
from realtime.session_life import SessionLife
from realtime.spoken_record import SpokenRecord
from realtime.wishes import Wishes
from storage.events import Speaker

BEFORE_ITS_END_S = 0.001  # where a line stands whose time is not within the talk: before the end marker


@dataclass(slots=True, kw_only=True)
class HumanStretch:
    """`joined`, `said` for each line, `left`; and again. At most `handback.LINES` lines wait to be told."""

    agent: Agent
    out: Outgoing
    standing: Standing
    record: SpokenRecord
    words: CallerWords
    wishes: Wishes
    ending: Ending
    sessions: SessionLife
    _began: Line | None = None  # the marker of the last stretch, also after its end
    _began_at: float = 0.0
    _ended_at: float | None = None
    _operator: str = ""
    _lines: deque[Line] = field(default_factory=lambda: deque(maxlen=handback.LINES))
    _left_out: int = 0

    def joined(self, operator: str, now: float) -> None:
        """From now on a person talks with the caller; the agent is cut. Another one may follow the first."""
        if self.standing.hung_up or self.standing.person is not None:
            if self.standing.person is not None:
                self.standing.person = self._operator = operator
            return
        notice = self.standing.phase is Phase.NOTICE
        self.standing.person = operator
        self.words.forget_sound(now)
        self.ending.cancel()
        self.wishes.silenced()
        if self.standing.ready:
            self.out.send(
                client_events.session_update(
                    self.out.new_id("ev"), deaf_config(instructions=self.wishes.render())
                )
            )
            # What the caller is just saying has no end that this session will hear.
            self.words.commit_last_words()
        self.record.transcript.caller_cut_off(now)
        self.wishes.responses.nobody_waits()
        self.words.idle.caller_makes_sound(False)
        if notice:
            self.standing.phase = Phase.CONNECTING  # somebody came after all
            self.standing.session_gone = True
        self._lines.clear()
        self._left_out = 0
        self._operator, self._began_at, self._ended_at = operator, now, None
        self._began = None
        self.out.add(Flush())

    def said(self, speaker: Speaker, item_id: str, text: str, began_at: float, now: float) -> None:
        """One line of the talk; it may come when the talk is over. `began_at`: when it was said."""
        if self.standing.closed or (self.standing.person is None and self._began is None):
            return
        final = self.record.transcript.told(item_id, speaker, text, began_at)
        if final is None:
            return
        until = now if self._ended_at is None else self._ended_at - BEFORE_ITS_END_S
        at = min(max(began_at, self._began_at), until)
        line = Line(at=at, item=handback.quoted(speaker, final.text), within=self._began)
        self.record.told(final)
        if speaker == "caller":
            self.words.idle.caller_said_words(now)
        if self._ended_at is None:
            self._left_out += len(self._lines) == self._lines.maxlen
            self._lines.append(line)
        else:
            self.record.history.add(line)
            if self.standing.ready:
                self._tell(Line(at=at, item=handback.late([line.item])))

    def key_pressed(self, text: str, now: float) -> None:
        """A key of the caller's telephone, in words."""
        self._lines.append(Line(at=now, item=handback.quoted("caller", text)))

    def left(self, note: str, now: float) -> None:
        """The person has gone: the model is told what it missed, and goes on."""
        if self.standing.person is None:
            return
        self.standing.person = None
        self._ended_at = now
        if self.standing.hung_up:
            return
        self._began = Line(at=self._began_at, item=handback.began(self._operator, left_out=self._left_out))
        lines = [Line(at=line.at, item=line.item, within=self._began) for line in self._lines]
        lines.append(Line(at=now, item=handback.ended(note), within=self._began))
        self._lines.clear()
        for line in (self._began, *lines):
            self.record.history.add(line)
            if self.standing.ready:
                self._tell(line)
        self.wishes.responses.nobody_waits()
        self.wishes.resume = False
        self.sessions.listen_again(now)
        self.wishes.going_on(handback.RETURN)
        self.words.idle.caller_said_words(now)

    def _tell(self, line: Line) -> None:
        self.out.send(client_events.create_item(self.out.new_id("ev"), self.out.new_id("told"), line.item))
