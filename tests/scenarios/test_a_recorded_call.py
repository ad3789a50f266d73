"""A call that its agent records: the notice is heard first, a refusal is final, a killed server loses two seconds."""

from __future__ import annotations

import asyncio
import io
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from pathlib import Path

import av
import numpy as np

from media.format import SAMPLE_RATE
from media.rtc.caller import Caller
from realtime.simulator.script import FunctionCall, Reply, Script
from realtime.simulator.speech import synthesize, transcribe
from tests.fakes.eventually import eventually
from tests.fakes.record_dump import rows
from tests.scenarios.house import AGENT, ROOT, House, bearer
from tests.scenarios.voices import loud

OpenHouse = Callable[..., AbstractAsyncContextManager[House]]
NOTICE = "This call is recorded for training."
LISTENER = {"Authorization": bearer("operator")}


def recording_agent(folder: Path, notice: str | None = NOTICE) -> dict[str, str]:
    """Settings for a house whose agent records its calls."""
    agents = folder / "agents"
    agents.mkdir()
    document = (ROOT / "deploy" / "agents" / f"{AGENT}.toml").read_text()
    told = "" if notice is None else f'notice = "{notice}"\n'
    (agents / f"{AGENT}.toml").write_text(f"{document}\n[recording]\nenabled = true\n{told}")
    return {"CORDBOARD_AGENTS__PATH": str(agents)}


async def fetch(running: House, call_id: str) -> tuple[int, bytes]:
    async with running.http.get(f"/v1/calls/{call_id}/recording", headers=LISTENER) as response:
        return response.status, await response.read()


async def recorded(running: House, call_id: str) -> bytes:
    """The file, as soon as it is registered."""

    async def there() -> bytes | None:
        status, body = await fetch(running, call_id)
        return body if status == 200 else None

    body: bytes = await eventually(there)
    return body


async def hang_up(running: House, caller: Caller, call_id: str) -> None:
    async with running.http.delete(f"/v1/calls/{call_id}") as response:
        assert response.status == 200
    await running.events.until("call.ended", call_id=call_id)
    await caller.close()


def channels(file: bytes) -> tuple[bytes, bytes]:
    """(left, right), 24 kHz mono s16le."""
    resampler = av.AudioResampler(format="s16", layout="stereo", rate=SAMPLE_RATE)
    with av.open(io.BytesIO(file)) as container:
        pieces = [
            bytes(out.planes[0])[: out.samples * 4]
            for frame in container.decode(audio=0)
            for out in resampler.resample(frame)
        ]
    both = np.frombuffer(b"".join(pieces), "<i2").reshape(-1, 2)
    return both[:, 0].tobytes(), both[:, 1].tobytes()


