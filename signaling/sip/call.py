"""A call that stands: what either side may do to it until one says BYE.

Ours and theirs alike, whoever has called. Every request of theirs gets its one final answer here; what it means is
the house's business (`Taken`). At most one offer is open at a time (RFC 3261 section 14): theirs while one of theirs
is open gets 500, theirs against ours 491.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from typing import Final

from media.sdp import OfferRejected
from signaling.sip import keys
from signaling.sip.addresses import read_address
from signaling.sip.dialogs import Dialog
from signaling.sip.flow import Flow
from signaling.sip.message import Headers, Request, Response, reply
from signaling.sip.offers import (
    Sound,
    answer_again,
    has_foreign_body,
    offer_again,
    same_leg,
    sdp_of,
    sound_of,
)
from signaling.sip.ports import HungUp, Taken, Unreachable, Wires
from signaling.sip.referral import Referral, fragment
from signaling.sip.session_timer import MIN_SE, Act, SessionTimer, agree_as_client, agree_as_server, too_small
from signaling.sip.session_timer import headers_for as timer_headers
from signaling.sip.transactions import Key

log = logging.getLogger(__name__)

ALLOW: Final = "INVITE, ACK, CANCEL, BYE, OPTIONS, INFO, UPDATE, PRACK, REFER, NOTIFY"
SUPPORTED: Final = "timer, 100rel"
EXTENSIONS: Final = frozenset({"timer", "100rel"})
GLARE_PAUSE_S: Final = (
    2.5  # RFC 3261 section 14.1: 2.1 to 4 s for whoever chose the Call-ID; longer than the others
)
WARNING: Final = '399 cordboard "{}"'  # RFC 3261 section 20.43


class Call:
    """Order of calls: `established` once; then `receive` for each request of theirs, and any of the rest."""

    def __init__(self, wires: Wires, dialog: Dialog, flow: Flow) -> None:
        self.dialog = dialog
        self.flow = flow
        self.over = asyncio.Event()
        self._wires = wires
        self._taken: Taken | None = None
        self._sound: Sound | None = None
        self._theirs = ""  # SDP: their newest that counts
        self._ours = ""  # SDP: ours that goes with it
        self._established = False
        self._theirs_open: Key | None = None  # an INVITE of theirs without a final answer
        self._ours_open = False
        self._unacknowledged: dict[int, Key] = {}
        self._answer_wanted: int | None = None  # our offer went out in this 2xx: the answer comes in its ACK
        self._allows: frozenset[str] = frozenset()
        self._timer = SessionTimer()
        self._alarm: asyncio.TimerHandle | None = None
        self._referral: Referral | None = None

    @property
    def _contact(self) -> tuple[str, str]:
        return self._wires.contact(self.flow.transport)

    def media(self, taken: Taken, theirs: str | None, ours: str) -> None:
        """The house's side of the call, and the SDP of both, whichever was the offer. Raises OfferRejected.

        `theirs` None: ours is an offer that goes out in the 2xx, and theirs comes in its ACK.
        """
        self._taken, self._theirs, self._ours = taken, theirs or "", ours
        if theirs is not None:
            self._sound, _ = sound_of(theirs)

    def established(self, message: Request | Response) -> None:
        """There is a 2xx. `message`: theirs, the INVITE or the answer to ours."""
        self._established = True
        self._allows = frozenset(word.upper() for word in message.tokens("Allow"))

    def answered_with(self, invite: Request, key: Key) -> Headers:
        """What the 2xx to an INVITE or UPDATE of theirs carries beside its body."""
        if invite.method == "INVITE":
            self._unacknowledged[invite.cseq[0]] = key
            if not self._theirs:
                self._answer_wanted = invite.cseq[0]
        agreed = agree_as_server(invite)
        self._timer.agreed(agreed, we_asked=False, now=self._wires.now())
        self._set_alarm()
        return (self._contact, ("Allow", ALLOW), ("Supported", SUPPORTED), *timer_headers(agreed))

    def timer_agreed(self, response: Response) -> None:
        """Their 2xx to an INVITE or UPDATE of ours."""
        self._timer.agreed(agree_as_client(response), we_asked=True, now=self._wires.now())
        self._set_alarm()

    # Theirs

    def receive(self, key: Key, request: Request) -> None:
        """A request within the dialog."""
        if not self.dialog.follows(request):
            self._respond(key, request, 500)  # RFC 3261 section 12.2.2
            return
        unknown = [word for word in request.tokens("Require") if word.lower() not in EXTENSIONS]
        if unknown and request.method != "BYE":
            self._respond(key, request, 420, headers=(("Unsupported", ", ".join(unknown)),))
            return
        match request.method:
            case "BYE":
                self._respond(key, request, 200)
                self.end("caller_hangup")
            case "INVITE" | "UPDATE":
                self._offered(key, request)
            case "INFO":
                self._info(key, request)
            case "OPTIONS":
                self._respond(key, request, 200, headers=(("Allow", ALLOW), ("Supported", SUPPORTED)))
            case "REFER":
                self._referred(key, request)
            case "NOTIFY":
                self._notified(key, request)
            case "PRACK":
                self._respond(key, request, 481)  # nothing waits for one any more
            case _:
                self._respond(key, request, 405, headers=(("Allow", ALLOW),))

    def acknowledged(self, ack: Request) -> None:
        """An ACK within the dialog; also of a copy, or of nothing."""
        number = ack.cseq[0]
        key = self._unacknowledged.pop(number, None)
        if key is None:
            return
        self._wires.acknowledged(key)
        if self._answer_wanted == number:
            self._answer_wanted = None
            text = sdp_of(ack)
            if text is None:
                self._wires.spawn(self.bye("error"), "no answer in ACK")
                return
            if self._theirs:
                self._answer_came(text)
            else:
                self._theirs = text
                self._wires.spawn(self._first_answer(text), "answer to our offer")

    def unacknowledged(self) -> None:
        """A 2xx of ours was sent for 32 s and nobody has said that it came (RFC 3261 section 13.3.1.4)."""
        log.warning("sip.no_ack")
        self._wires.spawn(self.bye("timeout"), "bye after no ACK")

    def _offered(self, key: Key, request: Request) -> None:
        text = sdp_of(request)
        offers = request.method == "INVITE" or text is not None
        if too_small(request):
            self._respond(key, request, 422, headers=(("Min-SE", str(MIN_SE)),))
        elif offers and (self._theirs_open is not None or not self._established):
            self._respond(key, request, 500, headers=(("Retry-After", "1"),))
        elif offers and self._ours_open:
            self._respond(key, request, 491)
        elif has_foreign_body(request):
            self._respond(key, request, 415, headers=(("Accept", "application/sdp"),))
        elif text is not None:
            self._theirs_open = key
            self._wires.spawn(self._change(key, request, text), "later offer")
        else:
            self.dialog.moved(request)
            body = b""
            if request.method == "INVITE":
                body = offer_again(self._ours).encode()
                self._answer_wanted = request.cseq[0]
            self._respond(key, request, 200, headers=self.answered_with(request, key), body=body)

    async def _change(self, key: Key, request: Request, text: str) -> None:
        try:
            answer = await self._changed(text)
        except OfferRejected as error:
            # RFC 3261 section 14.2: the call goes on as it was.
            warning = ("Warning", WARNING.format(error.detail.replace('"', "'")))
            self._respond(key, request, 488, headers=(warning,))
            return
        except Exception:
            log.exception("sip.change_failed")
            self._respond(key, request, 500)
            return
        finally:
            self._theirs_open = None
        if self.over.is_set():
            self._respond(key, request, 487)
            return
        self._theirs, self._ours = text, answer
        self.dialog.moved(request)
        self._respond(key, request, 200, headers=self.answered_with(request, key), body=answer.encode())

    async def _changed(self, text: str) -> str:
        assert self._taken is not None
        if text == self._theirs:
            return self._ours
        sound, offer = sound_of(text)
        if self._sound is not None and same_leg(self._sound, sound):
            answer = answer_again(self._ours, offer, sound.direction)
        else:
            answer = await self._taken.change(text)
        self._sound = sound
        self._taken.hold(sound.held)
        return answer

    async def _first_answer(self, text: str) -> None:
        assert self._taken is not None
        try:
            self._sound, _ = sound_of(text)
            await self._taken.answered(text)
        except OfferRejected as error:
            log.warning("sip.answer_unusable code=%s", error.code)
            await self.bye("error")
            return
        # From now on we are the end that they are not (RFC 5763 section 5).
        active = "a=setup:passive" in text
        self._ours = self._ours.replace("a=setup:actpass", f"a=setup:{'active' if active else 'passive'}")

    def _answer_came(self, text: str) -> None:
        """The answer to an offer of ours of a leg that stands: only the direction may have changed."""
        try:
            sound, _ = sound_of(text)
        except OfferRejected as error:
            log.warning("sip.answer_unusable code=%s", error.code)
            return
        self._sound = sound
        if self._taken is not None:
            self._taken.hold(sound.held)

    def _info(self, key: Key, request: Request) -> None:
        content_type = request.get("Content-Type") or ""
        pressed = keys.read_key(content_type, request.body)
        if pressed is not None:
            if self._taken is not None:
                self._taken.digit(*pressed)
            self._respond(key, request, 200)
        elif request.body:
            self._respond(key, request, 415, headers=(("Accept", ", ".join(keys.KINDS)),))
        else:
            self._respond(key, request, 200)  # RFC 2976 section 2.2: a look whether we are still there

    def _referred(self, key: Key, request: Request) -> None:
        lines = request.every("Refer-To")
        try:
            target = read_address(lines[0]).uri.text if len(lines) == 1 else None
        except ValueError:
            target = None
        if target is None:
            self._respond(key, request, 400)
            return
        progress = self._taken.referred(target) if self._taken is not None and self._established else None
        if progress is None:
            self._respond(key, request, 603)
            return
        silent = (request.get("Refer-Sub") or "").strip().lower() == "false"  # RFC 4488
        headers = (self._contact, *((("Refer-Sub", "false"),) if silent else ()))
        self._respond(key, request, 202, headers=headers)
        self._wires.spawn(self._report(progress, request.cseq[0], silent), "report of a REFER")

    async def _report(self, progress: AsyncIterator[tuple[int, str]], sequence: int, silent: bool) -> None:
        """RFC 3515 section 2.4.4: at once that we try, then how it goes, at the end that this was all."""
        status, reason = 100, "Trying"
        await self._notify(sequence, status, reason, silent)
        async for status, reason in progress:
            if self.over.is_set():
                return
            await self._notify(sequence, status, reason, silent)
            if status >= 200:
                return
        if status < 200:
            await self._notify(sequence, 503, "Service Unavailable", silent)

    async def _notify(self, sequence: int, status: int, reason: str, silent: bool) -> None:
        if silent or self.over.is_set():
            return
        state = "active;expires=120" if status < 200 else "terminated;reason=noresource"
        headers = (
            ("Event", f"refer;id={sequence}"),
            ("Subscription-State", state),
            ("Content-Type", "message/sipfrag;version=2.0"),
        )
        await self._ask("NOTIFY", headers, fragment(status, reason))

    def _notified(self, key: Key, request: Request) -> None:
        if (request.get("Event") or "").partition(";")[0].strip().lower() != "refer":
            self._respond(key, request, 489, headers=(("Allow-Events", "refer"),))
        elif self._referral is None:
            self._respond(key, request, 481)
        else:
            self._respond(key, request, 200)
            self._referral.notified(request)

    # Ours

    async def bye(self, why: HungUp | None = None) -> None:
        """Say goodbye; returns when they have heard it or cannot be reached. `why`: tell the house so."""
        if self.over.is_set():
            return
        self.end(why)
        await self._ask("BYE")

    def end(self, why: HungUp | None) -> None:
        """The call is over; nothing is sent. Idempotent."""
        if self.over.is_set():
            return
        self.over.set()
        if self._alarm is not None:
            self._alarm.cancel()
        if self._referral is not None:
            self._referral.ended()
        for key in self._unacknowledged.values():
            self._wires.acknowledged(key)  # nobody needs to hear of it any more
        if self._taken is not None and why is not None:
            self._taken.hung_up(why)
        self._wires.over(self)

    async def press(self, key: str, duration_ms: int) -> bool:
        """A key, by INFO. False: they would not have it."""
        headers = (("Content-Type", keys.KINDS[0]),)
        response = await self._ask("INFO", headers, keys.key_body(key, duration_ms))
        return response is not None and response.status < 300

    async def refer(self, target: str) -> AsyncIterator[tuple[int, str]]:
        """Ask them to call `target` instead (RFC 3515): status and reason as that goes, the last one final.

        A refusal of the REFER itself is its status, as the only one. One at a time.
        """
        if self._referral is not None:
            yield 491, "Another transfer is under way"
            return
        self._referral = referral = Referral()
        try:
            headers = (("Refer-To", f"<{target}>"), ("Referred-By", self.dialog.local.partition(";tag=")[0]))
            response = await self._ask("REFER", headers)
            if response is None:
                yield 408, "No answer"
                return
            if response.status >= 300:
                yield response.status, response.reason
                return
            async for step in referral.steps():
                yield step
        finally:
            self._referral = None

    async def _refresh(self) -> None:
        """RFC 4028 section 10: UPDATE where they know it, else INVITE with what stands."""
        interval = (("Supported", "timer"), ("Session-Expires", "1800"), ("Min-SE", str(MIN_SE)))
        headers: Headers = (self._contact, *interval)
        if "UPDATE" in self._allows:
            response = await self._ask("UPDATE", headers)
        else:
            self._ours_open = True
            try:
                body = offer_again(self._ours).encode()
                response = await self._ask("INVITE", (*headers, ("Content-Type", "application/sdp")), body)
            finally:
                self._ours_open = False
        if response is None or self.over.is_set():
            return
        if response.status < 300:
            self.dialog.moved(response)
            self.timer_agreed(response)
        elif response.status == 491:
            self._timer.try_again(self._wires.now() + GLARE_PAUSE_S)
            self._set_alarm()
        else:
            log.warning("sip.refresh_refused status=%d", response.status)  # expiry will tell

    async def _ask(self, method: str, headers: Headers = (), body: bytes = b"") -> Response | None:
        """None: no answer, and the call is over, because the other end is not there."""
        request = self.dialog.request(method, headers=headers, body=body)
        if method in ("REFER", "NOTIFY"):
            request = Request(
                method=method, uri=request.uri, headers=(*request.headers, self._contact), body=body
            )
        try:
            response = await self._wires.ask(self, request)
        except Unreachable:
            self.end("timeout")
            return None
        if method == "INVITE" and response.status < 300:
            await self._wires.acknowledge(self, self.dialog.ack(request.cseq[0]))
        if response.status in (408, 481):  # RFC 3261 section 12.2.1.2: they do not know this call
            self.end("caller_hangup")
        return response

    def _set_alarm(self) -> None:
        if self._alarm is not None:
            self._alarm.cancel()
            self._alarm = None
        if self._timer.next_at is not None and not self.over.is_set():
            self._alarm = self._wires.later(self._timer.next_at, self._rung)

    def _rung(self) -> None:
        act = self._timer.wake(self._wires.now())
        self._set_alarm()
        if act is Act.REFRESH:
            self._wires.spawn(self._refresh(), "session refresh")
        elif act is Act.EXPIRED:
            log.warning("sip.session_expired")
            self._wires.spawn(self.bye("timeout"), "bye after expiry")

    def _respond(
        self, key: Key, request: Request, status: int, *, headers: Headers = (), body: bytes = b""
    ) -> None:
        self._wires.respond(key, reply(request, status, headers=headers, body=body))
