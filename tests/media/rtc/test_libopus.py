from __future__ import annotations

import gc

import numpy as np
import psutil
import pytest

from media.format import FRAME_BYTES, FRAME_SAMPLES
from media.rtc.libopus import (
    APPLICATION_LOW_DELAY,
    APPLICATION_VOIP,
    OpusDecoder,
    OpusEncoder,
    OpusFault,
    carries_recovery,
    packet_samples,
)
from tests.fakes.tones import loudest_hz, loudness, tone


def frames(pcm: bytes) -> list[bytes]:
    return [pcm[at : at + FRAME_BYTES] for at in range(0, len(pcm) - FRAME_BYTES + 1, FRAME_BYTES)]


def encoder(application: int = APPLICATION_LOW_DELAY, loss: int = 0) -> OpusEncoder:
    return OpusEncoder(application=application, bitrate=32_000, complexity=5, expected_loss_percent=loss)


@pytest.mark.parametrize("application", [APPLICATION_LOW_DELAY, APPLICATION_VOIP])
def test_a_tone_survives_the_way_through_the_codec(application: int) -> None:
    encode, decoder = encoder(application).encode, OpusDecoder()

    heard = b"".join(decoder.decode(encode(frame)) for frame in frames(tone(440, 1.0)))

    assert len(heard) == 50 * FRAME_BYTES
    assert loudest_hz(heard) == pytest.approx(440, abs=2)
    assert loudness(heard) == pytest.approx(loudness(tone(440, 1.0)), rel=0.1)


def speech_like(seconds: float) -> bytes:
    """A voice's harmonics swelling and fading, which SILK protects; it does not protect plain tones."""
    time = np.arange(int(24_000 * seconds)) / 24_000
    pitch = 120 + 20 * np.sin(2 * np.pi * 3 * time)
    phase = 2 * np.pi * np.cumsum(pitch) / 24_000
    wave = sum(np.sin(phase * n) / n for n in range(1, 25)) * (0.6 + 0.4 * np.sin(2 * np.pi * 4 * time))
    return (wave * 4000).astype("<i2").tobytes()


def test_a_lost_packet_is_restored_from_the_next_one_better_than_made_up() -> None:
    said = frames(speech_like(2.0))
    encode = encoder(APPLICATION_VOIP, loss=20).encode
    packets = [encode(frame) for frame in said]
    errors = {"recovered": 0.0, "made up": 0.0}
    protected = [n for n in range(20, 90, 5) if carries_recovery(packets[n + 1])]
    assert len(protected) > 5

    for lost in protected:
        whole, recovering, guessing = OpusDecoder(), OpusDecoder(), OpusDecoder()
        for packet in packets[:lost]:
            for decoder in (whole, recovering, guessing):
                decoder.decode(packet)
        truth = np.frombuffer(whole.decode(packets[lost]), np.int16).astype(float)
        restored = np.frombuffer(recovering.recover(packets[lost + 1], FRAME_SAMPLES), np.int16)
        guess = np.frombuffer(guessing.conceal(FRAME_SAMPLES), np.int16)
        errors["recovered"] += float(np.mean((truth - restored) ** 2))
        errors["made up"] += float(np.mean((truth - guess) ** 2))

    assert errors["recovered"] < 0.7 * errors["made up"]


def test_concealment_fades_away() -> None:
    decoder, encode = OpusDecoder(), encoder(APPLICATION_VOIP).encode
    for frame in frames(tone(300, 0.5)):
        decoder.decode(encode(frame))

    made_up = [loudness(decoder.conceal(FRAME_SAMPLES)) for _ in range(30)]

    assert made_up[0] > 1000
    assert made_up[-1] < 0.1 * made_up[0]


@pytest.mark.parametrize("payload", [b"", b"\xff" * 3, b"\x03"])
def test_what_is_not_opus_is_a_fault_and_the_decoder_lives(payload: bytes) -> None:
    decoder, encode = OpusDecoder(), encoder().encode
    if payload:
        with pytest.raises(OpusFault):
            decoder.decode(payload)
    assert packet_samples(payload) == 0

    heard = b"".join(decoder.decode(encode(frame)) for frame in frames(tone(440, 0.4)))
    assert loudest_hz(heard) == pytest.approx(440, abs=3)


def test_the_table_of_contents_gives_the_length() -> None:
    assert packet_samples(encoder().encode(bytes(FRAME_BYTES))) == FRAME_SAMPLES


def test_codecs_give_their_memory_back() -> None:
    def use() -> None:
        for _ in range(200):
            codec, decoder = encoder(), OpusDecoder()
            decoder.decode(codec.encode(bytes(FRAME_BYTES)))
            codec.close()
            decoder.close()
            codec.close()  # twice does no harm

    use()
    gc.collect()
    before = psutil.Process().memory_info().rss
    for _ in range(3):
        use()
    gc.collect()
    assert psutil.Process().memory_info().rss - before < 2_000_000
