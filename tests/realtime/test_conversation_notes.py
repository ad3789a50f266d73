"""What is written down beside the conversation: it fills what was forgotten, sums up, and never disturbs."""

from __future__ import annotations

import json
from typing import Any

import pytest

from realtime.agent import Agent
from realtime.phase import LATE_TRANSCRIPT_S
from storage.events import GoalCompleted, SlotCorrected, SlotFilled, TranscriptFinal, UsageRecorded
from tests.fakes.realtime_story import Story, receptionist

BOOKING = {
    "id": "booking",
    "description": "Book a table.",
    "slots": [
        {"name": "name", "type": "name", "description": "who"},
        {"name": "date", "type": "date", "description": "which day"},
        {"name": "size", "type": "integer", "description": "how many", "required": False},
    ],
    "on_complete": "Call book.",
}
OUTCOMES = [
    {"id": "booked", "description": "A table was booked."},
    {"id": "asked", "description": "A question."},
]


def host(**changes: Any) -> Agent:
    return receptionist(tools=["look_up", "book"], goals=[BOOKING], outcomes=OUTCOMES, **changes)


def turn(story: Story, words: str = "I am Ann Lee.", answer: str = "Hello Ann.") -> None:
    """The caller speaks and hears the answer to its end."""
    story.caller_says(words)
    story.agent_says(answer, ms=400)
    story.pass_time(1.0)


def talked(**changes: Any) -> Story:
    story = Story(host(**changes)).connect()
    turn(story)
    return story


def body(aside: dict[str, Any]) -> dict[str, Any]:
    response = aside["response"]
    assert isinstance(response, dict)
    return response


def words_of(aside: dict[str, Any]) -> list[tuple[str, str]]:
    return [(item["role"], item["content"][0]["text"]) for item in body(aside)["input"]]


# Extraction.


def test_after_a_turn_the_model_is_asked_beside_the_conversation_what_the_caller_stated() -> None:
    story = talked()

    (aside,) = story.asides
    asked = body(aside)
    assert (asked["conversation"], asked["output_modalities"], asked["tools"]) == ("none", ["text"], [])
    assert asked["metadata"]["purpose"] == "extraction"
    assert words_of(aside)[1:3] == [("user", "I am Ann Lee."), ("assistant", "Hello Ann.")]
    assert "- name (name, required): who" in asked["instructions"]
    assert "Today is Sunday, 2026-11-22" in asked["instructions"]


def test_what_was_extracted_fills_empty_slots_and_the_model_is_told() -> None:
    story = talked()
    story.sent.clear()

    story.writes('```json\n{"name": "Ann Lee", "date": "tomorrow", "size": "many", "shoe": 4}\n```')

    assert [(event.slot, event.value, event.confirmed) for event in story.all(SlotFilled)] == [
        ("name", "Ann Lee", False),
        ("date", "2026-11-23", False),
    ]
    (update,) = story.sent_of("session.update")
    assert set(update["session"]) == {"type", "instructions"}
    assert update["session"]["instructions"].startswith("Be brief.\n")
    assert update["session"]["instructions"].endswith("is Ann Lee.\nAlready known: date is 2026-11-23.")


def test_what_is_filled_is_not_changed_by_an_extraction() -> None:
    story = talked()
    story.conversation.goals.record("name", "Ann Leigh", at=story.wall)
    story.events.clear()

    story.writes('{"name": "Bob"}')

    assert story.conversation.goals.known["name"] == "Ann Leigh"
    assert story.all(SlotCorrected) == []
    assert story.sent_of("session.update") == []


def test_a_turn_is_read_once_and_only_while_something_required_is_missing() -> None:
    story = talked()
    story.writes('{"name": "Ann Lee"}')
    story.pass_time(3.0)
    assert story.asides == []

    turn(story, "On Friday.", "Friday it is.")
    story.writes('{"date": "friday"}')
    turn(story, "Thank you.", "You are welcome.")

    assert story.asides == []


