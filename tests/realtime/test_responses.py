"""The response sequencer: never two requests in flight, and no wish lost."""

from __future__ import annotations

import hypothesis.strategies as st
import pytest
from hypothesis import settings
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from realtime.responses import (
    AUTO_RESPONSE_TIMEOUT_S,
    CREATED_TIMEOUT_S,
    REFUSED_RETRY_S,
    WISHES_LIMIT,
    ResponseRequest,
    ResponseSequencer,
)


def wish(request_id: str, *items: str, words: str | None = None, must: bool = False) -> ResponseRequest:
    body = {"instructions": words} if words else {}
    return ResponseRequest(request_id=request_id, answers=frozenset(items), body=body, must_be_said=must)


def sent(sequencer: ResponseSequencer, now: float) -> str | None:
    request = sequencer.next_request(now)
    return request.request_id if request is not None else None


def test_a_wish_is_sent_at_once_when_nobody_speaks() -> None:
    sequencer = ResponseSequencer()
    sequencer.want(wish("a"))

    assert sent(sequencer, 0) == "a"
    assert sent(sequencer, 0) is None


def test_a_wish_waits_for_the_running_response() -> None:
    sequencer = ResponseSequencer()
    sequencer.created("r1", None)
    sequencer.want(wish("a"))
    assert sent(sequencer, 100) is None
    assert sequencer.next_deadline() is None

    sequencer.done("r1", None)

    assert sent(sequencer, 100) == "a"


def test_a_wish_waits_while_the_caller_speaks_and_for_the_servers_answer_to_it() -> None:
    sequencer = ResponseSequencer()
    sequencer.item_sent("out")
    sequencer.speech_started()
    sequencer.want(wish("a", "out"))
    assert sent(sequencer, 1) is None
    sequencer.speech_stopped(2)
    assert sent(sequencer, 2) is None
    sequencer.committed(2, server_responds=True)
    assert sent(sequencer, 2) is None
    sequencer.created("r1", None)  # it began before the output was there
    sequencer.done("r1", None)

    assert sent(sequencer, 3) == "a"


def test_a_wish_that_the_servers_own_response_covers_is_dropped() -> None:
    sequencer = ResponseSequencer()
    sequencer.item_sent("out")
    sequencer.speech_started()
    sequencer.want(wish("a", "out"))
    sequencer.item_added("out")
    sequencer.committed(2, server_responds=True)
    sequencer.created("r1", None)
    sequencer.done("r1", None)

    assert sent(sequencer, 3) is None
    assert sequencer.quiet


def test_what_must_be_said_is_not_covered_by_anything_else() -> None:
    sequencer = ResponseSequencer()
    sequencer.speech_started()
    sequencer.want(wish("bye", words="Say goodbye.", must=True))
    sequencer.committed(2, server_responds=True)
    sequencer.created("r1", None)
    sequencer.done("r1", None)

    assert sent(sequencer, 3) == "bye"


def test_an_unanswered_commit_is_answered_by_us_once() -> None:
    sequencer = ResponseSequencer()
    sequencer.speech_started()
    sequencer.committed(10, server_responds=True)
    assert sequencer.next_deadline() == 10 + AUTO_RESPONSE_TIMEOUT_S
    assert sent(sequencer, 10 + AUTO_RESPONSE_TIMEOUT_S - 0.001) is None

    request_id = sent(sequencer, 10 + AUTO_RESPONSE_TIMEOUT_S)

    assert request_id is not None
    sequencer.created("r1", request_id)
    sequencer.done("r1", request_id)
    assert sent(sequencer, 100) is None


def test_a_commit_that_the_server_does_not_answer_is_answered_by_us_at_once() -> None:
    sequencer = ResponseSequencer()
    sequencer.committed(10, server_responds=False)

    assert sent(sequencer, 10) is not None


def test_speech_that_is_never_committed_holds_no_wish_back_and_is_not_answered() -> None:
    sequencer = ResponseSequencer()
    sequencer.speech_started()
    sequencer.speech_stopped(10)
    assert sent(sequencer, 10 + AUTO_RESPONSE_TIMEOUT_S) is None
    assert sequencer.quiet
    sequencer.want(wish("a"))

    assert sent(sequencer, 10 + AUTO_RESPONSE_TIMEOUT_S) == "a"


