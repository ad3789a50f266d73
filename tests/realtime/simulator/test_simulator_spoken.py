"""The spoken simulator: real speech in, real speech out, an appointment booked by ear."""

import base64
import json
from collections.abc import AsyncIterator
from typing import Any

import numpy as np
import pytest

from realtime.simulator.audio_formats import encode
from realtime.simulator.script import AT_ONCE
from realtime.simulator.server import Simulator
from realtime.simulator.speech import synthesize, transcribe
from tests.fakes.mind_chat import ALL_TOOLS, CONFIRMING
from tests.fakes.realtime_caller import Caller, calling

# Two threads make all speech here, and the machine may be busy with other tests.
DEADLINE_S = 30
# What follows every turn: longer than the silence that ends it.
PAUSE = bytes(48 * 1200)
TRANSCRIBED = {"transcription": {"model": "gpt-transcribe"}}
# The synthetic voice rests for half a second between two sentences: that is not the end of a turn here.
PATIENT = {**TRANSCRIBED, "turn_detection": {"type": "server_vad", "silence_duration_ms": 900}}


@pytest.fixture
async def spoken() -> AsyncIterator[Simulator]:
    """The models are loaded once and stay for all tests of the process."""
    async with Simulator(pace=AT_ONCE) as simulator:
        yield simulator


class Conversation:
    """A caller who speaks (a little faster than the agent) and listens."""

    def __init__(self, caller: Caller) -> None:
        self.caller = caller
        self.understood = ""  # what the simulator made of the caller's last words
        self.calls: list[dict[str, Any]] = []

    async def greeting(self) -> str:
        """`response.create` without a word of the caller."""
        await self.caller.send("response.create")
        return await self.listen()

    async def say(self, words: str) -> str:
        """Speak, and listen to the answer."""
        await self.caller.audio(synthesize(words, speed=1.1) + PAUSE)
        completed = await self.caller.next(
            "conversation.item.input_audio_transcription.completed", timeout=10
        )
        self.understood = completed["transcript"]
        return await self.listen(already=completed)

    async def give(self, output: dict[str, Any]) -> str:
        """The output of the last function call; listen to what is said to it."""
        item = {
            "type": "function_call_output",
            "call_id": self.calls[-1]["call_id"],
            "output": json.dumps(output),
        }
        await self.caller.send("conversation.item.create", item=item)
        await self.caller.send("response.create")
        return await self.listen()

    async def listen(self, already: dict[str, Any] | None = None) -> str:
        """The words of the answer, recognised from its audio; its function calls go to `calls`."""
        events = self.caller.events
        if already is None or not _answered(events):
            await self.caller.next("response.done", timeout=DEADLINE_S)
        last = max(index for index, event in enumerate(events) if event["type"] == "response.created")
        answer = [
            event for event in events[last:] if event.get("response_id") == events[last]["response"]["id"]
        ]
        [done] = [event for event in events[last:] if event["type"] == "response.done"]
        self.calls = [item for item in done["response"]["output"] if item["type"] == "function_call"]
        audio = [base64.b64decode(e["delta"]) for e in answer if e["type"] == "response.output_audio.delta"]
        return transcribe(b"".join(audio))


def _answered(events: list[dict[str, Any]]) -> bool:
    """Whether the newest committed turn has its response already."""
    order = [event["type"] for event in events]
    committed = len(order) - 1 - order[::-1].index("input_audio_buffer.committed")
    return "response.done" in order[committed:]


async def test_an_appointment_is_booked_by_voice_and_the_name_is_remembered_over_turns(
    spoken: Simulator,
) -> None:
    async with calling(spoken.url) as caller:
        await caller.update(instructions=CONFIRMING, tools=list(ALL_TOOLS), audio={"input": PATIENT})
        talk = Conversation(caller)

        assert "how can i help" in (await talk.greeting()).lower()
        asks = await talk.say("Hello, my name is Alice Johnson. I would like to book an appointment.")
        assert "day" in asks.lower()
        assert "Alice Johnson" in talk.understood
        assert "time" in (await talk.say("Next Wednesday, please.")).lower()
        back = await talk.say("At half past two.")
        assert "Alice Johnson" in back
        assert "November" in back
        await talk.say("Yes, that is right.")

        [call] = talk.calls
        assert call["name"] == "schedule_appointment"
        assert json.loads(call["arguments"]) == {
            "name": "Alice Johnson",
            "date": "2026-11-25",
            "time": "14:30",
        }

        booked = await talk.give(
            {"booked": True, "name": "Alice Johnson", "date": "2026-11-25", "time": "14:30"}
        )
        assert "booked" in booked.lower()


