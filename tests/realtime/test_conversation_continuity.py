"""A call outlives its session: what the next one is told, and that nothing is said, done or asked twice."""

from __future__ import annotations

import json
from typing import Any

import pytest

from realtime import instructions
from realtime.phase import Phase
from realtime.recorded_words import CANNOT_GO_ON
from realtime.session_seed import BEFORE_SIGN_OF_LIFE_S, BEFORE_SPEECH_S
from storage.events import (
    SessionConfigured,
    SessionFailed,
    SessionReconnected,
    TranscriptFinal,
    TurnCompleted,
    TurnStarted,
)
from tests.fakes.realtime_story import NOTICE_HEARD_S, Story, receptionist


def restated(story: Story) -> list[str]:
    """What the session was told at last, a line an item."""
    lines = []
    for event in story.sent_of("conversation.item.create"):
        item = event["item"]
        if item["type"] == "message":
            lines.append(f"{item['role']}: {item['content'][0]['text']}")
        else:
            lines.append(f"{item['type']}: {item.get('name') or item['output']}")
    return lines


def asked(story: Story) -> list[str]:
    """What the present session was asked to say: the last line of each response's instructions."""
    return [
        event["response"].get("instructions", "").rsplit("\n", 1)[-1]
        for event in story.sent_of("response.create")
    ]


def dropped(story: Story, *, after_s: float = 0.2) -> Story:
    """The session drops, and what was sent before is forgotten."""
    story.sent.clear()
    story.drop()
    story.pass_time(after_s)
    return story


@pytest.mark.trap(12)
def test_the_next_session_is_opened_at_once_and_told_the_conversation_as_it_was_heard() -> None:
    story = Story().connect()
    story.caller_says("When do you open?")
    story.agent_says("From nine until five.", ms=600)
    story.pass_time(1.0)
    story.caller_says("And on Saturdays?")
    story.agent_says("On Saturdays we are closed, I am afraid, but on Mondays we are not.", ms=4000)
    story.pass_time(1.0)
    story.caller_says("Thank you.")
    story.agent_says("My pleasure.", ms=300)
    story.pass_time(1.0)
    dropped(story)
    assert story.opened == ["gpt-realtime-2.1"]
    story.restore()

    first, second, third, fourth, *rest = restated(story)
    assert [first, second, third] == [
        "assistant: Good morning.",
        "user: When do you open?",
        "assistant: From nine until five.",
    ]
    assert fourth == "user: And on Saturdays?"
    assert rest[0].startswith("assistant: On Saturdays we")
    assert not rest[0].endswith("not."), "only what was heard of an interrupted answer"
    assert rest[1:] == ["user: Thank you.", "assistant: My pleasure."]
    assert asked(story) == [], "nobody waited for an answer, and nobody is greeted twice"
    reconnected = story.only(SessionReconnected)
    assert (reconnected.cause, reconnected.gap_ms) == ("closed_1011", 200)
    assert len(story.all(SessionConfigured)) == 1


def test_the_next_session_has_the_same_personality_and_listens_only_when_it_knows_everything() -> None:
    story = Story(receptionist(personality="Dry humour.")).connect(greet=False)
    first = story.sent_of("session.update")[0]["session"]
    story.agent_says("Good morning.", ms=600)
    story.pass_time(1.0)
    dropped(story)
    story.restore()

    again, listening = (event["session"] for event in story.sent_of("session.update"))
    assert again["audio"]["input"]["turn_detection"] is None
    assert listening["audio"]["input"]["turn_detection"] == first["audio"]["input"]["turn_detection"]
    del again["audio"]["input"]["turn_detection"], first["audio"]["input"]["turn_detection"]
    assert again == first
    assert story.sent_types() == ["session.update", "conversation.item.create", "session.update"]


def test_a_caller_who_waits_for_an_answer_is_given_one_and_only_one() -> None:
    story = Story().connect()
    story.caller_says("When do you open?")
    dropped(story)
    story.restore()

    assert asked(story) == [instructions.RESUME]
    assert "tool_choice" not in story.sent_of("response.create")[0]["response"]
    story.agent_says("From nine.", ms=300)
    story.pass_time(3.0)
    assert len(asked(story)) == 1
    assert len(story.all(TurnStarted)) == len(story.all(TurnCompleted)) == 1


