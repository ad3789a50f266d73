"""The instructions: labelled sections, the day, the variables, and nothing empty."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from realtime.instructions import FREEDOM, GUARDRAILS, goodbye, greeting, render
from tests.fakes.realtime_story import receptionist

NOW = datetime(2026, 11, 22, 23, 30, tzinfo=UTC)  # a Sunday; in Berlin it is Monday already
FULL: dict[str, Any] = {
    "variables": {"company": "Brightside", "service": "check-up"},
    "personality": "Warm.",
    "tone": "Calm.",
    "instructions": "Help the patients of {{company}}.",
    "guidelines": [
        {"situation": "someone is in pain", "do": "offer the next {{service}}", "example": "Oh dear."},
        {"situation": "asked for prices", "do": "refuse", "example": "I cannot say.", "verbatim": True},
        {"situation": "asked for the time", "do": "say it"},
    ],
    "greeting": "Thank you for calling {{company}}.",
    "goals": [
        {
            "id": "booking",
            "description": "book a {{service}}",
            "slots": [
                {"name": "date", "type": "date", "description": "which day at {{company}}"},
                {
                    "name": "kind",
                    "type": "choice",
                    "choices": ["adult", "child"],
                    "description": "for whom",
                    "required": False,
                },
            ],
            "on_complete": "Book the {{service}}.",
        }
    ],
    "tools": ["request_operator_handoff"],
    "handoff": {"reasons": ["the caller asks for somebody at {{company}}"]},
    "opening_hours": "nine to five",
    "timezone": "Europe/Berlin",
    "language": "de-CH",
}


def sections(text: str) -> dict[str, str]:
    found = {}
    for section in text.split("\n\n"):
        title, _, body = section.partition("\n")
        assert title.startswith("# "), section
        found[title.removeprefix("# ")] = body
    return found


def test_the_sections_stand_in_the_order_of_the_prompting_guide_with_what_changes_last() -> None:
    text = render(receptionist(**FULL), now=NOW, tool_notes=[("book", "Books.")])

    assert list(sections(text)) == [
        "Guardrails",
        "Role and objective",
        "Personality and tone",
        "Language",
        "Instructions",
        "Guidelines",
        "Conversation flow",
        "Tools",
        "Safety and escalation",
        "Freedom",
        "This call",
    ]


def test_every_agent_has_the_same_guardrails_first_and_the_same_freedom_after_its_own_part() -> None:
    receptionist_text = render(receptionist(**FULL), now=NOW)
    other_text = render(receptionist(language="ja", name="別の人"), now=NOW)

    assert sections(receptionist_text)["Guardrails"] == sections(other_text)["Guardrails"] == GUARDRAILS
    assert sections(receptionist_text)["Freedom"] == sections(other_text)["Freedom"] == FREEDOM
    shared = f"# Guardrails\n{GUARDRAILS}\n\n# Role and objective\nYou are "
    assert receptionist_text.startswith(shared)
    assert other_text.startswith(shared)


def test_no_section_is_empty_and_none_is_there_without_need() -> None:
    found = sections(render(receptionist(), now=NOW))

    assert all(body.strip() for body in found.values())
    assert not {"Instructions", "Guidelines", "Conversation flow", "Tools", "Safety and escalation"} & set(
        found
    )


def test_an_agent_that_is_almost_the_same_has_the_same_beginning() -> None:
    """The model's prefix cache keeps what did not change: another minute, another caller."""
    agent = receptionist(**FULL)
    first = render(agent, now=NOW, caller_number="+4930123456")
    second = render(agent, now=NOW.replace(minute=31), known={"name": "Mia"})

    assert first.partition("# This call")[0] == second.partition("# This call")[0]


def test_every_variable_is_replaced() -> None:
    text = render(receptionist(**FULL), now=NOW)

    assert "{{" not in text
    found = sections(text)
    assert found["Instructions"] == "Help the patients of Brightside."
    assert "which day at Brightside" in found["Conversation flow"]
    assert "Book the check-up." in found["Conversation flow"]
    assert "somebody at Brightside" in found["Safety and escalation"]


def test_the_day_and_time_are_those_of_the_agents_zone() -> None:
    there = sections(render(receptionist(**FULL), now=NOW))["This call"]
    here = sections(render(receptionist(), now=NOW))["This call"]

    assert there.startswith("Today is Monday, 2026-11-23; the time is 00:30 (Europe/Berlin).")
    assert here == "Today is Sunday, 2026-11-22; the time is 23:30 (UTC)."


