"""One request of ours, from its first copy until no answer to it can still be under way (RFC 3261 section 17.1).

INVITE:  CALLING ─1xx─► PROCEEDING ─300-699─► COMPLETED (each gets an ACK) ─D─► over
                                  └─2xx─────► ACCEPTED  (each goes up)     ─M─► over     (RFC 6026)
others:  CALLING ─1xx─► PROCEEDING ─final───► COMPLETED ─K─► over
"""

from __future__ import annotations

from enum import Enum

from signaling.sip.flow import Flow
from signaling.sip.message import Request, Response
from signaling.sip.timers import COMPLETED_FOR, PATIENCE, T1, T2, T4


class State(Enum):
    CALLING = "calling"
    PROCEEDING = "proceeding"
    COMPLETED = "completed"
    ACCEPTED = "accepted"
    OVER = "over"


class ClientTransaction:
    """Inputs: `answered`, `give_up_by`, `wake`. After each look at `next_at` and `state`."""

    def __init__(self, request: Request, flow: Flow, now: float) -> None:
        self.request = request
        self.flow = flow
        self.invite = request.method == "INVITE"
        self.data = request.write()
        self.state = State.CALLING
        self.cancel_wanted = False  # once there is a provisional answer
        self.next_at: float | None = None
        self._interval = T1
        self._repeat_at = None if flow.reliable else now + T1  # timers A and E
        self._expires_at: float | None = now + PATIENCE  # timers B and F
        self._set()

    def answered(self, response: Response, now: float) -> tuple[bool, bytes | None]:
        """Whether this goes up to whoever asked, and an ACK to send."""
        final = response.status >= 200
        if self.state in (State.CALLING, State.PROCEEDING):
            if not final:
                self.state = State.PROCEEDING
                if self.invite:
                    # RFC 3261 section 17.1.1.2: from now on it may ring for as long as it likes.
                    self._repeat_at = self._expires_at = None
                elif self._repeat_at is not None:
                    self._interval = T2
                self._set()
                return True, None
            self._repeat_at = None
            if not self.invite:
                self.state = State.COMPLETED
                self._expires_at = now + (0.0 if self.flow.reliable else T4)  # timer K
            elif response.status < 300:
                self.state = State.ACCEPTED
                self._expires_at = now + PATIENCE  # timer M
            else:
                self.state = State.COMPLETED
                self._expires_at = now + (0.0 if self.flow.reliable else COMPLETED_FOR)  # timer D
            self._set()
            return True, self._ack(response) if self.state is State.COMPLETED and self.invite else None
        if self.invite and self.state is State.COMPLETED and response.status >= 300:
            return False, self._ack(response)
        return self.state is State.ACCEPTED and 200 <= response.status < 300, None

    def give_up_by(self, at: float) -> None:
        """Wait for a final answer no longer than this: after a CANCEL (RFC 3261 section 9.1)."""
        if self.state in (State.CALLING, State.PROCEEDING):
            self._expires_at = at if self._expires_at is None else min(at, self._expires_at)
            self._set()

    def wake(self, now: float) -> tuple[bytes | None, bool]:
        """What to send again, and whether the wait for an answer is over."""
        if self._expires_at is not None and now >= self._expires_at:
            unanswered = self.state in (State.CALLING, State.PROCEEDING)
            self.state = State.OVER
            self._repeat_at = self._expires_at = None
            self._set()
            return None, unanswered
        again = None
        if self._repeat_at is not None and now >= self._repeat_at:
            again = self.data
            # Timer A doubles without end, timer E up to T2.
            self._interval = 2 * self._interval if self.invite else min(2 * self._interval, T2)
            self._repeat_at = now + self._interval
        self._set()
        return again, False

    def cancelling(self) -> Request:
        """The CANCEL of this INVITE (RFC 3261 section 9.1)."""
        return self._sibling("CANCEL", self.request.get("To") or "")

    def _ack(self, response: Response) -> bytes:
        """RFC 3261 section 17.1.1.3."""
        return self._sibling("ACK", response.get("To") or "").write()

    def _sibling(self, method: str, to: str) -> Request:
        kept = [
            (name, value)
            for name, value in self.request.headers
            if name.lower() in ("via", "from", "call-id", "route", "max-forwards")
        ]
        number, _ = self.request.cseq
        return Request(
            method=method,
            uri=self.request.uri,
            headers=(*kept, ("To", to), ("CSeq", f"{number} {method}")),
        )

    def _set(self) -> None:
        times = [at for at in (self._repeat_at, self._expires_at) if at is not None]
        self.next_at = min(times, default=None)
