import datetime

import pytest

from realtime.simulator.mind.instructions import (
    best_facts,
    caller_number,
    extra,
    facts,
    goal_slots,
    known_values,
    todays_date,
    verbatim,
    wants_confirmation,
)
from realtime.simulator.mind.sentences import is_complete
from tests.fakes.mind_chat import CONFIRMING, PRACTICE


@pytest.mark.parametrize(
    "text",
    [
        "Today is Sunday, 2026-11-22; the time is 20:36.",
        "Today's date is November 22, 2026.",
        "The current date: 22 November 2026",
    ],
)
def test_the_day_is_read_from_the_instructions(text: str) -> None:
    assert todays_date(f"You are a receptionist.\n{text}") == datetime.date(2026, 11, 22)


def test_no_day_is_made_up() -> None:
    assert todays_date("Be kind today, and tomorrow too.") is None


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ('Greet the caller now. Say exactly: "Hello, Emma speaking."', "Hello, Emma speaking."),
        ("Start with “Good morning!”", "Good morning!"),
        ("Greet the caller.", None),
    ],
)
def test_a_sentence_to_be_said_is_found(text: str, sentence: str | None) -> None:
    assert verbatim(text) == sentence


def test_what_a_response_adds_is_told_from_what_it_repeats() -> None:
    assert extra("Be kind.", "Be kind.\n\nGreet the caller.") == "Greet the caller."


@pytest.mark.parametrize(
    ("question", "fact"),
    [
        ("What are your opening hours?", "Opening hours"),
        ("Are you open on Saturday?", "Opening hours"),
        ("Do you have parking?", "Parking is free"),
        ("How much is a cleaning?", "90 dollars"),
        ("What are your prices?", "90 dollars"),
        ("Do you take my insurance?", "dental insurances"),
        ("Where are you located?", "12 Harbour Street"),
        ("How long does a check-up take?", "A check-up takes 30 minutes"),
    ],
)
def test_a_question_is_answered_by_the_fact_that_shares_its_words(question: str, fact: str) -> None:
    assert fact in " ".join(found.sentence for found in best_facts(question, facts(PRACTICE)))


def test_a_question_about_nothing_known_has_no_answer() -> None:
    assert best_facts("Do you treat cats?", facts(PRACTICE)) == []


def test_orders_to_the_agent_are_not_facts() -> None:
    told = " ".join(fact.sentence for fact in facts(PRACTICE))

    assert "Keep each reply" not in told
    assert "You are Emma" not in told
    assert "severe pain" not in told


def test_the_wish_for_confirmation_is_noticed() -> None:
    assert wants_confirmation(CONFIRMING)
    assert not wants_confirmation(PRACTICE)


def test_goals_known_values_and_the_callers_number_are_read() -> None:
    text = (
        "- name (name, required): The caller's full name\n- note (text, optional): Anything else\n"
        "Already known: name is Ann Lee.\nThe caller's telephone number is +14155550122."
    )

    assert [(slot.name, slot.kind, slot.required) for slot in goal_slots(text)] == [
        ("name", "name", True),
        ("note", "text", False),
    ]
    assert known_values(text) == {"name": "Ann Lee"}
    assert caller_number(text) == "+14155550122"


@pytest.mark.parametrize(
    ("words", "complete"),
    [
        ("I would like an appointment.", True),
        ("I would like an appointment and", False),
        ("My name is", False),
        ("Um", False),
        ("On Monday,", False),
        ("Yes.", True),
        ("", False),
    ],
)
def test_a_sentence_sounds_finished_or_not(words: str, complete: bool) -> None:
    assert is_complete(words) is complete
