"""The transcript keeps the spoken order and the heard words, whatever order the news come in."""

from __future__ import annotations

import itertools

import hypothesis.strategies as st
import pytest
from hypothesis import given, settings

from media.playout import Cut, PartKey
from realtime.transcript import REMEMBERED, Final, Transcript

FIRST, SECOND = PartKey("r1", "a1", 0), PartKey("r1", "a2", 0)


def a_cut(part: PartKey, heard_ms: int, received_ms: int = 10_000, *, finished: bool = False) -> Cut:
    return Cut(part=part, received_ms=received_ms, sent_ms=received_ms, heard_ms=heard_ms, finished=finished)


def answered(*parts: tuple[PartKey, str, float]) -> Transcript:
    """A response whose items have come whole."""
    transcript = Transcript()
    for part, text, ms in parts:
        transcript.agent_item(part.response_id, part.item_id, 1.0)
        transcript.agent_partial(part, text)
        transcript.agent_audio(part, ms)
        transcript.agent_text(part, text)
        transcript.agent_audio_done(part)
    return transcript


CALLER_NEWS = ("speech_started", "committed", "completed")


@pytest.mark.parametrize("order", list(itertools.permutations(CALLER_NEWS)))
def test_a_callers_entry_comes_out_once_in_whatever_order_its_news_arrive(order: tuple[str, ...]) -> None:
    transcript = Transcript()
    finals = []
    for news in order:
        if news == "speech_started":
            transcript.speech_started("c1", 1.0)
        elif news == "committed":
            transcript.committed("c1", 2.0)
        else:
            finals.append(transcript.caller_final("c1", " Hello. ", 3.0))

    assert [final.text for final in finals if final] == ["Hello."]
    assert not transcript.awaits_caller
    assert transcript.caller_final("c1", "Hello again.", 9.0) is None


def test_a_callers_entry_began_when_the_speech_did() -> None:
    transcript = Transcript()
    transcript.speech_started("c1", 1.5)
    transcript.committed("c1", 3.0)
    final = transcript.caller_final("c1", "Hello.", 4.0)

    assert final == Final(
        item_id="c1",
        position=0,
        speaker="caller",
        text="Hello.",
        heard_text="Hello.",
        heard_ms=None,
        started_at=1.5,
        interrupted=False,
    )


def test_positions_follow_the_conversation_and_not_the_arrival_of_words() -> None:
    transcript = Transcript()
    transcript.committed("c1", 1.0)
    transcript.agent_item("r1", "a1", 2.0)
    transcript.committed("c2", 3.0)
    second = transcript.caller_final("c2", "two", 4.0)
    first = transcript.caller_final("c1", "one", 5.0)
    transcript.agent_partial(FIRST, "answer")
    (answer,) = transcript.response_over("r1")

    assert first is not None
    assert second is not None
    assert [first.position, answer.position, second.position] == [0, 1, 2]


def test_words_are_awaited_from_the_commit_until_they_come_or_fail() -> None:
    transcript = Transcript()
    transcript.speech_started("c1", 1.0)
    assert not transcript.awaits_caller
    transcript.committed("c1", 2.0)
    assert transcript.awaits_caller
    transcript.committed("c2", 3.0)
    transcript.caller_final("c1", "Hello.", 4.0)
    assert transcript.awaits_caller
    transcript.caller_failed("c2")

    assert not transcript.awaits_caller
    assert transcript.caller_final("c2", "late", 5.0) is None


@pytest.mark.parametrize("text", ["", " ", "\n"])
def test_an_empty_transcript_is_settled_and_is_no_entry(text: str) -> None:
    transcript = Transcript()
    transcript.committed("c1", 1.0)

    assert transcript.caller_final("c1", text, 2.0) is None
    assert not transcript.awaits_caller


def test_a_failed_transcription_that_comes_before_the_commit_is_not_awaited() -> None:
    transcript = Transcript()
    transcript.speech_started("c1", 1.0)
    transcript.caller_failed("c1")
    transcript.committed("c1", 2.0)

    assert not transcript.awaits_caller


def test_the_memory_of_finished_entries_is_bounded() -> None:
    transcript = Transcript()
    for number in range(REMEMBERED + 1):
        transcript.committed(f"c{number}", 1.0)
        transcript.caller_final(f"c{number}", "x", 1.0)

    assert len(transcript._caller_done) == REMEMBERED


def test_an_answer_is_final_when_its_response_is_over_and_all_of_it_was_heard() -> None:
    transcript = answered((FIRST, "Hello there.", 900))
    assert transcript.response_over("r1") == []
    (final,) = transcript.drained()

    assert (final.text, final.heard_text, final.heard_ms) == ("Hello there.", "Hello there.", 900)
    assert not final.interrupted
    assert transcript.drained() == transcript.end() == []