def test_only_words_that_were_heard_are_read() -> None:
    story = Story(host()).connect()
    story.caller_says("I am Ann Lee.")
    response = story.respond()
    part = story.item(response)
    story.voice(part, "We are closed on Sundays, and also on Mondays.", 3000)
    story.pass_time(1.0)
    story.caller_says("Then Friday.", seconds=0.6)
    story.response_is_cancelled(response)
    story.agent_says("Friday it is.", ms=300)
    story.pass_time(1.0)

    (aside,) = story.asides
    read = " ".join(text for role, text in words_of(aside) if role == "assistant")
    heard = next(final for final in story.all(TranscriptFinal) if final.interrupted)
    assert heard.heard_text in read
    assert "also on Mondays" not in read


def test_an_aside_is_never_voiced_never_active_and_opens_no_turn() -> None:
    story = talked()
    before = len(story.events)
    audio = story.heard_audio_ms
    story.sent.clear()

    story.writes("{}")
    story.pass_time(2.0)

    kinds = {type(event) for event in story.events[before:]}
    assert kinds == {UsageRecorded}
    assert story.heard_audio_ms == audio
    assert story.sent == []


def test_an_aside_goes_on_while_the_caller_speaks_and_is_not_cancelled() -> None:
    story = talked()
    item_id = story.caller_starts()

    story.writes('{"name": "Ann Lee"}')

    assert story.sent_of("response.cancel") == []
    assert story.conversation.goals.known == {"name": "Ann Lee"}
    story.caller_stops(item_id)
    story.agent_says("Yes?", ms=300)
    story.pass_time(1.0)
    assert story.all(TranscriptFinal)[-1].text == "Yes?"


def test_a_server_that_forgets_to_announce_an_aside_is_understood_all_the_same() -> None:
    story = talked()

    story.writes('{"name": "Ann Lee"}', created=False)

    assert len(story.all(UsageRecorded)) == 2  # the answer's and the aside's


@pytest.mark.parametrize(
    "text", ["", "I cannot do that.", "[1]", '{"name": ', '{"name": {"a": 1}}', "{" * 5000]
)
def test_nonsense_changes_nothing(text: str) -> None:
    story = talked()

    story.writes(text)

    assert story.conversation.goals.known == {}


def test_an_aside_that_failed_changes_nothing() -> None:
    story = talked()

    story.writes('{"name": "Ann Lee"}', status="failed")

    assert story.conversation.goals.known == {}
    assert story.hung_up is None


def test_a_server_that_refuses_asides_is_not_asked_again() -> None:
    story = talked()
    story.error("invalid_value", caused_by=story.asides.pop()["event_id"])

    turn(story, "On Friday.", "Friday it is.")
    story.caller_hangs_up()

    assert story.asides == []
    assert story.closed == "caller_hangup"


def test_a_silent_server_is_asked_nothing_more_and_the_call_goes_on() -> None:
    story = talked()
    turn(story, "On Friday.", "Friday it is.")

    assert len(story.asides) == 1
    assert story.hung_up is None


def test_extraction_can_be_switched_off() -> None:
    story = talked(notes={"extraction": False})

    assert story.asides == []


# Progress in the record and the instructions.


def test_a_tools_arguments_fill_slots_and_its_success_achieves_the_goal() -> None:
    story = Story(host()).connect()
    story.caller_says("A table for Ann Lee tomorrow.")
    story.agent_calls("book", arguments=json.dumps({"name": "Ann Lee", "date": "2026-11-23"}))
    story.tool_returns({"booked": True})

    assert [event.slot for event in story.all(SlotFilled)] == ["name", "date"]
    assert story.only(GoalCompleted) == GoalCompleted(
        goal="booking", status="achieved", rung="system_of_record"
    )
    kinds = [event.type for event in story.events]
    assert kinds.index("goal.completed") < kinds.index("tool.finished")


