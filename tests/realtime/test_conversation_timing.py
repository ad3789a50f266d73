"""What a story puts on record of its own time: who spoke when, and where an answer's time went."""

from __future__ import annotations

from storage.envelope import Sequencer
from storage.events import TranscriptFinal, TurnCompleted, TurnResumed
from storage.metrics import adds_up, measure
from tests.fakes.realtime_story import STARTED, Story, receptionist

LONG = "We are open from nine until five, and on Saturdays from ten until two in the afternoon."


def final(story: Story, text: str) -> TranscriptFinal:
    return next(each for each in story.all(TranscriptFinal) if each.text == text)


def test_the_agents_words_are_timed_by_what_left_for_the_caller() -> None:
    story = Story().connect()
    story.caller_says("When are you open?")
    story.pass_time(0.3)
    at_ms = round((story.now - STARTED) * 1000)
    story.agent_says(LONG, ms=2_000)
    story.pass_time(4)

    said = final(story, LONG)
    assert said.start_ms is not None
    assert said.end_ms is not None
    assert abs(said.start_ms - at_ms) <= 40  # one packet, or two
    assert said.end_ms - said.start_ms == 2_000


def test_the_callers_words_are_timed_without_what_voice_detection_adds() -> None:
    story = Story().connect()
    before_ms = round((story.now - STARTED) * 1000)
    story.caller_says("When are you open?")
    after_ms = round((story.now - STARTED) * 1000)

    said = final(story, "When are you open?")
    assert said.start_ms is not None
    assert said.end_ms is not None
    assert before_ms <= said.start_ms <= said.end_ms <= after_ms


def test_an_answers_latency_is_taken_apart_and_adds_up() -> None:
    story = Story(rtt_ms=60).connect()
    for _ in range(3):
        story.caller_says("When are you open?")
        story.pass_time(0.4)
        story.agent_says(LONG, ms=600)
        story.pass_time(2)
    story.caller_hangs_up()

    sequencer = Sequencer("a-call")
    metrics = measure([sequencer.stamp(event, story.wall) for event in story.events])

    assert len([turn for turn in story.all(TurnCompleted) if turn.response_latency_ms is not None]) == 3
    assert len(metrics.answers) == 3
    for answer in metrics.answers:
        assert adds_up(answer)
        assert answer.breakdown is not None
        assert answer.breakdown.transport_out_ms == 60 // 2 + 40
        assert answer.breakdown.model_ms >= 380
        assert answer.response_ms == answer.first_packet_ms + 70


def test_a_sound_that_was_nobodys_words_is_on_record_with_its_pause() -> None:
    story = Story(receptionist(interruption={"min_speech_ms": 300})).connect()
    story.caller_says("When are you open?")
    story.pass_time(0.1)
    story.agent_says(LONG, ms=5_000)
    story.pass_time(1)
    item_id = story.caller_starts()
    assert story.paused
    story.pass_time(0.6)
    story.server("input_audio_buffer.speech_stopped", item_id=item_id, audio_end_ms=story._appended_ms - 400)
    story.commits(item_id)
    story.transcribed(item_id, "")
    story.pass_time(8)

    (resumed,) = story.all(TurnResumed)
    assert 500 <= resumed.paused_ms <= 700
    said = final(story, LONG)
    assert said.start_ms is not None
    assert said.end_ms is not None
    assert said.end_ms - said.start_ms == 5_000 + resumed.paused_ms
