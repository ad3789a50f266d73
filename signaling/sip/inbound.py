"""A call of theirs, from its INVITE to our 200: 183 with the answer first, 200 once audio flows.

So the greeting is never clipped and the first words are never lost: whoever has called sees "answered" at the
moment at which both can be heard. Implements `Line`, which is how the house tells of it.
"""

from __future__ import annotations

import asyncio
import logging
import secrets
from typing import Final

from media.sdp import OfferRejected
from signaling.sip.call import Call
from signaling.sip.dialogs import Dialog
from signaling.sip.flow import Flow
from signaling.sip.message import Headers, Request, reply
from signaling.sip.offers import sdp_of
from signaling.sip.ports import Declined, House, Invitation, Taken, Wires
from signaling.sip.reliable import ReliableProvisional, is_required, reliable_headers
from signaling.sip.transactions import Key

log = logging.getLogger(__name__)

MEDIA_WAIT_S: Final = 2.0
"""Then 200 goes out all the same: over UDP the 183 may have been lost, and a 200 is repeated until it is heard."""


class InboundCall:
    """Order of calls: `take`, once, as a task; the rest as it happens. Raises ValueError without a Contact."""

    def __init__(self, wires: Wires, house: House, key: Key, invite: Request, flow: Flow) -> None:
        self.tag = secrets.token_hex(8)
        self.call = Call(wires, Dialog.of_server(invite, self.tag, first_seq=secrets.randbelow(2**16)), flow)
        self._wires = wires
        self._house = house
        self._key = key
        self._invite = invite
        self._taken: Taken | None = None
        self._reliable: ReliableProvisional | None = None
        self._news = asyncio.Event()
        self._connected = False
        self._established = False
        self._cancelled = False
        self._hung_up = False

    async def take(self) -> None:
        """Until the INVITE has its final answer. Always gives one, unless cancelled."""
        try:
            await self._take()
        except Declined as refusal:
            retry = refusal.retry_after_s
            self._refuse(
                refusal.status,
                ("Warning", f'399 cordboard "{refusal.detail.replace(chr(34), chr(39))}"'),
                *((("Retry-After", str(retry)),) if retry is not None else ()),
            )
        except Exception:
            log.exception("sip.call_failed")
            self._refuse(500)
            self.call.end("error")
        finally:
            if not self._established:
                self.call.end("error")

    async def _take(self) -> None:
        offer = sdp_of(self._invite)
        taken = await self._house.take(Invitation(request=self._invite, offer_sdp=offer, line=self))
        self._taken = taken
        try:
            self.call.media(taken, offer, taken.answer_sdp)
        except OfferRejected as error:
            raise Declined(488, error.detail) from error
        # Without an offer of theirs, ours goes out in the 200 and audio flows after its ACK.
        if not self._given_up() and offer is not None:
            self._progress(taken)
            await self._ready_to_answer()
        if self._given_up():
            taken.hung_up("caller_hangup")  # the call may have ended before there was anybody to tell
            self.call.end(None)
        elif self._hung_up:
            self._refuse(480)
            self.call.end(None)
        elif self._reliable is not None and self._reliable.lost:
            self._refuse(504)
            self.call.end("timeout")
        else:
            self._answer(taken)

    def _given_up(self) -> bool:
        return self._cancelled or self.call.over.is_set()

    def _progress(self, taken: Taken) -> None:
        sequence = secrets.randbelow(2**16) + 1
        reliable = is_required(self._invite)
        response = reply(
            self._invite,
            183,
            tag=self.tag,
            headers=(
                self._wires.contact(self.call.flow.transport),
                *(reliable_headers(sequence) if reliable else ()),
            ),
            body=taken.answer_sdp.encode(),
        )
        if reliable:
            self._reliable = ReliableProvisional(response, sequence, self._wires.now())
        self._wires.respond(self._key, response)

    async def _ready_to_answer(self) -> None:
        """Until audio flows, or waiting for it has no use. RFC 3262 section 3: not before the PRACK."""
        give_up_at = self._wires.now() + MEDIA_WAIT_S
        while not (self._given_up() or self._hung_up):
            now = self._wires.now()
            reliable = self._reliable
            if reliable is not None:
                again = reliable.wake(now)
                if again is not None:
                    self._wires.respond(self._key, again)
                if reliable.lost:
                    return
            heard = reliable is None or not reliable.open
            if heard and (self._connected or now >= give_up_at):
                return
            times = [give_up_at] if now < give_up_at else []
            times += [reliable.next_at] if reliable is not None and reliable.next_at is not None else []
            self._news.clear()
            try:
                async with asyncio.timeout(max(0.0, min(times) - now)):
                    await self._news.wait()
            except TimeoutError:
                pass

    def _answer(self, taken: Taken) -> None:
        self._established = True
        self.call.established(self._invite)
        headers = self.call.answered_with(self._invite, self._key)
        response = reply(self._invite, 200, tag=self.tag, headers=headers, body=taken.answer_sdp.encode())
        self._wires.respond(self._key, response)

    def _refuse(self, status: int, *headers: tuple[str, str]) -> None:
        lines: Headers = headers
        self._wires.respond(self._key, reply(self._invite, status, tag=self.tag, headers=lines))

    # What comes

    def receive(self, key: Key, request: Request) -> None:
        """A request within the dialog, early or not."""
        reliable = self._reliable
        if request.method == "PRACK" and reliable is not None and self.call.dialog.follows(request):
            status = 200 if reliable.acknowledged(request) else 481
            self._wires.respond(key, reply(request, status))
            self._news.set()
            return
        self.call.receive(key, request)
        if self.call.over.is_set() and not self._established:
            self._refuse(487)  # RFC 3261 section 15.1.2: BYE ends an early dialog, too
            self._news.set()

    def cancelled(self) -> None:
        """CANCEL was faster than our final answer. What the house is doing comes to its end, and is hung up then."""
        self._cancelled = True
        self._refuse(487)
        self._news.set()

    def acknowledged(self, ack: Request) -> None:
        self.call.acknowledged(ack)

    def unacknowledged(self) -> None:
        self.call.unacknowledged()

    # Line

    def media_connected(self) -> None:
        self._connected = True
        self._news.set()

    def hung_up(self) -> None:
        self._hung_up = True
        self._news.set()
        if self._established:
            self._wires.spawn(self.call.bye(), "bye")
