"""The user's specification of the conversation, scenario by scenario, by voice and with a running Cordboard.

Four callers, two or more at a time, in English, with a model that hears and speaks: their words are synthesised,
what the agents answer is recognised, and each test reads what became of one call: from Redis, from the dashboard's
WebSocket, from Postgres and from what the model was sent. The titles are the specification's own; tests/test_spec.py
holds that none is without a test here. In Japanese: test_the_spec_in_japanese.py.
"""

from __future__ import annotations

import asyncio
import json
import os
import re
from collections.abc import Callable
from datetime import date
from zoneinfo import ZoneInfo

import pytest

from realtime.simulator.spoken import Spoken
from storage.postgres.demo_practice import seed_demo
from tests.conftest import TEMPLATE
from tests.fakes.servers import PostgresServer, RedisServer
from tests.scenarios.house import AGENT
from tests.scenarios.told import Line, Scenario, Told, agents_in, hold

MARY = "+12065550142"
# What one mind may call wisdom is not what another would: these are in the document and nowhere else.
PERSONALITY = "Gruff, honest, fond of old cars."
TONE = "Short sentences. Dry humour."
FACT = "An oil change costs 60 dollars."
GARAGE = f"""
id = "garage"
name = "Otto of {{{{garage}}}}"
personality = "{PERSONALITY}"
tone = "{TONE}"
instructions = "{FACT} We never work on Sundays."
greeting = "{{{{garage}}}}, Otto speaking. What is wrong with the car?"
tools = ["end_call"]

[variables]
garage = "Otto's Garage"

[[goals]]
id = "visit"
description = "Arrange when the car comes in."

[[goals.slots]]
name = "name"
type = "name"
description = "The caller's full name"

[[goals.slots]]
name = "date"
type = "date"
description = "The day on which the car comes in"
"""


async def books(line: Line) -> None:
    await line.say("Hello, my name is John Miller and I would like to book an appointment.")
    await line.say("Next Wednesday, please.")
    await line.say("At three in the afternoon.")
    await line.say("Yes, that is right.")


async def asks_and_wants_a_person(line: Line) -> None:
    await line.say("How much is a cleaning?")
    await line.say("Where can I park?")
    await line.say("I want to speak to a human, please.")


async def asks_for_her_appointment(line: Line) -> None:
    await line.say("When is my next appointment?")
    await line.say("My number is two oh six, five five five, oh one four two.")


async def rings_the_garage(line: Line) -> None:
    await line.say("Hello, my name is John Miller.")
    await line.until("slot.filled")
    await line.session().strike("drop_1011")
    await line.until("session.reconnected")
    await line.say("How much is an oil change?")
    await line.say("I would like to make an appointment.")
    await line.say("Could I speak to your operator?")


CALLS = {
    "booking": Scenario(agent=AGENT, lives=books),
    "garage": Scenario(agent="garage", lives=rings_the_garage),
    "questions": Scenario(agent=AGENT, lives=asks_and_wants_a_person),
    "lookup": Scenario(agent=AGENT, lives=asks_for_her_appointment),
}
# Voices, ears and both ends of each line are this machine's: beyond that speech arrives in pieces.
AT_ONCE = max(2, len(os.sched_getaffinity(0)))


@pytest.fixture(scope="module")
def by_voice(
    tmp_path_factory: pytest.TempPathFactory, _shared_redis: RedisServer, _shared_postgres: PostgresServer
) -> Callable[[str], Told]:
    """The call of that name, held with the model that hears and speaks."""
    folder = tmp_path_factory.mktemp("by_voice")
    _shared_redis.ask("FLUSHALL")
    database_url = _shared_postgres.fresh_database(TEMPLATE)

    async def held() -> dict[str, Told | BaseException]:
        await seed_demo(database_url, today=date(2031, 11, 24), zone=ZoneInfo("America/New_York"))
        return await hold(
            CALLS,
            at_once=AT_ONCE,
            redis_url=_shared_redis.url,
            database_url=database_url,
            folder=folder,
            settings={"CORDBOARD_AGENTS__PATH": str(agents_in(folder, GARAGE))},
        )

    calls = asyncio.run(held())

    def call(name: str) -> Told:
        told = calls[name]
        if isinstance(told, BaseException):
            raise told
        assert all(isinstance(session.persona, Spoken) for session in told.sessions)
        return told

    return call


