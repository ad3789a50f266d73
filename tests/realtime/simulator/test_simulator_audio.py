"""The simulator's pure audio parts: formats, tone, turn taking, the input buffer."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from realtime.simulator import tone
from realtime.simulator.audio_formats import Downsampler24To16, decode, encode, resample
from realtime.simulator.energy import EnergyDetector
from realtime.simulator.input_audio import InputAudio
from realtime.simulator.scripted import prepared
from realtime.simulator.turn_taking import SpeechPaused, SpeechStarted, SpeechStopped, TurnTaking
from realtime.simulator.words_in_time import spread


@pytest.mark.parametrize(
    ("wire_format", "code", "value"),
    [
        # ITU-T G.711, tables 1a and 2a, scaled to 16 bits
        ("audio/pcmu", 0xFF, 0),
        ("audio/pcmu", 0x7F, 0),
        ("audio/pcmu", 0x80, 32124),
        ("audio/pcmu", 0x00, -32124),
        ("audio/pcmu", 0xF0, 120),
        ("audio/pcma", 0xD5, 8),
        ("audio/pcma", 0x55, -8),
        ("audio/pcma", 0xAA, 32256),
        ("audio/pcma", 0x2A, -32256),
    ],
)
def test_g711_codes_have_their_values(wire_format: str, code: int, value: int) -> None:
    assert decode(bytes([code]), wire_format)[0] == value


@pytest.mark.parametrize("wire_format", ["audio/pcmu", "audio/pcma"])
def test_every_g711_code_survives_decoding_and_encoding(wire_format: str) -> None:
    values = decode(bytes(range(256)), wire_format)
    # encode() takes 24 kHz: a constant at each value, long enough that the filter has settled in its middle
    for value in values[::5]:
        again = decode(encode(np.full(2400, value, dtype=np.int16), wire_format), wire_format)
        assert abs(int(again[400]) - int(value)) <= max(16, abs(int(value)) // 16)


@pytest.mark.parametrize("rates", [(24_000, 8_000), (24_000, 16_000), (8_000, 16_000), (16_000, 24_000)])
def test_resampling_keeps_length_and_pitch(rates: tuple[int, int]) -> None:
    from_rate, to_rate = rates
    at = np.arange(from_rate // 2) / from_rate
    samples = (np.sin(2 * np.pi * 1000 * at) * 10_000).astype(np.int16)

    resampled = resample(samples, from_rate, to_rate)

    assert len(resampled) == to_rate // 2
    middle = resampled[to_rate // 8 : to_rate * 3 // 8]
    assert tone.dominant_hz(middle, to_rate) == pytest.approx(1000, abs=5)
    assert np.abs(middle).max() == pytest.approx(10_000, rel=0.02)


def test_what_the_lower_rate_cannot_hold_is_filtered_out() -> None:
    at = np.arange(12_000) / 24_000
    samples = (np.sin(2 * np.pi * 6000 * at) * 10_000).astype(np.int16)

    assert np.abs(resample(samples, 24_000, 8_000)[500:3500]).max() < 200


def test_the_streaming_downsampler_agrees_with_the_whole_piece_one() -> None:
    samples = tone.sweep(960)
    stream = Downsampler24To16()

    pieces = [stream.push(samples[start : start + 768]) for start in range(0, len(samples), 768)]

    streamed = np.concatenate(pieces) * 32768
    whole = resample(samples, 24_000, 16_000).astype(np.float32)
    delays = [np.abs(streamed[400 + d : 8000 + d] - whole[400:8000]).mean() for d in range(40)]
    assert min(delays) < 150
    assert len(streamed) == len(whole)


@given(st.integers(0, 5000), st.sampled_from([24_000, 8_000]))
@settings(max_examples=40)
def test_20_ms_of_the_sweep_tell_where_they_are_from(start_ms: int, rate: int) -> None:
    samples = resample(tone.sweep(6000), 24_000, rate)
    per_ms = rate // 1000
    piece = samples[start_ms * per_ms : (start_ms + 20) * per_ms]
    middle = (start_ms + 10) % tone.SWEEP_PERIOD_MS

    position = tone.position_ms(piece, rate)

    if 15 < middle < tone.SWEEP_PERIOD_MS - 15:  # else the sweep starts again within the piece
        assert position == pytest.approx(middle, abs=6)


def test_silence_has_no_position() -> None:
    assert tone.position_ms(np.zeros(480, dtype=np.int16)) is None


def test_a_constant_tone_tells_its_pitch() -> None:
    assert tone.dominant_hz(tone.constant(40, 700)) == pytest.approx(700, abs=8)


def test_prepared_audio_is_as_long_as_asked() -> None:
    pieces = prepared(450, None, True, "audio/pcm", 200)

    assert [duration for duration, _, _ in pieces] == [200, 200, 50]
    assert b"".join(data for _, data, _ in pieces) == tone.sweep(450).tobytes()


@given(st.text(), st.integers(1, 30))
def test_words_spread_over_pieces_are_the_text_again(text: str, pieces: int) -> None:
    parts = spread(text, pieces)

    assert len(parts) == pieces
    assert "".join(parts).strip() == text.strip() or not text.split()


def test_speech_starts_with_the_second_loud_frame_and_counts_from_the_first() -> None:
    turns = TurnTaking(threshold=0.5, silence_ms=96)

    events = [turns.frame(p, 32, (i + 1) * 32) for i, p in enumerate([0, 1, 0, 1, 1, 1])]

    assert events == [None, None, None, None, SpeechStarted(96), None]


def test_silence_ends_speech_and_a_short_pause_does_not() -> None:
    turns = TurnTaking(threshold=0.5, silence_ms=96)
    for index in range(2):
        turns.frame(1, 32, (index + 1) * 32)

    events = [turns.frame(p, 32, (i + 3) * 32) for i, p in enumerate([0, 0, 1, 0, 0, 0])]

    assert events == [None, None, None, None, None, SpeechStopped(256)]


def test_a_pause_is_told_once() -> None:
    turns = TurnTaking(threshold=0.5, silence_ms=2000)
    for index in range(2):
        turns.frame(1, 32, (index + 1) * 32)

    events = [turns.frame(0, 32, (index + 3) * 32) for index in range(20)]

    assert [event for event in events if event is not None] == [SpeechPaused(64 + 256)]


@given(st.lists(st.booleans(), min_size=1, max_size=200), st.integers(32, 400))
def test_speech_starts_and_stops_by_turns(loud: list[bool], silence_ms: int) -> None:
    turns = TurnTaking(threshold=0.5, silence_ms=silence_ms)
    told = [turns.frame(float(one), 32, (index + 1) * 32) for index, one in enumerate(loud)]

    edges = [event for event in told if isinstance(event, SpeechStarted | SpeechStopped)]

    assert all(isinstance(edge, SpeechStarted) == (index % 2 == 0) for index, edge in enumerate(edges))
    assert [edge.at_ms for edge in edges] == sorted(edge.at_ms for edge in edges)


@given(st.lists(st.integers(1, 1500), min_size=1, max_size=40))
@settings(max_examples=30, deadline=None)
def test_how_audio_is_cut_into_appends_makes_no_difference(sizes: list[int]) -> None:
    audio = bytes(48 * 200) + tone.sweep(300).tobytes() + bytes(48 * 400) + tone.sweep(200).tobytes()
    whole = _events([audio])
    pieces: list[bytes] = []
    at = 0
    for size in sizes:
        pieces.append(audio[at : at + 2 * size])
        at += 2 * size
    pieces.append(audio[at:])

    assert _events(pieces) == whole


def _events(pieces: list[bytes]) -> list[object]:
    buffer = InputAudio("audio/pcm", EnergyDetector(0.02))
    turns = TurnTaking(threshold=0.5, silence_ms=200)
    return [event for piece in pieces for event in buffer.append(piece, turns, 300)]


def test_a_recording_begins_before_the_speech_and_nothing_older_is_kept() -> None:
    buffer = InputAudio("audio/pcm", EnergyDetector(0.02))
    turns = TurnTaking(threshold=0.5, silence_ms=200)
    for _ in range(100):
        buffer.append(bytes(48 * 100), turns, 300)
    assert buffer.held_ms <= 300 + 4 * 32

    buffer.append(tone.sweep(500).tobytes(), turns, 300)
    recording = buffer.take(10_000 - 300, 10_500)

    assert (recording.start_ms, recording.end_ms) == (9_700, 10_500)
    assert recording.data == bytes(48 * 300) + tone.sweep(500).tobytes()
