"""What an agent wants kept out of the record is in no field of any event."""

from __future__ import annotations

import string
import time
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from storage.events import (
    EVENT_TYPES,
    CallEnded,
    CallStarted,
    DtmfReceived,
    HandoffRequested,
    SlotCorrected,
    SlotFilled,
    ToolCalled,
    ToolFinished,
    TranscriptFinal,
    TranscriptPartial,
    TurnInterrupted,
)
from storage.redaction import Redaction, passes_luhn

ALL = ("card", "phone", "email")
VISA = "4242424242424242"


def everything(*slots: str, region: str = "US") -> Redaction:
    return Redaction([*ALL, *slots], region=region)


def final(text: str, heard: str | None = None) -> TranscriptFinal:
    return TranscriptFinal(
        item_id="item_1",
        position=1,
        speaker="caller",
        text=text,
        heard_text=text if heard is None else heard,
        heard_ms=None,
        started_at="2026-11-22T12:00:03.000Z",
        interrupted=heard is not None,
    )


def digits_of(value: Any) -> str:
    """Every decimal digit in a text or JSON-shaped value, in order, as an ASCII one."""
    text = value if isinstance(value, str) else msgspec.json.encode(value).decode()
    return "".join(str(int(each)) for each in text if each.isdecimal())


@st.composite
def cards(draw: st.DrawFn) -> str:
    body = draw(st.text("123456789", min_size=1, max_size=1)) + draw(
        st.text(string.digits, min_size=11, max_size=17)
    )
    return next(body + last for last in string.digits if passes_luhn(body + last))


SAID_EN = dict(enumerate(["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"]))
SAID_JA = dict(enumerate(["ゼロ", "いち", "に", "さん", "よん", "ご", "ろく", "なな", "はち", "きゅう"]))
WIDE = {digit: chr(0xFF10 + int(digit)) for digit in string.digits}
KANJI = dict(zip(string.digits, "〇一二三四五六七八九", strict=True))


@st.composite
def written(draw: st.DrawFn, number: str) -> str:
    """The number in any formatting: grouped at will, with spaces and dashes of all kinds, in digits of all kinds."""
    alphabet = draw(st.sampled_from(["plain", "wide", "kanji", "english", "japanese"]))
    if alphabet == "english":
        return draw(st.sampled_from([" ", ", ", "-"])).join(SAID_EN[int(each)] for each in number)
    if alphabet == "japanese":
        return draw(st.sampled_from(["", " ", "、", "ー"])).join(SAID_JA[int(each)] for each in number)
    table = {"plain": {}, "wide": WIDE, "kanji": KANJI}[alphabet]
    gap = draw(st.sampled_from([" ", "-", "  ", " - ", "\u00a0", "–", "ー", "\u3000", ""]))
    cuts = sorted(draw(st.sets(st.integers(1, len(number) - 1), max_size=6)))
    pieces = [number[a:b] for a, b in zip([0, *cuts], [*cuts, len(number)], strict=True)]
    return gap.join("".join(table.get(digit, digit) for digit in piece) for piece in pieces)


@given(
    cards().flatmap(lambda card: st.tuples(st.just(card), written(card))), st.sampled_from(["US", "JP", "DE"])
)
def test_no_card_number_survives_in_any_formatting_in_any_field(said: tuple[str, str], region: str) -> None:
    card, text = said
    redaction = Redaction(["card"], region=region)
    sentence = f"Sure, it is {text} on the card."

    events = [
        final(sentence),
        TranscriptPartial(item_id="i", speaker="caller", text=sentence),
        ToolCalled(name="pay", call_item_id="fc", arguments={"card": text, "deep": [{text: [sentence]}]}),
        ToolFinished(
            name="pay", call_item_id="fc", ok=True, duration_ms=1, output={"n": int(card)}, error=sentence
        ),
        SlotFilled(goal="pay", slot="card", value=text, confirmed=False),
        HandoffRequested(handoff_id="h", reason=sentence, summary=sentence, method="ai"),
        CallEnded(reason="caller_hangup", duration_ms=1, outcome=None, summary=sentence, metrics={}),
    ]

    for event in events:
        kept = redaction.apply(event)
        for field in msgspec.structs.asdict(kept).values():
            if isinstance(field, str | dict | list):
                shown = msgspec.json.encode(field).decode()
                assert text not in shown
                assert card not in digits_of(field)
        assert "[card]" in str(kept)


