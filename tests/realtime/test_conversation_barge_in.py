"""The caller interrupts: what they hear stops, and everybody remembers what they heard and nothing else."""

from __future__ import annotations

import pytest

from storage.events import TranscriptFinal, TurnInterrupted, TurnStarted
from tests.fakes.realtime_story import Story

ANSWER = "We are open from nine until five on every working day of the week."


def connected(rtt_ms: float = 0.0) -> Story:
    story = Story(rtt_ms=rtt_ms).connect()
    story.caller_says("When are you open?")
    return story


@pytest.mark.trap(4)
def test_an_interruption_stops_playback_and_truncates_at_what_was_heard() -> None:
    story = connected()
    part = story.agent_says(ANSWER, ms=4000)
    story.pass_time(1.0)
    sent_ms = story.heard_audio_ms
    story.caller_starts()
    story.pass_time(0.5)

    assert story.heard_audio_ms == sent_ms  # not one packet more
    assert story.truncated() == [(part.item_id, 1000 - 40)]  # the receiver's buffer is not heard yet


def test_the_round_trip_counts_as_not_yet_heard() -> None:
    story = connected(rtt_ms=200)
    part = story.agent_says(ANSWER, ms=4000)
    story.pass_time(1.0)
    story.caller_starts()

    assert story.truncated() == [(part.item_id, 1000 - 40 - 100)]


def test_an_interruption_is_told_with_the_whole_words_that_were_heard() -> None:
    story = connected()
    part = story.agent_says(ANSWER, ms=4000)
    story.pass_time(2.0)
    caller_item = story.caller_starts()

    told = story.only(TurnInterrupted)
    assert (told.item_id, told.heard_ms) == (part.item_id, 1960)
    assert told.heard_text == "We are open from nine until five"
    final = story.all(TranscriptFinal)[-1]
    assert (final.item_id, final.text, final.interrupted) == (part.item_id, ANSWER, True)
    assert (final.heard_ms, final.heard_text) == (told.heard_ms, told.heard_text)
    assert story.all(TurnStarted)[-1].item_id == caller_item
    types = [event.type for event in story.events]
    assert types.index("turn.interrupted") < types.index("turn.completed", types.index("turn.interrupted"))


@pytest.mark.trap(3)
def test_an_interruption_long_after_the_generation_ended_still_stops_the_playback() -> None:
    """`response.done` comes seconds before the caller has heard the end."""
    story = connected()
    part = story.agent_says(ANSWER, ms=8000)
    story.pass_time(6.0)
    story.caller_starts()

    assert story.flushes == 2  # one for the caller's question, one now
    assert story.truncated() == [(part.item_id, 5960)]


@pytest.mark.trap(3)
def test_an_interruption_during_the_generation_drops_what_comes_after_it() -> None:
    story = connected()
    response = story.respond()
    part = story.item(response)
    story.voice(part, "We are open from nine ", 1200)
    story.pass_time(0.8)
    story.caller_starts()
    sent_ms = story.heard_audio_ms
    story.voice(part, "until five.", 900)  # on its way when the caller began to speak
    story.item_ends(part, "We are open from nine until five.")
    story.response_is_cancelled(response)
    story.pass_time(1.0)

    assert story.heard_audio_ms == sent_ms
    assert story.truncated() == [(part.item_id, 760)]
    assert story.sent_of("response.cancel") == []  # the server did that by itself


@pytest.mark.trap(5)
def test_an_interrupted_answer_is_on_record_once_with_what_was_told_when_it_was_cut() -> None:
    story = connected()
    response = story.respond()
    part = story.item(response)
    story.voice(part, "We are open from nine until five ", 1200)
    story.pass_time(0.8)
    story.caller_starts()
    told = story.only(TurnInterrupted)
    story.voice(part, "on working days.", 900)
    story.response_is_cancelled(response)

    (final,) = [each for each in story.all(TranscriptFinal) if each.speaker == "agent"]
    assert final.text == "We are open from nine until five on working days."
    assert (final.heard_ms, final.heard_text) == (told.heard_ms, told.heard_text) == (760, "We are open")


