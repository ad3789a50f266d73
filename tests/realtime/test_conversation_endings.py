"""How a call ends: the goodbye is heard, late words are waited for, and every end is reached in time."""

from __future__ import annotations

import pytest

from realtime.phase import GOODBYE_S, GOODBYE_WITHOUT_SESSION_S, LATE_TRANSCRIPT_S, RETRY_AFTER_S
from realtime.recorded_words import CANNOT_GO_ON, GOODBYE, GOODBYE_JA, RecordedWords
from storage.events import (
    CallPeerLost,
    CallPeerResumed,
    DtmfReceived,
    SessionFailed,
    TranscriptFinal,
    TurnCompleted,
    TurnInterrupted,
    UsageRecorded,
)
from tests.fakes.realtime_story import NOTICE_HEARD_S, Story, receptionist


def told_to_end(*, speaks: bool = True) -> Story:
    """The agent has called end_call, with or without saying goodbye in the same response."""
    story = Story().connect()
    story.caller_says("That is all, thank you.")
    response = story.respond()
    if speaks:
        part = story.item(response)
        story.voice(part, "Goodbye!", 1000)
        story.item_ends(part, "Goodbye!")
    story.call(response, "end_call", '{"reason": "done"}')
    story.response_ends(response)
    return story


def returns_hang_up(story: Story) -> None:
    story.tool_returns({"ending": True}, hang_up="agent_hangup")


def test_the_agent_hangs_up_when_its_goodbye_has_been_heard() -> None:
    story = told_to_end()
    returns_hang_up(story)
    story.pass_time(0.9)
    assert story.hung_up is None

    story.pass_time(0.2)

    assert story.heard_audio_ms == 600 + 1000
    assert story.closed == "agent_hangup"
    assert story.sent_of("response.create") == []
    final = story.all(TranscriptFinal)[-1]
    assert (final.heard_text, final.interrupted) == ("Goodbye!", False)


def test_a_goodbye_that_was_heard_before_the_tool_answered_is_not_said_twice() -> None:
    story = told_to_end()
    story.pass_time(2.0)
    returns_hang_up(story)

    assert story.closed == "agent_hangup"
    assert story.sent_of("response.create") == []


def test_an_agent_that_ends_without_a_word_is_asked_for_a_goodbye() -> None:
    story = told_to_end(speaks=False)
    returns_hang_up(story)
    (goodbye,) = story.sent_of("response.create")
    assert "Say goodbye" in goodbye["response"]["instructions"]
    assert goodbye["response"]["tool_choice"] == "none"

    story.agent_says("Goodbye!", ms=800)
    story.pass_time(0.7)
    assert story.hung_up is None
    story.pass_time(0.3)

    assert story.closed == "agent_hangup"


@pytest.mark.parametrize("speaks", [True, False])
def test_a_caller_who_speaks_into_the_goodbye_is_not_hung_up_on(speaks: bool) -> None:
    story = told_to_end(speaks=speaks)
    returns_hang_up(story)
    if not speaks:
        story.agent_says("Goodbye!", ms=1000)
    story.pass_time(0.5)
    story.caller_says("Wait, one more thing!")
    story.agent_says("Yes?", ms=300)
    story.pass_time(GOODBYE_S + 3)

    assert story.hung_up is None
    assert len(story.sent_of("response.create")) == (0 if speaks else 1)


def test_a_goodbye_that_was_only_wished_for_is_withdrawn_with_the_ending() -> None:
    story = told_to_end(speaks=False)
    caller_item = story.caller_starts()  # before the tool has answered
    returns_hang_up(story)
    story.acknowledge_items()
    story.caller_stops(caller_item)
    story.agent_says("Yes, of course.", ms=400)
    story.pass_time(GOODBYE_S + 3)

    assert story.hung_up is None
    assert story.sent_of("response.create") == []


def test_a_goodbye_that_is_on_its_way_is_cancelled_when_the_caller_speaks() -> None:
    story = told_to_end(speaks=False)
    returns_hang_up(story)
    caller_item = story.caller_starts()
    story.caller_stops(caller_item)
    goodbye = story.respond()  # the request of before, late

    assert [event["response_id"] for event in story.sent_of("response.cancel")] == [goodbye.id]
    story.response_is_cancelled(goodbye)
    story.pass_time(3.1)
    assert len(story.sent_of("response.create")) == 2  # the caller's words are answered by us, then
    assert "instructions" not in story.sent_of("response.create")[1]["response"]
    assert story.hung_up is None