def test_a_sentence_that_was_not_transcribed_is_sent_again_and_keeps_its_place_on_record() -> None:
    story = Story().connect()
    began = story.now
    item_id = story.caller_says(None)
    dropped(story)
    story.restore()

    sentence, gap = story.appended
    assert sentence.since == pytest.approx(began - BEFORE_SPEECH_S, abs=0.03)
    assert sentence.until == pytest.approx(began + 1.0, abs=0.03)
    assert gap.until is None
    assert gap.since >= sentence.until
    assert story.sent_types()[-4:] == [
        "conversation.item.create",
        "input_audio_buffer.commit",
        "session.update",
        "response.create",
    ]
    story.commits("another_id")
    story.transcribed("another_id", "When do you open?")
    (final,) = [final for final in story.all(TranscriptFinal) if final.speaker == "caller"]
    assert (final.item_id, final.text) == (item_id, "When do you open?")


def test_a_caller_in_the_middle_of_a_sentence_is_heard_from_its_beginning() -> None:
    story = Story().connect()
    began = story.now
    story.caller_starts()
    story.pass_time(1.5)
    dropped(story)
    story.restore()

    (heard,) = story.appended
    assert heard.until is None
    assert heard.since == pytest.approx(began - BEFORE_SPEECH_S, abs=0.03)
    assert asked(story) == [], "the server answers when the sentence is over"
    story.caller_says("I would like an appointment.")
    story.agent_says("Of course.", ms=300)
    story.pass_time(1.0)
    assert [f.text for f in story.all(TranscriptFinal) if f.speaker == "caller"] == [
        "I would like an appointment."
    ]
    assert len(story.all(TurnStarted)) == 1


def test_a_drop_sends_again_all_that_the_server_gave_no_sign_of_having_heard() -> None:
    story = Story().connect()
    story.caller_says("When do you open?")
    story.agent_says("From nine.", ms=300)
    last_event_at = story.now
    story.pass_time(12.0)
    dropped(story)
    story.restore()

    (heard,) = story.appended
    assert heard.until is None
    assert heard.since == pytest.approx(last_event_at - BEFORE_SIGN_OF_LIFE_S, abs=1.01)
    assert heard.since >= last_event_at - BEFORE_SIGN_OF_LIFE_S, "and nothing that it had heard"


def test_a_session_that_dies_while_it_is_being_set_up_does_not_count_as_having_heard() -> None:
    story = Story().connect()
    deaf_since = story.now - 1.0  # the greeting's last event
    story.pass_time(8.0)
    dropped(story)
    story.session_created()
    story.drop()
    story.pass_time(0.5)
    story.restore()

    assert story.appended[-1].since == pytest.approx(deaf_since - BEFORE_SIGN_OF_LIFE_S)


def test_a_planned_renewal_sends_again_only_the_last_moment() -> None:
    patient = {"idle_prompt_s": 4000, "idle_hangup_s": 8000, "max_duration_s": 8000}
    story = Story(receptionist(limits=patient)).connect()
    while not story.opened:
        story.pass_time(1.0)
    renewed_at = story.now
    story.restore()

    assert story.appended[-1].since == pytest.approx(renewed_at - BEFORE_SIGN_OF_LIFE_S, abs=1.1)


def test_an_answer_that_the_drop_cut_is_heard_as_far_as_it_came_and_then_gone_on_with() -> None:
    story = Story().connect()
    story.caller_says("When do you open?")
    response = story.respond()
    part = story.item(response)
    story.voice(part, "We are open from nine until", 2000)
    story.pass_time(0.5)
    dropped(story)
    story.restore()
    assert asked(story) == [], "what has come is still being heard"
    assert "assistant: We are open" not in " ".join(restated(story))

    story.pass_time(2.0)

    assert story.heard_audio_ms == 600 + 2000
    assert restated(story)[-1] == "assistant: We are open from nine until"
    assert asked(story) == [instructions.RESUME]
    final = story.all(TranscriptFinal)[-1]
    assert (final.heard_ms, final.interrupted) == (2000, True)