def speech_ms(pcm: bytes, *, pause_ms: int = 1_000_000) -> tuple[float, float]:
    """When the voice in it begins, and ends or pauses for `pause_ms`."""
    loudness = np.abs(np.frombuffer(pcm, "<i2")[: len(pcm) // 960 * 480].reshape(-1, 480)).max(axis=1)
    voiced = np.flatnonzero(loudness > 500)
    pauses = np.flatnonzero(np.diff(voiced) > pause_ms // 20)
    last = voiced[pauses[0]] if len(pauses) else voiced[-1]
    return float(voiced[0]) * 20, float(last + 1) * 20


def recording_events(running: House, call_id: str) -> list[str]:
    return [each.type for each in running.events.of(call_id) if each.type.startswith("recording.")]


async def test_the_caller_is_on_the_left_the_agent_on_the_right_from_the_notice_on(
    house: OpenHouse, tmp_path: Path
) -> None:
    async with house(settings=recording_agent(tmp_path)) as running:
        caller, call_id = await running.call()
        started = await running.events.until("recording.started", call_id=call_id, within_s=45)
        assert started.data["notice_heard"] is True
        told = transcribe(caller.recording())
        assert "recorded for training" in told.lower()
        status, _ = await fetch(running, call_id)
        assert status == 404  # not finished

        await caller.speak(synthesize("Can you tell me your opening hours, please?") + bytes(48_000))
        answered = await running.events.until("turn.completed", call_id=call_id, count=2, within_s=45)
        await hang_up(running, caller, call_id)
        finished = await running.events.until("recording.finished", call_id=call_id)
        file = await recorded(running, call_id)
        ended = await running.events.until("call.ended", call_id=call_id)

    assert len(file) == finished.data["bytes"]
    assert finished.data["lost_ms"] == 0
    assert ended.seq is not None
    assert finished.seq is not None
    assert ended.seq > finished.seq  # the call's last word comes after the recording's
    left, right = channels(file)
    said, replied = await asyncio.to_thread(transcribe, left), await asyncio.to_thread(transcribe, right)
    assert "opening hours" in said.lower()
    assert "eight" in replied.lower() or "8" in replied
    assert "recorded" not in replied.lower()  # it had not begun
    assert "opening hours, please" not in replied.lower()
    length_ms = len(left) / 2 / SAMPLE_RATE * 1000
    assert abs(length_ms - finished.data["duration_ms"]) < 100
    # Both sides on one clock: the silence between question and answer is the latency that was measured.
    latency_ms = speech_ms(right)[0] - speech_ms(left)[1]
    assert abs(latency_ms - answered.data["response_latency_ms"]) < 400


async def test_a_notice_that_was_talked_over_has_to_be_said_again(house: OpenHouse, tmp_path: Path) -> None:
    script = Script(
        hears=["Hello? Is anybody there?"],
        says=[
            Reply(text=f"{NOTICE} Hello, this is Harbour Dental.", audio_ms=4000),
            Reply(text=f"{NOTICE} How can I help you?", audio_ms=2000),
            Reply(text="Goodbye.", audio_ms=500),
        ],
    )
    async with house(mind=script, settings=recording_agent(tmp_path), worker=False) as running:
        caller, call_id = await running.call()
        await running.events.until("turn.started", call_id=call_id)
        await eventually(lambda: len(caller.recording()) > SAMPLE_RATE)  # half a second of it
        await caller.speak(loud(700))
        await running.events.until("turn.interrupted", call_id=call_id)
        await running.events.until("recording.started", call_id=call_id)
        of_it = [each.type for each in running.events.of(call_id)]
        await hang_up(running, caller, call_id)

    finals = [
        each for each in running.events.of(call_id, "transcript.final") if each.data["speaker"] == "agent"
    ]
    assert of_it.index("turn.interrupted") < of_it.index("recording.started")
    assert NOTICE not in finals[0].data["heard_text"]
    assert NOTICE in finals[1].data["heard_text"]


async def test_what_was_cut_off_is_not_in_the_recording(house: OpenHouse, tmp_path: Path) -> None:
    """Six seconds came from the model; the file has what was sent, and the caller's words over it in their place."""
    script = Script(
        hears=["Stop"],
        says=[Reply(text="A very long greeting.", audio_ms=6000), Reply(text="Yes?", audio_ms=400)],
    )
    async with house(mind=script, settings=recording_agent(tmp_path, notice=None), worker=False) as running:
        caller, call_id = await running.call()
        await eventually(lambda: len(caller.recording()) > 3 * SAMPLE_RATE)  # a second and a half
        await caller.speak(loud(700))
        cut = await running.events.until("turn.interrupted", call_id=call_id)
        await running.events.until("turn.completed", call_id=call_id)
        await hang_up(running, caller, call_id)
        left, right = channels(await recorded(running, call_id))

    begins, ends = speech_ms(right, pause_ms=200)
    assert abs(ends - begins - cut.data["heard_ms"]) < 150  # sent, less 40 ms on its way
    said_at, said_until = speech_ms(left)
    # The simulator cuts at the first loud frame; each side may be 40 ms off, and a busy machine two frames more.
    assert abs(said_at - ends) < 150
    assert 600 < said_until - said_at < 900


async def test_a_caller_who_refuses_leaves_no_recording(house: OpenHouse, tmp_path: Path) -> None:
    script = Script(
        hears=["Please do not record me"],
        says=[
            Reply(text=f"{NOTICE} Hello, this is Harbour Dental.", audio_ms=600),
            FunctionCall("stop_recording"),
            Reply(text="I have stopped it.", audio_ms=600),
        ],
    )
    async with house(mind=script, settings=recording_agent(tmp_path)) as running:
        caller, call_id = await running.call()
        await running.events.until("recording.started", call_id=call_id)
        folder = tmp_path / ".cordboard" / "recordings"
        await eventually(lambda: list(folder.iterdir()))
        await caller.speak(loud(800))
        deleted = await running.events.until("recording.deleted", call_id=call_id)
        tool = await running.events.until("tool.finished", call_id=call_id)
        assert (deleted.data["reason"], tool.data["ok"]) == ("refused", True)
        assert not list(folder.iterdir())  # while the call goes on
        assert (await fetch(running, call_id))[0] == 410
        await running.events.until("turn.completed", call_id=call_id, count=2)
        await hang_up(running, caller, call_id)
        assert (await fetch(running, call_id))[0] == 410
        audited = await rows(
            running.database_url, "SELECT actor FROM audit_log WHERE action = 'recording.refused'"
        )

    assert audited == [(f"call:{call_id}",)]
    assert recording_events(running, call_id) == ["recording.started", "recording.deleted"]
    assert not list(folder.iterdir())


async def test_without_a_notice_all_of_the_call_is_in_it_and_a_killed_server_has_it_at_the_next_start(
    house: OpenHouse, tmp_path: Path
) -> None:
    script = Script(says=[Reply(text="Hello, this is Harbour Dental.", audio_ms=4000)])
    async with house(mind=script, settings=recording_agent(tmp_path, notice=None), worker=False) as running:
        caller, call_id = await running.call()
        started = await running.events.until("recording.started", call_id=call_id)
        assert started.data["notice_heard"] is False
        await running.events.until("turn.completed", call_id=call_id)
        running.processes["serve"].kill()
        await running.processes["serve"].wait()
        await running.start("serve", folder=tmp_path)
        await running.ready()
        left, right = channels(await recorded(running, call_id))
        await caller.close()

    begins, ends = speech_ms(right)
    assert begins < 1500
    assert ends - begins > 2000  # of 4000: what a killed process had not written is lost
    assert len(left) == len(right)


async def test_an_agent_that_does_not_say_so_records_nothing(house: OpenHouse, tmp_path: Path) -> None:
    script = Script(says=[Reply(text="Hello.", audio_ms=400)])
    async with house(mind=script) as running:
        caller, call_id = await running.call()
        await running.events.until("turn.completed", call_id=call_id)
        session = await running.simulator.session(0)
        await hang_up(running, caller, call_id)
        assert (await fetch(running, call_id))[0] == 404

    assert recording_events(running, call_id) == []
    assert "stop_recording" not in str(session.client_events)
    assert not (tmp_path / ".cordboard" / "recordings").exists()
