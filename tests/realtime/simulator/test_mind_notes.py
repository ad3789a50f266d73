"""What the mind writes when it is asked for JSON beside the conversation."""

import json
from typing import Any

from tests.fakes.mind_chat import ALL_TOOLS, Chat

STATED = """Extraction. You read the transcript of a telephone call.
Today is Sunday, 2026-11-22; the time is 20:36 (America/New_York).
- name (name, required): The caller's full name
- date (date, required): The day wanted
- time (time, required): The time of day wanted
- kind (choice, optional): What for One of: check-up, cleaning.
Answer with one JSON object and nothing else."""
SUMMARY = """Summary. You read the transcript of a telephone call.
Tools that succeeded: {tools}.
Answer with one JSON object and nothing else, with these keys:
"summary": two sentences.
"outcome": the id of what the call ended as, or null if none fits:
- booked: An appointment was booked.
- answered: A question was answered and nothing else was wanted.
- handed_over: A person was asked for.
"goals": an object, for each of these ids achieved, partial or not_applicable:
- appointment: Book an appointment for the caller."""


def asked(chat: Chat, order: str) -> Any:
    return json.loads(chat.answer(response_instructions=order, tools=(), out_of_band=True))


def test_what_the_caller_stated_is_written_down() -> None:
    chat = Chat(*ALL_TOOLS)
    chat.say("Hello, my name is John Miller and I would like to book a cleaning.")
    assert asked(chat, STATED) == {"name": "John Miller", "kind": "cleaning"}

    chat.say("Next Wednesday.")
    chat.say("At three in the afternoon.")

    assert asked(chat, STATED) == {
        "name": "John Miller", "date": "2026-11-25", "time": "15:00", "kind": "cleaning",
    }  # fmt: skip


def test_nothing_stated_is_an_empty_object() -> None:
    chat = Chat(*ALL_TOOLS)
    chat.say("Good morning.")

    assert asked(chat, STATED) == {}


def test_a_summary_names_the_outcome_and_the_goals() -> None:
    chat = Chat(*ALL_TOOLS)
    chat.say("I would like to book an appointment.")

    booked = asked(chat, SUMMARY.format(tools="record_information, schedule_appointment"))
    open_ = asked(chat, SUMMARY.format(tools="none"))

    assert (booked["outcome"], booked["goals"]) == ("booked", {"appointment": "achieved"})
    assert "book an appointment" in booked["summary"]
    assert (open_["outcome"], open_["goals"]) == ("answered", {"appointment": "not_applicable"})


def test_a_wish_for_a_person_is_the_outcome() -> None:
    chat = Chat(*ALL_TOOLS)
    chat.say("I want to speak to a human, please.")

    assert asked(chat, SUMMARY.format(tools="request_operator_handoff"))["outcome"] == "handed_over"
