"""One request of theirs, from its arrival until no copy of it can still be under way (RFC 3261 section 17.2).

    INVITE:  PROCEEDING ─final─► COMPLETED ─ACK─► CONFIRMED ─I─► over        (300-699)
                       └─2xx──► ACCEPTED ─L─► over                           (RFC 6026)
    others:  PROCEEDING ─final─► COMPLETED ─J─► over

In ACCEPTED the 2xx is repeated until its ACK, which belongs to the dialog (section 13.3.1.4). The outputs are
what to send; who sends it is not known here.
"""

from __future__ import annotations

from enum import Enum

from signaling.sip.flow import Flow
from signaling.sip.message import Request, Response
from signaling.sip.timers import PATIENCE, T1, T2, T4


class State(Enum):
    PROCEEDING = "proceeding"
    COMPLETED = "completed"
    CONFIRMED = "confirmed"
    ACCEPTED = "accepted"
    OVER = "over"


class ServerTransaction:
    """Inputs: `again`, `respond`, `ack`, `acknowledged`, `wake`. After each look at `next_at` and `state`."""

    def __init__(self, request: Request, flow: Flow) -> None:
        self.request = request
        self.flow = flow
        self.invite = request.method == "INVITE"
        self.state = State.PROCEEDING
        self.next_at: float | None = None
        self.last: bytes | None = None  # the newest response
        self.status = 0  # of it
        self._interval = T1
        self._repeat_at: float | None = None
        self._expires_at: float | None = None

    @property
    def answered(self) -> bool:
        """A final response has gone out."""
        return self.state is not State.PROCEEDING

    def again(self) -> bytes | None:
        """A copy of the request: what to send again."""
        return self.last if self.state in (State.PROCEEDING, State.COMPLETED) else None

    def respond(self, response: Response, now: float) -> bytes | None:
        """What to send; None: there is a final response already."""
        if self.state is not State.PROCEEDING:
            return None
        self.last, self.status = response.write(), response.status
        if response.status < 200:
            return self.last
        if self.invite and response.status < 300:
            self.state = State.ACCEPTED
            # Over TCP too: another hop may be UDP.
            self._repeat_at = now + self._interval
            self._expires_at = now + PATIENCE
        elif self.invite:
            self.state = State.COMPLETED
            self._repeat_at = None if self.flow.reliable else now + self._interval  # timer G
            self._expires_at = now + PATIENCE  # timer H
        else:
            self.state = State.COMPLETED
            self._expires_at = now + (0.0 if self.flow.reliable else PATIENCE)  # timer J
        self._set()
        return self.last

    def ack(self, now: float) -> None:
        """The ACK of a refusal has come."""
        if self.invite and self.state is State.COMPLETED:
            self.state = State.CONFIRMED
            self._repeat_at = None
            self._expires_at = now + (0.0 if self.flow.reliable else T4)  # timer I
            self._set()

    def acknowledged(self) -> None:
        """The ACK of the 2xx has come to the dialog."""
        if self.state is State.ACCEPTED:
            self._repeat_at = None
            self._set()

    def wake(self, now: float) -> tuple[bytes | None, bool]:
        """What to send again, and whether a final response was never acknowledged."""
        if self._expires_at is not None and now >= self._expires_at:
            unheard = self.state is State.COMPLETED and self.invite
            unheard = unheard or (self.state is State.ACCEPTED and self._repeat_at is not None)
            self.state = State.OVER
            self._repeat_at = self._expires_at = None
            self._set()
            return None, unheard
        again = None
        if self._repeat_at is not None and now >= self._repeat_at:
            again = self.last
            self._interval = min(2 * self._interval, T2)
            self._repeat_at = now + self._interval
        self._set()
        return again, False

    def _set(self) -> None:
        times = [at for at in (self._repeat_at, self._expires_at) if at is not None]
        self.next_at = min(times, default=None)
