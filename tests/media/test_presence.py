from __future__ import annotations

from media.presence import Change, Notice, PresenceWatch


def watch() -> PresenceWatch:
    return PresenceWatch(lost_after_s=8, gone_after_s=30, now=100.0)


def test_silence_is_told_once_and_then_the_end_once() -> None:
    peer = watch()
    notices = [notice for step in range(0, 60_000, 20) if (notice := peer.check(100 + step / 1000))]

    assert notices == [Notice(Change.LOST, 8000), Notice(Change.GONE, 30_000)]


def test_a_peer_that_keeps_talking_is_never_lost() -> None:
    peer = watch()
    for second in range(100, 200, 7):
        peer.heard(second)
        assert peer.check(second + 6.9) is None


def test_a_peer_that_comes_back_is_told_with_the_gap() -> None:
    peer = watch()
    peer.check(108.5)

    assert peer.heard(120.0) == Notice(Change.RESUMED, 20_000)
    assert peer.heard(120.02) is None
    assert peer.check(127.0) is None
    assert peer.check(128.25) == Notice(Change.LOST, 8230)


def test_after_the_end_nothing_more_is_said() -> None:
    peer = watch()
    peer.check(108.5)
    peer.check(131.0)

    assert peer.heard(132.0) is None
    assert peer.check(200.0) is None
