"""Taking a call: an SDP offer in, an answer out. WHIP-shaped (RFC 9725), but both sides speak."""

from __future__ import annotations

from dataclasses import replace

from aiohttp import web

from signaling.caller import ANONYMOUS_DEMO_CALLER, CallerIdentity
from signaling.errors import (
    NotAcceptable,
    NotSignedIn,
    TooManyRequests,
    Unavailable,
    UnknownAgent,
    UnsupportedMediaType,
)
from signaling.settings import IceServer
from signaling.web.auth import EVERYONE, Access, Principal, is_loopback
from signaling.web.bodies import accepts, read_body
from signaling.web.offers import SDP, offer_of
from signaling.web.routing import Answer, Body, Doors, Header, Query, Route, Visit


async def place_call(visit: Visit) -> web.Response:
    request, doors = visit.request, visit.doors
    _check_forms(request)
    _check_rate(visit)
    offer = offer_of(await read_body(request))
    if visit.who.own_call_id is not None:
        return await _come_back(visit, visit.who.own_call_id, offer)
    agent_id = _agent_id(visit)
    ticket = visit.who.claims if visit.who.claims and visit.who.claims.use == "ticket" else None
    if ticket is not None and not doors.keeper.used.take(
        ticket.id, expires_at=ticket.expires_at, now=doors.keeper.now()
    ):
        raise NotSignedIn("This ticket was used already.", code="ticket_used", fix="Ask for a new one.")
    try:
        answered = await doors.desk.answer(agent_id=agent_id, offer_sdp=offer, caller=caller_of(visit.who))
    except Unavailable:
        if ticket is not None:  # nothing was answered, so nothing was used
            doors.keeper.used.give_back(ticket.id)
        raise
    response = web.Response(
        status=201,
        text=answered.answer_sdp,
        content_type=SDP,
        headers={
            "Location": f"/v1/calls/{answered.call_id}",
            "X-Resume": doors.keeper.resume_token(answered.call_id),
        },
    )
    response.headers.add("Link", f'</v1/events?topics=call:{answered.call_id}>; rel="events"')
    for server in doors.settings.media.ice_servers:
        for url in server.urls:
            response.headers.add("Link", ice_link(server, url))
    return response


async def _come_back(visit: Visit, call_id: str, offer: str) -> web.Response:
    """A new connection for a call that is running: after a reload, or on another network."""
    answer = await visit.doors.desk.reattach(call_id, offer)
    headers = {"Location": f"/v1/calls/{call_id}", "X-Resume": visit.doors.keeper.resume_token(call_id)}
    return web.Response(status=201, text=answer, content_type=SDP, headers=headers)


async def describe_calls(visit: Visit) -> web.Response:
    """RFC 9725 §4.2: OPTIONS tells which content types a POST takes."""
    return web.Response(status=204, headers={"Accept-Post": SDP, "Allow": "GET, OPTIONS, POST"})


def caller_of(who: Principal) -> CallerIdentity:
    """What the credentials say about the caller. Only a ticket can vouch for a number."""
    claims = who.claims
    if claims is None:
        return ANONYMOUS_DEMO_CALLER
    identity = CallerIdentity(number=None, verified=False, name=claims.subject or None, source="token")
    if claims.use != "ticket":
        return identity
    number = claims.caller_number
    return replace(
        identity, number=number, verified=number is not None, metadata=claims.metadata, source="ticket"
    )


def ice_link(server: IceServer, url: str) -> str:
    """RFC 9725 §4.6: STUN and TURN servers as Link headers."""
    link = f'<{url}>; rel="ice-server"'
    if server.username is not None and server.credential is not None:
        credential = server.credential.get_secret_value()
        link += f'; username="{server.username}"; credential="{credential}"; credential-type="password"'
    return link


def _check_forms(request: web.Request) -> None:
    if request.content_type != SDP:
        fix = "Send the offer as application/sdp."
        if request.content_type == "application/json":
            fix += " Outbound calls (JSON) need the SIP bridge, which this server does not have."
        raise UnsupportedMediaType(f"{request.content_type} is not read here.", fix=fix)
    if accepts(request, SDP) is None:
        raise NotAcceptable("The answer is SDP.", fix="Accept: application/sdp")


def _check_rate(visit: Visit) -> None:
    """Staff and programs are trusted not to flood; so is the demo's own machine."""
    who, request = visit.who, visit.request
    if who.role in ("admin", "service") or (who.claims is None and is_loopback(request.remote)):
        return
    wait_s = visit.doors.new_calls.take(request.remote or "", visit.doors.keeper.now())
    if wait_s:
        raise TooManyRequests(
            "Too many calls from this address.", fix=f"Try again in {wait_s} s.", retry_after_s=wait_s
        )


def _agent_id(visit: Visit) -> str:
    asked = visit.request.query.get("agent")
    claims = visit.who.claims
    bound = claims.agent if claims and claims.use == "ticket" else None
    if bound is not None and asked not in (None, bound):
        raise NotSignedIn("This ticket is for another agent.", code="ticket_not_valid_here")
    chosen = bound or asked or default_agent(visit.doors)
    if chosen is None:
        raise UnknownAgent("This server has no agents.", fix="Put an agent file into agents.path.")
    return chosen


def default_agent(doors: Doors) -> str | None:
    """The configured one, else the first by id that takes calls from outside."""
    if doors.settings.agents.default is not None:
        return doors.settings.agents.default
    inbound = sorted(a.id for a in doors.agents.list_agents() if a.direction != "outbound")
    return inbound[0] if inbound else None


ROUTES = (
    Route(
        method="POST",
        path="/v1/calls",
        handler=place_call,
        access=Access(roles=EVERYONE, ticket=True, open_in_demo=True, resume=True),
        summary="Place a call: offer in, answer out; or come back to one",
        tag="calls",
        query=(
            Query(name="agent", description="Agent id; without it the default agent answers."),
            Query(name="ticket", description="A call ticket, where no Authorization header can be sent."),
        ),
        headers=(
            Header(name="X-Resume", description="The token of a running call: this is its new connection."),
        ),
        body=Body(media_type=SDP),
        answers={
            201: Answer(
                description="The call is answered.",
                media_types=(SDP,),
                headers={
                    "Location": "The call; DELETE hangs up.",
                    "Link": "ICE servers (RFC 9725 §4.6) and the live feed (rel=events).",
                    "X-Resume": "A token good for this call's events, transcript, PATCH and DELETE.",
                },
            )
        },
        problems=(400, 401, 403, 404, 406, 408, 413, 415, 422, 429, 503),
    ),
    Route(
        method="OPTIONS",
        path="/v1/calls",
        handler=describe_calls,
        access=Access(public=True),
        summary="Which content types a POST takes",
        tag="calls",
        answers={
            204: Answer(description="See the headers.", media_types=(), headers={"Accept-Post": "Types."})
        },
    ),
)
