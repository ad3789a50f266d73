import datetime

import pytest

from realtime.simulator.mind.contacts import find_email, find_phone
from realtime.simulator.mind.plain_text import plain
from realtime.simulator.mind.slots import Slot, extract, slot, slots_of
from tests.fakes.mind_chat import SCHEDULE

TODAY = datetime.date(2026, 11, 22)
SLOTS = slots_of(SCHEDULE["parameters"])


def test_kinds_come_from_the_schema_and_the_names() -> None:
    assert [(one.name, one.kind, one.required) for one in SLOTS] == [
        ("name", "name", True),
        ("date", "date", True),
        ("time", "time", True),
        ("reason", "text", False),
    ]


@pytest.mark.parametrize(
    ("name", "schema", "kind"),
    [
        ("phone_number", {"type": "string"}, "phone"),
        ("patient_name", {"type": "string"}, "name"),
        ("starts_at", {"type": "string", "format": "date-time"}, "datetime"),
        ("size", {"type": "string", "enum": ["small", "large"]}, "choice"),
        ("people", {"type": "integer"}, "integer"),
        ("urgent", {"type": "boolean"}, "boolean"),
        ("who", {"type": "string", "description": "The caller's full name"}, "name"),
        ("note", {"type": "string"}, "text"),
    ],
)
def test_a_parameter_becomes_a_slot_of_the_right_kind(
    name: str, schema: dict[str, object], kind: str
) -> None:
    assert slot(name, schema, required=True).kind == kind


def test_several_values_are_picked_out_of_one_sentence_in_any_order() -> None:
    words = "Hi, I'd like to come in tomorrow at three p.m. for a cleaning, my name is Alice Johnson."

    assert extract(words, SLOTS, None, TODAY) == {
        "name": "Alice Johnson",
        "date": "2026-11-23",
        "time": "15:00",
        "reason": "cleaning",
    }


def test_the_digits_of_a_telephone_number_are_neither_day_nor_time() -> None:
    assert extract("My number is 555-123-4567", SLOTS, "time", TODAY) == {}


def test_day_and_time_make_one_datetime() -> None:
    when = Slot(name="when", kind="datetime", required=True)

    assert extract("Friday at noon", [when], None, TODAY) == {"when": "2026-11-27T12:00"}


def test_a_choice_is_recognised_by_its_words() -> None:
    size = Slot(name="size", kind="choice", required=True, choices=("small", "extra large"))

    assert extract("An extra large one please", [size], None, TODAY) == {"size": "extra large"}


@pytest.mark.parametrize(
    ("words", "number"),
    [
        ("555-123-4567", "5551234567"),
        ("five five five, one two three, four five six seven", "5551234567"),
        ("plus one 415 555 oh one double two", "+14155550122"),
        ("(415) 555-0122.", "4155550122"),
        ("on 2026-11-25", None),
        ("at 3:30", None),
    ],
)
def test_a_telephone_number_is_understood(words: str, number: str | None) -> None:
    found = find_phone(plain(words))

    assert (found.value if found else None) == number


def test_a_spoken_mail_address_is_understood() -> None:
    found = find_email(plain("it's ann dot lee at example dot com"))

    assert found is not None
    assert found.value == "ann.lee@example.com"
