"""Nobody is left in silence: neither a caller who waits, nor a line on which nobody speaks."""

from __future__ import annotations

import itertools

import pytest

from realtime import instructions
from realtime.phase import WARN_BEFORE_S
from realtime.recorded_words import CANNOT_GO_ON, ONE_MOMENT
from realtime.watchdog import STEPS
from storage.events import SessionFailed, SessionReconnected, TranscriptFinal, TurnCompleted, WatchdogStep
from tests.fakes.realtime_story import NOTICE_HEARD_S, Story, receptionist
from tests.realtime.test_conversation_continuity import asked

QUIET_LINE = {"idle_prompt_s": 12, "idle_hangup_s": 30}


def steps(story: Story) -> list[str]:
    return [event.step for event in story.all(WatchdogStep)]


def test_a_model_that_never_answers_is_bridged_asked_again_replaced_and_at_last_excused() -> None:
    story = Story(receptionist(fallback=["second"])).connect()
    story.caller_says("When do you open?")
    for _ in range(250):
        story.pass_time(0.1)
        if len(story.opened) == len(story.all(SessionReconnected)) + 1:
            story.restore()  # each new session comes up, and is as silent

    assert steps(story) == [step.value for _, step in STEPS]
    assert story.opened == ["gpt-realtime-2.1", "second"]
    assert story.recorded == [ONE_MOMENT, CANNOT_GO_ON]
    waited = [event.waited_ms for event in story.all(WatchdogStep)]
    assert waited == pytest.approx([after * 1000 for after, _ in STEPS], abs=150)
    assert story.only(SessionFailed).code == "no_answer"
    assert len(story.handoffs) == 1
    story.pass_time(NOTICE_HEARD_S)
    assert story.closed == "provider_failed"


def test_an_answer_that_comes_after_one_moment_please_is_the_end_of_it() -> None:
    story = Story().connect()
    story.caller_says("When do you open?")
    response = story.respond()
    story.pass_time(4.5)
    part = story.item(response)
    story.voice(part, "From nine.", 500)
    story.item_ends(part, "From nine.")
    story.response_ends(response)
    story.pass_time(20.0)

    assert steps(story) == ["filler"]
    assert story.opened == []
    assert [f.text for f in story.all(TranscriptFinal) if f.speaker == "agent"] == [
        ONE_MOMENT.text,
        "From nine.",
    ]
    (turn,) = story.all(TurnCompleted)
    assert turn.response_latency_ms is not None
    assert turn.response_latency_ms > 4000, "the filler is not the answer"


def test_an_answer_that_is_stuck_is_given_up_and_asked_for_again() -> None:
    story = Story().connect()
    story.caller_says("When do you open?")
    stuck = story.respond()
    story.pass_time(6.2)
    (cancel,) = story.sent_of("response.cancel")
    assert cancel["response_id"] == stuck.id
    story.response_is_cancelled(stuck)

    assert len(story.sent_of("response.create")) == 1
    story.agent_says("From nine.", ms=300)
    story.pass_time(10.0)
    assert steps(story) == ["filler", "reask"]


def test_a_greeting_that_does_not_come_is_asked_for_again_in_the_same_words() -> None:
    story = Story().connect(greet=False)
    story.pass_time(6.2)

    assert steps(story) == ["filler", "reask"]
    first, again = asked(story)
    assert first == again


def test_a_caller_of_another_language_is_not_bridged_in_english_but_excused_in_words() -> None:
    story = Story(receptionist(language="fr")).connect()
    story.caller_says("Allô ?")
    story.pass_time(9.0)
    assert steps(story) == ["reask"]
    assert story.recorded == []

    story.pass_time(20.0)
    assert story.recorded == [CANNOT_GO_ON]


def test_a_caller_who_speaks_again_begins_a_new_wait() -> None:
    story = Story().connect()
    story.caller_says("When do you open?")
    story.pass_time(3.5)
    story.caller_says("Hello?")
    story.pass_time(3.5)

    assert steps(story) == []


def test_an_answer_that_is_being_heard_is_not_waited_for_however_long_it_is() -> None:
    story = Story().connect()
    story.caller_says("Tell me everything.")
    story.agent_says("Well, " * 50, ms=40_000)
    story.pass_time(41.0)

    assert steps(story) == []


