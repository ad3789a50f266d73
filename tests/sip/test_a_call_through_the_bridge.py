"""The whole way in for a telephone: baresip or SIPp → Kamailio and rtpengine → `cordboard serve` → the record.

Redis, Postgres, both programs of the bridge and the telephones are real; the model is the simulator.
"""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from realtime.simulator import tone
from realtime.simulator.script import Asked, Reply, Script
from realtime.simulator.speech import synthesize, transcribe
from tests.scenarios.house import House, open_house
from tests.scenarios.test_a_call_end_to_end import rows_of
from tests.sip.bridge import MEDIA_SIDE, SERVERS, TELEPHONES, Bridge, Program, free_port, open_bridge
from tests.sip.sound import Samples, at_24k, likeness, unmistakable
from tests.sip.telephone import RATE, telephone

GREETING_MS = 4_000
QUIET = np.zeros(RATE, np.int16)


@dataclass(frozen=True)
class Line:
    house: House
    bridge: Bridge


@dataclass
class Opener:
    redis_url: str
    database_url: str
    folder: Path

    @asynccontextmanager
    async def __call__(self, *, mind: Script | None = None, **settings: str) -> AsyncIterator[Line]:
        """A house whose SIP door only the bridge knows."""
        door = f"{SERVERS}:{free_port(SERVERS)}"
        async with (
            open_house(
                redis_url=self.redis_url,
                database_url=self.database_url,
                folder=self.folder,
                mind=mind,
                settings={
                    "CORDBOARD_SIP__LISTEN": f"tcp:{door}",
                    "CORDBOARD_SIP__SOURCES": MEDIA_SIDE,
                    "CORDBOARD_SERVER__ADDRESSES": SERVERS,
                    **settings,
                },
            ) as house,
            open_bridge(servers=(door,), folder=self.folder / "bridge") as bridge,
        ):
            await bridge.server_is(door, "A")
            yield Line(house, bridge)


@pytest.fixture
def line(redis_url: str, database_url: str, tmp_path: Path) -> Opener:
    """`async with line(mind=…) as running:`"""
    return Opener(redis_url, database_url, tmp_path)


def greets(asked: Asked) -> Reply:
    return Reply(text="Hello, this is Harbour Dental.", audio_ms=GREETING_MS)


def at_8k(pcm24k: bytes) -> Samples:
    """Every third sample: what is said here has next to nothing above 4 kHz."""
    return np.frombuffer(pcm24k, dtype="<i2")[::3].astype(np.int16)


def words(text: str) -> list[str]:
    return re.sub(r"[^a-z0-9 ]", " ", text.lower()).split()


async def test_a_question_asked_on_the_telephone_is_answered_aloud_and_on_record(
    line: Opener, tmp_path: Path
) -> None:
    question = at_8k(synthesize("Can you tell me your opening hours, please?"))
    async with (
        line() as running,
        telephone(tmp_path / "phone", np.concatenate([*[QUIET] * 8, question])) as phone,
    ):
        events = running.house.events
        await phone.dial(f"sip:+15550123@{running.bridge.trunk}")
        started = await events.until("call.started")
        call_id = started.call_id
        asked = await events.until(
            "transcript.final", call_id=call_id, where=lambda data: data["speaker"] == "caller", within_s=40
        )
        await events.until("turn.completed", call_id=call_id, count=2, within_s=30)
        heard = transcribe(at_24k(phone.heard()))
        answer = events.of(call_id, "transcript.final")[-1].data["text"]
        await phone.press("42#")
        await events.until("dtmf.received", call_id=call_id, count=3)
        await phone.hang_up()
        ended = await events.until("call.ended", call_id=call_id)
        await running.bridge.no_sessions()

        assert (started.data["media"], started.data["called"]) == ("sip", "+15550123")
        assert "opening hours" in asked.data["text"].lower()
        said = words(answer)
        assert {"monday", "friday"} <= set(said), answer
        assert sum(word in words(heard) for word in said) >= 0.8 * len(said), (answer, heard)
        assert [each.data["digit"] for each in events.of(call_id, "dtmf.received")] == ["4", "2", "#"]
        assert ended.data["reason"] == "caller_hangup"
        (row,) = await rows_of(
            running.house.database_url,
            "SELECT media, end_reason FROM call_sessions WHERE call_id = $1 AND ended_at IS NOT NULL",
            call_id,
            count=1,
        )
        assert tuple(row) == ("sip", "caller_hangup")