def test_an_unanswered_commit_and_a_plain_wish_become_one_request() -> None:
    sequencer = ResponseSequencer()
    sequencer.speech_started()
    sequencer.want(wish("a", "out"))
    sequencer.committed(10, server_responds=True)
    assert sent(sequencer, 20) == "a"
    sequencer.created("r1", "a")
    sequencer.done("r1", "a")

    assert sent(sequencer, 30) is None


def test_plain_wishes_become_one_and_words_of_their_own_do_not() -> None:
    sequencer = ResponseSequencer()
    sequencer.created("r1", None)
    for each in (wish("a", "x"), wish("w", words="Hello."), wish("b", "y"), wish("v", words="Hello.")):
        sequencer.want(each)
    sequencer.done("r1", None)
    order = []
    while (request := sequencer.next_request(0)) is not None:
        order.append((request.request_id, sorted(request.answers)))
        sequencer.created("r", request.request_id)
        sequencer.done("r", request.request_id)

    assert order == [("a", ["x", "y"]), ("w", []), ("v", [])]


def test_more_wishes_than_anybody_has_push_out_the_oldest() -> None:
    sequencer = ResponseSequencer()
    sequencer.created("r1", None)
    for number in range(WISHES_LIMIT + 1):
        sequencer.want(wish(f"w{number}", words="Hello.", must=True))
    sequencer.done("r1", None)

    assert sent(sequencer, 0) == "w1"


def test_a_wish_for_later_does_not_hold_up_one_for_now() -> None:
    sequencer = ResponseSequencer()
    sequencer.want(ResponseRequest(request_id="later", not_before=10))
    sequencer.want(wish("bye", words="Goodbye.", must=True))

    assert sent(sequencer, 1) == "bye"
    sequencer.done("r1", "bye")
    assert sent(sequencer, 9.9) is None
    assert sequencer.next_deadline() == 10
    assert sent(sequencer, 10) == "later"


def test_a_refused_request_is_sent_again_when_the_running_response_ends() -> None:
    sequencer = ResponseSequencer()
    sequencer.item_sent("out")
    sequencer.want(wish("a", words="Hello.", must=True))
    assert sent(sequencer, 0) == "a"
    sequencer.created("r1", None)  # the server's own was quicker
    sequencer.refused("a", 0.1)
    assert sent(sequencer, 50) is None

    sequencer.done("r1", None)

    assert sent(sequencer, 0.2) == "a"


def test_a_server_that_never_says_what_it_answers_has_answered_what_was_asked() -> None:
    sequencer = ResponseSequencer()
    sequencer.want(wish("a", words="Hello."))
    assert sent(sequencer, 0) == "a"
    sequencer.want(wish("b", words="Goodbye.", must=True))
    sequencer.created("r1", None)

    answered = sequencer.done("r1", None, tells_request=False)

    assert answered is not None
    assert answered.request_id == "a"
    assert sent(sequencer, 0.2) == "b"


def test_a_server_that_has_said_it_once_is_taken_at_its_word() -> None:
    sequencer = ResponseSequencer()
    sequencer.created("r1", "z")
    sequencer.done("r1", "z")
    sequencer.want(wish("a", words="Hello.", must=True))
    assert sent(sequencer, 0) == "a"
    sequencer.created("r2", None)

    assert sequencer.done("r2", None, tells_request=False) is None


def test_a_refused_request_is_tried_again_though_the_running_response_is_never_seen() -> None:
    sequencer = ResponseSequencer()
    sequencer.want(wish("a"))
    assert sent(sequencer, 0) == "a"
    sequencer.refused("a", 1)
    assert sequencer.next_deadline() == 1 + REFUSED_RETRY_S
    assert sent(sequencer, 1 + REFUSED_RETRY_S - 0.01) is None

    assert sent(sequencer, 1 + REFUSED_RETRY_S) == "a"


