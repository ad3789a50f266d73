"""The whole main job: a person calls from the page, asks something aloud, and hears the answer.

Real Chromium with a recorded question as its microphone, the simulator that really hears and really speaks, real
Redis and Postgres, and the server and the worker as processes of their own. What the page plays is written down by
speech-to-text, as a person would.
"""

from __future__ import annotations

import asyncio
import re
import wave
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from pathlib import Path

import numpy as np

from realtime.simulator.speech import synthesize, transcribe
from tests.browser.phone_driver import open_phone
from tests.fakes.redis_cli import subscribed
from tests.scenarios.house import House
from tests.scenarios.test_a_call_end_to_end import rows_of

SECOND = 48_000  # bytes of 24 kHz mono s16le


def write_wav(path: Path, pcm24k: bytes) -> Path:
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(24_000)
        file.writeframes(pcm24k)
    return path


def words(text: str) -> list[str]:
    return re.sub(r"[^a-z0-9 ]", " ", text.lower()).split()


async def test_the_answer_is_heard_in_the_page_and_the_call_is_on_record(
    house: Callable[..., AbstractAsyncContextManager[House]], built_pages: Path, tmp_path: Path
) -> None:
    # The microphone starts when the page asks for it: silence first, so that the question comes after the greeting.
    question = (
        bytes(8 * SECOND) + synthesize("Can you tell me your opening hours, please?") + bytes(20 * SECOND)
    )
    microphone = write_wav(tmp_path / "question.wav", question)
    settings = {"CORDBOARD_DEMO": "true"}  # the page of the demo needs no token on loopback
    async with house(settings=settings) as running, subscribed(running.redis_url) as subscriber:
        async with open_phone(f"{running.url}/phone", microphone_wav=microphone) as phone:
            await phone.call()
            started = await running.events.until("call.started")
            call_id = started.call_id
            asked = await running.events.until(
                "transcript.final", where=lambda data: data["speaker"] == "caller", within_s=40
            )
            await running.events.until("turn.completed", call_id=call_id, count=2, within_s=30)
            heard = await phone.recorded(1.0)
            shown = await phone.transcript()
            await phone.hang_up()
            errors = phone.page_errors + phone.console_errors
        ended = await running.events.until("call.ended", call_id=call_id)

        assert "opening hours" in asked.data["text"].lower()
        played = transcribe(heard.tobytes())
        answer = running.events.of(call_id, "transcript.final")[-1].data["text"]
        said = words(answer)
        assert {"monday", "friday"} <= set(said), answer
        recognised = words(played)
        assert sum(word in recognised for word in said) >= 0.8 * len(said), (answer, played)
        assert any("opening hours" in text.lower() for _, text in shown)
        assert errors == []

        stored = await rows_of(
            running.database_url,
            "SELECT speaker, text FROM transcripts WHERE call_id = $1 ORDER BY position",
            call_id,
            count=3,
        )
        assert [row["speaker"] for row in stored] == ["agent", "caller", "agent"]
        assert stored[2]["text"] == answer
        await rows_of(
            running.database_url,
            "SELECT seq FROM events WHERE call_id = $1",
            call_id,
            count=ended.data["last_seq"] + 1,
        )
        lines = await subscriber.until(f'"seq":{ended.data["last_seq"]}')
        numbers = [
            int(found[1]) for line in lines if call_id in line and (found := re.search(r'"seq":(\d+)', line))
        ]
        assert numbers == list(range(ended.data["last_seq"] + 1))


async def test_nothing_but_silence_is_played_while_the_caller_thinks(
    house: Callable[..., AbstractAsyncContextManager[House]], built_pages: Path, tmp_path: Path
) -> None:
    microphone = write_wav(tmp_path / "silence.wav", bytes(30 * SECOND))
    async with (
        house(settings={"CORDBOARD_DEMO": "true"}, worker=False) as running,
        open_phone(f"{running.url}/phone", microphone_wav=microphone) as phone,
    ):
        await phone.call()
        started = await running.events.until("call.started")
        await running.events.until("turn.completed", call_id=started.call_id, within_s=30)
        before = len(await phone.recorded(0.1))
        async with asyncio.timeout(20):
            heard = await phone.recorded(before / 24_000 + 2.0)
        await phone.hang_up()

    after_greeting = heard[before + 12_000 :].astype(np.int32)
    assert np.abs(after_greeting).max() < 200