def test_an_answer_that_was_heard_before_its_response_was_over_is_final_then() -> None:
    transcript = answered((FIRST, "Hello there.", 900))
    assert transcript.drained() == []
    (final,) = transcript.response_over("r1")

    assert final.heard_ms == 900


def test_an_answer_that_goes_on_after_a_pause_is_not_final_at_the_pause() -> None:
    transcript = answered((FIRST, "Hello", 500))
    transcript.drained()
    transcript.agent_audio(FIRST, 500)
    assert transcript.response_over("r1") == []

    assert [final.heard_ms for final in transcript.drained()] == [1000]


def test_a_cut_answer_says_what_was_heard_of_it() -> None:
    transcript = answered((FIRST, "We are open until five.", 2000))
    transcript.response_over("r1")
    (final,) = transcript.cut((a_cut(FIRST, 1000, 2000),))

    assert (final.heard_ms, final.heard_text, final.interrupted) == (1000, "We are open", True)
    assert final.text == "We are open until five."


def test_a_cut_never_claims_more_than_was_received() -> None:
    transcript = answered((FIRST, "Hello.", 333.3))
    transcript.response_over("r1")
    (final,) = transcript.cut((a_cut(FIRST, 5000),))

    assert final.heard_ms == 333


def test_an_item_that_was_wholly_heard_is_not_interrupted_by_the_cut_of_the_next() -> None:
    transcript = answered((FIRST, "One moment.", 600), (SECOND, "It is free.", 900))
    transcript.response_over("r1")
    first, second = transcript.cut((a_cut(FIRST, 600, finished=True), a_cut(SECOND, 100)))

    assert (first.heard_text, first.interrupted) == ("One moment.", False)
    assert (second.heard_text, second.interrupted) == ("", True)


def test_while_audio_is_still_coming_the_text_that_ran_ahead_is_not_taken_as_heard() -> None:
    """Six seconds of text are there when one second of audio is, and all of that was heard."""
    text = "We are open from nine until five on every working day of the week, and on Saturdays."
    transcript = Transcript()
    transcript.agent_item("r1", "a1", 1.0)
    transcript.agent_partial(FIRST, text)
    transcript.agent_audio(FIRST, 1000)
    transcript.cut((a_cut(FIRST, 1000, 1000),))

    heard_ms, heard_text = transcript.heard_so_far("a1")
    assert heard_ms == 1000
    assert heard_text == "We are open"


def test_what_was_told_at_the_cut_is_what_becomes_final() -> None:
    transcript = Transcript()
    transcript.agent_item("r1", "a1", 1.0)
    transcript.agent_partial(FIRST, "We are open from nine until five ")
    transcript.agent_audio(FIRST, 1500)
    transcript.cut((a_cut(FIRST, 1000, 1500),))
    told = transcript.heard_so_far("a1")
    transcript.agent_partial(FIRST, "on every working day.")
    transcript.agent_text(FIRST, "We are open from nine until five on every working day.")
    (final,) = transcript.response_over("r1", interrupted=True)

    assert (final.heard_ms, final.heard_text) == told
    assert final.text == "We are open from nine until five on every working day."


def test_a_text_that_comes_after_its_audio_still_counts_as_heard() -> None:
    """Some servers transcribe what they said only afterwards."""
    transcript = Transcript()
    transcript.agent_item("r1", "a1", 1.0)
    transcript.agent_audio(FIRST, 2000)
    transcript.cut((a_cut(FIRST, 1000, 2000),))
    transcript.agent_text(FIRST, "We are open until five.")
    (final,) = transcript.response_over("r1", interrupted=True)

    assert final.heard_text == "We are open"


def test_the_shorter_text_of_a_cancelled_part_does_not_replace_what_was_heard() -> None:
    transcript = Transcript()
    transcript.agent_item("r1", "a1", 1.0)
    transcript.agent_partial(FIRST, "We are open from nine until five.")
    transcript.agent_audio(FIRST, 3000)
    transcript.cut((a_cut(FIRST, 2000, 3000),))
    transcript.agent_text(FIRST, "We are")
    (final,) = transcript.response_over("r1", interrupted=True)

    assert final.text.startswith(final.heard_text)
    assert final.text == "We are open from nine until five."


def test_words_without_audio_in_an_interrupted_response_were_not_heard() -> None:
    transcript = Transcript()
    transcript.agent_item("r1", "a1", 1.0)
    transcript.agent_partial(FIRST, "Hello.")
    (final,) = transcript.response_over("r1", interrupted=True)

    assert (final.heard_ms, final.heard_text, final.interrupted) == (0, "", True)


