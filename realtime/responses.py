"""One response at a time: which `response.create` may be sent, and when.

The default conversation takes one response at a time, and with voice activity detection the server starts
some by itself. A `response.create` that races one of those is refused
(`conversation_already_has_active_response`); two that follow a pair of function calls make the agent answer
twice. So every wish to speak goes through here: it is sent when nothing is being answered and the caller is
not speaking, merged with a wish like it, and dropped when the server's own response has covered it.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from typing import Any

# A request whose response.created does not come: the server lost it, or never saw it.
CREATED_TIMEOUT_S = 10.0
# After `committed` the server's own response should start; if it has not, the turn would stay unanswered.
AUTO_RESPONSE_TIMEOUT_S = 3.0
# A refused request is tried again when the running response ends; or after this, if we never see that end.
REFUSED_RETRY_S = 2.0


@dataclass(frozen=True, slots=True, kw_only=True)
class ResponseRequest:
    """A wish to have the model speak."""

    request_id: str
    body: dict[str, Any] = field(default_factory=dict)  # response.create.response without metadata
    answers: frozenset[str] = frozenset()  # item ids of function outputs that this response is to use
    not_before: float = 0.0


@dataclass(slots=True)
class ResponseSequencer:
    """Feed it what the server says; `next_request` gives what to send now. Holds at most a few requests."""

    active: str | None = None
    requested: ResponseRequest | None = None
    _requested_at: float = 0.0
    _wanted: deque[ResponseRequest] = field(default_factory=deque)
    _caller_speaking: bool = False
    _auto_expected_until: float | None = None
    _blocked_until: float = 0.0
    _items_seen: set[str] = field(default_factory=set)

    def want(self, request: ResponseRequest) -> None:
        """Ask for a response. Two wishes without words of their own become one."""
        for index, other in enumerate(self._wanted):
            if other.answers and request.answers and other.body == request.body:
                merged = ResponseRequest(
                    request_id=request.request_id,
                    body=other.body,
                    answers=other.answers | request.answers,
                    not_before=max(other.not_before, request.not_before),
                )
                self._wanted[index] = merged
                return
        self._wanted.append(request)

    def forget_wishes(self) -> None:
        """Nothing that was wanted is wanted any more (the call is ending)."""
        self._wanted.clear()

    def speech_started(self) -> None:
        self._caller_speaking = True

    def committed(self, now: float, *, server_responds: bool) -> None:
        """The caller's turn is over; with `server_responds` the server answers it by itself."""
        self._caller_speaking = False
        if server_responds:
            self._auto_expected_until = now + AUTO_RESPONSE_TIMEOUT_S

    def item_added(self, item_id: str) -> None:
        if any(item_id in request.answers for request in self._wanted):
            self._items_seen.add(item_id)

    def created(self, response_id: str, request_id: str | None) -> None:
        self.active = response_id
        self._auto_expected_until = None
        if self.requested is not None and request_id == self.requested.request_id:
            self.requested = None
            return
        # The server's own response: it sees every item that was in the conversation when it began.
        self._wanted = deque(
            request
            for request in self._wanted
            if not (request.answers and request.answers <= self._items_seen)
        )

    def done(self, response_id: str, request_id: str | None) -> None:
        """A response may end without having been seen to begin (around interruptions)."""
        if self.requested is not None and request_id == self.requested.request_id:
            self.requested = None
        if self.active == response_id:
            self.active = None
        self._blocked_until = 0.0

    def refused(self, request_id: str, now: float) -> None:
        """`conversation_already_has_active_response`: benign; the wish waits for its turn again."""
        if self.requested is not None and self.requested.request_id == request_id:
            self._wanted.appendleft(self.requested)
            self.requested = None
            self._blocked_until = now + REFUSED_RETRY_S

    def failed(self, request_id: str) -> None:
        """The server refused the request for good."""
        if self.requested is not None and self.requested.request_id == request_id:
            self.requested = None

    @property
    def caller_speaking(self) -> bool:
        return self._caller_speaking

    @property
    def quiet(self) -> bool:
        """Nothing is being answered, and nothing is waiting to be."""
        return (
            self.active is None
            and self.requested is None
            and not self._wanted
            and self._auto_expected_until is None
            and not self._caller_speaking
        )

    def next_request(self, now: float) -> ResponseRequest | None:
        """What to send now, if anything. What it returns counts as sent."""
        if self.requested is not None and now >= self._requested_at + CREATED_TIMEOUT_S:
            self.requested = None
        if self.active is not None or self.requested is not None or self._caller_speaking:
            return None
        if self._auto_expected_until is not None:
            if now < self._auto_expected_until:
                return None
            # The turn was committed and nobody answered it: answer it ourselves.
            self._auto_expected_until = None
            if not self._wanted:
                self._wanted.append(ResponseRequest(request_id=f"unanswered-{now:.3f}"))
        if now < self._blocked_until or not self._wanted or now < self._wanted[0].not_before:
            return None
        self.requested = self._wanted.popleft()
        self._requested_at = now
        return self.requested

    def next_deadline(self) -> float | None:
        """When to ask `next_request` again, if nothing else happens."""
        if self.requested is not None:
            return self._requested_at + CREATED_TIMEOUT_S
        if self.active is not None or self._caller_speaking:
            return None
        if self._auto_expected_until is not None:
            return self._auto_expected_until
        if self._wanted:
            return max(self._blocked_until, self._wanted[0].not_before)
        return None
