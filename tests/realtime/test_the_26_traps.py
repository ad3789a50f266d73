"""The 26 troubles that have hurt other voice bridges: each is named by a test, here or where its part is tested.

A test names a trap with `@pytest.mark.trap(number)`; what it held is checked where it stands.
"""

from __future__ import annotations

import asyncio
import functools
from typing import Any

import pytest

from realtime import client_events
from realtime.client.endpoint import Endpoint
from realtime.recorded_words import CANNOT_GO_ON
from realtime.simulator.script import Reply, Script
from realtime.simulator.server import Simulator
from storage.events import SessionFailed, TranscriptFinal, TurnInterrupted, TurnStarted
from tests.fakes.marks import named_by_tests
from tests.fakes.realtime_story import Story, receptionist
from tests.fakes.wire_call import WireCall, wire_call
from tests.scenarios.voices import loud

TRAPS = {
    1: "the caller hears silence: the bot does not greet",
    2: "the greeting is cut by line noise or echo",
    3: "the bot keeps talking after an interruption",
    4: "the model remembers words never heard, or a truncation is an error",
    5: "the assistant's text vanishes from the record after an interruption",
    6: "a response is asked for while one is active: an error, or two voices",
    7: "one spoken reply for each of several parallel tools",
    8: "dead air in a slow tool",
    9: "a reply plays after it was given up",
    10: "a cancel of nothing is taken for a fatal error",
    11: "the session dies at sixty minutes",
    12: "after a reconnect the model greets again, or has forgotten",
    13: "text-only replies after the history was seeded",
    14: "the user's transcript after the answer, turns spliced",
    15: "empty or foreign transcripts of silence and noise",
    16: "no user transcript at all",
    17: "the bot interrupts itself: its echo from a loudspeaker",
    18: "backchannels and coughs stop the bot",
    19: "static, fast or slow voice: another audio format than was asked for",
    20: "choppy audio",
    21: "the goodbye is cut off by the hang-up",
    22: "the session leaks after the caller has hung up",
    23: "a silent caller never ends",
    24: "keypad presses are ignored, or break the call",
    25: "the agent goes mute under rate limits or quota",
    26: "only the first of two sentences is played",
}


@functools.cache
@pytest.mark.parametrize("number", TRAPS, ids=lambda number: f"{number}: {TRAPS[number]}")
def test_every_trap_is_named_by_a_test(number: int) -> None:
    assert named_by_tests("trap").get(number)


def test_no_test_names_a_trap_that_is_not_in_the_list() -> None:
    assert set(named_by_tests("trap")) == set(TRAPS) == set(range(1, 27))


# Trap 13: a seed of assistant texts makes a model answer in text.


def writes_instead_of_speaking(story: Story) -> None:
    response = story.respond()
    story.item(response)
    story.response_ends(response)


@pytest.mark.trap(13)
def test_an_answer_that_was_only_written_is_asked_for_again() -> None:
    story = Story().connect()
    story.drop()
    story.restore()
    story.sent.clear()
    story.caller_says("When are you open?")
    writes_instead_of_speaking(story)
    story.pass_time(1.1)
    assert len(story.sent_of("response.create")) == 1, (
        "the caller heard nothing, and nothing was done about it"
    )
    story.agent_says("From nine.", ms=500)
    story.pass_time(1)

    assert story.heard_audio_ms == 600 + 500
    assert story.closed is None


@pytest.mark.trap(13)
def test_a_model_that_only_writes_is_not_taken_for_one_that_speaks() -> None:
    story = Story().connect()
    story.caller_says("When are you open?")
    writes_instead_of_speaking(story)
    story.pass_time(1.1)
    writes_instead_of_speaking(story)

    assert story.only(SessionFailed).code == "response_not_spoken"
    assert story.recorded == [CANNOT_GO_ON]


# Traps 2, 17 and 18: what sounds like speech and is not.

GREETING = "Good morning, this is Harbour Dental, my name is Emma, how can I help you today?"
STORY = "We are open from nine until five, and on Saturdays from ten until two in the afternoon."
CAREFUL = {"min_speech_ms": 300}


def careful(**changes: object) -> Story:
    return Story(receptionist(interruption=CAREFUL, **changes))


def makes_a_sound(story: Story, text: str, *, speech_ms: int = 150) -> str:
    """As the server tells a short sound: padding and the ending silence are part of its audio."""
    item_id = story.caller_starts()
    begun_ms = story._appended_ms
    story.pass_time(speech_ms / 1000 + 0.5)
    end_ms = begun_ms + 300 + speech_ms + 500
    story.server("input_audio_buffer.speech_stopped", item_id=item_id, audio_end_ms=end_ms)
    story.commits(item_id)
    story.pass_time(0.3)
    story.transcribed(item_id, text)
    return item_id


@pytest.mark.trap(2)
def test_line_noise_makes_the_greeting_pause_and_not_stop() -> None:
    story = careful().connect(greet=False)
    story.agent_says(GREETING, ms=4000)
    story.pass_time(0.5)
    heard_ms = story.heard_audio_ms
    makes_a_sound(story, "")
    assert story.heard_audio_ms == heard_ms, "the agent spoke on into what might have been the caller"
    story.pass_time(5)

    assert story.heard_audio_ms == 4000
    assert story.truncated() == [] == story.all(TurnInterrupted)
    (final,) = story.all(TranscriptFinal)
    assert (final.heard_text, final.interrupted) == (GREETING, False)
    assert len(story.sent_of("response.create")) == 1, "the noise was answered"


