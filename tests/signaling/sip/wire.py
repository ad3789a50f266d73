"""Requests for tests, and a wire between two transaction layers that loses, copies and delays on order."""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import count

from signaling.sip.flow import Flow
from signaling.sip.message import Request, with_header
from signaling.sip.reader import read
from signaling.sip.transactions import Effect, Send, Transactions

UDP = Flow(transport="udp", host="192.0.2.1", port=5060)
TCP = Flow(transport="tcp", host="192.0.2.1", port=5060, connection=1)


def request(
    method: str = "INVITE", *, cseq: int = 1, branch: str = "z9hG4bKone", to_tag: str = "", **headers: str
) -> Request:
    """As it comes over the wire; further headers by their names, `_` for `-`."""
    built = Request(
        method=method,
        uri="sip:+81312345678@cordboard.example",
        headers=(
            ("Via", f"SIP/2.0/UDP 192.0.2.1:5060;branch={branch};rport"),
            ("Max-Forwards", "70"),
            ("From", '"Hanako" <sip:+819012345678@trunk.example>;tag=theirs'),
            ("To", "<sip:+81312345678@cordboard.example>" + (f";tag={to_tag}" if to_tag else "")),
            ("Call-ID", "call-1@trunk.example"),
            ("CSeq", f"{cseq} {'INVITE' if method == 'ACK' else method}".replace("INVITE", method)),
            ("Contact", "<sip:caller@192.0.2.1:5060>"),
        ),
    )
    for name, value in headers.items():
        built = with_header(built, name.replace("_", "-"), value)
    return built


def layer(name: str = "x") -> Transactions:
    """With tags and branches that can be foretold."""
    numbers: Iterator[int] = count(1)
    return Transactions(
        new_tag=lambda: f"tag-{name}-{next(numbers)}", new_branch=lambda: f"{name}-{next(numbers)}"
    )


@dataclass
class Wire:
    """Two layers, virtual time. `fate(n)` says of the n-th datagram after which delays its copies arrive, in s."""

    fate: Callable[[int], list[float]]
    flow: Flow = UDP
    now: float = 0.0
    sides: tuple[Transactions, Transactions] = field(default_factory=lambda: (layer("a"), layer("b")))
    told: tuple[list[Effect], list[Effect]] = field(default_factory=lambda: ([], []))
    on_effect: Callable[[int, Effect], None] = lambda side, effect: None
    _sent: int = 0
    _flying: list[tuple[float, int, int, bytes]] = field(default_factory=list)

    def drain(self) -> None:
        """Carry out what both sides want."""
        while taken := [(side, each) for side in (0, 1) for each in self.sides[side].effects()]:
            for side, effect in taken:
                if isinstance(effect, Send):
                    for delay in self.fate(self._sent):
                        self._sent += 1
                        heapq.heappush(self._flying, (self.now + delay, self._sent, 1 - side, effect.data))
                    self._sent += 1
                else:
                    self.told[side].append(effect)
                    self.on_effect(side, effect)

    def run(self, until: float = 1000.0) -> None:
        """Until nothing flies and nobody waits."""
        self.drain()
        while True:
            times = [at for side in self.sides if (at := side.next_deadline()) is not None]
            times += [self._flying[0][0]] if self._flying else []
            if not times or min(times) > until:
                return
            self.now = max(self.now, min(times))
            while self._flying and self._flying[0][0] <= self.now:
                _, _, side, data = heapq.heappop(self._flying)
                self.sides[side].receive(read(data), self.flow, self.now)
                self.drain()
            for side in self.sides:
                side.wake(self.now)
            self.drain()