def test_an_item_without_words_is_no_entry() -> None:
    transcript = Transcript()
    transcript.agent_item("r1", "a1", 1.0)
    transcript.agent_audio(FIRST, 500)
    transcript.drained()

    assert transcript.response_over("r1") == []


def test_the_parts_of_an_item_are_one_text() -> None:
    behind = PartKey("r1", "a1", 1)
    transcript = answered((FIRST, "One.", 500), (behind, "Two is longer.", 1400))
    transcript.response_over("r1")
    (final,) = transcript.cut((a_cut(behind, 700, 1400),))

    assert (final.text, final.heard_text, final.heard_ms) == ("One. Two is longer.", "One. Two is", 1200)


def test_an_answer_began_with_its_first_packet_however_many_parts_have_come() -> None:
    behind = PartKey("r1", "a1", 1)
    transcript = answered((FIRST, "One.", 500), (behind, "Two.", 500))
    transcript.part_started(FIRST, 5.0)
    transcript.part_started(behind, 5.5)
    transcript.response_over("r1")

    assert [final.started_at for final in transcript.drained()] == [5.0]


def test_what_is_open_at_the_end_is_closed_with_what_was_heard() -> None:
    transcript = answered((FIRST, "We are open until five.", 2000))
    transcript.cut((a_cut(FIRST, 1000, 2000),))
    (final,) = transcript.end()

    assert (final.heard_text, final.interrupted) == ("We are open", True)


def test_words_whose_audio_had_not_come_when_the_call_ended_were_interrupted() -> None:
    transcript = answered((FIRST, "One moment.", 600))
    transcript.agent_item("r1", "a2", 1.0)
    transcript.agent_partial(SECOND, "It is")
    transcript.drained()
    heard, unheard = transcript.end()

    assert (heard.heard_text, heard.interrupted) == ("One moment.", False)
    assert (unheard.heard_text, unheard.interrupted) == ("", True)


def test_news_of_items_that_were_never_announced_change_nothing() -> None:
    transcript = Transcript()
    transcript.agent_audio(FIRST, 100)
    transcript.agent_audio_done(FIRST)
    transcript.agent_text(FIRST, "x")
    transcript.part_started(FIRST, 1.0)

    assert transcript.agent_partial(FIRST, "x") == ""
    assert transcript.caller_partial("c1", "x") == ""
    assert transcript.cut((a_cut(FIRST, 100),)) == transcript.end() == []
    assert transcript.heard_so_far("a1") == (0, "")


WORDS = st.text(alphabet="ab .語、", max_size=30)
NEWS = st.one_of(
    st.tuples(st.just("audio"), st.integers(0, 3), st.floats(0, 3000)),
    st.tuples(st.just("partial"), st.integers(0, 3), WORDS),
    st.tuples(st.just("text"), st.integers(0, 3), WORDS),
    st.tuples(st.just("audio_done"), st.integers(0, 3), st.none()),
    st.tuples(st.just("cut"), st.integers(0, 3), st.integers(0, 5000)),
    st.tuples(st.just("drained"), st.none(), st.none()),
    st.tuples(st.just("over"), st.none(), st.booleans()),
)


@settings(max_examples=300, deadline=None)
@given(news=st.lists(NEWS, max_size=25))
def test_no_more_is_heard_than_was_said_or_received(news: list[tuple[str, int | None, object]]) -> None:
    """Two items of two parts each, in any order of news."""
    parts = [PartKey("r1", item, index) for item in ("a1", "a2") for index in (0, 1)]
    received = {"a1": 0.0, "a2": 0.0}
    transcript = Transcript()
    transcript.agent_item("r1", "a1", 1.0)
    transcript.agent_item("r1", "a2", 1.0)
    finals: list[Final] = []
    for kind, which, value in news:
        part = parts[which or 0]
        match kind:
            case "audio":
                assert isinstance(value, float)
                transcript.agent_audio(part, value)
                received[part.item_id] += value
            case "partial":
                transcript.agent_partial(part, str(value))
            case "text":
                transcript.agent_text(part, str(value))
            case "audio_done":
                transcript.agent_audio_done(part)
            case "cut":
                assert isinstance(value, int)
                finals += transcript.cut((a_cut(part, value),))
            case "drained":
                finals += transcript.drained()
            case "over":
                finals += transcript.response_over("r1", interrupted=bool(value))
    finals += transcript.end()

    assert len(finals) == len({final.item_id for final in finals}) <= 2
    for final in finals:
        assert final.text.startswith(final.heard_text)
        assert final.heard_ms is not None
        assert 0 <= final.heard_ms <= received[final.item_id]
