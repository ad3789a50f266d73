"""A caller that costs little: real ICE, DTLS and SRTP, but no media stack.

aiortc negotiates; then its socket's reader is replaced by ours. What is said was encoded beforehand; what is heard
is kept encrypted, with the kernel's time of arrival, and opened after the measurement. So a busy load generator
sees packets late but still measures them rightly.
"""

from __future__ import annotations

import asyncio
import random
import socket
import struct
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any, Final

import numpy as np
from aiortc import RTCConfiguration, RTCPeerConnection, RTCSessionDescription
from aiortc.rtp import RtcpReceiverInfo, RtcpSenderInfo, RtcpSrPacket

from media.rtc.libopus import OpusDecoder
from tests.benchmarks.measurements import Packet
from tests.benchmarks.voice import Voice

HEADER: Final = struct.Struct("!BBHII")
SO_TIMESTAMPNS: Final = 35  # asm-generic/socket.h; Python has no name for it
TIMESPEC: Final = struct.Struct("@qq")
TICKS: Final = 960  # of 48 kHz in 20 ms
REPORT_EVERY: Final = 50  # packets: about once a second, as browsers do
KEPT_S: Final = 8.0  # of packets before a measurement: the beginning of what is cut in it
AUDIBLE_RMS: Final = (
    0.03  # of full scale, over the second half of a packet: past what an older one left in it
)


