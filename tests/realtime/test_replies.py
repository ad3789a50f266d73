"""Which audio is still wanted."""

from __future__ import annotations

from media.playout import PartKey
from realtime.replies import REMEMBERED, UNDER_WAY_LIMIT, Replies

PART = PartKey("r1", "a1", 0)
OTHER = PartKey("r1", "a2", 0)


def test_audio_is_played_until_the_caller_speaks() -> None:
    replies = Replies()
    reply = replies.of("r1")
    assert reply is not None
    assert reply.audio(PART)
    assert reply.audio(PART)
    replies.mute_all()

    assert not reply.audio(PART)
    assert reply.spoke
    assert (reply.open_parts, reply.unplayed) == ([PART], [])


def test_a_part_that_was_dropped_from_its_beginning_is_remembered_once() -> None:
    replies = Replies()
    reply = replies.of("r1")
    assert reply is not None
    reply.muted = True

    assert not reply.audio(PART)
    assert not reply.audio(PART)
    assert not reply.audio(OTHER)
    assert reply.unplayed == [PART, OTHER]
    assert not reply.spoke


def test_a_response_that_begins_after_the_caller_spoke_is_not_muted() -> None:
    replies = Replies()
    replies.of("r1")
    replies.mute_all()
    reply = replies.of("r2")

    assert reply is not None
    assert not reply.muted


def test_a_response_is_over_once_and_stays_over() -> None:
    replies = Replies()

    assert replies.over("r1") is not None  # it may end without having been seen to begin
    assert replies.over("r1") is None
    assert replies.of("r1") is None


def test_a_server_that_ends_nothing_costs_no_memory() -> None:
    replies = Replies()
    for number in range(1000):
        replies.of(f"r{number}")

    assert len(replies._under_way) == UNDER_WAY_LIMIT
    assert len(replies._over) == REMEMBERED
    assert replies.of("r999") is not None
