"""Where a conversation stands, and how long it waits for what. Seconds."""

from __future__ import annotations

import enum
from dataclasses import dataclass

from storage.events import EndReason

SETUP_S = 15.0  # a session that is not configured by then leaves the caller in silence: another is opened
SUMMARY_S = 2.5  # of those that `call.ended` may wait, what is left for a summary at the least
LATE_TRANSCRIPT_S = 5.0  # how long `call.ended` waits for the caller's last words
GOODBYE_S = 12.0  # the longest that a goodbye may take before the call ends without it
GOODBYE_WITHOUT_SESSION_S = 6.0  # then a recorded one is said: a session takes 1-2 s to come, if it comes
RETRY_AFTER_S = 1.0  # a response refused for load is asked for once more after this
PARTIAL_EVERY_S = 0.25  # live captions: four times a second is as fast as anybody reads
DIGITS_PAUSE_S = 1.0  # a caller who keys in a number is answered after it, not after each digit
WARN_BEFORE_S = 60.0  # a call is told that its longest duration is near, where that is at least thrice this
NOTICE_S = 12.0  # the longest that the recorded notice may take: it is 6.5 s, behind what is still being said


class Phase(enum.Enum):
    """Where a conversation stands.

    NOTICE: the model is lost, or does not say goodbye; the caller hears a recording, then it is over. ENDING: nobody
    listens any more, late words are waited for. After a lost session a conversation is CONNECTING again.
    """

    CONNECTING = "connecting"
    CONFIGURING = "configuring"
    READY = "ready"
    NOTICE = "notice"
    ENDING = "ending"
    CLOSED = "closed"


@dataclass(slots=True)
class Standing:
    """What every part of a conversation must know of the whole. Each field names the part that sets it."""

    phase: Phase = Phase.CONNECTING  # session_life, and ending from NOTICE on
    media_up: bool = False  # the door: the caller can hear
    peer_lost: bool = False  # the door: nothing comes from the caller's side
    playing: bool = False  # agent_speech and spoken_record; the door when it has been heard or cut
    session_gone: bool = False  # session_life: there is no socket, whatever the phase
    ending: EndReason | None = None  # ending: the call ends with this once its last words are heard
    person: str | None = None  # human_stretch: the operator who talks with the caller instead of the model

    @property
    def ready(self) -> bool:
        """There is a session, and it is configured."""
        return self.phase is Phase.READY

    @property
    def between_sessions(self) -> bool:
        """There is none yet, or none any more."""
        return self.phase in (Phase.CONNECTING, Phase.CONFIGURING)

    @property
    def under_way(self) -> bool:
        """The model is, or will again be, the one who talks."""
        return self.ready or self.between_sessions

    @property
    def hung_up(self) -> bool:
        """Nobody listens any more."""
        return self.phase in (Phase.ENDING, Phase.CLOSED)

    @property
    def closed(self) -> bool:
        return self.phase is Phase.CLOSED
