"""The agent has paused at a sound, and before it is known what it was, something else happens."""

from __future__ import annotations

from storage.events import TranscriptFinal, TurnInterrupted
from tests.fakes.realtime_story import Story, receptionist

STORY = "We are open from nine until five, and on Saturdays from ten until two in the afternoon."


def paused(**changes: object) -> tuple[Story, str]:
    """An agent that paused after one second of five, and the item of the sound."""
    story = Story(receptionist(interruption={"min_speech_ms": 300}, **changes)).connect()
    story.caller_says("When are you open?")
    story.pass_time(0.1)
    story.agent_says(STORY, ms=5000)
    story.pass_time(1)
    item_id = story.caller_starts()
    assert story.paused
    story.sent.clear()
    return story, item_id


def told_over(story: Story, item_id: str) -> None:
    """The server's end of the sound, with its commit."""
    story.server("input_audio_buffer.speech_stopped", item_id=item_id, audio_end_ms=story._appended_ms)
    story.commits(item_id)


def test_the_agent_pauses_at_the_first_sound_as_for_any_caller() -> None:
    story, _ = paused()
    heard_ms = story.heard_audio_ms
    story.pass_time(0.4)

    assert story.heard_audio_ms == heard_ms


def test_a_caller_who_hangs_up_is_let_go_with_what_was_heard_on_record() -> None:
    story, item_id = paused()
    told_over(story, item_id)
    story.caller_hangs_up()
    assert story.hung_up == "caller_hangup"
    story.transcribed(item_id, "Bye.")

    assert story.closed == "caller_hangup"
    finals = {final.text: final for final in story.all(TranscriptFinal)}
    assert finals[STORY].heard_ms == 960
    assert "Bye." in finals


def test_a_caller_who_hangs_up_in_the_middle_of_a_word_has_it_written_down() -> None:
    story, item_id = paused()
    story.caller_hangs_up()
    assert "input_audio_buffer.commit" in story.sent_types()
    story.commits(item_id)
    story.transcribed(item_id, "Never mind.")

    assert story.all(TranscriptFinal)[-1].text == "Never mind."
    assert story.closed == "caller_hangup"


def test_a_session_that_drops_takes_the_sound_with_it_and_the_agent_goes_on() -> None:
    story, _ = paused()
    story.drop()
    assert not story.paused
    story.restore()
    story.pass_time(5)

    assert story.heard_audio_ms == 600 + 5000
    assert story.all(TurnInterrupted) == []


def test_a_sound_that_the_old_session_had_taken_is_heard_by_the_new_one() -> None:
    story, item_id = paused()
    told_over(story, item_id)
    story.drop()
    story.restore()

    assert len(story.sent_of("input_audio_buffer.commit")) == 1
    assert len(story.appended) == 2  # the sound, and the gap


def test_a_second_sound_makes_it_an_interruption() -> None:
    story, first = paused()
    story.pass_time(0.6)
    told_over(story, first)
    second = story.caller_starts()
    assert story.only(TurnInterrupted).heard_ms == 1000
    assert not story.paused
    story.pass_time(1)
    story.caller_stops(second)
    story.transcribed(first, "Wait.")
    story.transcribed(second, "And on Sundays?")
    story.pass_time(0.1)

    assert len(story.sent_of("response.create")) == 1
    assert [final.text for final in story.all(TranscriptFinal)][-2:] == ["Wait.", "And on Sundays?"]


def test_a_network_that_dies_in_the_pause_keeps_the_rest_for_when_it_is_back() -> None:
    story, _ = paused()
    story.conversation.peer_lost(800, story.now)
    story.drive()
    assert story.paused
    story.pass_time(3)
    story.conversation.peer_resumed(3800, story.now)
    story.drive()
    story.pass_time(5)

    assert story.heard_audio_ms == 600 + 5000


def test_a_goodbye_that_is_due_is_said_though_the_agent_had_paused() -> None:
    story, item_id = paused()
    told_over(story, item_id)
    story.conversation.say_goodbye("we close", "timeout", story.now)
    story.drive()
    assert not story.paused
    story.agent_says("Goodbye.", ms=500)
    story.pass_time(1)

    assert story.hung_up == "timeout"
    assert story.heard_audio_ms == 600 + 1000 + 500


def test_a_cough_into_the_goodbye_does_not_keep_the_call() -> None:
    story = Story(receptionist(interruption={"min_speech_ms": 300})).connect()
    story.caller_says("That is all.")
    story.pass_time(0.1)
    response = story.respond()
    part = story.item(response)
    story.voice(part, "Goodbye, and thank you for calling.", 3000)
    story.item_ends(part, "Goodbye, and thank you for calling.")
    story.call(response, "end_call")
    story.response_ends(response)
    story.tool_returns({}, hang_up="agent_hangup")
    story.pass_time(0.5)
    item_id = story.caller_starts()
    story.pass_time(0.6)
    story.server("input_audio_buffer.speech_stopped", item_id=item_id, audio_end_ms=story._appended_ms)
    story.commits(item_id)
    story.transcribed(item_id, "")
    story.pass_time(3)

    assert story.hung_up == "agent_hangup"
    assert story.heard_audio_ms == 600 + 3000


def test_while_an_answer_is_generated_an_interruption_stops_that_too() -> None:
    """The server does not: it was told to leave interruptions to us."""
    story = Story(receptionist(interruption={"min_speech_ms": 300})).connect()
    story.caller_says("When are you open?")
    story.pass_time(0.1)
    response = story.respond()
    part = story.item(response)
    story.voice(part, "We are open from nine ", 2000)
    story.pass_time(0.5)
    story.caller_starts()
    story.voice(part, "until five.", 1000)
    assert story.sent_of("response.cancel") == []
    story.pass_time(0.9)

    assert [each["response_id"] for each in story.sent_of("response.cancel")] == [response.id]
    assert story.truncated() == [(part.item_id, 500)]


def test_an_answer_that_is_generated_during_a_cough_is_heard_whole() -> None:
    story = Story(receptionist(interruption={"min_speech_ms": 300})).connect()
    story.caller_says("When are you open?")
    story.pass_time(0.1)
    response = story.respond()
    part = story.item(response)
    story.voice(part, "We are open from nine ", 2000)
    story.pass_time(0.5)
    item_id = story.caller_starts()
    story.voice(part, "until five.", 1000)
    story.item_ends(part, "We are open from nine until five.")
    story.response_ends(response)
    story.pass_time(0.6)
    told_over(story, item_id)
    story.transcribed(item_id, "")
    story.pass_time(3)

    assert story.heard_audio_ms == 600 + 3000
    assert story.sent_of("response.cancel") == []