@pytest.mark.spec("Scenario: Natural conversation flow", "Requirement: AI Conversation Management")
def test_each_answer_fits_what_was_asked_and_the_history_goes_along(
    by_voice: Callable[[str], Told],
) -> None:
    call = by_voice("questions")

    greeting, price, parking, *_ = call.said_by("agent")
    assert "90" in price or "ninety" in price.lower()
    assert "behind the house" in parking
    assert greeting != price != parking
    asked = [text.lower() for text in call.said_by("caller")]
    assert "cleaning" in asked[0]
    assert "park" in asked[1]
    # What the caller was told, as it came out of the telephone.
    heard = call.heard.lower()
    assert re.search(r"ninety|90", heard)
    assert "behind the house" in heard
    # One session, with all of it in its context, in order.
    (session,) = call.sessions
    spoken = [item.kind for item in session.items if item.kind in ("user", "assistant")]
    assert spoken[:6] == ["assistant", "user", "assistant", "user", "assistant", "user"]


@pytest.mark.spec("Scenario: Agent personality and instructions")
def test_personality_tone_and_instructions_are_in_every_configuration_after_a_reconnect_too(
    by_voice: Callable[[str], Told],
) -> None:
    """The last word of a call that a person had taken over is asserted where operators are."""
    call = by_voice("garage")

    first, second = call.sessions
    # Configured; told the name that the model had not noted; and in the session that replaced it, configured again.
    assert [len(session.configurations) for session in (first, second)] == [2, 2]
    told = call.instructions
    assert len(told) == 5  # with the one response that has instructions of its own: the greeting
    for instructions in told:
        assert "You are Otto of Otto's Garage." in instructions
        assert PERSONALITY in instructions
        assert TONE in instructions
        assert FACT in instructions
    assert "Already known: name is John Miller." in first.configurations[1].in_force["instructions"]
    assert "Already known: name is John Miller." in second.configurations[0].in_force["instructions"]
    # And out of the telephone: one greeting, in its own words, and the business's own fact after the reconnect.
    assert call.said_by("agent").count("Otto's Garage, Otto speaking. What is wrong with the car?") == 1
    assert "wrong with the car" in call.heard.lower()
    assert re.search(r"sixty|60", call.heard.lower())


@pytest.mark.spec("Scenario: Agent personality and instructions")
def test_two_agents_in_one_house_keep_to_themselves(by_voice: Callable[[str], Told]) -> None:
    for instructions in by_voice("questions").instructions:
        assert "Warm, calm and quick." in instructions
        assert "Never salesy, never rushed." in instructions
        assert "A cleaning takes 45 minutes and costs 90 dollars." in instructions
        assert PERSONALITY not in instructions
        assert FACT not in instructions


@pytest.mark.spec("Scenario: Goal-oriented conversation", "Requirement: Realtime Function Calling")
def test_the_conversation_is_led_to_an_appointment_and_what_it_needs_is_extracted(
    by_voice: Callable[[str], Told],
) -> None:
    call = by_voice("booking")

    finished = call.of("tool.finished")
    assert [each["name"] for each in finished] == [
        *["record_information"] * 3,
        "confirm_information",
        "schedule_appointment",
    ]
    assert all(each["ok"] for each in finished)
    (booked,) = call.rows["appointments"]
    local = booked["starts_at"].astimezone(ZoneInfo("America/New_York"))
    assert booked["name"] == "John Miller"
    assert (local.strftime("%A"), local.hour) == ("Wednesday", 15)
    values = {"name": "John Miller", "date": local.date().isoformat(), "time": "15:00"}
    for kind in ("slot.filled", "slot.confirmed"):
        assert {each["slot"]: each["value"] for each in call.of(kind)} == values
    assert {row["slot"]: (row["plain"], row["confirmed"]) for row in call.rows["slots"]} == {
        slot: (value, True) for slot, value in values.items()
    }
    (goal,) = call.of("goal.completed")
    assert goal == {"goal": "appointment", "status": "achieved", "rung": "system_of_record"}
    (ended,) = call.of("call.ended")
    assert ended["outcome"] == call.rows["call_sessions"][0]["outcome"] == "booked"
    assert "appointment" in ended["summary"]
    # Each answer asked for what was missing, and the last said that it was done.
    _, day, time, read_back, done = (text.lower() for text in call.said_by("agent"))
    assert "day" in day
    assert "time" in time
    assert "right?" in read_back
    assert "booked" in done
    assert "wednesday" in call.heard.lower()


