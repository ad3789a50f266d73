"""The jitter buffer through emulated networks: loss, reordering, doubling, delay, and streams that begin again."""

from __future__ import annotations

import random
from collections.abc import Iterable
from dataclasses import dataclass

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from media.jitter import MAX_WINDOW_S, Hole, JitterBuffer

CLOCK = 48_000
FRAME = 960
START = 4_294_960_000  # the timestamp wraps after eight packets


@dataclass(frozen=True)
class Sent:
    number: int
    arrives: float

    @property
    def timestamp(self) -> int:
        return (START + self.number * FRAME) & 0xFFFFFFFF

    @property
    def payload(self) -> bytes:
        return self.number.to_bytes(4, "big")


@dataclass(frozen=True)
class Out:
    at: float
    piece: bytes | Hole

    @property
    def number(self) -> int | None:
        return int.from_bytes(self.piece, "big") if isinstance(self.piece, bytes) else None


def new_buffer() -> JitterBuffer:
    return JitterBuffer(CLOCK, lambda payload: FRAME)


def run(packets: Iterable[Sent], until: float, buffer: JitterBuffer | None = None) -> list[Out]:
    """Feeds packets in order of arrival, with a look at the clock every 20 ms."""
    buffer = buffer or new_buffer()
    arrivals = sorted(packets, key=lambda packet: packet.arrives)
    out: list[Out] = []
    tick, position = 0.013, 0
    while tick <= until:
        while position < len(arrivals) and arrivals[position].arrives <= tick:
            packet = arrivals[position]
            released = buffer.receive(packet.timestamp, packet.payload, packet.arrives)
            out += [Out(packet.arrives, piece) for piece in released]
            position += 1
        out += [Out(tick, piece) for piece in buffer.advance(tick)]
        tick += 0.020
    return out


def speech(count: int, *, delay: float = 0.03) -> list[Sent]:
    return [Sent(number, number * 0.02 + delay) for number in range(count)]


def holes(out: list[Out]) -> list[Out]:
    return [piece for piece in out if isinstance(piece.piece, Hole)]


def test_on_a_quiet_network_every_packet_leaves_as_it_comes() -> None:
    packets = speech(200)

    out = run(packets, 4.0)

    assert [(piece.number, piece.at) for piece in out[:199]] == [(p.number, p.arrives) for p in packets[:199]]
    assert not holes(out[:199])


@pytest.mark.parametrize("loss", [0.01, 0.05, 0.10, 0.30])
def test_at_any_loss_fifty_frames_a_second_come_out_and_no_good_packet_is_wasted(loss: float) -> None:
    chance = random.Random(7)
    packets = [packet for packet in speech(3000) if packet.number == 0 or chance.random() >= loss]
    lost = 1 - len(packets) / 3000

    out = [piece for piece in run(packets, 60.0) if piece.at <= 60]

    assert 2990 <= len(out) <= 3000
    assert len(holes(out)) / len(out) <= lost + 0.01
    assert sum(piece.number is not None for piece in out) >= len(packets) - 4


def test_a_packet_that_was_overtaken_is_put_back_in_its_place() -> None:
    chance = random.Random(7)
    packets = [
        Sent(packet.number, packet.arrives + (0.021 if chance.random() < 0.1 else 0.0))
        for packet in speech(1000)
    ]

    out = run(packets, 20.0)

    assert [piece.number for piece in out[:998]] == list(range(998))


def test_doubled_packets_are_heard_once() -> None:
    chance = random.Random(7)
    packets = speech(1000)
    packets += [Sent(p.number, p.arrives + 0.005) for p in packets if chance.random() < 0.2]

    out = run(packets, 20.0)

    assert [piece.number for piece in out[:999]] == list(range(999))


def test_the_window_grows_with_the_delay_seen_until_almost_nothing_comes_too_late() -> None:
    chance = random.Random(7)
    packets = [Sent(number, number * 0.02 + chance.uniform(0, 0.2)) for number in range(3000)]

    out = run(packets, 60.0)

    late = [piece for piece in out if 10 < piece.at < 59 and piece.number is None]
    assert len(late) < 0.01 * 2450


def test_a_hole_is_filled_within_the_widest_window_and_a_tick() -> None:
    packets = [packet for packet in speech(100) if packet.number != 50]

    out = run(packets, 2.0)

    (hole,) = [piece for piece in holes(out) if piece.at < 1.9]
    assert hole.at - Sent(50, 50 * 0.02 + 0.03).arrives <= MAX_WINDOW_S + 0.020
    assert isinstance(hole.piece, Hole)
    assert hole.piece.following == Sent(51, 0).payload


def test_when_the_stream_stops_holes_keep_the_pace() -> None:
    out = run(speech(50), 5.0)

    assert 245 <= len(out) <= 250


def test_after_a_stall_of_ours_packets_that_wait_in_the_socket_are_not_given_up() -> None:
    buffer = new_buffer()
    run(speech(50), 1.0, buffer)

    filled = buffer.advance(1.6)
    heard = [
        piece
        for number in range(50, 75)
        for piece in buffer.receive(Sent(number, 0).timestamp, Sent(number, 0).payload, 1.6)
        if isinstance(piece, bytes)
    ]

    assert len(filled) == 3
    assert len(heard) >= 22


def test_a_slower_route_is_followed_within_a_fraction_of_a_second() -> None:
    packets = [Sent(n, n * 0.02 + (0.03 if n < 500 else 0.53)) for n in range(1000)]

    out = run(packets, 21.0)

    heard = [piece.number for piece in out if piece.number is not None and piece.number >= 500]
    assert len(heard) >= 490


def test_a_stream_that_begins_again_elsewhere_is_taken_up_at_once() -> None:
    buffer = new_buffer()
    run(speech(50), 1.0, buffer)

    assert buffer.receive(123_456, b"new", 1.1) == [b"new"]


@settings(max_examples=200, deadline=None)
@given(
    st.lists(
        st.tuples(st.integers(-20, 60), st.integers(0, 200), st.booleans()),
        max_size=80,
    ),
    st.integers(0, 2**32 - 1),
)
def test_within_one_stream_audio_never_goes_backwards_nor_comes_twice(
    steps: list[tuple[int, int, bool]], origin: int
) -> None:
    buffer, now, here, restarts = new_buffer(), 100.0, 0, 0
    heard: list[int] = []
    for jump, ms, ticks in steps:
        now += ms / 1000
        here = max(0, here + jump)
        released = buffer.receive((origin + here * FRAME) & 0xFFFFFFFF, here.to_bytes(4, "big"), now)
        if ticks:
            released += buffer.advance(now)
        if buffer.restarts > restarts:
            heard, restarts = [], buffer.restarts
        heard += [int.from_bytes(piece, "big") for piece in released if isinstance(piece, bytes)]
        assert heard == sorted(set(heard))