def test_what_the_model_recorded_itself_costs_no_update_of_the_instructions() -> None:
    """The model has the tool's answer: an update would only empty the prompt cache."""
    story = Story(host(notes={"extraction": False})).connect()
    story.caller_says("A table for Ann Lee tomorrow.")
    story.agent_calls("book", arguments=json.dumps({"name": "Ann Lee", "date": "2026-11-23"}))
    story.tool_returns({"booked": True})
    story.acknowledge_items()
    story.agent_says("It is booked.", ms=300)
    story.pass_time(1.0)

    assert story.sent_of("session.update") == []
    story.conversation.say_goodbye("we close", "timeout", story.now)
    story.drive()
    goodbye = story.sent_of("response.create")[-1]["response"]["instructions"]
    assert goodbye.startswith("Be brief.\nAlready known: name is Ann Lee.\n")


# The end.


def summary(**changes: Any) -> str:
    written = {"summary": "Ann wanted a table.", "outcome": "booked", "goals": {"booking": "not_applicable"}}
    return json.dumps(written | changes)


def test_the_end_waits_for_a_summary_with_the_outcome() -> None:
    story = talked(notes={"extraction": False})
    story.caller_hangs_up()
    assert story.closed is None
    (aside,) = story.asides
    assert body(aside)["metadata"]["purpose"] == "summary"
    assert "- booked: A table was booked." in body(aside)["instructions"]
    assert words_of(aside)[:2] == [("assistant", "Good morning."), ("user", "I am Ann Lee.")]

    story.writes(summary())

    assert story.close is not None
    assert (story.close.outcome, story.close.summary) == ("booked", "Ann wanted a table.")
    assert story.only(GoalCompleted).status == "not_applicable"
    assert story.only(GoalCompleted).rung == "model_judge"


def test_an_outcome_that_the_agent_does_not_have_is_none() -> None:
    story = talked(notes={"extraction": False})
    story.caller_hangs_up()

    story.writes(summary(outcome="delighted", summary="", goals={"booking": "super", "other": "achieved"}))

    assert story.close is not None
    assert (story.close.outcome, story.close.summary) == (None, None)
    assert story.only(GoalCompleted).status == "unknown"


def test_without_a_summary_the_call_ends_in_time_and_its_goals_are_decided() -> None:
    story = talked(notes={"extraction": False})
    story.conversation.goals.record("name", "Ann Lee", at=story.wall)
    story.caller_hangs_up()

    story.pass_time(LATE_TRANSCRIPT_S + 0.1)

    assert story.closed == "caller_hangup"
    assert story.only(GoalCompleted).status == "partial"


def test_last_words_that_do_not_come_leave_time_for_a_summary_of_the_others() -> None:
    story = talked(notes={"extraction": False})
    item_id = story.caller_starts()
    story.caller_stops(item_id)
    story.caller_hangs_up()
    assert story.asides == []

    story.pass_time(3.0)
    story.writes(summary())
    story.pass_time(2.1)

    assert story.close is not None
    assert story.close.outcome == "booked"


def test_the_summary_reads_the_callers_last_words() -> None:
    story = talked(notes={"extraction": False})
    item_id = story.caller_starts()
    story.caller_stops(item_id)
    story.caller_hangs_up()

    story.transcribed(item_id, "Goodbye then.")

    (aside,) = story.asides
    assert ("user", "Goodbye then.") in words_of(aside)


def test_nothing_is_asked_where_nobody_spoke_or_nothing_is_to_be_decided() -> None:
    silent = Story(host()).connect()
    silent.caller_hangs_up()
    plain = Story(receptionist()).connect()
    turn(plain)
    plain.caller_hangs_up()
    off = talked(notes={"extraction": False, "summary": False})
    off.caller_hangs_up()

    assert all(story.closed and story.asides == [] for story in (silent, plain, off))


def test_a_session_that_is_gone_is_asked_nothing() -> None:
    story = talked(notes={"extraction": False})
    story.caller_hangs_up()
    story.conversation.session_lost("closed_1011", "gone", story.now)
    story.drive()

    assert story.closed == "caller_hangup"
    assert story.only(GoalCompleted).status == "unknown"
