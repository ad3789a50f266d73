"""Whole calls through real sockets: audio both ways, barge-in, keys, silence, loss, and the end."""

from __future__ import annotations

import asyncio
import random
from dataclasses import replace
from itertools import pairwise

import pytest
from aiortc.rtp import RtpPacket

from media import rtp
from media.format import FRAME_BYTES, bytes_to_ms, ms_to_bytes
from media.playout import PartKey
from media.rtc.caller import EVENT_TYPES, Caller
from media.rtc.peer import OfferRejected, Peer
from media.sdp import CLOCK_RATES
from media.telephone_event import Press, TelephoneEvents
from tests.fakes.calls import CONFIG, a_call
from tests.fakes.listener import Listener
from tests.fakes.tones import loudest_hz, loudness, tone

PART = PartKey("response", "item", 0)
NEXT = PartKey("response", "next", 0)
SLOW_MACHINE_S = (
    0.25  # how far a busy machine may delay what should be at once; the exact is tested without I/O
)
CODECS = pytest.mark.parametrize("codec", ["opus", "pcmu", "pcma"])


class KeysHeard:
    """All that reaches the caller, before aiortc throws away what it does not know: telephone-event."""

    def __init__(self, caller: Caller) -> None:
        self.packets: list[RtpPacket] = []
        self.presses: list[Press] = []
        rate = CLOCK_RATES[caller.codec]
        self.payload_type = EVENT_TYPES[rate]
        self._events = TelephoneEvents(rate)
        router = caller._dtls._rtp_router
        self._route = router.route_rtp
        router.route_rtp = self.route_rtp

    def route_rtp(self, packet: RtpPacket) -> object:
        self.packets.append(packet)
        if packet.payload_type == self.payload_type:
            self.presses += self._events.receive(packet.timestamp, packet.payload, 0.0)
        return self._route(packet)


def agent_says(peer: Peer, pcm: bytes, part: PartKey = PART) -> None:
    peer.play(part, pcm)
    peer.finish(part)


@CODECS
async def test_a_tone_survives_both_ways(codec: str) -> None:
    async with a_call(codec=codec) as call:
        assert call.listener.first("connected")[1] == codec
        agent_says(call.peer, tone(440, 1.0))
        await call.caller.speak(tone(700, 1.0))
        await call.listener.until("drained")

        assert loudest_hz(call.listener.heard()) == pytest.approx(700, abs=2)
        assert loudest_hz(call.caller.recording()) == pytest.approx(440, abs=2)


async def test_the_model_hears_fifty_frames_a_second_of_twenty_milliseconds() -> None:
    async with a_call() as call:
        await call.listener.frames(60)

        times = [at for at, _ in call.listener.audio]
        assert {len(pcm) for _, pcm in call.listener.audio} == {FRAME_BYTES}
        assert (times[-1] - times[0]) == pytest.approx((len(times) - 1) * 0.02, abs=SLOW_MACHINE_S)


async def test_packets_leave_at_the_clocks_pace_with_timestamps_to_match() -> None:
    async with a_call() as call:
        agent_says(call.peer, tone(440, 1.0))
        await call.listener.until("drained")

        spoken = [p for p in call.caller.packets if len(p.payload) > 20][:50]
        assert len(spoken) == 50
        assert 0.95 < spoken[-1].at - spoken[0].at < 0.98 + SLOW_MACHINE_S
        assert [(b.timestamp - a.timestamp) & 0xFFFFFFFF for a, b in pairwise(spoken)] == [960] * 49
        assert [(b.sequence - a.sequence) & 0xFFFF for a, b in pairwise(spoken)] == [1] * 49


