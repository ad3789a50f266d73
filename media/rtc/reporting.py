"""RTCP with the peer: our reports out about once a second, theirs in, and the round trip that follows."""

from __future__ import annotations

import random
import secrets
from collections import OrderedDict
from typing import Final

from media import rtcp
from media.reception import Reception

INTERVAL_S: Final = 1.0  # varied by half each way (RFC 3550 section 6.2), so that calls do not report in step
REMEMBERED_REPORTS: Final = 16  # sender reports that a receiver may still quote
RTT_SMOOTHING: Final = 0.85  # share of the old value, as in aiortc
CNAME_BYTES: Final = 12


class Reporting:
    """One call's reports. `now` is in seconds of the loop's clock."""

    def __init__(self, ssrc: int, now: float) -> None:
        self._ssrc = ssrc
        self._cname = secrets.token_hex(CNAME_BYTES).encode()  # RFC 7022 section 4.2: short-lived, random
        self._sent: OrderedDict[int, float] = OrderedDict()
        self._peer_report: tuple[int, float] | None = None  # its NTP middle, and when it came
        self._due_at = now + INTERVAL_S / 4
        self.rtt_ms: float | None = None
        self.remote_loss = 0.0

    def is_due(self, now: float) -> bool:
        return now >= self._due_at

    def build(
        self,
        now: float,
        *,
        rtp_timestamp: int,
        packets: int,
        octets: int,
        peer_ssrc: int | None,
        reception: Reception,
    ) -> bytes:
        """The next compound packet; asks again after the interval."""
        self._due_at = now + INTERVAL_S * random.uniform(0.5, 1.5)  # noqa: S311  spreads load, no secret
        ntp = rtcp.ntp_time(now)
        self._sent[rtcp.middle(ntp)] = now
        while len(self._sent) > REMEMBERED_REPORTS:
            self._sent.popitem(last=False)
        block = None
        if peer_ssrc is not None and reception.received:
            last_report, came_at = self._peer_report or (0, now)
            block = rtcp.ReportBlock(
                ssrc=peer_ssrc,
                fraction_lost=reception.fraction_lost(),
                lost=reception.reported_lost,
                highest_sequence=reception.highest_sequence,
                jitter=reception.jitter_ticks,
                last_report=last_report,
                delay=int((now - came_at) * 65_536) if last_report else 0,
            )
        return rtcp.build(
            ssrc=self._ssrc,
            ntp=ntp,
            rtp_timestamp=rtp_timestamp,
            packets=packets,
            octets=octets,
            cname=self._cname,
            block=block,
        )

    def receive(self, data: bytes, now: float) -> bool:
        """Takes a compound packet of the peer's; True when it says something new about our stream."""
        reports = rtcp.parse(data)
        for sender in reports.senders:
            self._peer_report = (rtcp.middle(sender.ntp), now)
        news = False
        for block in reports.blocks:
            if block.ssrc != self._ssrc:
                continue
            news = True
            self.remote_loss = block.fraction_lost / 256
            sent_at = self._sent.get(block.last_report)
            if sent_at is not None:
                measured = max(0.0, now - sent_at - block.delay / 65_536) * 1000
                old = measured if self.rtt_ms is None else self.rtt_ms
                self.rtt_ms = RTT_SMOOTHING * old + (1 - RTT_SMOOTHING) * measured
        return news
