"""What the record says of the turns: who began, how long the answer took, in which order it was spoken."""

from __future__ import annotations

import pytest

from storage.events import TranscriptFinal, TranscriptPartial, TurnCompleted, TurnStarted
from tests.fakes.realtime_story import Story, receptionist


def test_the_greeting_is_a_turn_of_the_agents_without_a_latency() -> None:
    story = Story().connect(greet=False)
    part = story.agent_says("Good morning.", ms=600)
    story.pass_time(1.0)

    started = story.only(TurnStarted)
    assert (started.turn, started.speaker, started.item_id) == (0, "agent", part.item_id)
    assert story.only(TurnCompleted) == TurnCompleted(turn=0, response_latency_ms=None, tools=[])


@pytest.mark.parametrize("silence_ms", [200, 500, 800])
def test_the_latency_runs_from_the_end_of_speech_to_the_first_packet(silence_ms: int) -> None:
    """`speech_stopped` comes only after the silence that proves the end of speech."""
    detection = {"type": "server_vad", "silence_duration_ms": silence_ms}
    story = Story(receptionist(turn_detection=detection)).connect()
    item_id = story.caller_starts()
    story.pass_time(1.0)  # speaks
    story.pass_time(silence_ms / 1000)  # is silent
    story.caller_stops(item_id)
    story.pass_time(0.3)  # the model thinks
    story.agent_says("Yes?", ms=400)
    story.pass_time(1.0)

    # The first packet leaves at the next frame's time.
    assert story.only(TurnCompleted).response_latency_ms == silence_ms + 300 + 20


def test_the_network_delay_of_the_end_of_speech_counts() -> None:
    """The server's clock is the audio it was sent; an event that is late makes no answer quicker."""
    story = Story().connect()
    item_id = story.caller_starts()
    story.pass_time(1.5)
    end_ms = story._appended_ms
    story.pass_time(0.2)
    story.server("input_audio_buffer.speech_stopped", item_id=item_id, audio_end_ms=end_ms)
    story.commits(item_id)
    story.agent_says("Yes?", ms=400)
    story.pass_time(1.0)

    assert story.only(TurnCompleted).response_latency_ms == 500 + 200 + 20


def test_with_semantic_detection_the_ending_silence_is_not_known_and_not_guessed() -> None:
    story = Story(receptionist(turn_detection={"type": "semantic_vad"})).connect()
    story.caller_says("Hello.")
    story.agent_says("Yes?", ms=400)
    story.pass_time(1.0)

    assert story.only(TurnCompleted).response_latency_ms == 20


def test_only_the_first_sound_of_an_answer_counts() -> None:
    story = Story().connect()
    story.caller_says("Is Monday free?")
    response = story.respond()
    part = story.item(response)
    story.voice(part, "One moment.", 400)
    story.item_ends(part, "One moment.")
    story.call(response, "look_up")
    story.response_ends(response)
    story.pass_time(2.0)
    story.tool_returns({})
    story.agent_says("It is.", ms=300)
    story.pass_time(1.0)

    completed = story.only(TurnCompleted)
    assert (completed.turn, completed.response_latency_ms, completed.tools) == (1, 520, ["look_up"])


def test_a_caller_who_goes_on_before_the_answer_is_audible_is_in_the_same_turn() -> None:
    story = Story().connect()
    first = story.caller_says("I would like")
    response = story.respond()
    story.item(response)  # the answer has begun, but nothing of it was heard
    story.caller_says("an appointment.")
    story.response_is_cancelled(response)
    story.pass_time(0.1)
    story.agent_says("Gladly.", ms=400)
    story.pass_time(1.0)

    started = story.only(TurnStarted)
    assert (started.speaker, started.item_id) == ("caller", first)
    assert story.only(TurnCompleted).response_latency_ms == 500 + 100 + 20


def test_a_caller_who_interrupts_the_answer_begins_a_new_turn() -> None:
    story = Story().connect()
    first = story.caller_says("When are you open?")
    story.agent_says("From nine until five.", ms=2000)
    story.pass_time(0.5)
    second = story.caller_says("And on Monday?")
    story.agent_says("Closed.", ms=400)
    story.pass_time(1.0)

    assert [(each.turn, each.item_id) for each in story.all(TurnStarted)] == [(1, first), (2, second)]
    assert [each.turn for each in story.all(TurnCompleted)] == [1, 2]


