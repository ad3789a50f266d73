"""The benchmark's arithmetic, on packets made by hand."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import numpy.typing as npt
import pytest

from media.rtc.libopus import OpusDecoder
from realtime.simulator.energy import EnergyDetector
from realtime.simulator.script import Script
from tests.benchmarks.figures import barge_in, delays_ms, pacing, spread
from tests.benchmarks.measurements import Packet
from tests.benchmarks.voice import CYCLE_S, SPEAKS_S, voice


def talk(
    first: int, last: int, *, late_s: float = 0.0, marker: bool = True, audible: bool = True
) -> list[Packet]:
    """Packets `first` to `last` (not included) of a call that has one every 20 ms, from 1,000 s on."""
    return [
        Packet(
            at=1000 + number * 0.02 + late_s,
            sequence=(65_530 + number) & 0xFFFF,
            timestamp=(2**32 - 4800 + number * 960) & 0xFFFFFFFF,
            marker=marker and number == first,
            comfort=False,
            audible=audible,
        )
        for number in range(first, last)
    ]


def without(packets: Iterable[Packet], *numbers: int) -> list[Packet]:
    return [packet for number, packet in enumerate(packets) if number not in numbers]


def test_a_steady_call_is_in_time_over_the_wraps_of_sequence_and_timestamp() -> None:
    kept = pacing(talk(0, 100), 1000, 1002)

    assert (kept.expected, kept.in_time) == (100, 100)
    assert max(kept.lateness_ms) < 0.001


def test_late_packets_and_lost_ones_are_not_in_time() -> None:
    packets = talk(0, 50) + talk(50, 60, late_s=0.021, marker=False) + talk(60, 100, marker=False)

    kept = pacing(without(packets, 20, 21), 1000, 1003)

    assert (kept.expected, kept.in_time) == (100, 88)


def test_frames_that_were_skipped_are_missing_though_no_sequence_number_is() -> None:
    packets = talk(0, 10)
    skipped = [
        Packet(
            at=packet.at + 0.06,
            sequence=packet.sequence,
            timestamp=(packet.timestamp + 3 * 960) & 0xFFFFFFFF,
            marker=False,
            comfort=False,
            audible=True,
        )
        for packet in talk(10, 20)
    ]

    kept = pacing(packets + skipped, 1000, 1001)

    assert (kept.expected, kept.in_time) == (23, 20)


def test_a_pause_is_not_loss() -> None:
    second = [
        Packet(
            at=packet.at,
            sequence=(packet.sequence - 40) & 0xFFFF,
            timestamp=packet.timestamp,
            marker=packet.marker,
            comfort=False,
            audible=True,
        )
        for packet in talk(50, 60)
    ]

    kept = pacing(talk(0, 10) + second, 1000, 1002)

    assert (kept.expected, kept.in_time) == (20, 20)


def test_each_departure_finds_the_first_arrival_before_the_next_departure() -> None:
    delays, lost = delays_ms([10.0, 11.0, 12.0, 20.0], [9.9, 10.005, 12.020, 12.5, 21.5])

    assert delays == pytest.approx([5, 20])
    assert lost == 2


def test_a_barge_in_counts_what_came_after_it_and_what_had_been_received() -> None:
    trailing = talk(52, 54, marker=False, audible=False)

    cut = barge_in(talk(0, 52) + trailing + talk(100, 110), 1000 + 50 * 0.02 + 0.001)

    assert cut is not None
    assert cut.stop_ms == pytest.approx(19)
    assert cut.received_ms == 52 * 20


def test_speech_into_silence_is_no_barge_in() -> None:
    assert barge_in(talk(0, 50), 1000 + 50 * 0.02 + 0.5) is None


def test_percentiles_are_values_that_were_measured() -> None:
    of = spread([float(value) for value in range(1, 201)])

    assert of is not None
    assert (of.p50, of.p99, of.worst, of.count) == (101, 199, 200, 200)
    assert spread([]) is None


def test_the_caller_is_loud_to_the_model_when_it_speaks_and_at_no_other_time() -> None:
    decoder, ear = OpusDecoder(), EnergyDetector(Script().speech_level)
    loud = 0
    frames = 2 * len(voice().payloads)  # the first cycle lets the decoder settle
    for number, payload in enumerate([*voice().payloads, *voice().payloads]):
        heard = ear.probability(_samples(decoder.decode(payload))) > 0
        at_s = number % len(voice().payloads) * CYCLE_S / len(voice().payloads)
        if number >= frames // 2 and heard:
            loud += 1
            assert any(start - 0.02 <= at_s <= end + 0.04 for start, end in SPEAKS_S)
    decoder.close()

    assert loud / (frames // 2) == pytest.approx(0.27, abs=0.01)


def _samples(pcm: bytes) -> npt.NDArray[np.int16]:
    return np.frombuffer(pcm, np.int16)
