"""The telephone side joined to the house: an INVITE becomes a call of the switchboard's, and each tells the other.

Implements `signaling.sip.ports.House`. Who may call, and whose number is believed, is in the [sip] settings.
"""

from __future__ import annotations

import ipaddress
import logging
import ssl
from collections.abc import AsyncIterator, Callable
from typing import Final, cast

from media.sdp import OfferRejected
from realtime.phone_numbers import dialled
from signaling.caller import CallerIdentity, TrunkLine
from signaling.errors import OfferRefused, Problem, Unavailable, UnknownAgent
from signaling.server.call_session import CallSession
from signaling.server.switchboard import Switchboard
from signaling.settings import SipSettings
from signaling.sip.addresses import read_host
from signaling.sip.agent import AgentConfig, Listen
from signaling.sip.digest import Credentials
from signaling.sip.flow import Transport
from signaling.sip.identity import Identity, read_identity
from signaling.sip.ports import Declined, HungUp, Invitation
from signaling.sip.reader import Limits
from signaling.sip.routing import BadRoute, Routes
from storage.events import EndReason

log = logging.getLogger(__name__)

THIS_MACHINE: Final = ("127.0.0.0/8", "::1/128")
DOORS: Final = ("udp", "tcp", "tls")
ENDED_AS: Final[dict[HungUp, EndReason]] = {
    "caller_hangup": "caller_hangup",
    "timeout": "peer_lost",
    "error": "error",
}


class BadSipSettings(ValueError):
    """What is wrong with the [sip] settings, one sentence, and what would be right."""


class Trunk:
    """`default_agent`: who answers where no route says otherwise; None: nobody."""

    def __init__(
        self, switchboard: Switchboard, settings: SipSettings, default_agent: Callable[[], str | None]
    ) -> None:
        """Raises BadSipSettings."""
        self._switchboard = switchboard
        self._settings = settings
        self._default_agent = default_agent
        try:
            self._routes = Routes(settings.routes)
        except BadRoute as error:
            raise BadSipSettings(f"sip.routes: {error}") from error

    async def take(self, invitation: Invitation) -> TakenCall:
        """See `House.take`."""
        told = read_identity(invitation.request)
        called = self._number(told.called)
        agent = self._routes.agent_for(called) if self._settings.routes else self._default_agent()
        if agent is None:
            raise Declined(404, "Nobody answers this number.")
        line = TrunkLine(
            called=called,
            media_connected=invitation.line.media_connected,
            hung_up=invitation.line.hung_up,
        )
        try:
            session, answer = await self._switchboard.answer_line(
                agent_id=agent, offer_sdp=invitation.offer_sdp, caller=self._caller(told), line=line
            )
        except OfferRefused as error:
            raise Declined(488, error.detail) from error
        except UnknownAgent as error:
            log.error("sip.route_to_nobody agent=%s: there is no such agent; see sip.routes", agent)
            raise Declined(404, "Nobody answers this number.") from error
        except Unavailable as error:
            raise Declined(503, error.detail, retry_after_s=error.retry_after_s or 5) from error
        except Problem as error:
            raise Declined(500, error.detail) from error
        return TakenCall(session, answer)

    def closed_for_s(self) -> int | None:
        return self._switchboard.closed_for_s

    def _caller(self, told: Identity) -> CallerIdentity:
        wanted = self._settings.verified
        verified = (wanted == "asserted" and told.asserted) or (
            wanted == "attested" and told.asserted and told.attested
        )
        return CallerIdentity(
            number=self._number(told.number),
            verified=verified,
            name=told.name,
            source="trunk",
            private=told.private,
            diverted_from=self._number(told.diverted_from),
        )

    def _number(self, number: str | None) -> str | None:
        """In E.164 where that can be told."""
        if number is None or self._settings.region is None:
            return number
        return dialled(number, self._settings.region) or number


class TakenCall:
    """A call of the switchboard's, for the telephone side. Implements `signaling.sip.ports.Taken`."""

    def __init__(self, session: CallSession, answer_sdp: str) -> None:
        self._session = session
        self._answer_sdp = answer_sdp

    @property
    def answer_sdp(self) -> str:
        return self._answer_sdp

    async def answered(self, answer_sdp: str) -> None:
        await self._session.accept(answer_sdp)

    def digit(self, digit: str, duration_ms: int) -> None:
        if not self._session.over:
            self._session.digit_received(digit, duration_ms)

    def hold(self, held: bool) -> None:
        self._session.hold(held)

    async def change(self, offer_sdp: str) -> str:
        if self._session.over:
            raise OfferRejected("call_over", "This call has ended.")
        return await self._session.reattach(offer_sdp)

    def referred(self, target: str) -> AsyncIterator[tuple[int, str]] | None:
        return None  # the other end of a call cannot make us call somebody

    def hung_up(self, why: HungUp) -> None:
        self._session.hang_up(ENDED_AS[why])


def agent_config(settings: SipSettings) -> AgentConfig:
    """What the user agent is told of the settings. Raises BadSipSettings; OSError for files that cannot be read."""
    if (settings.username is None) != (settings.password is None):
        raise BadSipSettings("sip.username and sip.password belong together: set both or neither")
    credentials = None
    if settings.username is not None and settings.password is not None:
        credentials = Credentials(username=settings.username, password=settings.password.get_secret_value())
    doors = tuple(_door(text) for text in settings.listen)
    try:
        sources = tuple(ipaddress.ip_network(source) for source in settings.sources or THIS_MACHINE)
    except ValueError as error:
        raise BadSipSettings(
            f"sip.sources: {error}; write addresses or networks such as 10.0.0.0/24"
        ) from error
    return AgentConfig(
        listen=doors,
        sources=sources,
        advertised=settings.advertised,
        limits=Limits(header=settings.max_header_bytes, body=settings.max_body_bytes),
        credentials=credentials,
        realm=settings.realm,
        asks_callers=credentials is not None,
        server_tls=_server_tls(settings) if any(door.transport == "tls" for door in doors) else None,
        client_tls=_client_tls(settings) if settings.authorities is not None else None,
        max_pending=settings.max_pending,
    )


def _door(text: str) -> Listen:
    transport, _, place = text.partition(":")
    try:
        host, port = read_host(place.removesuffix(":0"))
    except ValueError:
        host = ""
    if transport not in DOORS or not host:
        raise BadSipSettings(f"sip.listen: {text!r} is not a door; write tcp:10.0.0.11:5060, udp:… or tls:…")
    if place.endswith(":0"):
        port = 0
    default = 5061 if transport == "tls" else 5060
    return Listen(transport=cast(Transport, transport), host=host, port=default if port is None else port)


def _server_tls(settings: SipSettings) -> ssl.SSLContext:
    if settings.certificate is None:
        raise BadSipSettings("sip.listen has a tls: door; set sip.certificate and sip.private_key for it")
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=settings.authorities)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.load_cert_chain(settings.certificate, settings.private_key)
    if settings.authorities is not None:
        context.verify_mode = ssl.CERT_REQUIRED
    return context


def _client_tls(settings: SipSettings) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=settings.authorities)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    # Bridges are named by address in our routes; whose certificate counts is said by the authorities alone.
    context.check_hostname = False
    if settings.certificate is not None:
        context.load_cert_chain(settings.certificate, settings.private_key)
    return context
