"""Recordings as files, decoded again by PyAV and held against what went in."""

from __future__ import annotations

import os
import signal
import stat
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import av
import numpy as np
import pytest

from media import ogg_pages
from media.files.ogg_opus import SUFFIX, UNFINISHED
from media.files.recorder import QUEUE_PIECES, Recorder, Recording
from media.files.unfinished import Finished, describe, finish_left_over
from media.format import FRAME_BYTES, SAMPLE_RATE
from tests.benchmarks.media_leg import voice

ENVIRONMENT = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[3])}
START = 1000.0  # `loop.time()` of no particular machine


@pytest.fixture
def recorder(tmp_path: Path) -> Iterator[Recorder]:
    recorder = Recorder(tmp_path / "recordings")
    yield recorder
    recorder.close(START + 3600)


def frames(pcm: bytes) -> list[bytes]:
    return [pcm[at : at + FRAME_BYTES] for at in range(0, len(pcm) - FRAME_BYTES + 1, FRAME_BYTES)]


def until(true: Callable[[], bool], within_s: float = 10.0) -> None:
    deadline = time.monotonic() + within_s
    while not true():
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(0.01)  # another thread or process writes, and tells nobody


def written_up(recording: Recording) -> None:
    """The thread has taken everything that was handed over."""
    until(lambda: not recording._queue)


def finished(recording: Recording) -> Finished:
    result = recording.done.result(10)
    assert result is not None
    return result


def decoded(path: Path) -> np.ndarray:
    """Samples by channel, at our own rate."""
    resampler = av.AudioResampler(format="s16", layout="stereo", rate=SAMPLE_RATE)
    with av.open(str(path)) as container:
        assert container.streams.audio[0].codec_context.name == "opus"
        assert container.streams.audio[0].rate == 48_000
        pieces = [
            bytes(out.planes[0])[: out.samples * 4]
            for frame in container.decode(audio=0)
            for out in resampler.resample(frame)
        ]
    return np.frombuffer(b"".join(pieces), "<i2").reshape(-1, 2).astype(np.float64)


def likeness(heard: np.ndarray, meant: np.ndarray) -> tuple[float, float]:
    """(correlation at the best alignment, that alignment in ms) within 100 ms."""
    size = 1 << (len(heard) + len(meant)).bit_length()
    products = np.fft.irfft(np.fft.rfft(heard, size) * np.conj(np.fft.rfft(meant, size)), size)
    reach = SAMPLE_RATE // 10
    near = np.concatenate([products[-reach:], products[:reach]])
    best = int(np.argmax(near))
    return float(near[best] / np.sqrt((heard**2).sum() * (meant**2).sum())), (
        best - reach
    ) / SAMPLE_RATE * 1000