def test_a_caller_who_interrupts_the_rest_of_it_is_not_talked_over_afterwards() -> None:
    story = Story().connect()
    story.caller_says("When do you open?")
    part = story.item(story.respond())
    story.voice(part, "We are open from nine until five every day", 3000)
    story.pass_time(0.5)
    dropped(story)
    story.restore()
    story.caller_starts()
    story.pass_time(1.0)

    assert story.truncated() == [], "the new session does not have that item"
    assert restated(story)[-1].startswith("assistant: We are")
    assert not restated(story)[-1].endswith("day")
    assert asked(story) == []


@pytest.mark.parametrize("done", ["before", "in the gap", "after"])
def test_a_tool_that_ran_across_the_drop_runs_once_and_its_result_is_told(done: str) -> None:
    story = Story().connect()
    story.caller_says("Book me at three.")
    story.agent_calls("book", arguments='{"time": "15:00"}')
    if done == "before":
        story.tool_returns({"booked": True})
    dropped(story)
    if done == "in the gap":
        story.tool_returns({"booked": True})
    story.restore()
    if done == "after":
        assert asked(story) == []
        story.tool_returns({"booked": True})
        story.acknowledge_items()
    story.pass_time(0.1)

    told = restated(story)
    assert told[-2:] == ["function_call: book", 'function_call_output: {"booked":true}']
    calls = [e["item"] for e in story.sent_of("conversation.item.create") if "call_id" in e["item"]]
    assert len({item["call_id"] for item in calls}) == 1
    assert json.loads(calls[0]["arguments"]) == {"time": "15:00"}
    assert len(story.sent_of("response.create")) == 1
    story.agent_says("You are booked.", ms=300)
    story.pass_time(2.0)
    assert story.tool_runs == []
    assert len(story.sent_of("response.create")) == 1


def test_a_greeting_that_nobody_heard_is_said_by_the_next_session() -> None:
    story = Story().connect(greet=False)
    dropped(story)
    story.restore()

    (greeting,) = asked(story)
    assert "Good morning." in greeting


@pytest.mark.trap(12)
def test_a_greeting_of_which_something_was_heard_is_not_said_again() -> None:
    story = Story().connect(greet=False)
    story.voice(story.item(story.respond()), "Good", 200)
    dropped(story, after_s=0.5)
    story.restore()

    assert asked(story) == [instructions.RESUME]


def test_a_goodbye_that_the_drop_took_is_said_by_the_next_session() -> None:
    story = Story().connect()
    story.conversation.say_goodbye("we close", "timeout", story.now)
    story.drive()
    dropped(story)
    story.restore()

    (goodbye,) = asked(story)
    assert "say goodbye" in goodbye
    story.agent_says("Goodbye!", ms=300)
    story.pass_time(1.0)
    assert story.closed == "timeout"


def test_what_the_server_said_of_its_end_is_the_cause_on_record() -> None:
    story = Story().connect()
    story.error("session_expired")
    assert story.conversation.phase is Phase.READY
    story.drop("closed_1001")
    story.restore()

    assert story.only(SessionReconnected).cause == "session_expired"


def test_a_session_that_cannot_be_had_again_ends_the_call_in_words() -> None:
    story = Story().connect()
    story.drop()
    while story.conversation.phase is not Phase.NOTICE:
        story.pass_time(0.1)
        if story.opened:
            story.opened.clear()
            story.drop("unreachable")

    assert story.only(SessionFailed).code == "unreachable"
    assert story.recorded == [CANNOT_GO_ON]
    assert len(story.handoffs) == 1
    story.pass_time(NOTICE_HEARD_S)
    assert story.closed == "provider_failed"


@pytest.mark.parametrize("code", ["unauthorized", "insufficient_quota"])
def test_a_refusal_that_no_retry_mends_is_not_retried(code: str) -> None:
    story = Story().connect()
    story.drop()
    story.drop(code)

    assert story.opened == ["gpt-realtime-2.1"]
    assert story.conversation.phase is Phase.NOTICE


