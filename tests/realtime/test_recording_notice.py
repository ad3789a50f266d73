"""What counts as having heard the notice, and what the model is told of it."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from realtime import instructions
from realtime.agent import Agent, Recording
from realtime.recording_notice import was_heard

NOTICE = "This call is recorded for training purposes."
NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    "heard",
    [
        NOTICE,
        "this call is recorded, for training purposes",
        f"Hello! {NOTICE} How can I help you?",
        "This  call is\nrecorded for training purposes…",
    ],
)
def test_the_words_count_and_not_how_they_are_written(heard: str) -> None:
    assert was_heard(NOTICE, heard)


@pytest.mark.parametrize("heard", ["", "This call is", "This call is not recorded for training purposes."])
def test_less_or_something_else_is_not_the_notice(heard: str) -> None:
    assert not was_heard(NOTICE, heard)


def test_a_notice_without_spaces_between_words_is_heard_too() -> None:
    assert was_heard("この通話は録音されます。", "お電話ありがとうございます。この通話は、録音されます")
    assert not was_heard("この通話は録音されます。", "この通話は")


@given(cut=st.integers(0, len(NOTICE) - 2))
def test_no_beginning_of_it_is_enough(cut: int) -> None:
    assert not was_heard(NOTICE, NOTICE[:cut])


def an_agent(*, greeting: str | None = "Hello, this is {{practice}}.", notice: str | None = NOTICE) -> Agent:
    return Agent(
        id="desk",
        name="Emma",
        greeting=greeting,
        variables={"practice": "Harbour Dental"},
        recording=Recording(enabled=True, notice=notice),
    )


def test_the_notice_comes_before_the_greeting_word_for_word() -> None:
    assert f'Say exactly: "{NOTICE} Hello, this is Harbour Dental."' in instructions.greeting(an_agent())
    assert f'exactly these words: "{NOTICE}"' in instructions.greeting(an_agent(greeting=None))
    assert NOTICE not in instructions.greeting(an_agent(notice=None))


def test_the_model_is_told_to_repeat_a_notice_and_to_obey_a_refusal() -> None:
    text = instructions.render(an_agent(), now=NOON)

    assert f'to its end: "{NOTICE}"' in text
    assert "call stop_recording at once" in text


def test_an_agent_that_does_not_record_never_hears_of_it() -> None:
    silent = an_agent().model_copy(update={"recording": Recording(enabled=False, notice=NOTICE)})

    for text in (instructions.render(silent, now=NOON), instructions.greeting(silent)):
        assert not any(word in text for word in ("recorded", "stop_recording"))


def test_variables_are_filled_in_the_notice_too() -> None:
    agent = an_agent(notice="{{practice}} records this call.")

    for text in (instructions.render(agent, now=NOON), instructions.greeting(agent)):
        assert "Harbour Dental records this call." in text