def a_call(recording: Recording, seconds: int) -> tuple[np.ndarray, np.ndarray]:
    """Both talk in turn, two seconds each, and for a moment at once; returns what each said, on the call's clock."""
    caller, agent = frames(voice(seconds)), frames(voice(seconds, seed=3))
    said = np.zeros((2, seconds * SAMPLE_RATE))
    for number in range(seconds * 50):
        at = START + number * 0.02
        talks = number // 100 % 2 == 0 or number // 50 % 7 == 0
        frame = caller[number] if talks else bytes(FRAME_BYTES)
        recording.caller(frame, at + (number % 3) * 0.002)
        said[0, number * 480 : (number + 1) * 480] = np.frombuffer(frame, "<i2")
        if number // 100 % 2:
            recording.others(agent[number], at)
            said[1, number * 480 : (number + 1) * 480] = np.frombuffer(agent[number], "<i2")
        if number % (QUEUE_PIECES // 4) == 0:
            written_up(recording)
    return said[0], said[1]


def test_each_voice_is_in_its_channel_where_it_was_spoken(recorder: Recorder) -> None:
    recording = recorder.start("call", START)
    caller, agent = a_call(recording, 30)
    recording.finish(START + 30)
    result = finished(recording)

    audio = decoded(result.path)
    for channel, meant in enumerate((caller, agent)):
        alike, off_ms = likeness(audio[:, channel], meant)
        assert alike >= 0.98
        assert abs(off_ms) <= 40
        for second in range(0, 28, 4):  # no drift within it either
            part = slice(second * SAMPLE_RATE, (second + 4) * SAMPLE_RATE)
            assert abs(likeness(audio[part, channel], meant[part])[1]) <= 40
    assert abs(result.duration_ms - 30_000) <= 40
    assert result.lost_ms == 0
    assert abs(len(audio) - 30 * SAMPLE_RATE) < SAMPLE_RATE // 10


def test_one_voice_is_not_heard_in_the_others_channel(recorder: Recorder) -> None:
    recording = recorder.start("call", START)
    for number, frame in enumerate(frames(voice(4))):
        recording.caller(frame, START + number * 0.02)
    recording.finish(START + 4)

    audio = decoded(finished(recording).path)
    assert (audio[:, 1] ** 2).sum() < (audio[:, 0] ** 2).sum() / 1000


def test_a_recording_is_for_its_owner_only(recorder: Recorder) -> None:
    recording = recorder.start("call", START)
    recording.caller(bytes(FRAME_BYTES), START)
    written_up(recording)
    part = recorder.folder / ("call" + UNFINISHED)
    until(part.exists)

    assert stat.S_IMODE(recorder.folder.stat().st_mode) == 0o700
    assert stat.S_IMODE(part.stat().st_mode) == 0o600
    recording.finish(START + 1)
    assert stat.S_IMODE(finished(recording).path.stat().st_mode) == 0o600
    assert not part.exists()


def test_silence_to_the_end_of_the_call_is_in_the_file(recorder: Recorder) -> None:
    recording = recorder.start("call", START)
    recording.caller(frames(voice(1))[0], START)
    recording.finish(START + 5)

    assert finished(recording).duration_ms == 5000
    assert len(decoded(recorder.folder / ("call" + SUFFIX))) >= 4.9 * SAMPLE_RATE


def test_audio_that_the_thread_cannot_take_is_silence_of_the_same_length(tmp_path: Path) -> None:
    """The disk stands still while 15 s are spoken; what comes after is where it belongs."""
    recording = Recording("call", START, threading.Event(), tmp_path)  # its thread is this one
    spoken = frames(voice(20))
    for number, frame in enumerate(spoken[: 15 * 50]):
        recording.caller(frame, START + number * 0.02)
        recording.others(bytes(FRAME_BYTES), START + number * 0.02)
    assert recording.write()
    for number, frame in enumerate(spoken[15 * 50 :], 15 * 50):
        recording.caller(frame, START + number * 0.02)
    recording.finish(START + 20)
    assert not recording.write()
    result = finished(recording)

    assert result.lost_ms == (15 * 50 * 2 - QUEUE_PIECES) * 20
    audio, meant = decoded(result.path)[:, 0], np.frombuffer(voice(20), "<i2").astype(np.float64)
    for part in (slice(0, 9 * SAMPLE_RATE), slice(16 * SAMPLE_RATE, 19 * SAMPLE_RATE)):
        assert likeness(audio[part], meant[part])[0] >= 0.98
        assert abs(likeness(audio[part], meant[part])[1]) <= 40
    assert np.abs(audio[11 * SAMPLE_RATE : 14 * SAMPLE_RATE]).max() < 100


def test_a_refused_recording_leaves_nothing(recorder: Recorder) -> None:
    recording = recorder.start("call", START)
    a_call(recording, 3)
    until((recorder.folder / ("call" + UNFINISHED)).exists)
    recording.discard()

    assert recording.done.result(10) is None
    assert list(recorder.folder.iterdir()) == []


def test_many_calls_are_written_by_one_thread(recorder: Recorder) -> None:
    before = threading.active_count()
    recordings = [recorder.start(f"call{number}", START) for number in range(20)]
    for number, frame in enumerate(frames(voice(2))):
        for recording in recordings:
            recording.caller(frame, START + number * 0.02)
    assert threading.active_count() == before + 1
    for recording in recordings:
        recording.finish(START + 2)

    assert {finished(recording).duration_ms for recording in recordings} == {2000}


FULL = """
import resource, sys
from pathlib import Path
from media.files.recorder import Recorder
from tests.benchmarks.media_leg import voice
resource.setrlimit(resource.RLIMIT_FSIZE, (30_000, 30_000))
recorder = Recorder(Path(sys.argv[1]))
recording = recorder.start("call", 0.0)
pcm = voice(9)
for number in range(450):
    recording.caller(pcm[number * 960 : (number + 1) * 960], number * 0.02)
recording.finish(9.0)
result = recording.done.result(10)
other = recorder.start("other", 9.0)
other.caller(bytes(960), 9.0)
other.finish(10.0)
print(result.duration_ms, "|", result.problem, "|", other.done.result(10).duration_ms)
recorder.close(10.0)
"""


def test_a_disk_that_is_full_ends_one_recording_and_what_there_is_of_it_is_kept(tmp_path: Path) -> None:
    run = subprocess.run(
        [sys.executable, "-c", FULL, str(tmp_path)],
        capture_output=True,
        text=True,
        env=ENVIRONMENT,
        timeout=60,
    )

    duration_ms, problem, other_ms = run.stdout.strip().split(" | ")
    assert 2000 < int(duration_ms) < 9000
    assert "File too large" in problem
    assert other_ms == "1000"
    meant = np.frombuffer(voice(9), "<i2").astype(np.float64)
    audio = decoded(tmp_path / ("call" + SUFFIX))[:, 0]
    assert likeness(audio, meant[: len(audio)])[0] >= 0.97


def test_closing_finishes_what_is_running(tmp_path: Path) -> None:
    recorder = Recorder(tmp_path)
    recording = recorder.start("call", START)
    a_call(recording, 2)
    recorder.close(START + 2)

    assert finished(recording).duration_ms == 2000


KILLED = """
import sys, time
from pathlib import Path
from media.files.recorder import Recorder
from tests.benchmarks.media_leg import voice
recording = Recorder(Path(sys.argv[1])).start("call", 0.0)
pcm = voice(8)
for number in range(400):
    recording.caller(pcm[number * 960 : (number + 1) * 960], number * 0.02)
    if number % 50 == 49:
        while recording._queue:
            time.sleep(0.01)
print("written", flush=True)
time.sleep(60)
"""


def test_a_server_that_is_killed_loses_two_seconds_at_the_most(tmp_path: Path) -> None:
    child = subprocess.Popen(
        [sys.executable, "-c", KILLED, str(tmp_path)],
        stdout=subprocess.PIPE,
        env=ENVIRONMENT,
    )
    assert child.stdout is not None
    assert child.stdout.readline() == b"written\n"
    part = tmp_path / ("call" + UNFINISHED)
    assert finish_left_over(tmp_path) == []  # its writer lives
    child.send_signal(signal.SIGKILL)
    child.wait()
    child.stdout.close()
    meant = np.frombuffer(voice(8), "<i2").astype(np.float64)
    as_it_is = decoded(part)[:, 0]

    (found,) = finish_left_over(tmp_path)

    assert found.name == "call"
    assert 5900 <= found.duration_ms <= 8000
    audio = decoded(found.path)[:, 0]
    assert abs(len(audio) - len(as_it_is)) <= SAMPLE_RATE // 50
    assert likeness(audio, meant[: len(audio)])[0] >= 0.98
    assert describe(found.path).duration_ms == found.duration_ms
    assert not part.exists()


@pytest.mark.parametrize("share", [0.15, 0.4, 0.5, 0.77, 0.999])
def test_a_file_that_is_cut_anywhere_is_made_whole(recorder: Recorder, share: float) -> None:
    recording = recorder.start("call", START)
    caller, _ = a_call(recording, 12)
    recording.finish(START + 12)
    whole = finished(recording).path.read_bytes()
    (recorder.folder / ("cut" + UNFINISHED)).write_bytes(whole[: int(len(whole) * share)])

    (found,) = finish_left_over(recorder.folder)

    stream = found.path.read_bytes()
    pages = ogg_pages.pages(stream)
    assert pages[-1].end == len(stream) == found.bytes
    assert stream[pages[-1].start + 5] & ogg_pages.END_OF_STREAM
    assert all(ogg_pages.checksum(stream[page.start : page.end]) == int.from_bytes(
        stream[page.start + 22 : page.start + 26], "little") for page in pages)  # fmt: skip
    audio = decoded(found.path)[:, 0]
    assert abs(len(audio) * 1000 / SAMPLE_RATE - found.duration_ms) < 40
    assert likeness(audio, caller[: len(audio)])[0] >= 0.97


@pytest.mark.parametrize("content", [b"", b"OggS", b"something else entirely" * 100])
def test_a_left_over_without_audio_is_dropped(tmp_path: Path, content: bytes) -> None:
    (tmp_path / ("call" + UNFINISHED)).write_bytes(content)

    assert finish_left_over(tmp_path) == []
    assert list(tmp_path.iterdir()) == []


def test_a_last_page_that_was_torn_is_left_out(recorder: Recorder) -> None:
    """Its length is there and its bytes are not, as after a power cut."""
    recording = recorder.start("call", START)
    a_call(recording, 5)
    recording.finish(START + 5)
    stream = finished(recording).path.read_bytes()
    pages = ogg_pages.pages(stream)
    torn = stream[: pages[-1].start + 100] + bytes(pages[-1].end - pages[-1].start - 100)
    (recorder.folder / ("torn" + UNFINISHED)).write_bytes(torn)

    (found,) = finish_left_over(recorder.folder)

    assert found.bytes == pages[-2].end