def test_an_end_that_was_overtaken_by_the_caller_is_no_end() -> None:
    """The model decided to end; the caller spoke before `response.done` came."""
    story = Story().connect()
    story.caller_says("That is all.")
    response = story.respond()
    part = story.item(response)
    story.voice(part, "Goodbye!", 1000)
    story.call(response, "end_call")
    caller_item = story.caller_starts()
    story.response_is_cancelled(response)
    returns_hang_up(story)
    story.acknowledge_items()
    story.caller_stops(caller_item)
    story.agent_says("Yes?", ms=300)
    story.pass_time(GOODBYE_S + 3)

    assert story.hung_up is None


def test_a_goodbye_that_takes_too_long_is_cut() -> None:
    story = told_to_end(speaks=False)
    returns_hang_up(story)
    story.agent_says("Goodbye, and " * 40, ms=60_000)
    story.pass_time(GOODBYE_S - 0.1)
    assert story.hung_up is None
    story.pass_time(0.2)

    assert story.closed == "agent_hangup"
    assert story.all(TranscriptFinal)[-1].interrupted


def test_a_goodbye_that_never_comes_does_not_keep_the_line_open() -> None:
    story = told_to_end(speaks=False)
    returns_hang_up(story)
    story.pass_time(GOODBYE_S + 0.1)
    assert story.recorded[-1] == GOODBYE, "nobody had said it yet"
    story.pass_time(GOODBYE.ms / 1000 + LATE_TRANSCRIPT_S)

    assert story.closed == "agent_hangup"
    assert story.all(TranscriptFinal)[-1].heard_text == GOODBYE.text


def test_a_goodbye_that_was_said_is_not_said_again_by_a_recording() -> None:
    story = told_to_end(speaks=False)
    returns_hang_up(story)
    story.acknowledge_items()
    story.agent_says("Goodbye.", ms=int(GOODBYE_S * 1000) + 3000)
    story.pass_time(GOODBYE_S + LATE_TRANSCRIPT_S + 0.1)

    assert story.closed == "agent_hangup"
    assert GOODBYE not in story.recorded


def test_a_goodbye_that_is_asked_for_in_a_gap_is_said_by_the_next_session() -> None:
    story = Story().connect()
    story.drop()
    story.conversation.say_goodbye("we close", "timeout", story.now)
    story.drive()
    assert story.hung_up is None
    story.pass_time(GOODBYE_WITHOUT_SESSION_S - 0.2)
    story.restore()
    story.pass_time(0.1)
    assert "say goodbye" in story.sent_of("response.create")[-1]["response"]["instructions"]
    response = story.respond()
    story.pass_time(1)
    assert story.hung_up is None, "the session is given the time to say it"
    part = story.item(response)
    story.voice(part, "Goodbye.", 300)
    story.item_ends(part, "Goodbye.")
    story.response_ends(response)
    story.pass_time(1)

    assert story.closed == "timeout"
    assert GOODBYE not in story.recorded


@pytest.mark.parametrize(("language", "words"), [("en", GOODBYE), ("ja", GOODBYE_JA)])
def test_a_goodbye_in_a_gap_that_stays_is_said_by_a_recording(language: str, words: RecordedWords) -> None:
    story = Story(receptionist(language=language)).connect()
    story.drop()
    story.conversation.say_goodbye("we close", "timeout", story.now)
    story.drive()
    story.pass_time(GOODBYE_WITHOUT_SESSION_S + 0.1)
    assert story.recorded[-1] == words
    story.pass_time(words.ms / 1000)

    assert story.hung_up == story.closed == "timeout"
    assert story.all(TranscriptFinal)[-1].heard_text == words.text
    assert story.handoffs == []


def test_a_call_that_ends_anyway_when_the_model_is_lost_ends_with_a_goodbye_and_for_its_own_reason() -> None:
    story = Story().connect()
    story.conversation.say_goodbye("we close", "timeout", story.now)
    story.drive()
    story.drop("unauthorized")
    story.pass_time(GOODBYE.ms / 1000 + 0.1)

    assert story.recorded == [GOODBYE]
    assert story.closed == "timeout"


def test_a_goodbye_while_a_person_talks_is_a_recording() -> None:
    story = Story().connect()
    story.operator_joins()
    story.conversation.say_goodbye("we close", "timeout", story.now)
    story.drive()
    story.pass_time(GOODBYE.ms / 1000 + 0.1)

    assert story.recorded == [GOODBYE]
    assert story.closed == "timeout"


