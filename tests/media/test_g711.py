"""Both laws against FFmpeg's, which are not ours."""

from __future__ import annotations

import av
import numpy as np
import pytest

from media.g711 import A_LAW, MU_LAW, Law

LAWS = pytest.mark.parametrize(("law", "codec"), [(MU_LAW, "pcm_mulaw"), (A_LAW, "pcm_alaw")])


@LAWS
def test_every_code_decodes_as_ffmpeg_decodes_it(law: Law, codec: str) -> None:
    context = av.CodecContext.create(codec, "r")
    assert isinstance(context, av.AudioCodecContext)
    context.sample_rate, context.layout = 8000, "mono"
    (frame,) = context.decode(av.Packet(bytes(range(256))))

    assert law.decode(bytes(range(256))) == frame.to_ndarray().tobytes()


@LAWS
def test_every_sample_encodes_to_the_nearest_level_and_no_worse_than_ffmpeg(law: Law, codec: str) -> None:
    samples = np.arange(-32768, 32768, dtype=np.int32).astype(np.int16)
    context = av.CodecContext.create(codec, "w")
    assert isinstance(context, av.AudioCodecContext)
    context.sample_rate, context.layout, context.format = 8000, "mono", "s16"
    frame = av.AudioFrame.from_ndarray(samples.reshape(1, -1), "s16", "mono")
    frame.sample_rate = 8000
    theirs = b"".join(bytes(packet) for packet in context.encode(frame))

    def error(codes: bytes) -> np.ndarray[tuple[int], np.dtype[np.int32]]:
        decoded = np.frombuffer(law.decode(codes), np.int16).astype(np.int32)
        return np.abs(decoded - samples.astype(np.int32))

    ours = law.encode(samples.tobytes())
    assert (error(ours) <= error(theirs)).all()


@LAWS
def test_silence_stays_silent(law: Law, codec: str) -> None:
    decoded = np.frombuffer(law.decode(law.encode(bytes(320))), np.int16)

    assert np.abs(decoded).max() <= 8  # A-law has no zero
    assert law.silence == {"pcm_mulaw": 0xFF, "pcm_alaw": 0xD5}[codec]
