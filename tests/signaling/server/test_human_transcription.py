"""What people say to each other is written down, voice by voice, against the simulator in its scripted mode."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from media.format import FRAME_BYTES, FRAME_MS, SILENT_FRAME
from realtime.agent import read_agent
from realtime.client.endpoint import Endpoint
from realtime.people_talking import Utterance
from realtime.simulator.script import Script
from realtime.simulator.server import Simulator
from signaling.server.human_transcription import HumanTranscription, Voice
from tests.scenarios.voices import loud

AGENT = read_agent(
    {"id": "front", "name": "Front desk", "instructions": "Help.", "language": "ja-JP"},
    source="test",
    version="v1",
)


class Ear:
    """Keeps what it is told; implements the listener."""

    def __init__(self) -> None:
        self.heard: list[tuple[Voice, Utterance, float, float]] = []
        self.failures: list[tuple[Voice, str]] = []
        self.news = asyncio.Event()

    def said(self, voice: Voice, utterance: Utterance, started_at: float, ended_at: float) -> None:
        self.heard.append((voice, utterance, started_at, ended_at))
        self.news.set()

    def not_written_down(self, voice: Voice, code: str, detail: str) -> None:
        self.failures.append((voice, code))
        self.news.set()

    async def until(self, heard: int = 0, failures: int = 0) -> None:
        async with asyncio.timeout(10):
            while len(self.heard) < heard or len(self.failures) < failures:
                self.news.clear()
                await self.news.wait()


@pytest.fixture
async def simulator() -> AsyncIterator[Simulator]:
    async with Simulator(mind=Script(hears=["first words", "second words"])) as running:
        yield running


def endpoint(simulator: Simulator) -> Endpoint:
    return Endpoint(url=simulator.url, api_key="x", connect_timeout_s=5)


def speak(
    people: HumanTranscription, voice: Voice, at: float, *, ms: int = 600, pause_ms: int = 1000
) -> float:
    """Speech and a pause, faster than life; the time after it."""
    pcm = loud(ms) + SILENT_FRAME * (pause_ms // FRAME_MS)
    for start in range(0, len(pcm), FRAME_BYTES):
        people.heard(voice, pcm[start : start + FRAME_BYTES], at)
        at += FRAME_MS / 1000
    return at


async def test_each_voice_is_written_down_on_its_own_with_the_times_of_the_call(simulator: Simulator) -> None:
    ear = Ear()
    people = HumanTranscription(endpoint(simulator), AGENT, ear)
    quiet_until = 1000.0
    for _ in range(25):
        people.heard("caller", SILENT_FRAME, quiet_until)
        people.heard("operator", SILENT_FRAME, quiet_until)
        quiet_until += FRAME_MS / 1000
    speak(people, "caller", quiet_until)
    speak(people, "operator", quiet_until + 2.0)
    await ear.until(heard=2)
    told = {voice: (utterance.text, start, end) for voice, utterance, start, end in ear.heard}
    assert {voice: text for voice, (text, *_) in told.items()} == {
        "caller": "first words",
        "operator": "first words",
    }
    assert told["caller"][1] == pytest.approx(quiet_until, abs=0.2)
    assert told["caller"][2] == pytest.approx(quiet_until + 1.1, abs=0.3)
    await people.close()


async def test_the_sessions_only_write_down_in_the_agents_language_and_never_answer(
    simulator: Simulator,
) -> None:
    ear = Ear()
    people = HumanTranscription(endpoint(simulator), AGENT, ear)
    speak(people, "caller", 0.0)
    await ear.until(heard=1)
    (session,) = simulator.sessions
    (configuration,) = session.configurations
    assert configuration.sent["type"] == "transcription"
    assert configuration.sent["audio"]["input"]["transcription"]["language"] == "ja"
    assert not [kind for kind, _ in session.sent if kind.startswith("response.")]
    await people.close()


async def test_the_last_words_are_waited_for(simulator: Simulator) -> None:
    ear = Ear()
    people = HumanTranscription(endpoint(simulator), AGENT, ear)
    at = speak(people, "operator", 0.0)
    await ear.until(heard=1)
    speak(people, "operator", at, pause_ms=40)  # still speaking, as far as anybody can tell
    await people.last_words()
    assert [utterance.text for _, utterance, _, _ in ear.heard] == ["first words", "second words"]
    await people.close()


async def test_a_provider_that_refuses_is_told_of_and_tried_again_later(simulator: Simulator) -> None:
    simulator.faults.next("refuse_500")
    ear = Ear()
    people = HumanTranscription(endpoint(simulator), AGENT, ear)
    at = asyncio.get_running_loop().time()
    people.heard("caller", SILENT_FRAME, at)
    await ear.until(failures=1)
    assert ear.failures == [("caller", "server_error")]
    people.heard("caller", SILENT_FRAME, at + 1)
    assert simulator.sessions == []
    speak(people, "caller", at + 10)
    await ear.until(heard=1)
    await people.close()


async def test_a_session_that_drops_takes_nothing_with_it_but_its_own_words(simulator: Simulator) -> None:
    ear = Ear()
    people = HumanTranscription(endpoint(simulator), AGENT, ear)
    at = speak(people, "caller", 0.0)
    await ear.until(heard=1)
    await simulator.sessions[0].strike("drop_1011")
    await ear.until(failures=1)
    speak(people, "caller", asyncio.get_running_loop().time() + at + 10)
    await ear.until(heard=2)
    await people.close()


async def test_closing_before_the_session_stands_leaves_nothing_behind(simulator: Simulator) -> None:
    people = HumanTranscription(endpoint(simulator), AGENT, Ear())
    people.heard("caller", SILENT_FRAME, 0.0)
    await people.close()
    await people.close()
    people.heard("caller", SILENT_FRAME, 1.0)
    await people.last_words()