def test_what_is_known_of_the_caller_is_said_and_nothing_else() -> None:
    this_call = sections(
        render(receptionist(**FULL), now=NOW, caller_number="+4930123456", known={"name": "Mia Lang"})
    )["This call"].splitlines()

    assert this_call[1:] == [
        "Opening hours: nine to five",
        "The caller's telephone number is +4930123456.",
        "Already known: name is Mia Lang.",
    ]


def test_guidelines_say_when_what_and_how() -> None:
    assert sections(render(receptionist(**FULL), now=NOW))["Guidelines"].splitlines() == [
        '- When someone is in pain: offer the next check-up For example: "Oh dear."',
        '- When asked for prices: refuse Say exactly: "I cannot say."',
        "- When asked for the time: say it",
    ]


def test_slots_say_their_type_need_and_choices() -> None:
    flow = sections(render(receptionist(**FULL), now=NOW))["Conversation flow"].splitlines()

    assert flow[0] == "Goal booking: book a check-up"
    assert flow[1] == "- date (date, required): which day at Brightside"
    assert flow[2] == "- kind (choice, optional): for whom One of: adult, child."


def test_a_handoff_is_spoken_of_only_where_the_tool_is() -> None:
    with_tool = render(receptionist(**FULL), now=NOW)
    without = render(receptionist(**{**FULL, "tools": []}), now=NOW)

    assert "request_operator_handoff" in with_tool
    assert "request_operator_handoff" not in without


def test_the_language_is_named_in_words_or_by_its_code() -> None:
    assert "Speak German" in render(receptionist(**FULL), now=NOW)
    assert "Speak sv" in render(receptionist(language="sv"), now=NOW)


def test_the_greeting_is_word_for_word_where_there_is_one() -> None:
    assert 'Say exactly: "Thank you for calling Brightside."' in greeting(receptionist(**FULL))
    assert "offer your help" in greeting(receptionist(greeting=None))


def test_a_goodbye_gives_its_reason() -> None:
    assert "because we are closing." in goodbye("we are closing")


STAGED = {
    "variables": {"company": "Brightside"},
    "flow": [
        {
            "name": "identifying",
            "description": "find out who calls {{company}}",
            "guidelines": [
                {"situation": "they agree", "do": "go on", "callers_say": ["yes", "sure"], "example": "Good."}
            ],
            "then": ["booking", "closing"],
        },
        {"name": "booking"},
    ],
}


def test_stages_say_what_holds_in_them_and_where_they_lead() -> None:
    assert sections(render(receptionist(**STAGED), now=NOW))["Conversation flow"].splitlines() == [
        "The usual course of the conversation. Follow the caller, and never announce a stage.",
        "Stage 1, identifying: find out who calls Brightside",
        '- When they agree: go on Callers put it like this: "yes", "sure". For example: "Good."',
        "- Then usually: booking, closing.",
        "Stage 2, booking",
    ]


def test_stages_stand_before_the_goals() -> None:
    flow = sections(render(receptionist(**{**FULL, "flow": STAGED["flow"]}), now=NOW))["Conversation flow"]

    assert flow.index("Stage 1") < flow.index("Goal booking")


def test_hours_are_told_in_words_where_the_document_has_none_of_its_own() -> None:
    hours = [{"days": ["mon", "tue"], "opens": "08:00", "closes": "18:00"}]
    text = render(receptionist(hours=hours), now=NOW)

    assert "Opening hours: Monday and Tuesday 08:00 to 18:00, closed on Wednesday" in text
    assert (
        "Opening hours: by day\n" in render(receptionist(hours=hours, opening_hours="by day"), now=NOW) + "\n"
    )


def test_a_goal_says_what_to_record_and_what_the_caller_is_to_confirm() -> None:
    slots = [
        {"name": "name", "type": "name", "description": "who", "confirm": True},
        {"name": "date", "type": "date", "description": "which day"},
    ]
    goal = {"id": "booking", "description": "book", "slots": slots}
    flow = sections(render(receptionist(goals=[goal]), now=NOW))["Conversation flow"]

    assert "- name (name, required): who. To be confirmed.\n" in flow
    assert "- date (date, required): which day\n" in flow
    assert "record_information" in flow
    assert "confirm_information" in flow