def test_a_tool_has_its_own_time() -> None:
    story = Story().connect()
    story.caller_says("Book me at three.")
    story.agent_calls("book")
    story.pass_time(3.0)
    story.agent_says("One moment, I am still looking.", ms=500)
    story.pass_time(12.0)

    assert steps(story) == []


def test_a_caller_whose_network_is_gone_is_not_spoken_to() -> None:
    story = Story().connect()
    story.caller_says("When do you open?")
    story.conversation.peer_lost(2000, story.now)
    story.drive()
    story.pass_time(30.0)

    assert steps(story) == []


@pytest.mark.trap(23)
def test_a_silent_caller_is_asked_and_then_said_goodbye_to() -> None:
    story = Story(receptionist(limits=QUIET_LINE)).connect()
    story.pass_time(12.0)
    assert asked(story) == [instructions.STILL_THERE]
    story.agent_says("Are you still there?", ms=800)
    story.pass_time(18.5)
    assert "nobody has said anything" in asked(story)[-1]
    story.agent_says("Goodbye.", ms=400)
    story.pass_time(1.0)

    assert steps(story) == ["idle_prompt", "idle_hang_up"]
    assert story.closed == "silence"


def test_a_caller_who_answers_the_question_goes_on() -> None:
    story = Story(receptionist(limits=QUIET_LINE)).connect()
    story.pass_time(12.0)
    story.agent_says("Are you still there?", ms=800)
    story.pass_time(3.0)
    story.caller_says("Yes, I was looking for my diary.")
    story.agent_says("Take your time.", ms=500)
    story.pass_time(11.0)

    assert steps(story) == ["idle_prompt"]
    assert story.closed is None


@pytest.mark.trap(23)
def test_hold_music_does_not_keep_a_call_alive_for_ever() -> None:
    story = Story(receptionist(limits=QUIET_LINE)).connect()
    for _ in range(40):
        if story.hung_up:
            break
        story.caller_says("", seconds=2.0)  # what was taken for speech had no words
        story.agent_says("Sorry, I did not catch that.", ms=1000)
        story.pass_time(1.5)

    story.pass_time(6.0)
    assert story.closed == "silence"
    assert story.now < 100 + 150


def test_one_noise_without_an_end_does_not_either() -> None:
    story = Story(receptionist(limits=QUIET_LINE)).connect()
    story.caller_starts()
    story.pass_time(90.0)

    assert story.closed == "silence"


def test_a_limit_that_is_near_is_spoken_of_once() -> None:
    story = Story(receptionist(limits={"max_duration_s": 300, "idle_prompt_s": 600, "idle_hangup_s": 1200}))
    story.connect()
    story.pass_time(300 - WARN_BEFORE_S - 1)
    assert asked(story) == [instructions.LAST_MINUTE]
    story.agent_says("We have one more minute.", ms=700)
    story.pass_time(WARN_BEFORE_S + 0.5)

    assert len(asked(story)) == 2
    assert "longest duration" in asked(story)[-1]


@pytest.mark.trap(11)
def test_a_call_of_65_minutes_crosses_the_cap_in_a_silence() -> None:
    """Each session of this server ends at 60 minutes; none gets so old."""
    story = Story(receptionist(limits={"max_duration_s": 70 * 60, "idle_prompt_s": 60, "idle_hangup_s": 120}))
    story.connect()
    began = session_began = story.now
    ages = []
    gaps_s = []
    for number in itertools.count():
        story.caller_says(f"Question {number}?", seconds=2.0)
        asked_at = story.now
        heard = story.heard_audio_ms
        if story.sent_of("response.create"):
            story.sent.clear()
        story.agent_says(f"Answer {number}.", ms=1500)
        story.pass_time(0.1)
        assert story.heard_audio_ms > heard
        gaps_s.append(story.now - asked_at)
        for _ in range(20):
            story.pass_time(1.0)
            if len(story.opened) > len(story.all(SessionReconnected)):
                ages.append(story.now - session_began)
                story.restore()
                session_began = story.now
        if story.now - began >= 65 * 60:
            break

    assert [round(age / 60) for age in ages] == [50]
    assert story.only(SessionReconnected).cause == "rotation"
    assert max(gaps_s) < 0.2
    assert steps(story) == []
    said = [final.text for final in story.all(TranscriptFinal)]
    assert len(said) == len(set(said)) == 2 * (number + 1)
    assert asked(story) == []