def test_a_refused_request_that_the_running_response_covers_is_not_sent_again() -> None:
    sequencer = ResponseSequencer()
    sequencer.item_sent("out")
    sequencer.want(wish("a", "out"))
    sequencer.item_added("out")
    assert sent(sequencer, 0) == "a"
    sequencer.created("r1", None)
    sequencer.refused("a", 0.1)
    sequencer.done("r1", None)

    assert sent(sequencer, 50) is None


def test_a_request_refused_for_good_is_given_up() -> None:
    sequencer = ResponseSequencer()
    sequencer.want(wish("a"))
    assert sent(sequencer, 0) == "a"
    sequencer.failed("a")

    assert sequencer.quiet


def requesting() -> ResponseSequencer:
    sequencer = ResponseSequencer()
    sequencer.want(wish("a"))
    assert sent(sequencer, 0) == "a"
    sequencer.sent_as("ev_1")
    return sequencer


@pytest.mark.trap(6)
@pytest.mark.parametrize("caused_by", ["ev_1", None])
def test_a_refusal_is_known_by_its_cause_or_because_only_one_can_be_meant(caused_by: str | None) -> None:
    sequencer = requesting()
    sequencer.error("conversation_already_has_active_response", caused_by, 1)

    assert sequencer.requested is None
    assert sent(sequencer, 1 + REFUSED_RETRY_S) == "a"


def test_any_other_error_about_a_request_gives_it_up() -> None:
    sequencer = requesting()
    sequencer.error("invalid_value", "ev_1", 1)

    assert sequencer.quiet


@pytest.mark.parametrize("code", ["conversation_already_has_active_response", "invalid_value"])
def test_an_error_about_something_else_leaves_the_request_alone(code: str) -> None:
    sequencer = requesting()
    sequencer.error(code, "ev_0", 1)
    sequencer.error("invalid_value", None, 1)

    assert sequencer.requested is not None


def test_a_request_that_is_not_answered_is_sent_once_more_and_then_given_up() -> None:
    sequencer = ResponseSequencer()
    sequencer.want(wish("a"))
    assert sent(sequencer, 0) == "a"
    assert sequencer.next_deadline() == CREATED_TIMEOUT_S
    assert sent(sequencer, CREATED_TIMEOUT_S) == "a"
    assert sent(sequencer, 2 * CREATED_TIMEOUT_S) is None

    assert sequencer.quiet
    assert not sequencer.created("r1", "a")  # too late: nobody wants it any more


def test_an_answer_to_both_sendings_is_wanted_once() -> None:
    sequencer = ResponseSequencer()
    sequencer.want(wish("a"))
    sent(sequencer, 0)
    sent(sequencer, CREATED_TIMEOUT_S)

    assert sequencer.created("r1", "a")
    sequencer.done("r1", "a")
    assert not sequencer.created("r2", "a")


def test_a_lost_request_waits_its_turn_again_and_is_found_when_it_comes_after_all() -> None:
    sequencer = ResponseSequencer()
    sequencer.want(wish("a", words="Goodbye.", must=True))
    sent(sequencer, 0)
    sequencer.created("r1", None)
    assert sent(sequencer, CREATED_TIMEOUT_S) is None  # the server is speaking: not now
    sequencer.done("r1", None)

    assert sequencer.created("r2", "a")
    sequencer.done("r2", "a")
    assert sent(sequencer, CREATED_TIMEOUT_S) is None


def test_a_lost_request_that_waited_its_turn_is_sent_again() -> None:
    sequencer = ResponseSequencer()
    sequencer.want(wish("a", words="Goodbye.", must=True))
    sent(sequencer, 0)
    sequencer.created("r1", None)
    sent(sequencer, CREATED_TIMEOUT_S)
    sequencer.done("r1", None)

    assert sent(sequencer, CREATED_TIMEOUT_S) == "a"


def test_a_lost_request_that_was_forgotten_meanwhile_is_not_wanted() -> None:
    sequencer = ResponseSequencer()
    sequencer.want(wish("a", words="Goodbye.", must=True))
    sent(sequencer, 0)
    sequencer.created("r1", None)
    sent(sequencer, CREATED_TIMEOUT_S)
    sequencer.forget("a")
    sequencer.done("r1", None)

    assert sequencer.quiet
    assert not sequencer.created("r2", "a")


