"""One response at a time: which `response.create` may be sent, and when.

The default conversation takes one response at a time, and with voice activity detection the server starts
some by itself. A `response.create` that races one of those is refused
(`conversation_already_has_active_response`); two that follow a pair of function calls make the agent answer
twice. So every wish to speak goes through here: it is sent when nothing is being answered and the caller is
not speaking, merged with a wish like it, and dropped when the server's own response has covered it.
"""

from __future__ import annotations

import dataclasses
from collections import deque
from dataclasses import dataclass, field
from typing import Any

# A request whose response.created does not come: the server lost it, or never saw it. It is sent once more.
CREATED_TIMEOUT_S = 10.0
# After `committed` the server's own response should start; if it has not, the turn would stay unanswered.
AUTO_RESPONSE_TIMEOUT_S = 3.0
# A refused request is tried again when the running response ends; or after this, if we never see that end.
REFUSED_RETRY_S = 2.0
# The second time that a request is not answered, the wish is given up.
SENDINGS = 2
REMEMBERED = 32  # requests that were answered or given up: an answer that comes all the same is not wanted
# Only ever a greeting or goodbye, a digit, a retry and the outputs of a few calls; the oldest goes first.
WISHES_LIMIT = 16


@dataclass(frozen=True, slots=True, kw_only=True)
class ResponseRequest:
    """A wish to have the model speak. With an empty `body` any response that sees `answers` will do."""

    request_id: str
    body: dict[str, Any] = field(default_factory=dict)  # response.create.response without metadata
    answers: frozenset[str] = frozenset()  # item ids of ours that this response is to see
    not_before: float = 0.0
    must_be_said: bool = False  # no other response does instead: a goodbye


