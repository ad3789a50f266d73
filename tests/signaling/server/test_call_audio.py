"""Who hears whom, on real legs: each voice is a tone of its own, and each ear is asked what it got."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from itertools import pairwise

import numpy as np
import pytest

from media.format import FRAME_BYTES, SAMPLE_RATE
from media.patchbay import Role
from media.playout import PartKey
from media.rtc.caller import Caller
from media.rtc.peer import Peer
from signaling.server.call_audio import CallAudio
from signaling.server.human_transcription import Voice
from tests.fakes.calls import CONFIG, LOOPBACK, settled
from tests.fakes.listener import Listener
from tests.fakes.tones import tone

VOICES = {"agent": 440.0, "caller": 700.0, "sato": 1000.0, "mori": 1300.0, "tone": 425.0}
PART = PartKey("response", "item", 0)
RECENT_S = 0.4


def voices_in(pcm: bytes, among: tuple[str, ...] = ("agent", "caller", "sato", "mori")) -> set[str]:
    """Whose tones are in it, at a tenth of their loudness or more."""
    samples = np.frombuffer(pcm, "<i2").astype(float)
    if len(samples) < SAMPLE_RATE // 10:
        return set()
    at = np.arange(len(samples)) / SAMPLE_RATE
    found = set()
    for name in among:
        strength = 2 * abs(np.mean(samples * np.exp(-2j * np.pi * VOICES[name] * at)))
        if strength > 800:
            found.add(name)
    return found


class Scene(Listener):
    """A call whose caller and agent speak all the time. Is the caller leg's observer and the desk's listener."""

    def __init__(self) -> None:
        super().__init__()
        self.audio_bus = CallAudio(CONFIG, self)
        self.caller = Caller(addresses=LOOPBACK)
        self.peer: Peer | None = None
        self.model: list[bytes] = []
        self.people: dict[Voice, list[bytes]] = {"caller": [], "operator": []}
        self.operators: dict[str, Caller] = {}
        self.speaking: list[asyncio.Task[None]] = []

    async def answer(self, offer: str) -> str:
        self.peer = await Peer.answer(offer, self, CONFIG)
        self.audio_bus.caller_on(self.peer)
        return self.peer.answer_sdp

    def audio_received(self, pcm: bytes, at: float) -> None:
        heard = self.audio_bus.from_caller(pcm, at)
        self.model.append(b"" if heard is None else heard)
        super().audio_received(pcm, at)

    def operator_heard(self, operator: str) -> None:
        self._tell("operator_heard", operator)

    def operator_lost(self, operator: str) -> None:
        self._tell("operator_lost", operator)

    def people_heard(self, voice: Voice, pcm: bytes, at: float) -> None:
        self.people[voice].append(pcm)

    def say_all_along(self, who: Caller, hz: float) -> None:
        self.speaking.append(asyncio.create_task(who.speak(tone(hz, 20.0))))

    def agent_says(self) -> None:
        assert self.peer is not None
        self.peer.play(PART, tone(VOICES["agent"], 20.0))

    async def join(self, operator: str, role: Role, *, listens_only: bool = False) -> Caller:
        """Somebody of the desk, whose tone goes on from the moment the leg is up."""
        leg = Caller(addresses=LOOPBACK, listens_only=listens_only)
        self.operators[operator] = leg

        async def offer(sdp: str) -> str:
            return await self.audio_bus.attach(operator, role, sdp)

        told = self.names().count("operator_heard")
        await leg.connect(offer)
        self.say_all_along(leg, VOICES[operator])
        await self.until_true(lambda: self.names().count("operator_heard") > told)
        return leg

    async def heard(self) -> dict[str, set[str]]:
        """Who hears whom in the time that follows."""
        await self.frames(int(RECENT_S / 0.02) + 15)  # 300 ms until what was before has been played out
        heard = {"caller": voices_in(recent(self.caller)), "model": voices_in(b"".join(self.model[-20:]))}
        return heard | {name: voices_in(recent(leg)) for name, leg in self.operators.items()}


def recent(leg: Caller) -> bytes:
    return leg.recording()[-int(RECENT_S * SAMPLE_RATE) * 2 :]


@asynccontextmanager
async def a_scene() -> AsyncIterator[Scene]:
    before = asyncio.all_tasks()
    scene = Scene()
    try:
        await scene.caller.connect(scene.answer)
        await scene.until("connected")
        scene.say_all_along(scene.caller, VOICES["caller"])
        scene.agent_says()
        yield scene
    finally:
        for task in scene.speaking:
            task.cancel()
        await asyncio.gather(*scene.speaking, return_exceptions=True)
        await scene.audio_bus.close()
        for leg in (scene.caller, *scene.operators.values()):
            await leg.close()
        if scene.peer is not None:
            await scene.peer.close()
    await settled()
    assert asyncio.all_tasks() <= before


async def test_a_listener_hears_both_and_nobody_hears_the_listener() -> None:
    async with a_scene() as scene:
        assert scene.audio_bus.plain
        await scene.join("sato", "listen", listens_only=True)
        assert await scene.heard() == {"caller": {"agent"}, "model": {"caller"}, "sato": {"agent", "caller"}}


async def test_a_listener_who_sends_audio_all_the_same_is_not_heard() -> None:
    async with a_scene() as scene:
        await scene.join("sato", "listen")
        assert await scene.heard() == {"caller": {"agent"}, "model": {"caller"}, "sato": {"agent", "caller"}}
        assert scene.people["operator"] == []


async def test_a_takeover_makes_the_agent_silent_and_deaf() -> None:
    async with a_scene() as scene:
        await scene.join("sato", "talk")
        assert (await scene.heard())["caller"] == {"agent"}
        scene.audio_bus.give_ear("operator")
        assert await scene.heard() == {"caller": {"sato"}, "model": set(), "sato": {"caller"}}
        assert voices_in(b"".join(scene.people["operator"][-20:])) == {"sato"}
        assert voices_in(b"".join(scene.people["caller"][-20:])) == {"caller"}


async def test_between_agent_and_operator_the_caller_never_hears_nothing() -> None:
    async with a_scene() as scene:
        await scene.join("sato", "talk")
        await scene.frames(10)
        scene.audio_bus.give_ear("operator")
        await scene.frames(25)
        spoken = [p for p in scene.caller.packets if len(p.payload) > 20]
        gaps = [(b.timestamp - a.timestamp) & 0xFFFFFFFF for a, b in pairwise(spoken[-40:])]
        assert max(gaps) <= 960 * 10  # of the RTP clock: 200 ms


async def test_the_agent_goes_on_where_it_was_stopped_when_it_has_the_ear_again() -> None:
    async with a_scene() as scene:
        await scene.join("sato", "talk")
        scene.audio_bus.give_ear("operator")
        await scene.frames(20)
        assert scene.peer is not None
        queued = scene.peer.stats().queued_ms
        await scene.frames(20)
        assert scene.peer.stats().queued_ms == queued
        scene.audio_bus.drop("sato")
        scene.audio_bus.give_ear("agent")
        heard = await scene.heard()
        assert (heard["caller"], heard["model"]) == ({"agent"}, {"caller"})
        assert scene.audio_bus.plain


async def test_barging_in_joins_all_three() -> None:
    async with a_scene() as scene:
        await scene.join("sato", "barge")
        assert await scene.heard() == {
            "caller": {"agent", "sato"},
            "model": {"caller", "sato"},
            "sato": {"agent", "caller"},
        }


async def test_on_hold_the_caller_hears_the_tone_and_the_desk_nothing() -> None:
    async with a_scene() as scene:
        await scene.join("sato", "talk")
        scene.audio_bus.give_ear("operator")
        await scene.frames(10)
        scene.audio_bus.give_ear("tone")
        await scene.frames(100)  # one period of the tone
        assert voices_in(scene.caller.recording()[-2 * SAMPLE_RATE * 2 :], ("sato", "agent")) == set()
        assert np.abs(np.frombuffer(scene.caller.recording()[-2 * SAMPLE_RATE * 2 :], "<i2")).max() > 1000
        assert voices_in(recent(scene.operators["sato"])) == set()
        scene.audio_bus.give_ear("operator")
        assert (await scene.heard())["caller"] == {"sato"}


async def test_a_muted_operator_is_not_heard() -> None:
    async with a_scene() as scene:
        await scene.join("sato", "talk")
        scene.audio_bus.give_ear("operator")
        scene.audio_bus.mute("sato", True)
        assert (await scene.heard())["caller"] == set()
        scene.audio_bus.mute("sato", False)
        assert (await scene.heard())["caller"] == {"sato"}


async def test_a_second_leg_of_an_operator_takes_the_place_of_the_first() -> None:
    async with a_scene() as scene:
        first = await scene.join("sato", "talk")
        scene.audio_bus.give_ear("operator")
        await scene.join("sato", "talk")
        await first.closed.wait()
        assert (await scene.heard())["caller"] == {"sato"}
        assert "operator_lost" not in scene.names()  # the old leg's end is not the operator's
        await first.close()


async def test_an_operator_whose_browser_dies_is_missed_within_two_seconds() -> None:
    async with a_scene() as scene:
        leg = await scene.join("sato", "talk")
        scene.audio_bus.give_ear("operator")
        leg.muted = True
        began = len(scene.audio)
        await scene.until("operator_lost")
        assert (len(scene.audio) - began) * 20 <= 2500
        leg.muted = False
        told = scene.names().count("operator_heard")
        await scene.until_true(lambda: scene.names().count("operator_heard") > told)


async def test_an_operator_hears_a_tone_while_the_caller_is_away() -> None:
    async with a_scene() as scene:
        await scene.join("sato", "talk")
        scene.audio_bus.give_ear("operator")
        scene.audio_bus.caller_away(True)
        await scene.frames(100)
        heard = scene.operators["sato"].recording()[-2 * SAMPLE_RATE * 2 :]
        assert voices_in(heard) == set()
        assert np.abs(np.frombuffer(heard, "<i2")).max() > 1000


async def test_the_callers_leg_is_never_renegotiated() -> None:
    async with a_scene() as scene:
        sdp = scene.peer and scene.peer.answer_sdp
        await scene.join("sato", "talk")
        scene.audio_bus.give_ear("operator")
        await scene.frames(10)
        ssrcs = {p.payload_type for p in scene.caller.packets}
        assert len(ssrcs) == 1
        sequence = [p.sequence for p in scene.caller.packets]
        assert all((b - a) & 0xFFFF == 1 for a, b in pairwise(sequence))
        assert scene.peer is not None
        assert scene.peer.answer_sdp == sdp


@pytest.mark.parametrize("operator", ["nobody"])
async def test_what_concerns_somebody_who_is_not_there_changes_nothing(operator: str) -> None:
    async with a_scene() as scene:
        scene.audio_bus.drop(operator)
        scene.audio_bus.set_role(operator, "barge")
        scene.audio_bus.mute(operator, True)
        assert scene.audio_bus.plain
        assert FRAME_BYTES == 960