def test_a_server_that_acknowledges_no_items_costs_no_memory() -> None:
    sequencer = ResponseSequencer()
    for number in range(100):
        sequencer.item_sent(f"out{number}")
        sequencer.want(wish(f"a{number}", f"out{number}"))
        assert sent(sequencer, 0) == f"a{number}"
        sequencer.created("r", f"a{number}")
        sequencer.done("r", f"a{number}")

    assert sequencer._unseen == set()


def test_a_request_that_is_done_without_having_begun_is_answered() -> None:
    sequencer = ResponseSequencer()
    request = wish("a", words="Hello.")
    sequencer.want(request)
    sent(sequencer, 0)

    assert sequencer.done("r1", "a") == request
    assert sequencer.quiet


def test_the_end_of_a_response_names_the_request_that_it_answered() -> None:
    sequencer = ResponseSequencer()
    request = wish("a", words="Hello.")
    sequencer.want(request)
    sent(sequencer, 0)
    sequencer.created("r1", "a")
    assert sequencer.done("r1", "a") == request

    sequencer.created("r2", None)
    assert sequencer.done("r2", None) is None


def test_the_end_of_an_older_response_does_not_end_the_running_one() -> None:
    sequencer = ResponseSequencer()
    sequencer.created("r1", None)
    sequencer.created("r2", None)
    sequencer.done("r1", None)

    assert sequencer.active == "r2"
    assert not sequencer.quiet


def test_a_forgotten_wish_is_not_wanted_when_it_comes() -> None:
    sequencer = ResponseSequencer()
    sequencer.want(wish("a", words="Goodbye.", must=True))
    sent(sequencer, 0)
    sequencer.forget("a")

    assert sequencer.quiet
    assert not sequencer.created("r1", "a")


def test_an_unwanted_response_leaves_the_callers_turn_to_be_answered() -> None:
    sequencer = ResponseSequencer()
    sequencer.want(wish("a", words="Goodbye.", must=True))
    sent(sequencer, 0)
    sequencer.forget("a")
    sequencer.committed(1, server_responds=True)
    sequencer.created("r1", "a")
    sequencer.done("r1", "a")

    assert sent(sequencer, 1 + AUTO_RESPONSE_TIMEOUT_S) is not None


