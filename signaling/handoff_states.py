"""A handoff as a table: what may happen in each state, and what state follows.

States, in the order in which things usually go:

    REQUESTED    somebody wants a person; nothing is known yet of who is there
    QUEUED       waits for an operator; the agent goes on helping
    OFFERED      one operator's console rings, until a deadline
    CONNECTING   accepted; the operator's media path is being made, the agent still has the caller
    BRIEFING     the operator reads the card, the caller hears a tone (only where the policy wants it)
    HUMAN_ACTIVE caller and operator talk, the agent is silent and hears nothing
    ON_HOLD      the caller hears a tone
    RECOVERING   the operator's leg is lost; it may come back until a deadline
    RETURNING    the agent takes the call again and is told what was said
    WRAP_UP      the operator notes what came of it
    COMPLETED · UNAVAILABLE · TIMED_OUT · WITHDRAWN · CALLBACK_BOOKED · TRANSFERRED · ABANDONED
"""

from __future__ import annotations

import enum
from typing import Literal

AudioOwner = Literal["agent", "operator", "tone"]


class HandoffState(enum.Enum):
    REQUESTED = "requested"
    QUEUED = "queued"
    OFFERED = "offered"
    CONNECTING = "connecting"
    BRIEFING = "briefing"
    HUMAN_ACTIVE = "human_active"
    ON_HOLD = "on_hold"
    RECOVERING = "recovering"
    RETURNING = "returning"
    WRAP_UP = "wrap_up"
    COMPLETED = "completed"
    UNAVAILABLE = "unavailable"
    TIMED_OUT = "timed_out"
    WITHDRAWN = "withdrawn"
    CALLBACK_BOOKED = "callback_booked"
    TRANSFERRED = "transferred"
    ABANDONED = "abandoned"


class HandoffInput(enum.Enum):
    STAFFED = "staffed"  # somebody who may take it is signed in
    UNSTAFFED = "unstaffed"  # closed, nobody there, queue full, or the directory cannot be reached
    RESERVED = "reserved"  # an operator's lease is ours
    ACCEPTED = "accepted"  # by the operator it was offered to, or by another who was quicker
    DECLINED = "declined"
    OFFER_EXPIRED = "offer_expired"
    MEDIA_UP = "media_up"  # RTP seen from the operator
    SETUP_FAILED = "setup_failed"
    JOINED = "joined"  # the operator has read the card
    NOT_FOR_ME = "not_for_me"
    HELD = "held"
    RESUMED = "resumed"
    GIVEN_BACK = "given_back"  # to the agent
    AGENT_SPEAKS = "agent_speaks"
    OPERATOR_LOST = "operator_lost"
    OPERATOR_BACK = "operator_back"
    GRACE_OVER = "grace_over"
    OPERATOR_ENDED = "operator_ended"
    WRAPPED_UP = "wrapped_up"
    MAX_WAIT = "max_wait"
    WITHDRAWN = "withdrawn"
    CALLBACK = "callback"
    TRANSFERRED = "transferred"
    CALLER_LEFT = "caller_left"


S, I = HandoffState, HandoffInput  # noqa: E741 - the table wants short names

_BEFORE_A_PERSON = {
    I.WITHDRAWN: S.WITHDRAWN,
    I.CALLBACK: S.CALLBACK_BOOKED,
    I.CALLER_LEFT: S.ABANDONED,
}
_OVER = {I.CALLER_LEFT: None}  # None: it happens, and changes nothing