def test_the_longest_duration_ends_in_a_goodbye_whatever_the_agent_was_saying() -> None:
    story = Story(receptionist(limits={"max_duration_s": 10})).connect()
    story.pass_time(5)
    story.caller_says("Tell me a story.")
    story.agent_says("Once upon a time " * 20, ms=30_000)
    story.pass_time(10 - (story.now - 100) - 0.1)
    assert story.sent_of("response.create") == []
    story.pass_time(0.2)

    (goodbye,) = story.sent_of("response.create")
    assert "longest duration" in goodbye["response"]["instructions"]
    assert story.truncated()  # the story is cut, so that the goodbye is heard in time
    story.agent_says("Goodbye.", ms=500)
    story.pass_time(1.0)
    assert story.closed == "max_duration"


def test_the_longest_duration_stops_a_response_that_is_being_generated() -> None:
    story = Story(receptionist(limits={"max_duration_s": 10})).connect()
    story.caller_says("Tell me a story.")
    response = story.respond()
    part = story.item(response)
    story.voice(part, "Once upon a time " * 20, ms=30_000)
    story.pass_time(10)

    assert [event["response_id"] for event in story.sent_of("response.cancel")] == [response.id]
    assert story.sent_of("response.create") == []  # one at a time
    story.response_is_cancelled(response)
    assert len(story.sent_of("response.create")) == 1


def test_the_longest_duration_holds_though_the_caller_speaks() -> None:
    story = Story(receptionist(limits={"max_duration_s": 10})).connect()
    story.pass_time(10)
    story.agent_says("Goodbye.", ms=3000)
    story.pass_time(0.5)
    story.caller_says("No!")
    story.agent_says("I am sorry.", ms=500)
    story.pass_time(1.0)

    assert story.closed == "max_duration"


def test_the_longest_duration_that_passed_during_a_withdrawn_goodbye_still_holds() -> None:
    story = Story(receptionist(limits={"max_duration_s": 10})).connect()
    story.pass_time(7)
    story.caller_says("That is all.")
    response = story.respond()
    part = story.item(response)
    story.voice(part, "Goodbye!", 3000)
    story.item_ends(part, "Goodbye!")
    story.call(response, "end_call")
    story.response_ends(response)
    returns_hang_up(story)
    story.pass_time(2.0)  # past the longest duration: the agent is saying goodbye as it is
    assert story.sent_of("response.create") == []
    story.caller_says("Wait!", seconds=0.3)
    story.agent_says("Yes?", ms=300)
    story.pass_time(0.1)

    assert "longest duration" in story.sent_of("response.create")[0]["response"]["instructions"]


def test_a_second_goodbye_makes_the_first_final() -> None:
    story = told_to_end()
    returns_hang_up(story)
    story.conversation.say_goodbye("we are closing", "timeout", story.now)
    story.drive()
    story.pass_time(0.5)
    story.caller_says("Wait!", seconds=0.3)
    story.agent_says("Goodbye.", ms=200)
    story.pass_time(1)

    assert story.closed == "timeout"


def test_a_goodbye_before_anybody_can_hear_it_is_a_hang_up() -> None:
    story = Story()
    story.conversation.say_goodbye("we are closing", "timeout", story.now)
    story.drive()

    assert story.hung_up == story.closed == "timeout"


def test_hanging_up_stops_the_response_and_closes_when_its_cost_is_known() -> None:
    story = Story().connect()
    story.caller_says("Hello.")
    response = story.respond()
    part = story.item(response)
    story.voice(part, "Hello there, how can I help?", 2000)
    story.pass_time(0.5)
    story.caller_hangs_up()

    assert story.hung_up == "caller_hangup"
    assert [event["response_id"] for event in story.sent_of("response.cancel")] == [response.id]
    assert story.truncated() == []  # there is no memory to mend any more
    final = story.all(TranscriptFinal)[-1]
    assert (final.heard_ms, final.interrupted) == (460, True)
    assert story.all(TurnInterrupted) == []  # nobody interrupted anybody
    assert story.closed is None

    story.response_is_cancelled(response)

    assert len(story.all(UsageRecorded)) == 1
    assert story.closed == "caller_hangup"