class Server(RuleBasedStateMachine):
    """A server that does what the API says, in whatever order the network makes of it.

    It runs one response at a time, refuses a request while one runs, starts one of its own when it likes,
    acknowledges items when it likes and may lose a request, though not the same one twice.
    """

    def __init__(self) -> None:
        super().__init__()
        self.sequencer = ResponseSequencer()
        self.now = 0.0
        self.ids = 0
        self.running: tuple[str, str | None] | None = None
        self.arriving: list[str] = []  # requests sent, not yet at the server
        self.lost: set[str] = set()
        self.outstanding: str | None = None  # a request without an answer
        self.sent_at = 0.0
        self.fulfils: dict[str, set[str]] = {}  # request → the wishes that it was sent for
        self.open: dict[
            str, tuple[str, frozenset[str]]
        ] = {}  # wishes not yet fulfilled: (kind, items to see)
        self.unacknowledged: list[str] = []
        self.speaking = False
        self.stopped = False

    def _id(self, kind: str) -> str:
        self.ids += 1
        return f"{kind}{self.ids}"

    def ask(self) -> None:
        request = self.sequencer.next_request(self.now)
        if request is None:
            return
        assert self.outstanding in (None, request.request_id), "two requests in flight"
        assert self.sequencer.active is None
        assert not self.speaking or self.stopped, "the caller is speaking"
        self.outstanding, self.sent_at = request.request_id, self.now
        self.arriving.append(request.request_id)
        self.fulfils[request.request_id] = {request.request_id} | {
            name
            for name, (kind, items) in self.open.items()
            if kind == "plain" and not request.body and items <= request.answers
        }

    @precondition(lambda self: len(self.open) < WISHES_LIMIT)
    @rule(kind=st.sampled_from(["plain", "greeting", "goodbye"]), items=st.integers(0, 2))
    def a_wish(self, kind: str, items: int) -> None:
        request_id = self._id("req")
        answers = frozenset(self._id("out") for _ in range(items if kind == "plain" else 0))
        for item in sorted(answers):
            self.sequencer.item_sent(item)
            self.unacknowledged.append(item)
        self.open[request_id] = (kind, answers)
        self.sequencer.want(
            ResponseRequest(
                request_id=request_id,
                body={} if kind == "plain" else {"instructions": kind},
                answers=answers,
                must_be_said=kind == "goodbye",
            )
        )
        self.ask()

    @precondition(lambda self: self.unacknowledged)
    @rule()
    def an_item_is_added(self) -> None:
        self.sequencer.item_added(self.unacknowledged.pop(0))
        self.ask()

    @precondition(lambda self: self.arriving)
    @rule()
    def a_request_arrives(self) -> None:
        request_id = self.arriving.pop(0)
        assert request_id == self.outstanding
        self.outstanding = None
        if self.running is not None:
            self.sequencer.refused(request_id, self.now)
        else:
            self.running = (self._id("resp"), request_id)
            assert self.sequencer.created(*self.running)
            for name in self.fulfils[request_id]:
                self.open.pop(name, None)
        self.ask()

    @precondition(lambda self: self.arriving and self.arriving[0] not in self.lost)
    @rule()
    def a_request_is_lost(self) -> None:
        self.lost.add(self.arriving.pop(0))

    @precondition(lambda self: self.running is None)
    @rule()
    def the_server_speaks_by_itself(self) -> None:
        self.running = (self._id("resp"), None)
        self.sequencer.created(*self.running)
        for name, (kind, items) in list(self.open.items()):
            if kind != "goodbye" and items.isdisjoint(self.unacknowledged):
                del self.open[name]
        self.ask()

    @precondition(lambda self: self.running is not None)
    @rule()
    def a_response_ends(self) -> None:
        assert self.running is not None
        self.sequencer.done(*self.running)
        self.running = None
        self.ask()

    @precondition(lambda self: not self.speaking)
    @rule()
    def the_caller_speaks(self) -> None:
        self.speaking, self.stopped = True, False
        self.sequencer.speech_started()
        self.ask()

    @precondition(lambda self: self.speaking and not self.stopped)
    @rule()
    def the_caller_stops(self) -> None:
        self.stopped = True
        self.sequencer.speech_stopped(self.now)
        self.ask()

    @precondition(lambda self: self.stopped)
    @rule()
    def the_turn_is_committed(self) -> None:
        self.speaking = self.stopped = False
        self.sequencer.committed(self.now, server_responds=True)
        self.ask()

    @rule(seconds=st.floats(0.01, 9))
    def time_passes(self, seconds: float) -> None:
        if self.arriving and self.now + seconds >= self.sent_at + CREATED_TIMEOUT_S:
            self.a_request_arrives()  # the network is slow, but not that slow
        self.now += seconds
        if (
            self.outstanding is not None
            and not self.arriving
            and self.now >= self.sent_at + CREATED_TIMEOUT_S
        ):
            self.outstanding = None  # it was lost, and we know by now
        self.ask()

    @invariant()
    def what_is_requested_is_outstanding(self) -> None:
        requested = self.sequencer.requested
        assert requested is None or requested.request_id == self.outstanding

    @invariant()
    def no_deadline_stays_in_the_past(self) -> None:
        deadline = self.sequencer.next_deadline()
        if deadline is not None and deadline <= self.now:
            self.ask()
            after = self.sequencer.next_deadline()
            assert after is None or after > self.now

    def teardown(self) -> None:
        """Left alone, everything that was wished for is said, or something was that did instead."""
        for _ in range(100):
            while self.arriving:
                self.a_request_arrives()
            while self.unacknowledged:
                self.an_item_is_added()
            if self.running is not None:
                self.a_response_ends()
            elif self.speaking and not self.stopped:
                self.the_caller_stops()
            elif self.stopped:
                self.the_turn_is_committed()
            elif not self.arriving:
                self.time_passes(1)
        assert self.sequencer.quiet
        assert not self.open, "a wish was lost"


TestTheSequencer = Server.TestCase
TestTheSequencer.settings = settings(max_examples=100, stateful_step_count=40, deadline=None)
