"""Browser sign-in and call tickets."""

from __future__ import annotations

from datetime import UTC, datetime

from aiohttp import web

from signaling.errors import BadRequest, NotSignedIn, TooManyRequests
from signaling.web.auth import EVERYONE, SESSION_COOKIE, Access
from signaling.web.bodies import read_json
from signaling.web.record import from_archive
from signaling.web.routing import Answer, Body, Route, Visit, json_answer
from signaling.web.shapes import IceServerEntry, Session, SignIn, Ticket, TicketRequest
from signaling.web.tokens import Claims
from storage.people import Person

FAILED_SIGN_INS_PER_MINUTE = 10
"""Per address: against guessing passwords, and noise in the log."""


async def sign_in(visit: Visit) -> web.Response:
    """A token for a cookie that scripts cannot read."""
    doors, request = visit.doors, visit.request
    address, now = request.remote or "", doors.keeper.now()
    wait_s = doors.failed_sign_ins.wait_s(address, now)
    if wait_s:
        raise TooManyRequests("Too many failed sign-ins from this address.", retry_after_s=wait_s)
    try:
        cookie, session = await _session(visit)
    except NotSignedIn:
        doors.failed_sign_ins.take(address, now)
        raise
    response = json_answer(_shown(session), status=201, headers={"Cache-Control": "no-store"})
    response.set_cookie(
        SESSION_COOKIE,
        cookie,
        max_age=session.expires_at - session.issued_at,
        httponly=True,
        samesite="Strict",
        secure=_is_https(visit),
        path="/",
    )
    return response


async def _session(visit: Visit) -> tuple[str, Claims]:
    """The cookie and what it says. Raises NotSignedIn, RecordUnavailable."""
    doors = visit.doors
    if visit.who.claims is not None:
        claims = visit.who.claims
    else:
        given = await read_json(visit.request, SignIn)
        if given.id is not None and given.password is not None:
            return doors.keeper.persons_session(await _person(visit, given.id, given.password))
        if given.token is None:
            raise BadRequest("A sign-in takes `token`, or `id` and `password`.", code="invalid_body")
        claims = doors.keeper.read_token(given.token, "token")
    if claims.use != "token":
        raise NotSignedIn("Only a token can sign in.", code="token_invalid")
    return doors.keeper.session(claims)


async def _person(visit: Visit, id: str, password: str) -> Person:
    """Who gave the right password. Nobody and a wrong password look alike, and take as long."""
    people = visit.doors.people
    found = await from_archive(people.find(id.strip().lower())) if people is not None else None
    person, password_hash = found or (None, None)
    if not await visit.doors.passwords.right(password, password_hash) or person is None:
        raise NotSignedIn("This name and password do not belong together.", code="password_wrong")
    return person


async def who_am_i(visit: Visit) -> web.Response:
    assert visit.who.claims is not None, "the route's access lets nobody in without credentials"
    return json_answer(_shown(visit.who.claims))


async def sign_out(visit: Visit) -> web.Response:
    response = web.Response(status=204)
    response.del_cookie(SESSION_COOKIE, path="/", httponly=True, samesite="Strict", secure=_is_https(visit))
    return response


async def issue_ticket(visit: Visit) -> web.Response:
    doors = visit.doors
    wanted = await read_json(visit.request, TicketRequest)
    ticket, expires_at = doors.keeper.ticket(
        ttl_s=wanted.ttl_s,
        agent=wanted.agent,
        caller_number=wanted.caller_number,
        metadata=wanted.metadata,
        subject=wanted.name or "",
    )
    ice_servers = [
        IceServerEntry(
            urls=list(server.urls),
            username=server.username,
            credential=server.credential.get_secret_value() if server.credential else None,
        )
        for server in doors.settings.media.ice_servers
    ]
    made = Ticket(ticket=ticket, expires_at=_rfc3339(expires_at), ice_servers=ice_servers)
    return json_answer(made, status=201, headers={"Cache-Control": "no-store"})


def _shown(claims: Claims) -> Session:
    told = claims.metadata if claims.use == "session" else {}
    return Session(
        role=claims.role,
        subject=claims.subject,
        csrf=claims.csrf,
        expires_at=_rfc3339(claims.expires_at),
        name=told.get("name"),
        queues=list(filter(None, told.get("queues", "").split(","))),
        language=told.get("language"),
    )


def _rfc3339(at: int) -> str:
    return datetime.fromtimestamp(at, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _is_https(visit: Visit) -> bool:
    """Browsers drop a Secure cookie on plain http, except on localhost in some of them: never set it there."""
    return (visit.doors.settings.server.public_url or "").startswith("https://") or visit.request.secure


ROUTES = (
    Route(
        method="POST",
        path="/v1/session",
        handler=sign_in,
        access=Access(public=True),
        summary="Sign a browser in: a token, or a name and password, for a session cookie",
        tag="sign-in",
        body=Body(media_type="application/json", shape=SignIn, required=False),
        answers={
            201: Answer(
                description="Signed in; `csrf` goes into the X-CSRF header of unsafe methods.",
                shape=Session,
                headers={"Set-Cookie": "HttpOnly, SameSite=Strict, Secure under https."},
            )
        },
        problems=(400, 401, 408, 413, 415, 422, 429, 503),
    ),
    Route(
        method="GET",
        path="/v1/session",
        handler=who_am_i,
        access=Access(roles=EVERYONE),
        summary="Who is signed in",
        tag="sign-in",
        answers={200: Answer(description="Role, name and the csrf value.", shape=Session)},
        problems=(401,),
    ),
    Route(
        method="DELETE",
        path="/v1/session",
        handler=sign_out,
        access=Access(public=True),
        summary="Sign out",
        tag="sign-in",
        answers={204: Answer(description="The cookie is gone.", media_types=())},
    ),
    Route(
        method="POST",
        path="/v1/tickets",
        handler=issue_ticket,
        access=Access(roles=frozenset({"service", "admin"})),
        summary="A single-use call ticket for a caller's browser, good for a minute at most",
        tag="sign-in",
        body=Body(media_type="application/json", shape=TicketRequest),
        answers={201: Answer(description="The ticket.", shape=Ticket)},
        problems=(400, 401, 403, 408, 413, 415, 422),
    ),
)
