"""A leg that begins with an offer of ours: for an INVITE that brings none, and for calls that we place."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from media.rtc.peer import OfferRejected, Peer, PeerConfig
from tests.fakes.eventually import eventually

CONFIG = PeerConfig(addresses=("127.0.0.1",))


class Ear:
    """Implements PeerObserver: keeps what it hears."""

    def __init__(self) -> None:
        self.connected = asyncio.Event()
        self.loudest = 0
        self.keys: list[str] = []
        self.codec = ""

    def media_connected(self, at: float, codec: str) -> None:
        self.codec = codec
        self.connected.set()

    def audio_received(self, pcm: bytes, at: float) -> None:
        self.loudest = max(self.loudest, *memoryview(pcm).cast("h"))

    def digit_received(self, digit: str, duration_ms: int) -> None:
        self.keys.append(digit)

    def part_started(self, part: Any, at: float) -> None: ...

    def playout_drained(self, at: float) -> None: ...

    def peer_lost(self, silent_ms: int, at: float) -> None: ...

    def peer_resumed(self, gap_ms: int, at: float) -> None: ...

    def peer_gone(self, reason: str, at: float) -> None: ...


LOUD = b"\x00\x30" * 480 * 50


async def test_both_ends_hear_each_other() -> None:
    us, them = Ear(), Ear()
    ours = await Peer.offer(us, CONFIG)
    theirs = await Peer.answer(ours.answer_sdp, them, CONFIG)
    try:
        await ours.accept(theirs.answer_sdp)
        await asyncio.wait_for(asyncio.gather(us.connected.wait(), them.connected.wait()), 10)
        for end in (ours, theirs):
            end.play(("r", "i", 0), LOUD)
        await eventually(lambda: us.loudest > 10_000 and them.loudest > 10_000)

        assert us.codec == them.codec == "pcmu"
        assert "telephone-event/8000" in ours.answer_sdp
        assert "telephone-event/8000" in theirs.answer_sdp
        assert "a=extmap" not in ours.answer_sdp
    finally:
        await asyncio.gather(ours.close(), theirs.close())


async def test_on_hold_nothing_is_sent_or_heard_and_nobody_is_missed() -> None:
    us, them = Ear(), Ear()
    quick = PeerConfig(addresses=("127.0.0.1",), lost_after_s=0.1, gone_after_s=0.3)
    gone: list[str] = []
    us.peer_gone = lambda reason, at: gone.append(reason)  # type: ignore[method-assign]  # to be asked for below
    ours = await Peer.offer(us, quick)
    theirs = await Peer.answer(ours.answer_sdp, them, CONFIG)
    try:
        await ours.accept(theirs.answer_sdp)
        await asyncio.wait_for(asyncio.gather(us.connected.wait(), them.connected.wait()), 10)
        ours.hold(True)
        sent, heard = ours.stats().packets_sent, us.loudest
        theirs.hold(True)  # says nothing at all, for longer than anybody may be silent
        theirs_silent_for = asyncio.get_running_loop().time() + 0.6
        await eventually(lambda: asyncio.get_running_loop().time() > theirs_silent_for)
        assert (ours.stats().packets_sent, us.loudest, gone) == (sent, heard, [])

        ours.hold(False)
        theirs.hold(False)
        theirs.play(("r", "i", 0), LOUD)
        await eventually(lambda: us.loudest > 10_000)
    finally:
        await asyncio.gather(ours.close(), theirs.close())


@pytest.mark.parametrize(
    ("wrong", "code"),
    [
        (("a=setup:active", "a=setup:actpass"), "no_dtls"),
        (("a=rtcp-mux\r\n", ""), "no_rtcp_mux"),
        (("PCMU/8000", "PCMA/8000"), "no_codec"),
        (("v=0", "x=0"), "not_sdp"),
    ],
)
async def test_an_answer_that_is_none_is_rejected(wrong: tuple[str, str], code: str) -> None:
    ours = await Peer.offer(Ear(), CONFIG)
    theirs = await Peer.answer(ours.answer_sdp, Ear(), CONFIG)
    try:
        with pytest.raises(OfferRejected) as rejected:
            await ours.accept(theirs.answer_sdp.replace(*wrong))
        assert rejected.value.code == code
    finally:
        await asyncio.gather(ours.close(), theirs.close())