TRANSITIONS: dict[HandoffState, dict[HandoffInput, HandoffState | None]] = {
    S.REQUESTED: {
        I.STAFFED: S.QUEUED,
        I.UNSTAFFED: S.UNAVAILABLE,
        I.ACCEPTED: S.CONNECTING,  # taken over without a queue
        **_BEFORE_A_PERSON,
    },
    S.QUEUED: {
        I.RESERVED: S.OFFERED,
        I.ACCEPTED: S.CONNECTING,
        I.MAX_WAIT: S.TIMED_OUT,
        I.UNSTAFFED: S.UNAVAILABLE,
        **_BEFORE_A_PERSON,
    },
    S.OFFERED: {
        I.ACCEPTED: S.CONNECTING,
        I.DECLINED: S.QUEUED,
        I.OFFER_EXPIRED: S.QUEUED,
        I.OPERATOR_LOST: S.QUEUED,
        **_BEFORE_A_PERSON,
    },
    S.CONNECTING: {
        I.MEDIA_UP: S.HUMAN_ACTIVE,
        I.SETUP_FAILED: S.QUEUED,
        I.OPERATOR_LOST: S.QUEUED,
        I.WITHDRAWN: S.WITHDRAWN,
        I.CALLER_LEFT: S.ABANDONED,
    },
    S.BRIEFING: {
        I.JOINED: S.HUMAN_ACTIVE,
        I.NOT_FOR_ME: S.QUEUED,
        I.OPERATOR_LOST: S.QUEUED,
        I.CALLER_LEFT: S.ABANDONED,
    },
    S.HUMAN_ACTIVE: {
        I.HELD: S.ON_HOLD,
        I.GIVEN_BACK: S.RETURNING,
        I.OPERATOR_LOST: S.RECOVERING,
        I.OPERATOR_ENDED: S.WRAP_UP,
        I.TRANSFERRED: S.TRANSFERRED,
        I.CALLER_LEFT: S.WRAP_UP,
    },
    S.ON_HOLD: {
        I.RESUMED: S.HUMAN_ACTIVE,
        I.GIVEN_BACK: S.RETURNING,
        I.OPERATOR_LOST: S.RECOVERING,
        I.OPERATOR_ENDED: S.WRAP_UP,
        I.TRANSFERRED: S.TRANSFERRED,
        I.CALLER_LEFT: S.WRAP_UP,
    },
    S.RECOVERING: {
        I.OPERATOR_BACK: S.HUMAN_ACTIVE,
        I.ACCEPTED: S.CONNECTING,  # a colleague steps in
        I.GRACE_OVER: S.RETURNING,
        I.CALLER_LEFT: S.ABANDONED,
    },
    S.RETURNING: {
        I.AGENT_SPEAKS: S.WRAP_UP,
        I.OPERATOR_LOST: None,
        I.CALLER_LEFT: S.WRAP_UP,
    },
    S.WRAP_UP: {I.WRAPPED_UP: S.COMPLETED, I.OPERATOR_LOST: None, **_OVER},
    S.UNAVAILABLE: {I.CALLBACK: S.CALLBACK_BOOKED, **_OVER},
    S.TIMED_OUT: {I.CALLBACK: S.CALLBACK_BOOKED, **_OVER},
    S.COMPLETED: dict(_OVER),
    S.WITHDRAWN: dict(_OVER),
    S.CALLBACK_BOOKED: dict(_OVER),
    S.TRANSFERRED: dict(_OVER),
    S.ABANDONED: dict(_OVER),
}

# Nothing more comes of it: the call may be handed over anew.
SETTLED = frozenset(
    {
        S.WRAP_UP,
        S.COMPLETED,
        S.UNAVAILABLE,
        S.TIMED_OUT,
        S.WITHDRAWN,
        S.CALLBACK_BOOKED,
        S.TRANSFERRED,
        S.ABANDONED,
    }
)
# A person has, or has had a moment ago, the caller's ear.
WITH_A_PERSON = frozenset({S.HUMAN_ACTIVE, S.ON_HOLD, S.RECOVERING})
WAITING = frozenset({S.REQUESTED, S.QUEUED, S.OFFERED})

EAR: dict[HandoffState, AudioOwner] = {
    S.BRIEFING: "tone",
    S.HUMAN_ACTIVE: "operator",
    S.ON_HOLD: "tone",
    S.RECOVERING: "tone",
}


class ImpossibleHandoff(Exception):
    """This cannot happen to a handoff in this state; nothing was changed."""

    def __init__(self, state: HandoffState, happened: HandoffInput) -> None:
        super().__init__(f"{happened.value} cannot happen to a handoff that is {state.value}")
        self.state = state
        self.happened = happened
