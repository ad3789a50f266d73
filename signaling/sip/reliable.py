"""A provisional response that must arrive (RFC 3262): repeated until its PRACK, or for 32 s."""

from __future__ import annotations

from typing import Final

from signaling.sip.message import Headers, Request, Response
from signaling.sip.timers import PATIENCE, T1

REQUIRED: Final = "100rel"


class ReliableProvisional:
    """Order of calls: send `response`; `wake` at `next_at`; `acknowledged` for each PRACK.

    Unlike other retransmissions its interval doubles without end (section 3).
    """

    def __init__(self, response: Response, sequence: int, now: float) -> None:
        self.response = response
        self.next_at: float | None = now + T1
        self.lost = False  # nobody has acknowledged it in time: refuse the call
        self._rack = (sequence, *response.cseq)
        self._interval = T1
        self._gives_up_at = now + PATIENCE

    @property
    def open(self) -> bool:
        return self.next_at is not None

    def acknowledged(self, prack: Request) -> bool:
        """False: this PRACK means another response (481)."""
        words = (prack.get("RAck") or "").split()
        if len(words) != 3 or not (words[0].isdigit() and words[1].isdigit()):
            return False
        if (int(words[0][:10]), int(words[1][:10]), words[2]) != self._rack or not self.open:
            return False
        self.next_at = None
        return True

    def wake(self, now: float) -> Response | None:
        """What to send again."""
        if self.next_at is None or now < self.next_at:
            return None
        if now >= self._gives_up_at:
            self.lost, self.next_at = True, None
            return None
        self._interval *= 2
        self.next_at = min(now + self._interval, self._gives_up_at)
        return self.response


def reliable_headers(sequence: int) -> Headers:
    return (("Require", REQUIRED), ("RSeq", str(sequence)))


def is_required(invite: Request) -> bool:
    return REQUIRED in {word.lower() for word in invite.tokens("Require")}