def test_hanging_up_twice_is_hanging_up_once() -> None:
    story = Story().connect()
    story.caller_hangs_up()
    story.conversation.hang_up("error", story.now)
    story.drive()

    assert story.closed == "caller_hangup"


def test_a_response_that_begins_after_the_hang_up_is_cancelled_and_not_heard() -> None:
    story = Story().connect(greet=False)
    story.caller_says(None)
    story.caller_hangs_up()
    response = story.respond()
    story.voice(story.item(response), "Good morning.", 600)

    assert [event["response_id"] for event in story.sent_of("response.cancel")] == [response.id]
    assert story.heard_audio_ms == 0
    assert story.all(TranscriptFinal) == []


def test_late_words_are_waited_for_and_no_longer_than_needed() -> None:
    story = Story().connect()
    item_id = story.caller_says(None)
    story.caller_hangs_up()
    story.pass_time(2.0)
    assert story.closed is None

    story.transcribed(item_id, "Thank you, bye.")

    assert story.all(TranscriptFinal)[-1].text == "Thank you, bye."
    assert story.closed == "caller_hangup"


def test_late_words_are_waited_for_no_longer_than_five_seconds() -> None:
    story = Story().connect()
    story.caller_says(None)
    story.caller_hangs_up()
    story.pass_time(LATE_TRANSCRIPT_S - 0.1)
    assert story.closed is None
    story.pass_time(0.2)

    assert LATE_TRANSCRIPT_S == 5
    assert story.closed == "caller_hangup"


@pytest.mark.trap(15)
def test_words_that_cannot_be_transcribed_are_not_waited_for() -> None:
    story = Story().connect()
    item_id = story.caller_says(None)
    story.caller_hangs_up()
    story.server(
        "conversation.item.input_audio_transcription.failed",
        item_id=item_id,
        content_index=0,
        error={"type": "transcription_error", "code": "audio_unintelligible", "message": "?"},
    )

    assert story.closed == "caller_hangup"
    assert [note.detail for note in story.notes] == ["audio_unintelligible"]


def test_a_caller_who_hangs_up_while_speaking_has_their_last_words_written_down() -> None:
    """No more audio comes that would prove the end of their speech to the server."""
    story = Story().connect()
    item_id = story.caller_starts()
    story.pass_time(0.6)
    story.caller_hangs_up()
    assert story.sent_types() == ["input_audio_buffer.commit"]
    assert story.closed is None

    story.commits(item_id)
    story.transcribed(item_id, "Never mind, bye.")

    assert story.all(TranscriptFinal)[-1].text == "Never mind, bye."
    assert story.closed == "caller_hangup"


def test_speech_that_was_no_speech_after_all_is_not_waited_for() -> None:
    story = Story().connect()
    story.caller_starts()
    story.caller_hangs_up()
    (commit,) = story.sent_of("input_audio_buffer.commit")
    story.error("input_audio_buffer_commit_empty", caused_by=commit["event_id"])

    assert story.closed == "caller_hangup"


def test_a_session_lost_after_the_hang_up_ends_the_call_with_everything_that_was_heard() -> None:
    story = Story().connect()
    item_id = story.caller_says(None)  # these words will never be transcribed to their end
    story.server(
        "conversation.item.input_audio_transcription.delta",
        item_id=item_id,
        content_index=0,
        delta="When do you",
    )
    story.agent_says("We are open from nine until five.", ms=3000)
    story.pass_time(1.0)
    story.caller_hangs_up()
    story.conversation.session_lost("closed_1011", "keepalive ping timeout", story.now)
    story.drive()

    assert story.hung_up == story.closed == "caller_hangup"
    finals = {final.speaker: final for final in story.all(TranscriptFinal)}
    assert (finals["agent"].heard_ms, finals["agent"].interrupted) == (960, True)
    assert finals["caller"].text == "When do you"
    assert story.all(TurnCompleted)
    assert story.all(SessionFailed) == []


@pytest.mark.trap(25)
def test_a_response_refused_for_load_is_asked_for_once_more_with_the_same_words() -> None:
    story = Story().connect(greet=False)
    story.response_fails(story.respond(), "inference_rate_limit_exceeded")
    story.pass_time(RETRY_AFTER_S - 0.1)
    assert len(story.sent_of("response.create")) == 1
    story.pass_time(0.2)

    first, second = story.sent_of("response.create")
    assert second["response"]["instructions"] == first["response"]["instructions"]
    assert second["response"]["metadata"] != first["response"]["metadata"]
    story.agent_says("Good morning.", ms=600)
    assert [note.detail for note in story.notes] == ["inference_rate_limit_exceeded"]


