"""`cordboard call` through real WebRTC to a real server with a scripted model."""

from __future__ import annotations

import asyncio
import json
import os
import socket
import sys
import wave
from pathlib import Path

import pytest

from realtime.simulator.script import Reply, Script
from realtime.simulator.server import Simulator
from signaling.cli.api import Api
from signaling.cli.conversation import hold_conversation
from signaling.cli.failure import ExitCode, Failure
from signaling.cli.speech_files import read_speech, write_recording
from signaling.cli.test_call import TestCall
from tests.fakes.call_story import stamped, whole_call

ROOT = Path(__file__).parents[3]
SECRET = "a-secret-for-tests-of-more-than-32-bytes"


def write_wav(path, samples, rate=24000, channels=1):
    with wave.open(str(path), "wb") as file:
        file.setnchannels(channels)
        file.setsampwidth(2)
        file.setframerate(rate)
        file.writeframes(samples)
    return path


@pytest.mark.parametrize(("rate", "channels"), [(8000, 1), (16000, 1), (24000, 1), (44100, 2), (48000, 2)])
def test_recordings_of_any_rate_become_24_khz_mono_of_the_same_length(tmp_path, rate, channels):
    path = write_wav(tmp_path / "a.wav", bytes(2 * rate * channels), rate, channels)

    assert len(read_speech(path)) == pytest.approx(48_000, abs=200)


def test_a_recording_keeps_pauses_as_long_as_they_were_and_jitter_out(tmp_path):
    frame = b"\x01\x00" * 480
    write_recording(tmp_path / "out.wav", [(5.0, frame), (5.03, frame), (6.0, frame)])

    with wave.open(str(tmp_path / "out.wav")) as file:
        pcm = file.readframes(file.getnframes())
    assert len(pcm) == 2 * 24_000 + len(frame)
    assert pcm[: 2 * len(frame)] == frame * 2
    assert pcm[-len(frame) :] == frame


def test_a_test_call_reports_what_its_events_say():
    call = TestCall("id")
    for envelope in stamped(whole_call()):
        call.receive({"type": envelope.type, "data": envelope.data})

    report = call.report(spoken=1, answered=1)
    assert report["answered"]
    assert report["ended"] == "caller_hangup"
    assert [entry["position"] for entry in report["transcript"]] == [0, 1]
    assert report["turns"][0]["response_latency_ms"] == 420
    assert call.tools_running == 0


def test_a_silent_agent_is_a_failure_in_the_report():
    assert not TestCall("id").report(spoken=2, answered=1)["answered"]


async def test_a_failure_among_tasks_is_reported_like_one_alone(capsys):
    from signaling.cli.command import _first_failure

    cause = Failure("nothing answers", remedy="start it", code=ExitCode.UNREACHABLE)

    assert _first_failure(ExceptionGroup("tasks", [ValueError("x"), ExceptionGroup("inner", [cause])])) == 4
    assert capsys.readouterr().err == "cordboard: nothing answers — start it\n"
    assert _first_failure(ExceptionGroup("tasks", [ValueError("x")])) == 70
    assert "should not have happened" in capsys.readouterr().err


@pytest.fixture
async def server(tmp_path, redis_url, database_url):
    """A real server process whose model follows a script."""
    script = Script(
        says=[Reply(text="Good morning.", audio_ms=600), Reply(text="We open at eight.", audio_ms=800)]
    )
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    async with Simulator(mind=script) as model:
        reader, writer = os.pipe()
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "signaling", "serve", "--ready-fd", str(writer),
            cwd=ROOT, pass_fds=[writer],
            env={
                "PATH": os.environ["PATH"], "REDIS_URL": redis_url, "DATABASE_URL": database_url,
                "CORDBOARD_HTTP_PORT": str(port), "CORDBOARD_REALTIME__URL": model.url,
                "CORDBOARD_AUTH__SECRET": SECRET, "CORDBOARD_DEMO": "true",
            },
        )  # fmt: skip
        os.close(writer)
        assert await asyncio.to_thread(os.read, reader, 1) == b"\n"
        os.close(reader)
        yield f"http://localhost:{port}"
        process.terminate()
        assert await process.wait() == 0


async def test_each_file_is_said_and_answered_and_the_recording_holds_both_answers(server, tmp_path):
    import random

    noise = random.Random(1).randbytes(24_000)
    path = write_wav(tmp_path / "question.wav", noise + bytes(24_000))
    arguments = ["call", "--file", str(path), "--json", "--record", str(tmp_path / "heard.wav")]

    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "signaling", *arguments, cwd=tmp_path,
        env={"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT), "CORDBOARD_URL": server},
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    async with asyncio.timeout(40):
        out, err = await process.communicate()

    assert process.returncode == 0, err.decode()
    report = json.loads(out)
    assert report["answered"]
    assert [entry["text"] for entry in report["transcript"] if entry["speaker"] == "agent"] == [
        "Good morning.",
        "We open at eight.",
    ]
    assert report["turns"][-1]["response_latency_ms"] > 0
    assert report["ended"] == "caller_hangup"
    with wave.open(str(tmp_path / "heard.wav")) as file:
        assert file.getnframes() / file.getframerate() > 1.4


async def test_an_agent_that_is_not_there_is_refused_in_the_servers_words(server):
    from signaling.settings import ClientSettings

    with pytest.raises(Failure) as failure:
        await hold_conversation(
            ClientSettings(url=server), [b""], agent="nobody", record=None, answer_within_s=1, say=print
        )

    assert "404" in failure.value.what
    assert failure.value.code is ExitCode.UNREACHABLE


async def test_the_api_says_where_nothing_answers():
    from signaling.settings import ClientSettings

    async with Api.open(ClientSettings(url="http://127.0.0.1:1")) as api:
        with pytest.raises(Failure, match=r"127\.0\.0\.1:1"):
            await api.get("/readyz")
