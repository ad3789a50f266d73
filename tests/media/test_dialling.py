from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from media.dialling import END_PACKETS, GAP_FRAMES, MAX_WAITING, PRESS_FRAMES, Dialling, KeyPacket
from media.telephone_event import DIGITS, Press, TelephoneEvents

RATES = st.sampled_from([8_000, 48_000])


def dial(digits: str, rate: int = 8_000, *, first: int = 1000) -> list[KeyPacket | None]:
    """What takes the place of each frame of audio until all keys are pressed."""
    dialling, frames, timestamp = Dialling(rate), [], first
    dialling.press(digits)
    while dialling.busy:
        frames.append(dialling.next(timestamp))
        timestamp = (timestamp + rate // 50) & 0xFFFFFFFF
    return frames


def hear(frames: list[KeyPacket | None], rate: int = 8_000) -> list[Press]:
    events, presses = TelephoneEvents(rate), []
    for number, packet in enumerate(frames):
        if packet is not None:
            presses += events.receive(packet.timestamp, packet.payload, number * 0.02)
        presses += events.advance(number * 0.02)
    return presses + events.advance(len(frames) * 0.02 + 1)


@given(st.text(st.sampled_from(DIGITS), min_size=1, max_size=MAX_WAITING), RATES, st.integers(0, 0xFFFFFFFF))
def test_what_is_dialled_is_heard_once_each_with_its_length(digits: str, rate: int, first: int) -> None:
    heard = hear(dial(digits, rate, first=first), rate)

    assert heard == [Press(digit, PRESS_FRAMES * 20) for digit in digits]


@given(st.text(st.sampled_from(DIGITS), min_size=1, max_size=6), st.data())
def test_any_one_packet_of_a_press_is_enough(digits: str, data: st.DataObject) -> None:
    frames = dial(digits)
    size = PRESS_FRAMES + GAP_FRAMES
    kept: list[KeyPacket | None] = [None] * len(frames)
    for number in range(len(digits)):
        at = number * size + data.draw(st.integers(0, PRESS_FRAMES + END_PACKETS - 2))
        kept[at] = frames[at]

    assert "".join(press.digit for press in hear(kept)) == digits


def test_a_press_has_one_timestamp_one_marker_and_three_ends() -> None:
    frames = dial("5", first=0xFFFFFFF0)
    packets = [packet for packet in frames if packet is not None]

    assert len(frames) == PRESS_FRAMES + GAP_FRAMES
    assert {packet.timestamp for packet in packets} == {0xFFFFFFF0}
    assert [packet.marker for packet in packets] == [True] + [False] * (len(packets) - 1)
    assert [bool(packet.payload[1] & 0x80) for packet in packets].count(True) == END_PACKETS
    assert [int.from_bytes(packet.payload[2:], "big") for packet in packets] == [
        160, 320, 480, 640, 800, 960, 960, 960
    ]  # fmt: skip


def test_keys_are_let_go_before_the_same_key_is_pressed_again() -> None:
    assert [press.digit for press in hear(dial("1111"))] == list("1111")


@pytest.mark.parametrize("digits", ["12e", "1 2", "+49", "½", "ß"])
def test_what_is_no_key_is_refused_and_nothing_of_it_is_pressed(digits: str) -> None:
    dialling = Dialling(8_000)

    with pytest.raises(ValueError, match="no key of a telephone"):
        dialling.press(digits)
    assert not dialling.busy


def test_more_keys_than_may_wait_are_refused_as_a_whole() -> None:
    dialling = Dialling(8_000)
    dialling.press("1" * MAX_WAITING)

    with pytest.raises(ValueError, match="would wait"):
        dialling.press("2")


def test_letters_may_be_small() -> None:
    assert [press.digit for press in hear(dial("abcd"))] == list("ABCD")