def test_the_servers_own_response_is_asked_for_again_when_it_fails() -> None:
    story = Story().connect()
    story.caller_says("Hello.")
    story.response_fails(story.respond(), "inference_rate_limit_exceeded")
    story.pass_time(RETRY_AFTER_S + 0.1)

    (retry,) = story.sent_of("response.create")
    assert set(retry["response"]) == {"metadata"}


def test_a_caller_who_speaks_again_after_a_failed_response_is_answered_once() -> None:
    story = Story().connect()
    story.caller_says("Hello.")
    story.response_fails(story.respond(), "inference_rate_limit_exceeded")
    story.caller_says("Hello?", seconds=2.0)
    story.agent_says("Hello!", ms=300)
    story.pass_time(15)

    assert story.sent_of("response.create") == []


@pytest.mark.trap(25)
def test_a_second_failure_in_a_row_ends_the_call() -> None:
    story = Story().connect()
    story.caller_says("Hello.")
    story.response_fails(story.respond(), "inference_rate_limit_exceeded")
    story.pass_time(RETRY_AFTER_S + 0.1)
    story.response_fails(story.respond(), "server_error")

    assert story.only(SessionFailed).code == "server_error"
    assert story.recorded == [CANNOT_GO_ON]
    story.pass_time(NOTICE_HEARD_S)
    assert story.closed == "provider_failed"


def test_what_was_heard_of_a_failed_response_is_on_record_when_it_ends_the_call() -> None:
    story = Story().connect()
    story.caller_says("Hello.")
    story.response_fails(story.respond(), "inference_rate_limit_exceeded")
    story.pass_time(RETRY_AFTER_S + 0.1)
    response = story.respond()
    part = story.item(response)
    story.voice(part, "Hello there, how can I help?", 2000)
    story.pass_time(1.0)
    story.response_fails(response, "server_error")
    story.pass_time(1.0 + NOTICE_HEARD_S)

    said, notice = story.all(TranscriptFinal)[-2:]
    assert (said.item_id, said.heard_ms) == (part.item_id, 2000)
    assert (notice.text, notice.heard_text) == (CANNOT_GO_ON.text, CANNOT_GO_ON.text)
    assert len(story.all(TurnCompleted)) == 1
    assert story.closed == "provider_failed"


def test_a_success_in_between_forgives_the_first_failure() -> None:
    story = Story().connect()
    for _ in range(3):
        story.caller_says("Hello.")
        story.response_fails(story.respond(), "inference_rate_limit_exceeded")
        story.pass_time(RETRY_AFTER_S + 0.1)
        story.agent_says("Hello!", ms=200)
        story.pass_time(0.5)

    assert story.closed is None


@pytest.mark.trap(25)
def test_a_failure_that_no_retry_mends_ends_the_call_at_once() -> None:
    story = Story().connect()
    story.caller_says("Hello.")
    story.response_fails(story.respond(), "insufficient_quota")
    (handoff,) = story.handoffs
    assert "insufficient_quota" in handoff.reason
    story.pass_time(NOTICE_HEARD_S)

    assert story.closed == "provider_failed"


def test_a_response_that_was_filtered_into_silence_counts_as_failed() -> None:
    story = Story().connect()
    story.caller_says("Hello.")
    response = story.respond()
    story.response_ends(
        response, "incomplete", status_details={"type": "incomplete", "reason": "content_filter"}
    )
    story.pass_time(RETRY_AFTER_S + 0.1)

    assert [note.detail for note in story.notes] == ["response_incomplete"]
    assert len(story.sent_of("response.create")) == 1


def test_an_answer_that_was_only_cut_short_is_no_failure() -> None:
    story = Story().connect()
    story.caller_says("Hello.")
    response = story.respond()
    story.voice(story.item(response), "Hello", 300)
    details = {"type": "incomplete", "reason": "max_output_tokens"}
    story.response_ends(response, "incomplete", status_details=details)
    story.pass_time(RETRY_AFTER_S + 1)

    assert story.sent_of("response.create") == []


def test_an_answer_whose_goodbye_failed_is_tried_again_and_then_ends() -> None:
    story = told_to_end(speaks=False)
    returns_hang_up(story)
    story.response_fails(story.respond(), "inference_rate_limit_exceeded")
    story.pass_time(RETRY_AFTER_S + 0.1)
    assert len(story.sent_of("response.create")) == 2
    story.agent_says("Goodbye!", ms=300)
    story.pass_time(0.5)

    assert story.closed == "agent_hangup"