async def test_a_question_and_a_wish_for_a_person_are_understood_by_ear(spoken: Simulator) -> None:
    async with calling(spoken.url) as caller:
        await caller.update(instructions=CONFIRMING, tools=list(ALL_TOOLS), audio={"input": PATIENT})
        talk = Conversation(caller)

        assert "friday" in (await talk.say("What are your opening hours?")).lower()
        said = await talk.say("I want to speak to a human.")

    assert "moment" in said.lower()
    assert [call["name"] for call in talk.calls] == ["request_operator_handoff"]


async def test_speech_is_noticed_quickly_and_noise_is_not(spoken: Simulator) -> None:
    noise = np.random.default_rng(1).normal(0, 150, 24_000).astype(np.int16).tobytes()
    async with calling(spoken.url) as caller:
        await caller.audio(noise, chunk_ms=20)
        words = synthesize("Hello, is anybody there?")
        onset_ms = _onset_ms(words)
        await caller.audio(words[: (onset_ms + 160) * 48], chunk_ms=20)
        started = await caller.next("input_audio_buffer.speech_started")
        session = await spoken.session(len(spoken.sessions) - 1)

    # Prefix padding comes off; what remains is where the detector saw speech begin.
    assert started["audio_start_ms"] + 300 == pytest.approx(1000 + onset_ms, abs=100)
    assert session.received_audio_ms <= 1000 + onset_ms + 160


async def test_an_unfinished_sentence_is_waited_for(spoken: Simulator) -> None:
    semantic = {"type": "semantic_vad", "eagerness": "high"}
    async with calling(spoken.url) as caller:
        await caller.update(audio={"input": {"turn_detection": semantic}})
        words = synthesize("I would like an appointment on")
        await caller.audio(words + bytes(48 * 2400))
        stopped = await caller.next("input_audio_buffer.speech_stopped")

    assert stopped["audio_end_ms"] == pytest.approx(_last_sound_ms(words) + 2000, abs=200)


async def test_a_telephone_line_is_understood(spoken: Simulator) -> None:
    telephone = {"format": {"type": "audio/pcmu"}}
    async with calling(spoken.url) as caller:
        await caller.update(audio={"input": {**telephone, **TRANSCRIBED}, "output": telephone})
        words = np.frombuffer(
            synthesize("I need an appointment tomorrow at ten o'clock.") + PAUSE, dtype=np.int16
        )
        await caller.send(
            "input_audio_buffer.append", audio=base64.b64encode(encode(words, "audio/pcmu")).decode()
        )
        completed = await caller.next(
            "conversation.item.input_audio_transcription.completed", timeout=DEADLINE_S
        )

    assert "appointment tomorrow" in completed["transcript"].lower()


async def test_several_callers_are_heard_at_once(spoken: Simulator) -> None:
    async with calling(spoken.url) as one, calling(spoken.url) as two:
        for caller in (one, two):
            await caller.update(instructions=CONFIRMING, audio={"input": PATIENT})
        await one.audio(synthesize("What are your opening hours?") + PAUSE)
        await two.audio(synthesize("Where are you located?") + PAUSE)
        done = [await caller.next("response.done", timeout=DEADLINE_S) for caller in (one, two)]

    said = [event["response"]["output"][0]["content"][0]["transcript"] for event in done]
    assert "Monday" in said[0]
    assert "12 Harbour Street" in said[1]


def test_silence_has_no_words() -> None:
    assert transcribe(bytes(48 * 2000)) == ""


def test_what_is_synthesised_is_recognised() -> None:
    assert "appointment" in transcribe(synthesize("I would like an appointment.")).lower()


def _onset_ms(pcm: bytes) -> int:
    return int(np.argmax(_loud(pcm))) // 24


def _last_sound_ms(pcm: bytes) -> int:
    return len(pcm) // 48 - int(np.argmax(_loud(pcm)[::-1])) // 24


def _loud(pcm: bytes) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
    return np.abs(np.frombuffer(pcm, dtype=np.int16).astype(np.int32)) > 500