def test_a_response_that_was_done_before_the_speech_was_noticed_is_cut_as_well() -> None:
    """Some servers send `response.done` first and `speech_started` after it."""
    story = connected()
    response = story.respond()
    part = story.item(response)
    story.voice(part, ANSWER, 3000)
    story.pass_time(0.5)
    story.response_is_cancelled(response)
    story.caller_starts()
    story.voice(part, "straggler", 500)
    story.pass_time(0.5)

    assert story.truncated() == [(part.item_id, 460)]
    assert story.heard_audio_ms == 600 + 500  # the greeting, and what was sent of the answer
    assert story.only(TurnInterrupted).heard_ms == 460


def test_a_response_that_was_never_seen_to_begin_is_muted_too() -> None:
    story = connected()
    response = story.respond(created=False)
    part = story.item(response)
    story.voice(part, "We are open ", 1000)
    story.pass_time(0.4)
    story.caller_starts()
    story.voice(part, "from nine.", 1000)
    story.pass_time(0.4)
    story.response_is_cancelled(response)

    assert story.truncated() == [(part.item_id, 360)]
    assert story.heard_audio_ms == 600 + 400


@pytest.mark.trap(4)
def test_playback_that_was_over_is_not_truncated() -> None:
    """A needless truncate would make the model forget the text of what was heard in full."""
    story = connected()
    story.agent_says("At nine.", ms=600)
    story.pass_time(0.7)
    story.caller_starts()

    assert story.truncated() == []
    assert story.all(TurnInterrupted) == []
    assert story.all(TranscriptFinal)[-1].heard_text == "At nine."


def test_playback_that_ends_at_the_very_moment_is_not_truncated() -> None:
    story = connected()
    part = story.agent_says("At nine.", ms=600)
    for _ in range(2000):
        if story.ledger.heard_ms(part, story.now) >= 600:
            break
        story.now = round(story.now + 0.001, 6)
        if story._queue and round(story.now * 1000) % 20 == 0:
            story._send_packet()  # without the drive that would notice the end
    story.caller_starts()

    assert story.truncated() == []
    assert story.all(TurnInterrupted) == []


@pytest.mark.trap(26)
def test_of_two_items_in_one_response_both_are_played() -> None:
    """gpt-realtime-2 says a commentary and a final answer in one response."""
    story = connected()
    response = story.respond()
    first = story.item(response, phase="commentary")
    story.voice(first, "One moment.", 600)
    story.item_ends(first, "One moment.")
    second = story.item(response, phase="final_answer")
    story.voice(second, ANSWER, 3000)
    story.item_ends(second, ANSWER)
    story.response_ends(response)
    story.pass_time(4.0)

    assert story.heard_audio_ms == 600 + 600 + 3000
    finals = [each for each in story.all(TranscriptFinal) if each.speaker == "agent"]
    assert [(each.text, each.heard_ms) for each in finals] == [("One moment.", 600), (ANSWER, 3000)]
    assert finals[0].position < finals[1].position


def test_the_item_behind_the_one_being_heard_is_truncated_to_nothing() -> None:
    story = connected()
    response = story.respond()
    first = story.item(response, phase="commentary")
    story.voice(first, "Let me look that up for you.", 2000)
    story.item_ends(first, "Let me look that up for you.")
    second = story.item(response, phase="final_answer")
    story.voice(second, ANSWER, 3000)
    story.pass_time(1.0)
    story.caller_starts()
    story.response_is_cancelled(response)

    assert story.truncated() == [(first.item_id, 960), (second.item_id, 0)]
    assert story.only(TurnInterrupted).item_id == first.item_id
    finals = [each for each in story.all(TranscriptFinal) if each.speaker == "agent"]
    assert [(each.heard_ms, each.interrupted) for each in finals] == [(960, True), (0, True)]
    assert finals[1].heard_text == ""