@pytest.mark.spec("Scenario: Context persistence", "Requirement: Conversation State Tracking")
def test_what_was_said_once_is_known_to_the_end_and_never_asked_for_again(
    by_voice: Callable[[str], Told],
) -> None:
    call = by_voice("booking")

    assert "john miller" in call.said_by("caller")[0].lower()
    assert not [text for text in call.said_by("caller")[1:] if "miller" in text.lower()]
    asked = [text.lower() for text in call.said_by("agent")[1:]]
    assert not [text for text in asked if "your name" in text]
    assert "john miller" in asked[-1]
    assert "john" in call.heard.lower()


@pytest.mark.spec("Scenario: Context persistence")
def test_what_was_said_before_a_session_dropped_is_not_asked_for_after_it(
    by_voice: Callable[[str], Told],
) -> None:
    call = by_voice("garage")

    _, _, price, booking, _ = (text.lower() for text in call.said_by("agent"))
    assert "oil change" in price
    assert "day" in booking  # what is missing
    assert "name" not in booking
    # The new session was told what both had said, as the caller heard it.
    _, second = call.sessions
    seeded = [item.text or "" for item in second.items if item.kind in ("user", "assistant")]
    assert "Otto's Garage, Otto speaking. What is wrong with the car?" in seeded[0]
    assert "john miller" in seeded[1].lower()


@pytest.mark.spec("Scenario: State synchronization with backend", "Requirement: Conversation State Tracking")
@pytest.mark.parametrize("name", CALLS)
def test_a_dashboard_follows_live_and_the_rows_say_the_same(
    name: str, by_voice: Callable[[str], Told]
) -> None:
    call = by_voice(name)

    numbered = [each for each in call.dashboard if each.get("seq") is not None]
    assert [each["seq"] for each in numbered] == list(range(len(call.events)))
    assert [(each["type"], each["data"]) for each in numbered] == [
        (each.type, each.data) for each in call.events
    ]
    live = {each["type"] for each in call.dashboard}
    assert live >= {"call.started", "call.answered", "turn.started", "turn.completed", "transcript.final"}
    assert "transcript.partial" in live  # the words while they were being said
    finals = sorted(call.of("transcript.final"), key=lambda each: each["position"])
    assert [(row["speaker"], row["text"], row["heard_text"]) for row in call.rows["transcripts"]] == [
        (each["speaker"], each["text"], each["heard_text"]) for each in finals
    ]
    (session,) = call.rows["call_sessions"]
    assert (session["state"], session["end_reason"]) == ("ended", "caller_hangup")
    assert session["last_seq"] == call.events[-1].seq
    filled = {each["slot"] for each in call.of("slot.filled")}
    assert {row["slot"] for row in call.rows["slots"]} == filled


@pytest.mark.spec(
    "Scenario: Trigger operator handoff via function call", "Requirement: Realtime Function Calling"
)
def test_asking_for_a_person_reaches_the_operators_dashboard(by_voice: Callable[[str], Told]) -> None:
    call = by_voice("questions")

    (called,) = [each for each in call.of("tool.called") if each["name"] == "request_operator_handoff"]
    (notified,) = [each for each in call.dashboard if each["type"] == "handoff.requested"]
    assert notified["data"]["method"] == "ai"
    assert notified["data"]["reason"] == called["arguments"]["reason"]
    assert notified["data"]["summary"] == called["arguments"]["summary"]
    (row,) = call.rows["handoffs"]
    assert row["handoff_id"] == notified["data"]["handoff_id"]
    assert (row["method"], row["summary"]) == ("ai", notified["data"]["summary"])
    assert "human" in call.said_by("caller")[2].lower()
    # The caller was told so.
    assert re.search(r"colleague|one moment", call.heard.lower())


