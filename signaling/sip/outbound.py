"""A call of ours: INVITE, what they say to it, and what stands afterwards.

The offer is given by whoever wants the call; the answer comes back with `Placed`. A challenge is met once (RFC 8760),
a session interval that is too small is made longer once (RFC 4028 section 7.3), and a call that nobody takes within
the time allowed is taken back. If several phones answer, the first has the call and the others a BYE.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Protocol

from signaling.sip.addresses import Uri, quoted, read_uri
from signaling.sip.call import ALLOW, Call
from signaling.sip.dialogs import MAX_FORWARDS, Dialog, DialogId
from signaling.sip.digest import Credentials, authorize
from signaling.sip.flow import Flow
from signaling.sip.message import Headers, Request, Response, tag_of, with_header
from signaling.sip.offers import sdp_of
from signaling.sip.ports import Unreachable, Wires
from signaling.sip.session_timer import MIN_SE, WANTED
from signaling.sip.transactions import Key

RING_S: Final = 60.0
CANCEL_S: Final = 40.0  # a CANCEL is answered or given up within 32 s


class NotTaken(Exception):
    """Nobody took the call. `status` as RFC 3261 section 21 has it: 486 busy, 603 declined, 487 taken back,
    408 no answer, 503 they cannot be reached."""

    def __init__(self, status: int, reason: str) -> None:
        super().__init__(f"{status} {reason}")
        self.status = status
        self.reason = reason


class Answering(Protocol):
    """Whoever answers for a dialog (`agent.Party`)."""

    def receive(self, key: Key, request: Request) -> None: ...

    def acknowledged(self, ack: Request) -> None: ...

    def unacknowledged(self) -> None: ...

    def cancelled(self) -> None: ...


class Lines(Wires, Protocol):
    """What a call of ours needs beyond what every call does."""

    async def flow_to(self, uri: Uri, near: Flow | None = None) -> Flow: ...

    def send(self, request: Request, flow: Flow, told: Callable[[Response | None], None]) -> Key: ...

    def cancel(self, key: Key) -> None: ...

    def send_ack(self, request: Request, flow: Flow) -> None: ...

    def stands(self, dialog: DialogId, party: Answering) -> None: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Placed:
    """They have taken it. Tell `call.media` who has the sound, and then use it as any other call."""

    call: StandingCall
    answer_sdp: str


class StandingCall(Call):
    """A call of ours that was taken. Their later INVITEs can be cancelled like any other: it is answered at once."""

    def cancelled(self) -> None:
        """Of a later INVITE of theirs: its final response is on its way already."""


async def place(
    lines: Lines,
    *,
    to: str,
    caller: str,
    caller_name: str = "",
    offer_sdp: str,
    via: str | None = None,
    credentials: Credentials | None = None,
    ring_s: float = RING_S,
    on_progress: Callable[[int, str | None], None] = lambda status, sdp: None,
    headers: Headers = (),
) -> Placed:
    """Call somebody. `to` and `caller` are SIP URIs, `via` the proxy that takes it there.

    `on_progress` hears each provisional status (180: it rings) and the early answer, if there is one. Cancelling
    takes the call back. Raises NotTaken, and ValueError for what is no SIP URI.
    """
    name = f"{quoted(caller_name)} " if caller_name else ""
    invite = Request(
        method="INVITE",
        uri=read_uri(to).text,
        headers=(
            ("Max-Forwards", MAX_FORWARDS),
            *((("Route", f"<{via};lr>"),) if via is not None else ()),
            ("From", f"{name}<{read_uri(caller).text}>;tag={secrets.token_hex(8)}"),
            ("To", f"<{to}>"),
            ("Call-ID", secrets.token_hex(16)),
            ("CSeq", f"{secrets.randbelow(2**16) + 1} INVITE"),
            ("Allow", ALLOW),
            ("Supported", "timer"),
            ("Session-Expires", str(WANTED)),
            ("Min-SE", str(MIN_SE)),
            ("Content-Type", "application/sdp"),
            *headers,
        ),
        body=offer_sdp.encode(),
    )
    try:
        flow = await lines.flow_to(read_uri(via or to))
    except Unreachable as error:
        raise NotTaken(503, str(error)) from error
    attempt = _Attempt(lines, with_header(invite, *lines.contact(flow.transport)), flow, on_progress)
    response = await attempt.answer(ring_s)
    again = _improved(attempt.invite, response, credentials)
    if again is not None:
        attempt = _Attempt(lines, again, flow, on_progress)
        response = await attempt.answer(ring_s)
    if response.status >= 300:
        raise NotTaken(response.status, response.reason)
    return attempt.placed(response)


def _improved(invite: Request, response: Response, credentials: Credentials | None) -> Request | None:
    """The INVITE once more, with what was missing; None: nothing can be done about this answer."""
    number = invite.cseq[0] + 1
    if response.status == 422:
        least = (response.get("Min-SE") or "").strip()
        if not least.isdigit() or len(least) > 6:
            return None
        better = with_header(with_header(invite, "Session-Expires", least), "Min-SE", least)
        return with_header(better, "CSeq", f"{number} INVITE")
    if response.status not in (401, 407) or credentials is None:
        return None
    asked, given = (
        ("WWW-Authenticate", "Authorization")
        if response.status == 401
        else ("Proxy-Authenticate", "Proxy-Authorization")
    )
    answer = authorize(
        response.every(asked), credentials, "INVITE", invite.uri, new_word=lambda: secrets.token_hex(8)
    )
    if answer is None:
        return None
    return with_header(with_header(invite, given, answer), "CSeq", f"{number} INVITE")


class _Attempt:
    """One INVITE and all that is said to it."""

    def __init__(
        self, lines: Lines, invite: Request, flow: Flow, on_progress: Callable[[int, str | None], None]
    ) -> None:
        self.invite = invite
        self._lines = lines
        self._flow = flow
        self._on_progress = on_progress
        self._final: asyncio.Future[Response] = asyncio.get_running_loop().create_future()
        self._early_sdp: str | None = None
        self._wanted = True  # nobody has taken it back

    async def answer(self, ring_s: float) -> Response:
        """The final response. Raises NotTaken (408) after `ring_s`."""
        key = self._lines.send(self.invite, self._flow, self._told)
        try:
            async with asyncio.timeout(ring_s):
                return await asyncio.shield(self._final)
        except TimeoutError:
            self._take_back(key)
            raise NotTaken(408, "No answer") from None
        except asyncio.CancelledError:
            self._take_back(key)
            raise

    def placed(self, response: Response) -> Placed:
        """The call that stands now. Raises NotTaken for an answer that makes no call."""
        try:
            dialog = Dialog.of_client(self.invite, response)
        except ValueError as error:
            raise NotTaken(500, f"their answer makes no call: {error}") from error
        call = StandingCall(self._lines, dialog, self._flow)
        self._lines.stands(dialog.id, call)
        call.established(response)
        call.timer_agreed(response)
        self._acknowledge(dialog)
        answer = sdp_of(response) or self._early_sdp
        if answer is None:
            self._lines.spawn(call.bye(), "bye without answer")
            raise NotTaken(488, "they answered without SDP")
        return Placed(call=call, answer_sdp=answer)

    def _told(self, response: Response | None) -> None:
        if response is None:
            response = Response(status=503, reason="Cannot be reached", headers=())
        if response.status < 200:
            if response.status > 100 and self._wanted:
                self._early_sdp = sdp_of(response) or self._early_sdp
                self._on_progress(response.status, sdp_of(response))
        elif not self._final.done():
            self._final.set_result(response)
            if response.status < 300 and not self._wanted:
                self._let_go(response)  # RFC 3261 section 9.1: the answer was faster than the CANCEL
        elif 200 <= response.status < 300 and self._is_another(response):
            self._let_go(response)

    def _is_another(self, response: Response) -> bool:
        """Not a copy, but the answer of another phone (RFC 3261 section 13.2.2.4)."""
        return tag_of(response.get("To") or "") != tag_of(self._final.result().get("To") or "")

    def _take_back(self, key: Key) -> None:
        self._wanted = False
        if self._final.done():
            if self._final.result().status < 300:
                self._let_go(self._final.result())
        else:
            self._lines.cancel(key)

    def _let_go(self, response: Response) -> None:
        try:
            dialog = Dialog.of_client(self.invite, response)
        except ValueError:
            return
        call = StandingCall(self._lines, dialog, self._flow)
        self._lines.stands(dialog.id, call)
        self._acknowledge(dialog)
        self._lines.spawn(call.bye(), "bye to an answer too many")

    def _acknowledge(self, dialog: Dialog) -> None:
        number = self.invite.cseq[0]
        authorized = tuple(
            line
            for line in self.invite.headers
            if line[0].lower() in ("authorization", "proxy-authorization")  # RFC 3261 section 13.2.2.4
        )
        self._lines.spawn(
            self._lines.acknowledge(
                _Known(dialog=dialog, flow=self._flow), dialog.ack(number, headers=authorized)
            ),
            "ack",
        )


@dataclass(slots=True, kw_only=True)
class _Known:
    """Implements `ports.Ending`."""

    dialog: Dialog
    flow: Flow
