"""A call's life as a table: what may happen in each state, and what state follows.

OFFERED: an offer is being answered. CONNECTING: the answer is out, the media path is being made. TALKING: caller
and agent hear each other. ENDING: nobody listens any more, the record waits for late words. ENDED: closed.
An input that the state does not know changes nothing and is an `ImpossibleInput`.
"""

from __future__ import annotations

import enum


class CallState(enum.Enum):
    OFFERED = "offered"
    CONNECTING = "connecting"
    TALKING = "talking"
    ENDING = "ending"
    ENDED = "ended"


class CallInput(enum.Enum):
    ANSWER_SENT = "answer_sent"
    ANSWER_FAILED = "answer_failed"  # no session, so nobody could answer
    MEDIA_CONNECTED = "media_connected"
    HUNG_UP = "hung_up"  # by anyone, for any reason
    RECORD_COMPLETE = "record_complete"


S, I = CallState, CallInput  # noqa: E741 - the table wants short names

TRANSITIONS: dict[CallState, dict[CallInput, CallState]] = {
    S.OFFERED: {I.ANSWER_SENT: S.CONNECTING, I.ANSWER_FAILED: S.ENDED, I.HUNG_UP: S.ENDING},
    S.CONNECTING: {I.MEDIA_CONNECTED: S.TALKING, I.HUNG_UP: S.ENDING},
    S.TALKING: {I.HUNG_UP: S.ENDING},
    S.ENDING: {I.HUNG_UP: S.ENDING, I.RECORD_COMPLETE: S.ENDED},
    S.ENDED: {I.HUNG_UP: S.ENDED},
}


class ImpossibleInput(Exception):
    """This cannot happen to a call in this state; nothing was changed."""

    def __init__(self, state: CallState, happened: CallInput) -> None:
        super().__init__(f"{happened.value} cannot happen to a call that is {state.value}")
        self.state = state
        self.happened = happened


class CallLife:
    """One call's place in the table."""

    def __init__(self) -> None:
        self.state = CallState.OFFERED

    def happened(self, what: CallInput) -> CallState:
        """The state that follows. Raises ImpossibleInput and keeps the state where the table has none."""
        following = TRANSITIONS[self.state].get(what)
        if following is None:
            raise ImpossibleInput(self.state, what)
        self.state = following
        return following

    @property
    def over(self) -> bool:
        """Nobody can be heard on this call any more."""
        return self.state in (CallState.ENDING, CallState.ENDED)