class LightCaller:
    """Order of calls: `connect` → `step` every 20 ms → `take` → `close`."""

    def __init__(self, voice: Voice) -> None:
        self.setup_ms = 0.0  # from the offer's POST to the first packet heard
        self.marks_sent: list[float] = []
        self.sent = 0
        self._voice = voice
        self._position = 0
        self._connection = RTCPeerConnection(RTCConfiguration(iceServers=[]))
        transceiver = self._connection.addTransceiver("audio", direction="sendrecv")
        transceiver.sender.send = _nothing  # type: ignore[method-assign]  # aiortc's own media is not started
        transceiver.receiver.receive = _nothing  # type: ignore[method-assign]  # the same
        self._dtls: Any = transceiver.receiver.transport
        self._ssrc = transceiver.sender._ssrc
        self._sequence = random.getrandbits(15)
        self._timestamp = random.getrandbits(32)
        self._payload_type = 0
        self._socket: socket.socket | None = None
        self._remote: tuple[str, int] = ("", 0)
        self._sockets: list[socket.socket] = []
        self._protect: Callable[[bytes], bytes] = bytes
        self._heard: list[tuple[float, bytes]] = []
        self._first = asyncio.Event()
        self._their_report: tuple[int, float] = (0, 0.0)

    async def connect(self, post_offer: Callable[[str], Awaitable[str]], *, timeout_s: float = 20.0) -> None:
        """Returns when the first packet has been heard; `step` must not be called before."""
        connected = asyncio.Event()
        self._dtls.on("statechange", lambda: connected.set() if self._dtls.state == "connected" else None)
        await self._connection.setLocalDescription()
        offer = self._connection.localDescription.sdp
        posted = time.monotonic()
        answer = await post_offer(offer)
        await self._connection.setRemoteDescription(RTCSessionDescription(answer, "answer"))
        async with asyncio.timeout(timeout_s):
            await connected.wait()
            self._take_over(answer)
            await self._first.wait()
        self.setup_ms = (self._heard[0][0] - posted) * 1000

    def step(self) -> None:
        """Sends the next 20 ms."""
        assert self._socket is not None
        index = self._position
        self._position = (index + 1) % len(self._voice.payloads)
        packet = HEADER.pack(0x80, self._payload_type, self._sequence, self._timestamp, self._ssrc)
        protected = self._protect(packet + self._voice.payloads[index])
        if index in self._voice.marks:
            self.marks_sent.append(time.monotonic())
        self._send(protected)
        self._sequence = (self._sequence + 1) & 0xFFFF
        self._timestamp = (self._timestamp + TICKS) & 0xFFFFFFFF
        self.sent += 1
        if self.sent % REPORT_EVERY == 0:
            self._report()

    def forget(self, before: float) -> None:
        """A measurement begins: packets of long ago are of no interest."""
        self._heard = [packet for packet in self._heard if packet[0] >= before - KEPT_S]

    async def take(self) -> list[Packet]:
        """Everything kept, opened and listened to; gives other calls a turn every few packets."""
        heard, self._heard = self._heard, []
        decoder = OpusDecoder()
        packets = []
        for number, (at, data) in enumerate(heard):
            plain = self._dtls._rx_srtp.unprotect(data)
            _, second, sequence, timestamp, _ = HEADER.unpack_from(plain)
            payload = plain[HEADER.size :]
            samples = np.frombuffer(decoder.decode(payload), "<i2").astype(np.float32)
            late_half = samples[len(samples) // 2 :]
            packets.append(
                Packet(
                    at=at,
                    sequence=sequence,
                    timestamp=timestamp,
                    marker=second >= 0x80,
                    comfort=len(payload) <= 2,
                    audible=float(np.sqrt(np.mean(late_half**2))) > AUDIBLE_RMS * 32_768,
                )
            )
            if number % 10 == 9:
                await asyncio.sleep(0)
        decoder.close()
        return packets

    async def close(self) -> None:
        for ours in self._sockets:
            asyncio.get_running_loop().remove_reader(ours)
            ours.close()
        self._sockets.clear()
        await self._connection.close()

    def _take_over(self, answer: str) -> None:
        ice = self._dtls.transport._connection
        pair = ice._nominated[1]
        self._remote = pair.remote_addr
        self._payload_type = int(answer.split("m=audio", 1)[1].split("\r\n", 1)[0].split()[2])
        self._protect = self._dtls._tx_srtp.protect
        # Every socket of the machine's addresses: the server may answer on another pair than ours.
        for protocol in ice._protocols:
            ours = self._read(protocol)
            if protocol is pair.protocol:
                self._socket = ours

    def _read(self, protocol: Any) -> socket.socket:
        loop = asyncio.get_running_loop()
        ours: socket.socket = protocol.transport.get_extra_info("socket")._sock.dup()
        ours.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPNS, 1)
        loop._remove_reader(protocol.transport._sock_fd)  # type: ignore[attr-defined]  # the public one refuses
        loop.add_reader(ours, self._readable, ours, protocol)
        self._sockets.append(ours)
        return ours

    def _readable(self, ours: socket.socket, protocol: Any) -> None:
        try:
            data, ancillary, _, address = ours.recvmsg(2048, 64)
        except (BlockingIOError, ConnectionRefusedError):
            return
        if not data or not 128 <= data[0] <= 191:
            protocol.datagram_received(data, address)
            return
        now = time.monotonic()
        if 192 <= data[1] <= 223:
            self._their_report = (int.from_bytes(self._opened_report(data)[10:14]), now)
            return
        at = now
        if ancillary:  # not yet on what came before the option was set
            seconds, nanoseconds = TIMESPEC.unpack(ancillary[0][2])
            at -= time.time() - seconds - nanoseconds / 1e9
        self._heard.append((at, data))
        if not self._first.is_set():
            self._first.set()

    def _opened_report(self, data: bytes) -> bytes:
        plain: bytes = self._dtls._rx_srtp.unprotect_rtcp(data)
        return plain

    def _send(self, data: bytes) -> None:
        assert self._socket is not None
        # Where it cannot be sent it is lost, as on any network; the server counts it.
        with suppress(BlockingIOError, ConnectionRefusedError):
            self._socket.sendto(data, self._remote)

    def _report(self) -> None:
        """RFC 3550 section 6.4: sender and receiver report; the server learns its round trip from it."""
        now = time.monotonic()
        middle, came = self._their_report
        last = self._heard[-1][1] if self._heard else None
        reports = []
        if last is not None:
            reports.append(
                RtcpReceiverInfo(
                    ssrc=int.from_bytes(last[8:12]),
                    fraction_lost=0,
                    packets_lost=0,
                    highest_sequence=int.from_bytes(last[2:4]),
                    jitter=0,
                    lsr=middle,
                    dlsr=int((now - came) * 65_536) if middle else 0,
                )
            )
        sender = RtcpSenderInfo(
            ntp_timestamp=int(time.time() * (1 << 32)) & ((1 << 64) - 1),
            rtp_timestamp=self._timestamp,
            packet_count=self.sent,
            octet_count=self.sent * 70,
        )
        packet = RtcpSrPacket(ssrc=self._ssrc, sender_info=sender, reports=reports)
        self._send(self._dtls._tx_srtp.protect_rtcp(bytes(packet)))


async def _nothing(parameters: Any) -> None:
    """In place of aiortc's senders and receivers."""