@dataclass(slots=True)
class ResponseSequencer:
    """Feed it what the server says; `next_request` gives what to send now. At most WISHES_LIMIT wishes wait."""

    active: str | None = None
    active_request: ResponseRequest | None = None  # what `active` answers; None for the server's own
    requested: ResponseRequest | None = None
    _requested_by: str = ""  # event_id of the response.create that asks for `requested`
    _requested_at: float = 0.0
    _sendings: int = 0
    _covered: bool = False  # the server's own response has done what was requested
    _wanted: deque[ResponseRequest] = field(default_factory=lambda: deque(maxlen=WISHES_LIMIT))
    _caller_speaking: bool = False
    _auto_expected_until: float | None = None
    _unanswered: bool = False  # the caller's last turn is committed and no response has begun since
    _blocked_until: float = 0.0
    _unseen: set[str] = field(default_factory=set)  # items we sent that are not in the conversation yet
    _settled: deque[str] = field(default_factory=lambda: deque(maxlen=REMEMBERED))
    _echoes: bool = False  # the server has said once which request a response answers

    # Wishes.

    def want(self, request: ResponseRequest) -> None:
        """Ask for a response. Two wishes without words of their own become one."""
        if not request.body:
            for index, other in enumerate(self._wanted):
                if not other.body:
                    self._wanted[index] = dataclasses.replace(
                        other,
                        answers=other.answers | request.answers,
                        not_before=max(other.not_before, request.not_before),
                    )
                    return
        self._wanted.append(request)

    def forget(self, request_id: str) -> None:
        """This is not wanted any more; if it was sent already, its response will not be."""
        self._wanted = deque((w for w in self._wanted if w.request_id != request_id), maxlen=WISHES_LIMIT)
        if self.requested is not None and self.requested.request_id == request_id:
            self._settle()
        elif request_id not in self._settled:
            self._settled.append(request_id)

    def forget_wishes(self) -> None:
        """Nothing that was wanted is wanted any more (the call is ending)."""
        self._wanted.clear()
        if self.requested is not None:
            self._settle()

    def nobody_waits(self) -> None:
        """Whatever the caller has said or is saying, it is not for the model to answer."""
        self._caller_speaking = self._unanswered = False
        self._auto_expected_until = None

    def want_instead(self, request: ResponseRequest) -> None:
        """Ask for a response that does for every wish without words of its own."""
        self._wanted = deque((w for w in self._wanted if w.body), maxlen=WISHES_LIMIT)
        self._wanted.append(request)

    def give_up(self) -> ResponseRequest | None:
        """What was asked for or is being answered has taken too long: it is not wanted any more, as it was."""
        asked = self.requested or self.active_request
        if self.requested is not None:
            self._settle()
        return asked

    def session_lost(self, *, heard: bool) -> bool:
        """Whether an answer was owed. Of what was wanted, words of our own stay wanted, unless they were `heard`."""
        owed = not self.quiet and not self._caller_speaking
        again = [r for r in (None if heard else self.active_request, self.requested) if r is not None]
        kept = [*again, *self._wanted]
        self._wanted = deque((w for w in kept if w.body), maxlen=WISHES_LIMIT)
        self.active = self.active_request = self.requested = None
        self._auto_expected_until = None
        self._caller_speaking = self._unanswered = self._covered = False
        self._blocked_until = 0.0
        self._unseen.clear()
        return owed

    # What the server says.

    def item_sent(self, item_id: str) -> None:
        """An item of ours is on its way: a response sees it once the server has added it."""
        self._unseen.add(item_id)

    def item_added(self, item_id: str) -> None:
        self._unseen.discard(item_id)

    def speech_started(self) -> None:
        self._caller_speaking = True

    def speech_stopped(self, now: float) -> None:
        """The commit and the server's own response should follow; without them wishes wait no longer than this."""
        self._caller_speaking = False
        self._auto_expected_until = now + AUTO_RESPONSE_TIMEOUT_S

    def committed(self, now: float, *, server_responds: bool) -> None:
        """The caller's turn is over; with `server_responds` the server answers it by itself."""
        self._caller_speaking = False
        self._unanswered = True
        self._auto_expected_until = now + AUTO_RESPONSE_TIMEOUT_S if server_responds else now

    def created(self, response_id: str, request_id: str | None) -> bool:
        """A response has begun. False: it answers a request that was given up or answered before; cancel it."""
        self.active = response_id
        self.active_request = None
        if request_id is not None:
            self._take_back(request_id)
        ours = self.requested is not None and request_id == self.requested.request_id
        if not ours and request_id is not None and request_id in self._settled:
            return False  # and what the caller has said meanwhile is still to be answered
        self._auto_expected_until = None
        self._unanswered = False
        if ours:
            self.active_request = self.requested
            self._settle()
        else:
            self._cover()
        return True

    def done(
        self, response_id: str, request_id: str | None, *, tells_request: bool = True
    ) -> ResponseRequest | None:
        """The request of ours that it answered. It may end without having been seen to begin."""
        self._echoes |= request_id is not None
        answered = None
        if self.requested is not None and request_id == self.requested.request_id:
            answered = self.requested
            self._settle()
        if self.active == response_id:
            answered = self.active_request
            self.active = self.active_request = None
            if self.requested is not None and not tells_request and not self._echoes:
                # A compatible server that never says what it answers. It did not refuse what was asked: this was it.
                answered = self.requested
                self._settle()
        self._blocked_until = 0.0
        return answered

    def sent_as(self, event_id: str) -> None:
        """The `response.create` of the request that `next_request` gave."""
        self._requested_by = event_id

    def error(self, code: str, caused_by: str | None, now: float) -> None:
        """An `error`; `caused_by`: the event_id that it names. It may concern a request, or not."""
        refused = code == "conversation_already_has_active_response"
        # Some servers do not say which event they mean; of a refusal only one can be meant.
        ours = caused_by == self._requested_by or (refused and caused_by is None)
        if self.requested is None or not ours:
            return
        if refused:
            self.refused(self.requested.request_id, now)
        else:
            self.failed(self.requested.request_id)

    def refused(self, request_id: str, now: float) -> None:
        """`conversation_already_has_active_response`: benign; the wish waits for its turn again."""
        if self.requested is None or self.requested.request_id != request_id:
            return
        request, covered = self.requested, self._covered
        self.requested = None
        if not covered:
            self._wanted.appendleft(request)
            self._blocked_until = now + REFUSED_RETRY_S

    def failed(self, request_id: str) -> None:
        """The server refused the request for good."""
        if self.requested is not None and self.requested.request_id == request_id:
            self._settle()

    # What follows.

    @property
    def caller_speaking(self) -> bool:
        return self._caller_speaking

    @property
    def has_words(self) -> bool:
        """Words of our own wait to be said."""
        return any(wish.body for wish in self._wanted)

    @property
    def busy(self) -> bool:
        """Something is being answered, or waits to be asked for."""
        return self.active is not None or self.requested is not None or bool(self._wanted)

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
            return self._send_again(now)
        if self.active is not None or self.requested is not None or self._caller_speaking:
            return None
        if self._auto_expected_until is not None:
            if now < self._auto_expected_until:
                return None
            self._auto_expected_until = None
            if self._unanswered:
                # The turn was committed and nobody answered it: answer it ourselves.
                self._unanswered = False
                self.want(ResponseRequest(request_id=f"unanswered-{now:.3f}"))
        request = self._next_wish(now)
        if request is not None:
            self._wanted.remove(request)
            self.requested, self._requested_at = request, now
            self._sendings, self._covered = 1, False
        return request

    def next_deadline(self) -> float | None:
        """When to ask `next_request` again, if nothing else happens."""
        if self.requested is not None:
            return self._requested_at + CREATED_TIMEOUT_S
        if self.active is not None or self._caller_speaking:
            return None
        if self._auto_expected_until is not None:
            return self._auto_expected_until
        if self._wanted:
            return max(self._blocked_until, min(wish.not_before for wish in self._wanted))
        return None

    def _next_wish(self, now: float) -> ResponseRequest | None:
        if now < self._blocked_until:
            return None
        return next((wish for wish in self._wanted if now >= wish.not_before), None)

    def _send_again(self, now: float) -> ResponseRequest | None:
        request = self.requested
        if request is None or self._covered or self._sendings >= SENDINGS:
            self._settle()
            return None
        if self.active is not None or self._caller_speaking:
            self.requested = None
            self._wanted.appendleft(request)
            return None
        self._sendings += 1
        self._requested_at = now
        return request

    def _take_back(self, request_id: str) -> None:
        """What was thought lost, and waits to be sent again, is answered after all."""
        late = next((wish for wish in self._wanted if wish.request_id == request_id), None)
        if late is not None and self.requested is None:
            self._wanted.remove(late)
            self.requested = late

    def _settle(self) -> None:
        if self.requested is not None:
            self._settled.append(self.requested.request_id)
            self._unseen -= self.requested.answers  # though the server may never have said that it added them
        self.requested = None

    def _cover(self) -> None:
        """The server's own response sees every item that was in the conversation when it began."""
        self._wanted = deque((w for w in self._wanted if not self._covers(w)), maxlen=WISHES_LIMIT)
        if self.requested is not None and self._covers(self.requested):
            self._covered = True

    def _covers(self, wish: ResponseRequest) -> bool:
        return not wish.must_be_said and wish.answers.isdisjoint(self._unseen)