def test_a_model_that_stays_away_is_replaced_by_the_next_configured_one() -> None:
    story = Story(receptionist(fallback=["gpt-realtime-2.1-mini"])).connect()
    story.drop()
    for _ in range(3):
        story.pass_time(1.0)
        story.drop("server_error")
    story.pass_time(2.5)

    assert story.opened[-1] == "gpt-realtime-2.1-mini"
    story.restore()
    assert story.conversation.phase is Phase.READY


def test_a_second_drop_in_the_middle_of_the_first_ones_mending_is_mended_too() -> None:
    story = Story().connect()
    story.caller_says("When do you open?")
    dropped(story)
    story.session_created()
    story.drop()
    story.pass_time(0.5)
    story.restore()

    assert asked(story) == [instructions.RESUME]
    assert story.only(SessionReconnected).gap_ms == 700


def test_a_caller_who_hangs_up_in_the_gap_is_let_go_with_their_words_on_record() -> None:
    story = Story().connect()
    item_id = story.caller_says(None)
    delta: dict[str, Any] = {"item_id": item_id, "content_index": 0, "delta": "When do"}
    story.server("conversation.item.input_audio_transcription.delta", **delta)
    story.drop()
    story.caller_hangs_up()

    assert story.closed == "caller_hangup"
    (final,) = [final for final in story.all(TranscriptFinal) if final.speaker == "caller"]
    assert final.text == "When do"


def test_keys_pressed_in_the_gap_are_told() -> None:
    story = Story().connect()
    dropped(story)
    story.conversation.digit_received("4", 100, story.now)
    story.drive()
    story.restore()
    story.pass_time(1.5)

    assert restated(story)[-1] == "user: [The caller pressed 4 on the keypad.]"
    assert len(story.sent_of("response.create")) == 1


def test_audio_that_is_no_longer_kept_leaves_what_was_transcribed_of_it() -> None:
    story = Story().connect()
    item_id = story.caller_says(None)
    delta: dict[str, Any] = {"item_id": item_id, "content_index": 0, "delta": "When do"}
    story.server("conversation.item.input_audio_transcription.delta", **delta)
    dropped(story)
    story.restore()
    (commit,) = story.sent_of("input_audio_buffer.commit")
    story.error("input_audio_buffer_commit_empty", caused_by=commit["event_id"])

    (final,) = [final for final in story.all(TranscriptFinal) if final.speaker == "caller"]
    assert (final.item_id, final.text) == (item_id, "When do")


def test_an_agent_that_paused_for_a_sound_goes_on_when_the_session_drops_meanwhile() -> None:
    story = Story(receptionist(interruption={"min_speech_ms": 300})).connect()
    story.caller_says("When do you open?", seconds=1.0)
    story.agent_says("We are open from nine until five every day of the week.", ms=4000)
    story.pass_time(0.5)
    story.caller_starts()
    assert story.paused
    dropped(story)

    assert not story.paused
    story.restore()
    assert story.appended[-1].since < story.now - 0.4, "and the sound is heard again"


@pytest.mark.parametrize("configuring", [True, False])
def test_a_call_that_was_hung_up_in_the_gap_is_not_taken_up_again(configuring: bool) -> None:
    story = Story().connect()
    story.caller_starts()
    dropped(story)
    if configuring:
        story.session_created()
    story.caller_hangs_up()
    story.error("server_error")
    story.conversation.wake(story.now + 6.0)
    story.drive()

    assert story.closed == "caller_hangup"
    assert len(story.opened) == 1


def test_the_last_notice_is_not_interrupted_by_a_session_that_comes_up_late() -> None:
    story = Story().connect()
    dropped(story)
    story.session_created()
    story.error("insufficient_quota")
    assert story.conversation.phase is Phase.NOTICE
    story.session_updated()
    story.error("server_error")
    story.conversation.wake(story.now + 6.0)
    story.drive()

    assert story.conversation.phase is Phase.NOTICE
    story.pass_time(NOTICE_HEARD_S)
    assert story.closed == "provider_failed"