async def test_the_greeting_arrives_whole_and_the_house_can_hang_up(line: Opener, tmp_path: Path) -> None:
    async with (
        line(mind=Script(says=[greets], loop=True)) as running,
        telephone(tmp_path / "phone", unmistakable(3, seed=1), account="audio_codecs=pcmu") as phone,
    ):
        await phone.dial(f"sip:desk@{running.bridge.trunk}")
        call_id = (await running.house.events.until("call.started")).call_id
        await phone.has_heard(GREETING_MS / 1000)
        async with running.house.http.delete(f"/v1/calls/{call_id}") as response:
            assert response.status == 200
        await phone.until("CALL_CLOSED")
        await running.house.events.until("call.ended", call_id=call_id)
        await running.bridge.no_sessions()

        greeting = at_8k(tone.sweep(GREETING_MS).tobytes())
        assert likeness(phone.heard(), greeting) > 0.99
        assert likeness(phone.heard(), greeting[:RATE]) > 0.99  # from its first word on


async def test_ten_calls_of_sipps_are_ten_ended_calls(line: Opener, tmp_path: Path) -> None:
    async with line(mind=Script(says=[greets], loop=True)) as running:
        sipp = Program(
            "sipp", "-sf", str(Path(__file__).parent / "a_short_call.xml"), running.bridge.trunk,
            "-i", TELEPHONES, "-m", "10", "-r", "5", "-timeout", "40", "-timeout_error", "-nostdin",
            folder=tmp_path,
        )  # fmt: skip
        await sipp.start()

        assert await sipp.wait(50) == 0, sipp.log.read_text()[-3000:]
        await running.house.events.until("call.ended", count=10)
        reasons = {each.data["reason"] for each in running.house.events.seen if each.type == "call.ended"}
        assert reasons == {"caller_hangup"}
        await running.bridge.no_sessions()


async def test_without_rtpengine_a_call_ends_on_both_sides(line: Opener, tmp_path: Path) -> None:
    patience = {"CORDBOARD_MEDIA__LOST_AFTER_S": "2", "CORDBOARD_MEDIA__GONE_AFTER_S": "5"}
    async with (
        line(mind=Script(says=[greets], loop=True), **patience) as running,
        telephone(tmp_path / "phone", unmistakable(3, seed=1)) as phone,
    ):
        await phone.dial(f"sip:desk@{running.bridge.trunk}")
        call_id = (await running.house.events.until("call.started")).call_id
        await phone.until("CALL_ESTABLISHED")

        await running.bridge.rtpengine.kill()

        ended = await running.house.events.until("call.ended", call_id=call_id, within_s=30)
        await phone.until("CALL_CLOSED")
        assert ended.data["reason"] == "peer_lost"


async def test_a_call_outlives_kamailio_and_is_hung_up_when_it_is_back(line: Opener, tmp_path: Path) -> None:
    async with (
        line(mind=Script(says=[greets], loop=True)) as running,
        telephone(tmp_path / "phone", unmistakable(3, seed=1)) as phone,
    ):
        await phone.dial(f"sip:desk@{running.bridge.trunk}")
        call_id = (await running.house.events.until("call.started")).call_id
        await phone.until("CALL_ESTABLISHED")

        await running.bridge.kamailio.kill()
        await phone.has_heard(GREETING_MS / 1000)  # all the same
        await running.bridge.start_kamailio()
        await phone.hang_up()

        ended = await running.house.events.until("call.ended", call_id=call_id)
        assert ended.data["reason"] == "caller_hangup"
        await running.bridge.no_sessions()
