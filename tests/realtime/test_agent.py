"""An agent's document is read strictly, and everything that is wrong with it is said at once."""

from __future__ import annotations

from pathlib import Path

import pytest

from realtime.agent import Agent, InvalidAgent, SemanticVad, ServerVad, parse_agent

SAMPLES = sorted((Path(__file__).parents[2] / "deploy" / "agents").glob("*.toml"))
MINIMAL = 'id = "desk"\nname = "Robin"\n'


def problems(text: str) -> list[str]:
    with pytest.raises(InvalidAgent) as caught:
        parse_agent(text, source="desk.toml")
    return caught.value.problems


def test_a_minimal_document_has_sensible_defaults() -> None:
    agent = parse_agent(MINIMAL, source="desk.toml")

    assert agent.direction == "inbound"
    assert agent.turn_detection == ServerVad()
    assert agent.limits.max_duration_s == 1800
    assert agent.version.startswith("file:")


def test_the_version_changes_with_the_text() -> None:
    versions = {
        parse_agent(text, source="x").version for text in (MINIMAL, MINIMAL + 'tone = "warm"\n', MINIMAL)
    }

    assert len(versions) == 2


@pytest.mark.parametrize("path", SAMPLES, ids=lambda path: path.stem)
def test_the_sample_agents_are_valid(path: Path) -> None:
    agent = parse_agent(path.read_text(encoding="utf-8"), source=path.name)

    assert agent.id == path.stem


def test_there_is_a_sample_agent() -> None:
    assert SAMPLES


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ('instrucions = "x"', "instrucions: unknown key, did you mean 'instructions'?"),
        ("xyzzy = 1", "xyzzy: unknown key"),
        ("[limits]\nmax_duration = 5", "limits.max_duration: unknown key, did you mean 'max_duration_s'?"),
        (
            '[turn_detection]\ntype = "server_vad"\nsilence_ms = 500',
            "turn_detection.silence_ms: unknown key, did you mean 'silence_duration_ms'?",
        ),
        (
            '[[guidelines]]\nsituation = "a"\ndo = "b"\nexampel = "c"',
            "guidelines.0.exampel: unknown key, did you mean 'example'?",
        ),
        (
            '[[goals]]\nid = "g"\ndescription = "d"\n[[goals.slots]]\nname = "a"\ndescription = "b"\ntpye = "text"',
            "goals.0.slots.0.tpye: unknown key, did you mean 'type'?",
        ),
        (
            '[[hours]]\ndays = ["mon"]\nopens = "08:00"\ncloses = "18:00"\nclose = "18:00"',
            "hours.0.close: unknown key, did you mean 'closes'?",
        ),
    ],
)
def test_an_unknown_key_is_an_error_that_names_the_nearest_known_one(text: str, problem: str) -> None:
    assert problems(MINIMAL + text) == [problem]


def test_every_problem_is_reported_at_once_with_its_place() -> None:
    found = problems(
        """
        id = "No Spaces"
        speed = 9
        timezone = "Europe/Bedlin"
        greeting = "Welcome to {{compny}}."
        tone = "{{mood}}"
        [variables]
        company = "Brightside"
        [limits]
        max_duration_s = 1
        """
    )

    assert [problem.partition(":")[0] for problem in sorted(found)] == [
        "greeting",
        "id",
        "limits.max_duration_s",
        "name",
        "speed",
        "timezone",
        "tone",
    ]
    assert "greeting: {{compny}} is not in variables, did you mean 'company'?" in found


def test_the_message_names_the_document_and_lists_the_problems() -> None:
    with pytest.raises(InvalidAgent) as caught:
        parse_agent(MINIMAL + "a_a = 1\nb_b = 2", source="agents/desk.toml")

    assert str(caught.value).splitlines() == [
        "agents/desk.toml has 2 problems:",
        "  a_a: unknown key",
        "  b_b: unknown key",
    ]


def test_fields_that_no_customer_has_cannot_be_listed_for_reading_out() -> None:
    (problem,) = problems(MINIMAL + '[lookup]\nfields = ["name", "id"]')

    assert problem.startswith("lookup.fields.1: Input should be 'name', 'phone', 'email'")


def test_an_agent_whose_hours_went_through_json_is_the_same() -> None:
    agent = parse_agent(MINIMAL + '[[hours]]\ndays = ["mon"]\nopens = 08:00:00\ncloses = "18:00"', source="x")

    assert Agent.model_validate_json(agent.model_dump_json()) == agent


