"""What becomes of a sound while the agent speaks."""

from __future__ import annotations

from typing import Any

import pytest

from realtime.false_interruptions import (
    ANSWERS_EARLY_MS,
    WORDS_WITHIN_S,
    FalseInterruptions,
    News,
    Verdict,
    has_words,
)
from realtime.server_events import (
    Committed,
    ErrorDetail,
    SpeechStarted,
    SpeechStopped,
    TranscriptionCompleted,
    TranscriptionFailed,
)
from tests.fakes.realtime_story import receptionist

BEGAN = SpeechStarted(item_id="u1", audio_start_ms=10_000)
PADDING_AND_SILENCE_MS = 300 + 500
NOW = 50.0


def holding(**interruption: Any) -> FalseInterruptions:
    sounds = FalseInterruptions(receptionist(interruption={"min_speech_ms": 300, **interruption}))
    assert sounds.hold(BEGAN, NOW, unheard_ms=5000)
    return sounds


def stopped(speech_ms: int) -> SpeechStopped:
    return SpeechStopped(item_id="u1", audio_end_ms=10_000 + PADDING_AND_SILENCE_MS + speech_ms)


def words(text: str) -> TranscriptionCompleted:
    return TranscriptionCompleted(item_id="u1", transcript=text)


def test_an_agent_that_does_not_ask_for_it_holds_nothing() -> None:
    assert not FalseInterruptions(receptionist()).hold(BEGAN, NOW, unheard_ms=5000)


@pytest.mark.parametrize(("unheard_ms", "held"), [(ANSWERS_EARLY_MS - 1, False), (ANSWERS_EARLY_MS, True)])
def test_who_speaks_at_the_very_end_answers(unheard_ms: int, held: bool) -> None:
    sounds = FalseInterruptions(receptionist(interruption={"min_speech_ms": 300}))

    assert sounds.hold(BEGAN, NOW, unheard_ms=unheard_ms) is held is sounds.holding


@pytest.mark.parametrize(("speech_ms", "verdict"), [(299, None), (300, Verdict.INTERRUPTION)])
def test_speech_that_lasts_is_an_interruption_whatever_is_said(
    speech_ms: int, verdict: Verdict | None
) -> None:
    sounds = holding()
    assert sounds.keep(stopped(speech_ms), NOW + 0.8)

    assert sounds.verdict(NOW + 0.8) is verdict


def test_speech_that_goes_on_is_one_before_it_ends() -> None:
    sounds = holding()
    assert sounds.next_deadline() == NOW + 0.8
    assert sounds.verdict(NOW + 0.79) is None

    assert sounds.verdict(NOW + 0.8) is Verdict.INTERRUPTION


@pytest.mark.parametrize(
    "end", [words(""), words("Mm-hm."), TranscriptionFailed(item_id="u1", error=ErrorDetail())]
)
def test_a_short_sound_without_words_is_nothing_once_its_turn_is_taken(end: Any) -> None:
    sounds = holding()
    sounds.keep(stopped(100), NOW + 0.6)
    sounds.keep(end, NOW + 0.7)
    assert sounds.verdict(NOW + 0.7) is None, "its commit, that asks for an answer, is still to come"
    sounds.keep(Committed(item_id="u1"), NOW + 0.8)

    assert sounds.verdict(NOW + 0.8) is Verdict.NOTHING_SAID


def test_words_that_do_not_come_are_not_waited_for() -> None:
    sounds = holding()
    sounds.keep(stopped(100), NOW + 0.6)
    sounds.keep(Committed(item_id="u1"), NOW + 0.6)

    assert sounds.next_deadline() == NOW + 0.6 + WORDS_WITHIN_S
    assert sounds.verdict(NOW + 0.6 + WORDS_WITHIN_S) is Verdict.INTERRUPTION


def test_news_of_anything_else_is_not_kept() -> None:
    sounds = holding()

    assert not sounds.keep(Committed(item_id="u0"), NOW)
    assert not sounds.keep(SpeechStarted(item_id="u1"), NOW)


def test_what_was_kept_is_given_back_in_order_and_once() -> None:
    sounds = holding()
    kept: list[News] = [stopped(100), Committed(item_id="u1"), words("Stop!")]
    for event in kept:
        sounds.keep(event, NOW + 0.6)

    assert sounds.take() == [BEGAN, *kept]
    assert (sounds.take(), sounds.holding, sounds.next_deadline()) == ([], False, None)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", False),
        (" ... ", False),
        ("Mm-hm.", False),
        ("MM-HMM!", False),
        ("uh-huh, uh-huh", False),
        ("うん、うん。", False),
        ("mm, no", True),
        ("Yes.", True),
        ("はい", True),
        ("うんそうです", True),
    ],
)
def test_sounds_that_only_say_go_on_are_told_from_words(text: str, said: bool) -> None:
    assert has_words(text, receptionist().interruption.backchannels) is said


def test_an_author_may_name_other_sounds() -> None:
    sounds = holding(backchannels=["okay"])
    sounds.keep(stopped(100), NOW)
    sounds.keep(Committed(item_id="u1"), NOW)
    sounds.keep(words("Okay, okay."), NOW)

    assert sounds.verdict(NOW) is Verdict.NOTHING_SAID