@pytest.mark.spec("Scenario: Database lookup during conversation", "Requirement: Realtime Function Calling")
def test_what_the_database_knows_of_the_number_is_in_the_next_words(
    by_voice: Callable[[str], Told],
) -> None:
    call = by_voice("lookup")

    (finished,) = call.of("tool.finished")
    assert (finished["name"], finished["ok"]) == ("get_customer_info", True)
    (called,) = call.of("tool.called")
    assert re.sub(r"\D", "", called["arguments"]["phone_number"]).endswith("2065550142")
    # The model was given the row, and used it in what it said next.
    (session,) = call.sessions
    (output,) = [item.output for item in session.items if item.kind == "function_call_output"]
    found = json.loads(output or "")
    assert found["name"] == "Mary Johnson"
    answer = call.said_by("agent")[-1]
    assert "Mary Johnson" in answer
    assert MARY not in answer
    assert "mary johnson" in call.heard.lower()
    (stored,) = call.rows["tool_calls"]
    assert (stored["name"], stored["ok"]) == ("get_customer_info", True)


@pytest.mark.spec("Scenario: Track conversation success rate", "Requirement: Conversation Quality Monitoring")
@pytest.mark.parametrize(("name", "turns"), [("booking", 5), ("questions", 4), ("lookup", 3), ("garage", 5)])
def test_a_completed_calls_figures_are_stored_and_served(
    name: str, turns: int, by_voice: Callable[[str], Told]
) -> None:
    call = by_voice(name)

    (row,) = call.rows["call_metrics"]
    assert row["turns"] == call.metrics["turns"] == turns
    stored = json.loads(row["data"])
    assert {figure: stored[figure] for figure in call.metrics} == call.metrics
    assert 0 < row["latency_p50_ms"] < 10_000
    # What was measured of the call's whole log, in the transaction that stored the last of it.
    measured = stored["measured"]
    assert measured["complete"]
    assert measured["user_turns"] == turns - 1  # nobody spoke before the greeting
    decided = {each["goal"]: each["status"] for each in call.of("goal.completed")}
    assert {each["goal"]: each["status"] for each in measured["goals"]} == decided
    assert decided == {"booking": {"appointment": "achieved"}, "garage": {"visit": "partial"}}.get(
        name, {"appointment": "not_applicable"}
    )
    assert measured["handoffs"]["requested"] == (1 if name == "questions" else 0)
    assert measured["outcome"] == call.rows["call_sessions"][0]["outcome"]
    called = [each["name"] for each in call.of("tool.called")]
    assert {tool: figures["called"] for tool, figures in call.metrics["tools"].items()} == {
        tool: called.count(tool) for tool in called
    }


@pytest.mark.spec("Scenario: Track conversation success rate", "Requirement: Conversation Quality Monitoring")
@pytest.mark.parametrize(
    ("name", "expected"),
    [
        # Three conversations: one led to its goal, one asked for a person, one wanted neither.
        (
            "booking",
            {
                "calls": (3, 3),
                "turns_per_call": (3, 3),
                "goal_completion_rate": (1, 1),
                "handoff_rate": (round(1 / 3, 4), 3),
            },
        ),
        ("garage", {"calls": (1, 1), "goal_completion_rate": (0, 1), "handoff_rate": (0, 1)}),
    ],
)
def test_the_dashboards_figures_tell_how_the_calls_went(
    name: str, expected: dict[str, tuple[float, int]], by_voice: Callable[[str], Told]
) -> None:
    figures = by_voice(name).summary

    assert {figure: (figures[figure]["value"], figures[figure]["n"]) for figure in expected} == expected


@pytest.mark.spec(
    "Requirement: Template-Based Response Selection",
    "Scenario: Select response template based on keywords",
    "Requirement: Keyword Matching Logic",
)
@pytest.mark.parametrize("name", CALLS)
def test_every_word_the_caller_heard_was_written_by_the_model(
    name: str, by_voice: Callable[[str], Told]
) -> None:
    """No word of the caller's picks an answer: what is said is the model's, what is done is a function call."""
    call = by_voice(name)

    written = [item.text for session in call.sessions for item in session.items if item.kind == "assistant"]
    said = call.said_by("agent")
    assert said
    assert [text for text in said if text not in written] == []
    called = [each["name"] for each in call.of("tool.called")]
    assert len(call.of("handoff.requested")) == called.count("request_operator_handoff")


@pytest.mark.spec("Requirement: Keyword Matching Logic")
def test_the_word_operator_alone_does_nothing(by_voice: Callable[[str], Told]) -> None:
    """An agent without that tool: the model answers, and nobody else acts on the word."""
    call = by_voice("garage")

    assert "operator" in call.said_by("caller")[-1].lower()
    assert call.of("handoff.requested") == []
    assert {each["name"] for each in call.of("tool.called")} <= {"record_information"}