@pytest.mark.trap(2)
def test_a_caller_who_really_speaks_into_the_greeting_gets_through_at_once() -> None:
    story = careful().connect(greet=False)
    part = story.agent_says(GREETING, ms=4000)
    story.pass_time(0.5)
    item_id = story.caller_starts()
    story.pass_time(1.5)
    assert story.truncated() == [(part.item_id, 500)]
    story.caller_stops(item_id)
    story.transcribed(item_id, "I have a terrible toothache.")
    story.pass_time(0.1)

    assert len(story.sent_of("response.create")) == 2, "the caller is answered by us, and once"
    story.agent_says("Oh dear.", ms=600)
    story.pass_time(1)
    assert story.heard_audio_ms == 500 + 600
    assert [each.speaker for each in story.all(TurnStarted)] == ["agent", "caller"]


@pytest.mark.trap(18)
@pytest.mark.parametrize("sound", ["", "Mm-hm.", "うん。", "Uh-huh, uh-huh"])
def test_a_cough_or_a_backchannel_does_not_stop_the_agent(sound: str) -> None:
    story = careful().connect()
    story.caller_says("When are you open?")
    story.pass_time(0.1)
    story.agent_says(STORY, ms=5000)
    story.pass_time(1)
    asked = len(story.sent_of("response.create"))
    makes_a_sound(story, sound)
    story.pass_time(6)

    assert story.heard_audio_ms == 600 + 5000
    assert story.truncated() == [] == story.all(TurnInterrupted)
    assert len(story.sent_of("response.create")) == asked
    said = [each.text for each in story.all(TranscriptFinal) if each.speaker == "caller"]
    assert said == ["When are you open?", *([sound] if sound else [])], (
        "what was said is on record all the same"
    )


@pytest.mark.trap(18)
def test_a_short_word_is_no_cough() -> None:
    story = careful().connect()
    story.caller_says("When are you open?")
    story.pass_time(0.1)
    part = story.agent_says(STORY, ms=5000)
    story.pass_time(1)
    makes_a_sound(story, "Stop!")
    story.pass_time(0.1)

    assert story.truncated() == [(part.item_id, 1000)]
    assert story.only(TurnInterrupted).heard_ms == 1000
    assert len(story.sent_of("response.create")) == 2
    types = [event.type for event in story.events]
    assert types.index("turn.interrupted") < types.index("turn.started", types.index("turn.interrupted"))


@pytest.mark.trap(18)
def test_a_sound_whose_words_do_not_come_is_taken_for_the_caller() -> None:
    story = careful().connect()
    story.caller_says("When are you open?")
    story.pass_time(0.1)
    part = story.agent_says(STORY, ms=5000)
    story.pass_time(1)
    item_id = story.caller_starts()
    story.pass_time(0.6)
    story.server("input_audio_buffer.speech_stopped", item_id=item_id, audio_end_ms=story._appended_ms)
    story.commits(item_id)
    story.pass_time(2)

    assert story.truncated() == [(part.item_id, 1000)]
    assert len(story.sent_of("response.create")) == 2


@pytest.mark.trap(18)
def test_the_last_syllables_of_a_question_may_be_answered_with_a_sound() -> None:
    story = careful().connect()
    story.caller_says("When are you open?")
    story.pass_time(0.1)
    story.agent_says("Shall I book it?", ms=1000)
    story.pass_time(0.6)
    makes_a_sound(story, "Mm-hm.")
    story.pass_time(0.1)

    assert len(story.sent_of("response.create")) == 2
    assert story.all(TurnInterrupted)


@pytest.mark.trap(17)
def test_the_agents_own_echo_does_not_stop_it() -> None:
    """What a loudspeaker gives back is short, faint pieces without words, again and again."""
    story = careful(noise_reduction="far_field").connect(greet=False)
    asked = story.sent_of("session.update")[0]["session"]["audio"]["input"]
    assert asked["noise_reduction"] == {"type": "far_field"}
    assert asked["turn_detection"]["interrupt_response"] is False
    story.agent_says(GREETING, ms=8000)
    for _ in range(3):
        story.pass_time(0.8)
        makes_a_sound(story, "", speech_ms=100)
    story.pass_time(9)

    assert story.heard_audio_ms == 8000
    assert story.truncated() == []
    assert len(story.sent_of("response.create")) == 1


# Trap 16: a server writes down what it is asked to, and nothing else.


async def spoken_to(simulator: Simulator, config: dict[str, Any] | None) -> tuple[WireCall, list[str]]:
    """Half a second of speech, to a session as we configure it or, with `config`, otherwise; what came of it."""
    endpoint = Endpoint(url=simulator.url, api_key="k")
    async with wire_call(endpoint, receptionist()) as call:
        await call.until(lambda: call.got("response.done"))
        if config is not None:
            call.line.send(client_events.session_update("ev_test", config))
            await call.until(lambda: len(call.got("session.updated")) > 1)
        sound = loud(500) + bytes(48_000)
        for at in range(0, len(sound), 960):
            call.line.append(sound[at : at + 960])
            call.conversation.audio_appended(call.line.appended_ms, asyncio.get_running_loop().time())
        await call.until(lambda: len(call.got("response.done")) > 1)
        written = [event.text for event in call.of(TranscriptFinal) if event.speaker == "caller"]
    return call, written


@pytest.mark.trap(16)
async def test_the_callers_words_are_on_record_because_they_were_asked_for() -> None:
    script = Script(
        hears=["When are you open?"] * 2,
        says=[Reply(text="Nine.", audio_ms=100)],
        transcription_ms=0,
        loop=True,
    )
    async with Simulator(mind=script) as simulator:
        _, on_record = await spoken_to(simulator, None)
        unasked = {"type": "realtime", "audio": {"input": {"transcription": None}}}
        call, without = await spoken_to(simulator, unasked)

    assert on_record == ["When are you open?"]
    assert without == [], "the trap is gone: a server transcribes without being asked"
    assert not [event for event in call.received if "transcription" in event["type"]]
