"""Who stands at the door, and may they do this?

Credentials are looked for in this order: `Authorization: Bearer`, `?ticket=` (calls and the live feed, where
a browser cannot set headers), the session cookie. A wrong one is refused even where none would do.
"""

from __future__ import annotations

import ipaddress
import secrets
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from aiohttp import web

from signaling.errors import NotAllowed, NotSignedIn
from signaling.settings import AuthSettings, Settings
from signaling.web.single_use import SingleUse
from signaling.web.tokens import TICKET_TTL_S, BadToken, Claims, Role, TokenSigner, Use
from storage.people import Person

SESSION_COOKIE = "cordboard_session"
CSRF_HEADER = "X-CSRF"
RESUME_HEADER = "X-Resume"
_SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})  # RFC 9110 §9.2.1

STAFF: frozenset[Role] = frozenset({"operator", "admin", "service"})
EVERYONE: frozenset[Role] = STAFF | {"caller"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Access:
    """Who may use a route."""

    roles: frozenset[Role] = frozenset()
    own_call: bool = False  # also the resume token of the call named in the path or topic
    ticket: bool = False  # also a call ticket
    resume: bool = (
        False  # also the resume token of any call, in the header X-Resume: the route knows what to do
    )
    open_in_demo: bool = False  # also nobody in particular, in the demo, from this machine
    public: bool = False  # anyone


@dataclass(frozen=True, slots=True, kw_only=True)
class Principal:
    """Somebody with credentials, or nobody in particular (`claims` None) where that is allowed."""

    claims: Claims | None

    @property
    def role(self) -> Role | None:
        return self.claims.role if self.claims and self.claims.use in ("token", "session") else None

    @property
    def id(self) -> str:
        """Who does it, for leases, events and the audit log."""
        return self.claims.subject if self.claims else ""

    @property
    def name(self) -> str:
        """What others see."""
        return (self.claims.metadata.get("name") or self.claims.subject) if self.claims else ""

    @property
    def queues(self) -> frozenset[str]:
        """Whose handoffs may ring here; "*", and a token's holder: everybody's."""
        given = self.claims.metadata.get("queues", "*") if self.claims else ""
        return frozenset(filter(None, given.split(",")))

    @property
    def own_call_id(self) -> str | None:
        return self.claims.call_id if self.claims and self.claims.use == "resume" else None

    @property
    def expires_at(self) -> int | None:
        return self.claims.expires_at if self.claims else None


NOBODY = Principal(claims=None)


@dataclass(slots=True)
class Doorkeeper:
    """Reads credentials, makes the tokens that the doors hand out.

    Without a secret in the settings it makes up its own: then no token from outside opens anything.
    """

    signer: TokenSigner
    settings: AuthSettings
    demo: bool = False
    allowed_origins: frozenset[str] = frozenset()
    now: Callable[[], float] = time.time
    used: SingleUse = field(default_factory=SingleUse)

    @classmethod
    def of(cls, settings: Settings, *, now: Callable[[], float] = time.time) -> Doorkeeper:
        secret = settings.auth.secret
        origins = set(settings.server.allowed_origins)
        if settings.server.public_url is not None:
            origins.add(settings.server.public_url)
        return cls(
            signer=TokenSigner(secret.get_secret_value() if secret else secrets.token_hex(32)),
            settings=settings.auth,
            demo=settings.demo,
            allowed_origins=frozenset(origins),
            now=now,
        )

    def admit(self, request: web.Request, access: Access, *, call_id: str | None = None) -> Principal:
        """The principal of a request that may go on.

        Raises:
            NotSignedIn: no credentials where some are needed, or bad ones.
            NotAllowed: good credentials, not for this.
        """
        claims = self._claims(request, access)
        if claims is None:
            if access.public or (access.open_in_demo and self._is_demo_caller(request)):
                return NOBODY
            raise NotSignedIn(
                "This needs credentials.",
                fix="Send 'Authorization: Bearer TOKEN'; cordboard token create makes one.",
            )
        principal = Principal(claims=claims)
        if claims.use == "ticket":
            if not access.ticket:
                raise NotSignedIn(
                    "A call ticket opens a call and nothing else.", code="ticket_not_valid_here"
                )
        elif claims.use == "resume" and access.resume and RESUME_HEADER in request.headers:
            pass
        elif claims.use == "resume":
            self._check_own_call(claims, access, call_id)
        elif claims.role not in access.roles and not access.public:
            needed = ", ".join(sorted(access.roles))
            raise NotAllowed(f"The role {claims.role!r} may not do this.", fix=f"It takes one of: {needed}.")
        return principal

    def check_origin(self, request: web.Request) -> None:
        """A page of somebody else's must not use this browser's session (cross-site WebSocket hijacking).

        Raises:
            NotAllowed: a foreign Origin, or a cookie without any (browsers always send one on upgrade).
        """
        origin = request.headers.get("Origin")
        if origin is None:
            if SESSION_COOKIE in request.cookies and "Authorization" not in request.headers:
                raise NotAllowed("A session cookie without an Origin header.", code="foreign_origin")
            return
        if not self.is_own_origin(request, origin):
            raise NotAllowed(
                "This page is not allowed to open the live feed.",
                code="foreign_origin",
                fix="Add its origin to server.allowed_origins.",
            )

    def is_own_origin(self, request: web.Request, origin: str) -> bool:
        own = origin.partition("://")[2].lower() == request.host.lower()
        return own or origin in self.allowed_origins

    def ticket(
        self,
        *,
        ttl_s: int,
        agent: str | None,
        caller_number: str | None,
        metadata: Mapping[str, str],
        subject: str,
    ) -> tuple[str, int]:
        """A single-use call ticket and when it expires (Unix seconds)."""
        now = int(self.now())
        claims = Claims(
            use="ticket",
            role="caller",
            subject=subject,
            issued_at=now,
            expires_at=now + min(ttl_s, TICKET_TTL_S),
            id=secrets.token_urlsafe(16),
            agent=agent,
            caller_number=caller_number,
            metadata=metadata,
        )
        return self.signer.sign(claims), claims.expires_at

    def resume_token(self, call_id: str) -> str:
        """Good for one call's events, transcript, PATCH and DELETE; the `X-Resume` header."""
        claims = self._issue("resume", "caller", "caller", self.settings.resume_ttl_s, call_id=call_id)
        return self.signer.sign(claims)

    def session(self, claims: Claims) -> tuple[str, Claims]:
        """A browser session for who holds a token; never longer than the token itself."""
        ttl_s = min(self.settings.session_ttl_s, claims.expires_at - int(self.now()))
        session = self._issue("session", claims.role, claims.subject, ttl_s, csrf=secrets.token_urlsafe(16))
        return self.signer.sign(session), session

    def persons_session(self, person: Person) -> tuple[str, Claims]:
        """A browser session for somebody who has given their password."""
        session = self._issue(
            "session",
            person.role,
            person.id,
            self.settings.session_ttl_s,
            csrf=secrets.token_urlsafe(16),
            metadata={
                "name": person.name,
                "queues": ",".join(person.queues),
                **({"language": person.language} if person.language else {}),
            },
        )
        return self.signer.sign(session), session

    def read_token(self, token: str, *uses: Use) -> Claims:
        """Claims of a token of one of these uses. Raises NotSignedIn."""
        try:
            claims = self.signer.read(token, now=self.now())
            if claims.use not in uses:
                raise BadToken("invalid")
        except BadToken as bad:
            raise _refusal(bad) from None
        return claims

    def _issue(
        self,
        use: Use,
        role: Role,
        subject: str,
        ttl_s: int,
        *,
        call_id: str | None = None,
        csrf: str | None = None,
        metadata: Mapping[str, str] | None = None,
    ) -> Claims:
        now = int(self.now())
        return Claims(
            use=use,
            role=role,
            subject=subject,
            issued_at=now,
            expires_at=now + ttl_s,
            call_id=call_id,
            csrf=csrf,
            metadata=metadata or {},
        )

    def _claims(self, request: web.Request, access: Access) -> Claims | None:
        resume = request.headers.get(RESUME_HEADER)
        if resume is not None and access.resume:
            return self.read_token(resume.strip(), "resume")
        header = request.headers.get("Authorization")
        if header is not None:
            scheme, _, token = header.partition(" ")
            if scheme.lower() != "bearer":
                raise NotSignedIn("Only Bearer credentials are read.", fix="Authorization: Bearer TOKEN")
            return self.read_token(token.strip(), "token", "ticket", "resume")
        ticket = request.query.get("ticket")
        if ticket is not None and (access.ticket or access.own_call):
            # Addresses end up in logs and histories: what lasts long never travels in one.
            return self.read_token(ticket, "ticket", "resume")
        cookie = request.cookies.get(SESSION_COOKIE)
        if cookie is None or access.public:
            return None
        claims = self.read_token(cookie, "session")
        if request.method not in _SAFE_METHODS and not _same(request.headers.get(CSRF_HEADER), claims.csrf):
            raise NotAllowed(
                f"A browser session needs the {CSRF_HEADER} header on this method.",
                code="csrf_missing",
                fix="Send the csrf value that POST /v1/session returned.",
            )
        return claims

    def _check_own_call(self, claims: Claims, access: Access, call_id: str | None) -> None:
        if not access.own_call:
            if access.ticket:
                raise NotSignedIn("A resume token belongs to a call that is running.", code="token_invalid")
            raise NotAllowed("A resume token is good for its own call only.", code="other_call")
        if call_id is None or claims.call_id != call_id:
            raise NotAllowed("This resume token belongs to another call.", code="other_call")

    def _is_demo_caller(self, request: web.Request) -> bool:
        """Only this machine, only by a name of this machine.

        The Host check keeps out a foreign page that pointed its own name at 127.0.0.1 (DNS rebinding); a
        forwarding header means that a proxy stands between, and who is behind it is not known.
        """
        if not self.demo or any(h in request.headers for h in ("Forwarded", "X-Forwarded-For")):
            return False
        origin = request.headers.get("Origin")
        if origin is not None and not self.is_own_origin(request, origin):
            return False
        return is_loopback(request.remote) and _is_loopback_host(request.host)


def is_loopback(address: str | None) -> bool:
    """True for 127.0.0.0/8 and ::1."""
    try:
        parsed = ipaddress.ip_address(address or "")
    except ValueError:
        return False
    mapped = getattr(parsed, "ipv4_mapped", None)
    return bool((mapped or parsed).is_loopback)


def _is_loopback_host(host: str) -> bool:
    name = host[1:].partition("]")[0] if host.startswith("[") else host.rpartition(":")[0] or host
    return name.lower() == "localhost" or is_loopback(name)


def _same(given: str | None, expected: str | None) -> bool:
    return given is not None and expected is not None and secrets.compare_digest(given, expected)


def _refusal(bad: BadToken) -> NotSignedIn:
    match bad.reason:
        case "expired":
            return NotSignedIn(
                "These credentials have expired.", code="token_expired", fix="Ask for new ones."
            )
        case "used":
            return NotSignedIn("This ticket was used already.", code="ticket_used", fix="Ask for a new one.")
        case _:
            return NotSignedIn("These credentials are not valid here.", code="token_invalid")
