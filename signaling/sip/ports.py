"""What the telephone side needs from the house behind it, and what it tells it, as small Protocols."""

from __future__ import annotations

from asyncio import TimerHandle
from collections.abc import AsyncIterator, Callable, Coroutine
from dataclasses import dataclass
from typing import Any, Literal, Protocol

from signaling.sip.dialogs import Dialog
from signaling.sip.flow import Flow, Transport
from signaling.sip.message import Request, Response
from signaling.sip.transactions import Key

HungUp = Literal["caller_hangup", "timeout", "error"]
"""They have said goodbye · they have gone without a word · something broke."""


class Declined(Exception):
    """The house does not take this call: a status of RFC 3261 section 21 and a word for people."""

    def __init__(self, status: int, detail: str, *, retry_after_s: int | None = None) -> None:
        super().__init__(detail)
        self.status = status
        self.detail = detail
        self.retry_after_s = retry_after_s


class Line(Protocol):
    """What the house tells the telephone side about a call. Called on the event loop; never blocks or raises."""

    def media_connected(self) -> None:
        """Audio flows both ways: the call may be answered now without clipping a word."""

    def hung_up(self) -> None:
        """Nobody talks here any more: say goodbye. Idempotent."""


class Taken(Protocol):
    """A call as the house has it."""

    @property
    def answer_sdp(self) -> str:
        """The answer to the offer that the call was taken with, or the house's own offer."""

    async def answered(self, answer_sdp: str) -> None:
        """Their answer to the house's offer. Raises media.sdp.OfferRejected."""

    def digit(self, digit: str, duration_ms: int) -> None:
        """A key was pressed, told by INFO."""

    def hold(self, held: bool) -> None:
        """They do not listen, or listen again. Idempotent."""

    async def change(self, offer_sdp: str) -> str:
        """A new media leg for the same call: offer in, answer out. Raises media.sdp.OfferRejected."""

    def referred(self, target: str) -> AsyncIterator[tuple[int, str]] | None:
        """They ask us to call somebody else: status and reason as that call goes on. None: that is not done here."""

    def hung_up(self, why: HungUp) -> None:
        """The other end is gone. Idempotent."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Invitation:
    """An INVITE, as far as the house needs it."""

    request: Request  # for its identity headers
    offer_sdp: str | None  # None: the house is to make the offer, and is told the answer by `Taken.answered`
    line: Line


class House(Protocol):
    """Who takes calls."""

    async def take(self, invitation: Invitation) -> Taken:
        """Answer a call. Raises Declined. Runs to its end even if the caller gives up meanwhile."""

    def closed_for_s(self) -> int | None:
        """No call would be taken now; after so many seconds it may be worth asking again. None: open."""


class Unreachable(Exception):
    """A request of ours got no answer at all."""


class Ending(Protocol):
    """A call, as whoever carries its messages knows it."""

    dialog: Dialog
    flow: Flow  # by which the first message of the call came or went


class Wires(Protocol):
    """What a call needs from the user agent that it belongs to."""

    def contact(self, transport: Transport) -> tuple[str, str]:
        """Our Contact header line for messages of this transport."""

    def respond(self, key: Key, response: Response) -> bool:
        """False: too late."""

    def acknowledged(self, key: Key) -> None:
        """The 2xx to this INVITE has its ACK."""

    async def ask(self, call: Ending, request: Request) -> Response:
        """Send a request within the call's dialog; its final response. Raises Unreachable."""

    async def acknowledge(self, call: Ending, request: Request) -> None:
        """Send an ACK within the call's dialog, and again for each copy of the 2xx it belongs to."""

    def now(self) -> float:
        """Seconds of the clock that every time here is on."""

    def later(self, at: float, call: Callable[[], None]) -> TimerHandle: ...

    def spawn(self, work: Coroutine[Any, Any, None], name: str) -> None:
        """A task that ends with the user agent at the latest."""

    def over(self, call: Ending) -> None:
        """Nothing more is said within the dialog."""