async def test_while_the_agent_is_silent_only_comfort_packets_leave() -> None:
    async with a_call() as call:
        await call.listener.frames(75)

        sent = len(call.caller.packets)
        assert 5 <= sent <= 5 + 5  # the first ones, then one every 400 ms
        opening = call.caller.packets[:6]
        assert [(b.timestamp - a.timestamp) & 0xFFFFFFFF for a, b in pairwise(opening)] == [960] * 5
        assert (
            len(opening[5].payload) == 1
        )  # "not transmitted" at once, or Chromium conceals the pause as loss
        agent_says(call.peer, tone(440, 0.2))
        await call.listener.until("started")
        await call.listener.frames(5)

        fresh = call.caller.packets[sent:]
        begin = next(p for p in fresh if len(p.payload) > 20)
        elapsed = begin.at - call.caller.packets[0].at
        ahead = ((begin.timestamp - call.caller.packets[0].timestamp) & 0xFFFFFFFF) / 48_000
        assert begin.marker
        assert ahead == pytest.approx(elapsed, abs=SLOW_MACHINE_S)


async def test_a_flush_stops_the_very_next_packet_and_says_what_was_heard() -> None:
    async with a_call() as call:
        agent_says(call.peer, tone(440, 5.0))
        agent_says(call.peer, tone(440, 1.0), NEXT)
        await call.listener.until("started")
        await call.listener.frames(40)

        first, second = call.peer.flush()
        flushed_at = asyncio.get_running_loop().time()
        await call.listener.frames(25)

        assert (first.part, first.received_ms, first.finished) == (PART, 5000, False)
        assert (second.part, second.sent_ms, second.heard_ms) == (NEXT, 0, 0)
        assert first.sent_ms - first.heard_ms == pytest.approx(40, abs=22)
        # The first packet after carries the last 2.5 ms through the codec's overlap: its second half is silent.
        old = [at for at, pcm in call.caller.received if loudness(pcm[len(pcm) // 2 :]) > 1000]
        assert max(old) - flushed_at < 0.02
        heard_for_real = bytes_to_ms(len(old) * FRAME_BYTES)
        assert first.heard_ms == pytest.approx(heard_for_real, abs=60)
        assert call.peer.heard_ms(PART) == first.heard_ms
        assert call.peer.flush() == ()


async def test_after_a_flush_the_next_answer_is_heard() -> None:
    async with a_call() as call:
        agent_says(call.peer, tone(440, 5.0))
        await call.listener.until("started")
        call.peer.flush()
        agent_says(call.peer, tone(900, 0.5), NEXT)
        await call.listener.until("drained")

        assert [line[1] for line in call.listener.told if line[0] == "started"] == [PART, NEXT]
        assert loudest_hz(call.caller.recording()[-ms_to_bytes(400) :]) == pytest.approx(900, abs=4)


async def test_drained_comes_once_when_all_has_been_heard() -> None:
    async with a_call() as call:
        agent_says(call.peer, tone(440, 0.3))
        agent_says(call.peer, tone(440, 0.3), NEXT)
        begun = await call.listener.until("started")
        drained = await call.listener.until("drained")
        await call.listener.frames(10)

        assert isinstance(drained[1], float)
        assert isinstance(begun[2], float)
        assert 0.6 < drained[1] - begun[2] < 0.6 + 0.04 + SLOW_MACHINE_S
        assert call.listener.names().count("drained") == 1
        assert call.peer.heard_ms(PART) == call.peer.heard_ms(NEXT) == 300


async def test_a_pause_holds_the_agent_and_nothing_is_lost_by_it() -> None:
    async with a_call() as call:
        call.peer.pause()
        agent_says(call.peer, tone(440, 0.3))
        await call.listener.frames(20)
        assert "started" not in call.listener.names()
        assert call.peer.stats().queued_ms == 300

        call.peer.resume()
        await call.listener.until("drained")
        assert call.peer.heard_ms(PART) == 300


async def test_beyond_its_bound_the_newest_audio_is_dropped_and_counted() -> None:
    async with a_call(config=replace(CONFIG, max_queued_s=1.0)) as call:
        call.peer.pause()
        agent_says(call.peer, tone(440, 1.5))

        assert call.peer.stats().queued_ms == 1000
        assert call.peer.stats().dropped_ms == 500


@CODECS
async def test_keys_are_told_once_each_and_leave_the_audio_alone(codec: str) -> None:
    async with a_call(codec=codec) as call:
        for digit in "14#":
            await call.caller.press(digit, 60)
        await call.caller.speak(tone(700, 0.5))
        await call.listener.until_true(lambda: call.listener.names().count("digit") == 3)

        digits = [line[1:] for line in call.listener.told if line[0] == "digit"]
        assert digits == [("1", 60), ("4", 60), ("#", 60)]
        assert loudest_hz(call.listener.heard()[-ms_to_bytes(400) :]) == pytest.approx(700, abs=4)


@CODECS
async def test_keys_that_we_press_are_heard_and_the_agent_goes_on_afterwards(codec: str) -> None:
    async with a_call(codec=codec) as call:
        heard = KeysHeard(call.caller)
        agent_says(call.peer, tone(440, 0.4))
        assert call.peer.press("14#")
        await call.listener.until("drained")

        assert [press.digit for press in heard.presses] == ["1", "4", "#"]
        keys = [n for n, packet in enumerate(heard.packets) if packet.payload_type == heard.payload_type]
        between = heard.packets[keys[0] : keys[-1] + 1]
        assert all(packet.payload_type == heard.payload_type for packet in between)  # no voice among them
        order = [packet.sequence_number for packet in heard.packets]
        assert [(b - a) & 0xFFFF for a, b in pairwise(order)] == [1] * (len(order) - 1)
        assert call.peer.heard_ms(PART) == 400  # it waited, and nothing of it was lost
        assert loudest_hz(call.caller.recording()) == pytest.approx(440, abs=4)


async def test_keys_are_not_pressed_where_the_other_end_knows_none() -> None:
    async with a_call() as call:
        offer = call.caller._connection.localDescription.sdp  # telephone-event is added on its way out
        peer = await Peer.answer(offer, Listener(), CONFIG)
        try:
            assert not peer.press("1")
        finally:
            await peer.close()


@pytest.mark.parametrize("loss", [0.05, 0.3])
async def test_under_loss_the_model_still_hears_fifty_frames_a_second(loss: float) -> None:
    chance = random.Random(3)
    async with a_call(expected_loss_percent=20, lose=lambda sequence: chance.random() < loss) as call:
        await call.caller.speak(tone(440, 1.5))

        stats = call.peer.stats()
        times = [at for at, _ in call.listener.audio]
        missing = stats.packets_lost + stats.packets_late + call.caller.skipped_frames
        assert len(times) == pytest.approx((times[-1] - times[0]) * 50, abs=10)
        assert stats.packets_lost > 0
        assert stats.concealed_ms / 20 <= missing + 3
        assert loudest_hz(call.listener.heard()) == pytest.approx(440, abs=3)


async def test_loss_reported_by_the_caller_brings_error_correction() -> None:
    async with a_call() as call:
        inbound = call.caller._transceiver.receiver._RTCRtpReceiver__jitter_buffer  # type: ignore[attr-defined]
        assert inbound is not None
        call.peer._outbound.loss_reported(0.1)
        agent_says(call.peer, tone(440, 0.4))
        await call.listener.until("drained")

        spoken = [p for p in call.caller.packets if len(p.payload) > 20]
        assert {packet.payload[0] >> 3 for packet in spoken} <= set(range(16))  # SILK or hybrid
        assert loudest_hz(call.caller.recording()) == pytest.approx(440, abs=4)


async def test_reports_measure_the_round_trip_and_tell_the_caller_of_its_loss() -> None:
    chance = random.Random(3)
    async with a_call(lose=lambda sequence: chance.random() < 0.2) as call:
        agent_says(call.peer, tone(440, 4.0))
        await call.listener.until_true(lambda: call.peer.stats().rtt_ms is not None, timeout_s=6)
        stats = await call.caller._transceiver.sender.getStats()
        async with asyncio.timeout(4):
            while not (seen := [s for s in stats.values() if s.type == "remote-inbound-rtp"]):
                await call.listener.frames(10)
                stats = await call.caller._transceiver.sender.getStats()

        rtt = call.peer.stats().rtt_ms
        assert rtt is not None
        assert rtt < SLOW_MACHINE_S * 1000
        assert seen[0].packetsLost > 0


async def test_a_silent_peer_is_lost_then_resumed() -> None:
    async with a_call(config=replace(CONFIG, lost_after_s=0.4, gone_after_s=30)) as call:
        await call.listener.frames(5)
        call.caller.muted = True
        lost = await call.listener.until("lost")
        frames_then = len(call.listener.audio)
        await asyncio.sleep(0.2)  # nothing tells that nothing comes
        frames_later = len(call.listener.audio)

        call.caller.muted = False
        resumed = await call.listener.until("resumed")
        await call.listener.frames(10)

        assert isinstance(lost[1], int)
        assert 400 <= lost[1] < 400 + SLOW_MACHINE_S * 1000
        assert frames_later == frames_then
        assert isinstance(resumed[1], int)
        assert resumed[1] >= 600


async def test_a_peer_that_stays_silent_is_gone() -> None:
    async with a_call(config=replace(CONFIG, lost_after_s=0.2, gone_after_s=0.5)) as call:
        call.caller.muted = True
        gone = await call.listener.until("gone")

        assert gone[1] == "peer_lost"
        assert call.listener.names()[-2:] == ["lost", "gone"]


async def test_a_caller_who_hangs_up_is_noticed_at_once() -> None:
    async with a_call() as call:
        await call.caller.close()
        gone = await call.listener.until("gone", timeout_s=1)

        assert gone[1] == "closed"


async def test_a_caller_hears_of_our_hanging_up() -> None:
    async with a_call() as call:
        await call.peer.close()
        async with asyncio.timeout(1):
            await call.caller.closed.wait()

        assert "gone" not in call.listener.names()


async def test_an_offer_that_nobody_follows_up_ends_by_itself() -> None:
    async with a_call() as call:
        offer = call.caller._connection.localDescription.sdp
    listener = Listener()
    peer = await Peer.answer(offer, listener, replace(CONFIG, ice_timeout_s=0.2))

    gone = await listener.until("gone")
    await peer.close()

    assert gone[1] == "ice_timeout"


async def test_closing_twice_and_at_once_after_the_answer_does_no_harm() -> None:
    async with a_call() as call:
        offer = call.caller._connection.localDescription.sdp
    peer = await Peer.answer(offer, Listener(), CONFIG)

    await asyncio.gather(peer.close(), peer.close())
    await peer.close()
    peer.play(PART, tone(440, 0.1))
    assert peer.flush() == ()


async def test_a_bad_offer_is_refused_and_leaves_nothing() -> None:
    before = asyncio.all_tasks()
    with pytest.raises(OfferRejected) as refused:
        await Peer.answer("v=0\r\n", Listener(), CONFIG)

    assert refused.value.code == "no_audio"
    assert asyncio.all_tasks() == before


async def test_an_address_that_cannot_be_bound_is_said_in_the_refusal() -> None:
    async with a_call() as call:
        offer = call.caller._connection.localDescription.sdp
    with pytest.raises(OfferRejected) as refused:
        await Peer.answer(offer, Listener(), replace(CONFIG, addresses=("203.0.113.77",)))

    assert refused.value.code == "not_answerable"
    assert "203.0.113.77" in refused.value.detail


@CODECS
async def test_empty_and_foreign_payloads_do_not_hurt(codec: str) -> None:
    """RFC 6263 allows empty packets as keepalives; aiortc's decoder stops for good at the first one."""
    async with a_call(codec=codec) as call:
        kind = call.caller._codec.payload_type
        ssrc = call.caller._transceiver.sender._ssrc
        sequence, timestamp = call.caller._sequence, call.caller._timestamp
        for payload_type, payload in [(kind, b""), (13, b"\x40"), (77, b"x"), (kind, b""), (34, b"video")]:
            call.caller.send_raw(rtp.build(payload_type, False, sequence, timestamp, ssrc, payload))
            call.caller._sequence = sequence = (sequence + 1) & 0xFFFF
        await call.caller.speak(tone(700, 1.0))

        assert loudest_hz(call.listener.heard()) == pytest.approx(700, abs=2)
        assert loudness(call.listener.heard()[-ms_to_bytes(500) :]) > 1000
