"""How far a conversation is, and how long it waits for what. Seconds."""

from __future__ import annotations

import enum

SETUP_S = 15.0  # a session that is not configured by then leaves the caller in silence: another is opened
SUMMARY_S = 2.5  # of those that `call.ended` may wait, what is left for a summary at the least
LATE_TRANSCRIPT_S = 5.0  # how long `call.ended` waits for the caller's last words
GOODBYE_S = 12.0  # the longest that a goodbye may take before the call ends without it
RETRY_AFTER_S = 1.0  # a response refused for load is asked for once more after this
PARTIAL_EVERY_S = 0.25  # live captions: four times a second is as fast as anybody reads
DIGITS_PAUSE_S = 1.0  # a caller who keys in a number is answered after it, not after each digit
WARN_BEFORE_S = 60.0  # a call is told that its longest duration is near, where that is at least thrice this
NOTICE_S = 12.0  # the longest that the recorded notice may take: it is 6.5 s, behind what is still being said


class Phase(enum.Enum):
    """Where a conversation stands.

    NOTICE: the model is lost, the caller hears the recorded notice. ENDING: nobody listens any more, late words are
    waited for. After a lost session a conversation is CONNECTING again.
    """

    CONNECTING = "connecting"
    CONFIGURING = "configuring"
    READY = "ready"
    NOTICE = "notice"
    ENDING = "ending"
    CLOSED = "closed"