@pytest.mark.parametrize(
    "text",
    [
        "We have 2026-11-25 at 10:30, or 2026-11-26 at 9:15.",
        "It is 12,000 yen, or $1,250.50 with tax.",
        "Your booking is BK-20441180, room 1204, for 3 people.",
        "二〇二六年十一月二十五日の十時半です。",
        "Twenty-five people came at half past two, one of them twice.",
        "Between 8 and 12 or from 1:00 to 5:30, Monday to Friday.",
        "The reference is 0193f4e0-1234-7123-8123-123456789012.",
        "Look at that dot on the map.",
        "よろしくお願いします。二名で、午後三時に。",
        "Invoice 2026/11/0042 of 25.11.2026",
    ],
)
@pytest.mark.parametrize("region", ["US", "JP", "DE"])
def test_ordinary_numbers_stay(text: str, region: str) -> None:
    assert everything(region=region).text(text) == text


@given(
    st.dates(),
    st.times(),
    st.integers(1, 999_999),
    st.text(string.ascii_uppercase, min_size=2, max_size=3),
    st.integers(1000, 99_999_999),
)
def test_dates_times_prices_and_references_stay(
    day: Any, at: Any, price: int, letters: str, number: int
) -> None:
    text = f"On {day:%Y-%m-%d} at {at:%H:%M} it costs {price:,} yen; your booking is {letters}-{number}, thank you."

    assert Redaction(["card", "email"], region="US").text(text) == text


@pytest.mark.parametrize(
    ("text", "region"),
    [
        ("+12065550123", "US"),
        ("call (206) 555-0123 please", "US"),
        ("090-1234-5678", "JP"),
        ("０９０ー１２３４ー５６７８です", "JP"),
        ("ゼロ きゅう ゼロ いち に さん よん ご ろく なな はち です", "JP"),
        ("oh nine oh, one two three four, five six seven eight", "JP"),
        ("+49 30 901820", "US"),
        ("030 901820", "DE"),
    ],
)
def test_telephone_numbers_go_as_they_are_written_and_said_where_the_agent_is(text: str, region: str) -> None:
    kept = Redaction(["phone"], region=region).text(text)

    assert "[phone]" in kept
    assert not digits_of(kept)


@pytest.mark.parametrize(
    "text",
    [
        "ann.lee+dentist@example.co.uk",
        "it is ann dot lee at example dot com",
        "a n n at example dot com",
        "taro アットマーク example ドット コム です",
        "ann＠example．com",
    ],
)
def test_addresses_go_as_they_are_written_and_said(text: str) -> None:
    kept = Redaction(["email"], region="US").text(text)

    assert "[email]" in kept
    assert "example" not in kept
    assert "lee" not in kept


def test_a_chosen_slots_value_goes_wherever_it_is_set_and_stands_from_then_on() -> None:
    redaction = Redaction(["slot:intake.birth_date", "slot:name"], region="US")

    called = redaction.apply(
        ToolCalled(
            name="record_information",
            call_item_id="fc",
            arguments={"slot": "birth_date", "value": "1980-05-04"},
        )
    )
    filled = redaction.apply(
        SlotFilled(goal="intake", slot="birth_date", value="1980-05-04", confirmed=False)
    )
    corrected = redaction.apply(
        SlotCorrected(goal="intake", slot="birth_date", value="1981-05-04", previous="1980-05-04")
    )
    booked = redaction.apply(
        ToolCalled(name="schedule", call_item_id="fc", arguments={"name": "Aoi Tanaka", "at": "10:00"})
    )
    said = redaction.apply(final("Thank you, AOI TANAKA, born 1981-05-04. Annual."))
    other = redaction.apply(SlotFilled(goal="order", slot="birth_date", value="x1", confirmed=False))

    assert called.arguments == {"slot": "birth_date", "value": "[birth_date]"}
    assert filled.value == "[birth_date]"
    assert (corrected.value, corrected.previous) == ("[birth_date]", "[birth_date]")
    assert booked.arguments == {"name": "[name]", "at": "10:00"}
    assert said.text == said.heard_text == "Thank you, [name], born [birth_date]. Annual."
    assert other.value == "x1"  # a slot of that name of another goal