def test_an_item_heard_before_the_one_that_was_cut_is_on_record_as_heard() -> None:
    story = connected()
    response = story.respond()
    first = story.item(response, phase="commentary")
    story.voice(first, "One moment.", 400)
    story.item_ends(first, "One moment.")
    second = story.item(response, phase="final_answer")
    story.voice(second, ANSWER, 3000)
    story.item_ends(second, ANSWER)
    story.response_ends(response)
    story.pass_time(1.4)
    story.caller_starts()

    assert story.truncated() == [(second.item_id, 960)]
    finals = [each for each in story.all(TranscriptFinal) if each.speaker == "agent"]
    assert [(each.heard_text == each.text, each.interrupted) for each in finals] == [
        (True, False),
        (False, True),
    ]


def test_an_item_whose_audio_came_too_late_to_be_played_is_forgotten_by_the_model() -> None:
    story = connected()
    response = story.respond()
    first = story.item(response, phase="commentary")
    story.voice(first, "One moment.", 400)
    story.item_ends(first, "One moment.")
    story.pass_time(0.6)
    story.caller_starts()
    second = story.item(response, phase="final_answer")
    story.voice(second, ANSWER, 500)
    story.voice(second, "", 500)
    assert story.truncated() == []  # not before it has stopped growing

    story.response_is_cancelled(response)

    assert story.truncated() == [(second.item_id, 0)]
    last = story.all(TranscriptFinal)[-1]
    assert (last.item_id, last.heard_ms, last.heard_text, last.interrupted) == (second.item_id, 0, "", True)


def test_audio_that_has_run_dry_in_the_middle_is_truncated_at_what_came() -> None:
    story = connected()
    response = story.respond()
    part = story.item(response)
    story.voice(part, "We are open ", 500)
    story.pass_time(2.0)
    story.caller_starts()

    assert story.truncated() == [(part.item_id, 500)]


def test_speech_while_our_own_response_is_on_its_way_cancels_it_when_it_appears() -> None:
    story = Story().connect(greet=False)  # the greeting is asked for
    caller_item = story.caller_starts()
    response = story.respond()

    assert [each["response_id"] for each in story.sent_of("response.cancel")] == [response.id]
    part = story.item(response)
    story.voice(part, "Good morning.", 600)
    story.response_is_cancelled(response)
    story.pass_time(0.5)
    assert story.heard_audio_ms == 0
    assert story.truncated() == [(part.item_id, 0)]

    story.caller_stops(caller_item)
    story.agent_says("Hello!", ms=300)
    story.pass_time(5.0)
    assert story.heard_audio_ms == 300
    assert len(story.sent_of("response.create")) == 1  # the greeting is not said after the caller has begun


def test_the_next_answer_is_heard_after_an_interruption() -> None:
    story = connected()
    story.agent_says(ANSWER, ms=4000)
    story.pass_time(1.0)
    story.caller_says("Just Monday, please.")
    story.pass_time(0.3)
    sent_ms = story.heard_audio_ms
    story.agent_says("From nine.", ms=500)
    story.pass_time(1.0)

    assert story.heard_audio_ms == sent_ms + 500


@pytest.mark.trap(4)
@pytest.mark.parametrize("code", ["invalid_value", "item_truncate_invalid_item_id"])
def test_a_truncate_that_comes_too_late_harms_nothing(code: str) -> None:
    story = connected()
    story.agent_says(ANSWER, ms=4000)
    story.pass_time(1.0)
    story.caller_starts()
    (truncate,) = story.sent_of("conversation.item.truncate")
    story.error(code, caused_by=truncate["event_id"])

    assert [note.code for note in story.notes] == ["realtime.benign"]
    assert story.closed is None


def test_a_server_that_does_not_stop_by_itself_is_not_heard_any_more() -> None:
    story = connected()
    response = story.respond()
    part = story.item(response)
    story.voice(part, ANSWER, 1000)
    story.pass_time(0.5)
    story.caller_starts()
    for _ in range(5):
        story.voice(part, "", 1000)
    story.item_ends(part, ANSWER)
    story.response_ends(response)
    story.pass_time(3.0)

    assert story.heard_audio_ms == 600 + 500
    final = story.all(TranscriptFinal)[-1]
    assert (final.heard_ms, final.interrupted) == (460, True)
