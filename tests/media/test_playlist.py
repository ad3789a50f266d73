from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from media.format import FRAME_BYTES, FRAME_SAMPLES
from media.playlist import Playlist, QueuedFrame
from media.playout import PartKey

A = PartKey("r", "a", 0)
B = PartKey("r", "b", 0)


def drain(playlist: Playlist) -> list[QueuedFrame]:
    frames = []
    while (frame := playlist.next()) is not None:
        frames.append(frame)
    return frames


@pytest.mark.trap(20)
@given(st.lists(st.binary(max_size=3000), max_size=20))
def test_pieces_of_any_length_come_out_as_the_same_audio_in_whole_frames(pieces: list[bytes]) -> None:
    playlist = Playlist(1000)
    taken = sum(playlist.append(A, piece)[0] for piece in pieces)
    playlist.finish(A)

    frames = drain(playlist)

    said = b"".join(pieces)
    said = said[: len(said) - len(said) % 2]
    assert all(len(frame.pcm) == FRAME_BYTES for frame in frames)
    assert b"".join(frame.pcm for frame in frames)[: len(said)] == said
    assert sum(frame.samples for frame in frames) == taken == len(said) // 2


def test_a_remainder_waits_for_more_until_its_part_is_finished() -> None:
    playlist = Playlist(10)
    playlist.append(A, b"\1" * 100)

    assert playlist.next() is None

    playlist.finish(A)
    frame = playlist.next()
    assert frame is not None
    assert frame.samples == 50
    assert frame.pcm == b"\1" * 100 + bytes(FRAME_BYTES - 100)


def test_a_new_part_finishes_the_one_before() -> None:
    playlist = Playlist(10)
    playlist.append(A, b"\1" * 100)
    playlist.append(B, b"\2" * FRAME_BYTES)

    assert [frame.part for frame in drain(playlist)] == [A, B]


def test_beyond_its_bound_the_newest_audio_is_refused() -> None:
    playlist = Playlist(3)

    assert playlist.append(A, b"\1" * FRAME_BYTES * 2) == (2 * FRAME_SAMPLES, 0)
    assert playlist.append(A, b"\2" * FRAME_BYTES * 2) == (FRAME_SAMPLES, FRAME_SAMPLES)
    assert playlist.append(A, b"\3" * FRAME_BYTES) == (0, FRAME_SAMPLES)
    assert [frame.pcm[0] for frame in drain(playlist)] == [1, 1, 2]


def test_clearing_leaves_nothing_even_of_a_remainder() -> None:
    playlist = Playlist(10)
    playlist.append(A, b"\1" * (FRAME_BYTES + 10))

    playlist.clear()
    playlist.finish(A)

    assert playlist.next() is None