def test_a_turn_lasts_until_the_answer_has_been_heard() -> None:
    story = Story().connect()
    story.caller_says("When are you open?")
    story.agent_says("From nine until five.", ms=2000)
    story.pass_time(1.9)
    assert story.all(TurnCompleted) == []
    story.pass_time(0.2)

    assert len(story.all(TurnCompleted)) == 1


def test_every_turn_that_was_started_is_completed_when_the_call_ends() -> None:
    story = Story().connect()
    story.caller_says("When are you open?")
    story.caller_hangs_up()

    assert len(story.all(TurnStarted)) == len(story.all(TurnCompleted)) == 1


@pytest.mark.trap(14)
def test_the_transcript_is_in_spoken_order_though_the_callers_words_arrive_last() -> None:
    story = Story().connect()
    first = story.caller_says(None)
    story.agent_says("From nine until five.", ms=500)
    story.pass_time(1.0)
    second = story.caller_says(None)
    story.agent_says("Closed.", ms=400)
    story.pass_time(1.0)
    story.transcribed(second, "And on Monday?")
    story.transcribed(first, "When are you open?")

    in_order = sorted(story.all(TranscriptFinal), key=lambda final: final.position)
    assert [(each.speaker, each.text) for each in in_order] == [
        ("caller", "When are you open?"),
        ("agent", "From nine until five."),
        ("caller", "And on Monday?"),
        ("agent", "Closed."),
    ]
    assert sorted(in_order, key=lambda final: final.started_at) == in_order


def test_each_entry_says_when_its_speaker_began() -> None:
    story = Story().connect()  # 1.0 s after midnight
    item_id = story.caller_starts()
    story.pass_time(1.0)
    story.caller_stops(item_id)
    story.transcribed(item_id, "Hello.")
    story.pass_time(0.5)
    response = story.respond()
    part = story.item(response)
    story.server(
        "response.output_audio_transcript.delta",
        delta="Yes?",
        response_id=response.id,
        item_id=part.item_id,
        content_index=0,
        output_index=0,
    )
    story.pass_time(0.4)
    story.audio(part, 400)
    story.response_ends(response)
    story.pass_time(1.0)

    caller, agent = story.all(TranscriptFinal)
    assert caller.started_at == "2026-11-22T00:00:01.000Z"
    assert agent.started_at == "2026-11-22T00:00:02.920Z"  # the first packet, not the first word


def test_live_captions_hold_the_whole_text_and_come_four_times_a_second_at_the_most() -> None:
    story = Story().connect()
    story.caller_says("Hello.")
    response = story.respond()
    part = story.item(response)
    for word in ("We ", "are ", "open ", "until ", "five."):
        story.voice(part, word, 100)
        story.pass_time(0.1)

    texts = [each.text for each in story.all(TranscriptPartial)]
    assert texts == ["We", "We are open until"]


def test_the_callers_words_are_shown_while_they_are_transcribed() -> None:
    story = Story().connect()
    item_id = story.caller_says(None)
    delta = "conversation.item.input_audio_transcription.delta"
    story.server(delta, item_id=item_id, content_index=0, delta="Good ")
    story.pass_time(0.3)
    story.server(delta, item_id=item_id, content_index=0, delta="morning.")

    partials = story.all(TranscriptPartial)
    assert [(each.speaker, each.text) for each in partials] == [
        ("caller", "Good "),
        ("caller", "Good morning."),
    ]


def test_an_answer_that_was_heard_before_its_response_was_done_is_on_record_at_once() -> None:
    """A long function call after the words: `response.done` comes late, the next playback much later."""
    story = Story().connect()
    story.caller_says("Is Monday free?")
    response = story.respond()
    part = story.item(response)
    story.voice(part, "One moment.", 400)
    story.item_ends(part, "One moment.")
    story.pass_time(1.0)
    story.call(response, "look_up")
    story.response_ends(response)

    final = story.all(TranscriptFinal)[-1]
    assert (final.text, final.heard_ms, final.interrupted) == ("One moment.", 400, False)


@pytest.mark.trap(15)
def test_noise_that_was_taken_for_speech_leaves_no_line_in_the_transcript() -> None:
    story = Story().connect()
    story.caller_says(" ")
    story.agent_says("Pardon?", ms=300)
    story.pass_time(1.0)

    assert [each.speaker for each in story.all(TranscriptFinal)] == ["agent"]