def test_what_is_not_toml_is_said_so() -> None:
    (problem,) = problems("id = desk")

    assert problem.startswith("not TOML: ")


@pytest.mark.parametrize(
    "text",
    [
        'greeting = "{{missing}}"',
        'opening_hours = "{{ missing }}"',
        'name = "{{missing}}"',
        '[[guidelines]]\nsituation = "a"\ndo = "b"\nexample = "{{missing}}"',
        '[handoff]\nreasons = ["{{missing}}"]',
        '[[goals]]\nid = "g"\ndescription = "d"\non_complete = "{{missing}}"',
        '[[goals]]\nid = "g"\ndescription = "d"\nslots = [{name = "a", description = "{{missing}}"}]',
        '[[outcomes]]\nid = "g"\ndescription = "{{missing}}"',
        'tone = "{{not a name}}"',
    ],
)
def test_a_variable_that_is_not_defined_is_found_in_every_text(text: str) -> None:
    document = 'id = "desk"\n' + ("" if text.startswith("name") else 'name = "Robin"\n') + text
    (problem,) = problems(document)

    assert "is not in variables" in problem


def test_an_undefined_variable_is_an_error_for_documents_that_are_no_files_too() -> None:
    with pytest.raises(ValueError, match=r"greeting: \{\{company\}\} is not in variables"):
        Agent.model_validate({"id": "desk", "name": "Robin", "greeting": "{{company}}"})


def test_variables_are_put_into_texts() -> None:
    agent = parse_agent(MINIMAL + '[variables]\ncompany = "Bright {{side}}"\n', source="x")

    assert agent.say("At {{company}}, {{ company }}.") == "At Bright {{side}}, Bright {{side}}."
    assert agent.say("{one} brace is no variable.") == "{one} brace is no variable."


@pytest.mark.parametrize("zone", ["UTC", "Europe/Berlin", "Asia/Tokyo", "America/Argentina/Buenos_Aires"])
def test_time_zones_are_known_by_their_iana_names(zone: str) -> None:
    assert parse_agent(f'{MINIMAL}timezone = "{zone}"', source="x").timezone == zone


@pytest.mark.parametrize("zone", ["Mars/Olympus", "Europe", "", "/etc/passwd", "../etc/passwd", "Berlin"])
def test_what_is_no_time_zone_is_refused_with_an_example(zone: str) -> None:
    (problem,) = problems(f'{MINIMAL}timezone = "{zone}"')

    assert problem == f"timezone: no such time zone: {zone!r}; use an IANA name such as Europe/Berlin"


def test_turn_detection_is_told_apart_by_its_type() -> None:
    text = MINIMAL + '[turn_detection]\ntype = "semantic_vad"\neagerness = "high"'

    assert parse_agent(text, source="x").turn_detection == SemanticVad(eagerness="high")
    (problem,) = problems(MINIMAL + '[turn_detection]\ntype = "magic"')
    assert problem.startswith("turn_detection: ")
    assert "server_vad" in problem


def test_a_choice_needs_its_choices() -> None:
    (problem,) = problems(
        MINIMAL
        + '[[goals]]\nid = "g"\ndescription = "d"\nslots = [{name="a", description="b", type="choice"}]'
    )

    assert problem == "goals.0.slots.0: a slot of type choice needs `choices`"


def test_what_is_to_be_kept_out_of_the_record_is_a_kind_or_a_slot_that_there_is() -> None:
    goal = '[[goals]]\nid = "book"\ndescription = "d"\n[[goals.slots]]\nname = "born"\ndescription = "d"\n'
    wanted = 'redact = ["card", "phone", "email", "slot:born", "slot:book.born"]'
    agent = parse_agent(f"{MINIMAL}[privacy]\n{wanted}\n{goal}", source="desk.toml")

    (problem,) = problems(f'{MINIMAL}[privacy]\nredact = ["crad"]\n')
    (other,) = problems(f'{MINIMAL}[privacy]\nredact = ["slot:bron"]\n{goal}')

    assert len(agent.privacy.redact) == 5
    assert "privacy.redact: 'crad'" in problem
    assert "did you mean 'card'?" in problem
    assert "did you mean 'slot:born'?" in other