def test_a_goodbye_that_waits_to_be_tried_again_is_withdrawn_too() -> None:
    story = told_to_end(speaks=False)
    returns_hang_up(story)
    story.response_fails(story.respond(), "inference_rate_limit_exceeded")
    story.caller_says("Wait!", seconds=2.0)
    story.agent_says("Yes?", ms=300)
    story.pass_time(GOODBYE_S + 3)

    assert story.hung_up is None
    assert len(story.sent_of("response.create")) == 1


def test_a_goodbye_that_is_tried_again_is_said_though_the_server_speaks_first() -> None:
    """Nothing else does instead of a goodbye."""
    story = Story(receptionist(limits={"max_duration_s": 10})).connect()
    story.pass_time(10)
    story.response_fails(story.respond(), "inference_rate_limit_exceeded")
    story.caller_says("Hello?", seconds=0.3)
    story.agent_says("Yes?", ms=300)
    story.pass_time(RETRY_AFTER_S)

    first, second = story.sent_of("response.create")
    assert second["response"]["instructions"] == first["response"]["instructions"]


def test_a_call_that_is_to_end_ends_though_the_callers_last_speech_came_to_nothing() -> None:
    story = Story(receptionist(limits={"max_duration_s": 10})).connect()
    story.pass_time(10)
    story.agent_says("Goodbye.", ms=3000)
    story.pass_time(0.5)
    item_id = story.caller_starts()
    story.server("input_audio_buffer.speech_stopped", item_id=item_id, audio_end_ms=11_000)  # and no commit
    story.pass_time(3.5)

    assert story.closed == "max_duration"


def test_a_lost_peer_pauses_the_agent_and_a_returning_one_hears_the_rest() -> None:
    story = Story().connect()
    story.caller_says("Hello.")
    story.agent_says("We are open from nine until five.", ms=2000)
    story.pass_time(0.5)
    story.conversation.peer_lost(8000, story.now)
    story.conversation.peer_lost(9000, story.now)
    story.drive()
    assert story.paused
    story.pass_time(3.0)
    assert story.heard_audio_ms == 600 + 500
    story.conversation.peer_resumed(11_000, story.now)
    story.conversation.peer_resumed(11_000, story.now)
    story.drive()
    story.pass_time(2.0)

    assert story.heard_audio_ms == 600 + 2000
    assert story.all(CallPeerLost) == [CallPeerLost(silent_ms=8000)]
    assert story.all(CallPeerResumed) == [CallPeerResumed(gap_ms=11_000)]


def test_nothing_is_asked_for_while_the_peer_is_lost_and_no_deadline_lies_in_the_past() -> None:
    story = Story().connect()
    story.caller_says("Hello.")
    story.agent_calls("look_up")
    story.conversation.peer_lost(8000, story.now)
    story.tool_returns({})
    story.pass_time(5.0)
    assert story.sent_of("response.create") == []
    deadline = story.conversation.next_deadline()
    assert deadline is not None
    assert deadline > story.now

    story.conversation.peer_resumed(13_000, story.now)
    story.drive()

    assert len(story.sent_of("response.create")) == 1


def test_a_peer_that_does_not_come_back_ends_the_call() -> None:
    story = Story().connect()
    story.conversation.peer_lost(8000, story.now)
    story.conversation.hang_up("peer_lost", story.now)
    story.drive()

    assert story.closed == "peer_lost"


def test_nothing_is_put_on_record_after_the_end() -> None:
    """The story fails on any effect after Close."""
    story = Story().connect()
    story.caller_says("Hello.")
    part = story.agent_says("Yes?", ms=500)
    story.caller_hangs_up()
    assert story.closed == "caller_hangup"

    core, now = story.conversation, story.now
    core.digit_received("1", 100, now)
    core.playout_drained(now)
    core.part_started(part, now)
    core.playout_cut((), now)
    core.peer_lost(8000, now)
    core.peer_resumed(8000, now)
    core.session_lost("closed_1000", "", now)
    core.media_connected(now)
    core.say_goodbye("it is late", "timeout", now)
    core.wake(now + 100)
    story.agent_says("Hello?", ms=300)
    story.drive()

    assert core.next_deadline() is None
    assert story.all(DtmfReceived) == []