def test_a_number_that_was_set_is_found_as_it_is_said() -> None:
    redaction = Redaction(["slot:member"], region="US")
    redaction.apply(SlotFilled(goal="g", slot="member", value=20441180, confirmed=False))

    assert redaction.text("your number 2044 1180 is right") == "your number [member] is right"
    assert redaction.text("two zero four four, one one eight zero") == "[member]"


def test_a_number_that_is_still_being_said_does_not_show() -> None:
    redaction = Redaction(["card"], region="US")
    shown = [
        redaction.apply(TranscriptPartial(item_id="i", speaker="caller", text=f"it is {VISA[:length]}")).text
        for length in range(1, 17)
    ]

    assert all(len(digits_of(text)) <= 6 for text in shown)
    assert shown[-1] == "it is [card]"


def test_what_was_heard_of_a_number_that_was_cut_off_is_hidden_like_the_whole() -> None:
    redaction = Redaction(["card"], region="US")

    cut = redaction.apply(final(f"You said {VISA}, is that right?", heard=f"You said {VISA[:9]}"))
    interrupted = redaction.apply(
        TurnInterrupted(item_id="i", heard_ms=100, heard_text=f"You said {VISA[:9]}")
    )

    assert cut.heard_text == "You said [card]"
    assert interrupted.heard_text == "You said [number]"


def test_keys_do_not_show_where_cards_do_not() -> None:
    pressed = DtmfReceived(digit="4", duration_ms=80)

    assert Redaction(["card"], region="US").apply(pressed).digit == "[digit]"
    assert Redaction(["email"], region="US").apply(pressed).digit == "4"


def test_names_of_things_stay_whatever_they_look_like() -> None:
    redaction = everything("slot:name")
    redaction.apply(SlotFilled(goal="g", slot="name", value="caller", confirmed=False))

    kept = redaction.apply(msgspec.structs.replace(final("the caller said hello"), item_id=VISA))

    assert (kept.item_id, kept.speaker, kept.text) == (VISA, "caller", "the [name] said hello")


def test_the_callers_number_goes_too_and_the_called_one_stays() -> None:
    started = CallStarted(
        direction="inbound",
        agent="a",
        agent_version="1",
        caller="+12065550123",
        called="+12065550100",
        media="sip",
        node="n",
    )
    kept = everything().apply(started)

    assert (kept.caller, kept.called) == ("[phone]", "+12065550100")


def test_without_a_wish_nothing_is_touched() -> None:
    event = final(f"{VISA} ann@example.com +12065550123")

    assert Redaction([], region="US").apply(event) is event


@given(st.text(max_size=300), st.sampled_from(["US", "JP"]))
def test_any_text_can_be_redacted_and_marks_are_left_alone(text: str, region: str) -> None:
    redaction = everything(region=region)
    once = redaction.text(text)

    assert isinstance(once, str)
    assert redaction.text("[card] [phone] [email]") == "[card] [phone] [email]"


@pytest.mark.parametrize(
    "text",
    [
        "at " * 2000,
        "a " * 3000,
        "one two " * 800,
        "4 2 " * 1500,
        "dot at dot " * 500,
        "1-" * 3000,
        "に" * 3000,
    ],
    ids=lambda text: text[:6].strip(),
)
def test_a_long_text_does_not_hold_up_a_call(text: str) -> None:
    """Milliseconds each; the bound is far above them, and far below what a pattern that runs away would take."""
    before = time.process_time()
    everything().text(text)

    assert time.process_time() - before < 2.0


def test_every_type_of_event_passes_unharmed() -> None:
    """A field of a new type of event is looked at without anybody having to think of it."""
    redaction = everything()
    for event_type in EVENT_TYPES.values():
        texts = [
            field.name for field in msgspec.structs.fields(event_type) if field.type in (str, str | None)
        ]
        values: dict[str, Any] = {
            field.name: (f"x {VISA} y" if field.name in texts else None)
            for field in msgspec.structs.fields(event_type)
        }
        kept = redaction.apply(event_type(**values))
        shown = {name for name in texts if VISA in getattr(kept, name)}
        assert all(
            name.endswith(("_id", "_at"))
            or name in {"agent", "agent_version", "node", "called", "codec", "model", "goal", "slot", "queue",
                        "operator", "by", "until"}
            for name in shown
        )  # fmt: skip
