"""`/v1/events`: a snapshot, then every event as it happens, over a WebSocket.

The calls of other nodes are among them. When events may have been missed for all (Redis was away) another
snapshot follows: whoever finds a higher `last_seq` in it than it has seen fetches the gap over HTTP.

Each socket has one writer. A client that takes nothing for 5 s is cut off: it would not notice anyway, and
its backlog would only grow older.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial

import msgspec
from aiohttp import WSCloseCode, web

from signaling.errors import Problem, UnknownCall
from signaling.web.auth import STAFF, Access
from signaling.web.feed import Overflow, Renewal, Subscription
from signaling.web.record import Record
from signaling.web.routing import Answer, Query, Route, Visit
from signaling.web.topics import Topics, parse_since, parse_topics
from storage.codec import encode
from storage.envelope import Envelope
from storage.gaps import merged, unbroken
from storage.projection import CallView

log = logging.getLogger(__name__)

SEND_DEADLINE_S = 5.0
"""Beyond it the client is not slow but gone: a page that lags that far has to start again anyway."""
HEARTBEAT_S = 20.0
"""Below the 30 to 60 s after which proxies and NATs forget a silent connection."""
LARGEST_INCOMING = 4 * 1024
"""Bytes. Clients have nothing to say on this socket; what they say is not read."""
CREDENTIALS_EXPIRED = 4401
"""Close code (RFC 6455 §7.4.2: 4000-4999 are private): sign in again before reconnecting."""
EVERYTHING = "calls,handoffs"
_PAGE = 1000


async def live_events(visit: Visit) -> web.StreamResponse:
    request, doors = visit.request, visit.doors
    doors.keeper.check_origin(request)
    topics = parse_topics(request.query.get("topics", EVERYTHING))
    since = parse_since(request.query.get("since"), topics)
    socket = web.WebSocketResponse(heartbeat=HEARTBEAT_S, max_msg_size=LARGEST_INCOMING, compress=False)
    await socket.prepare(request)
    subscription: Subscription | None = None
    try:
        start, past, subscription = await _start(visit, topics, since)
        expires_at = visit.who.expires_at
        life_s = None if expires_at is None else max(0.0, expires_at - doors.keeper.now())
        async with asyncio.TaskGroup() as both:
            anew = partial(_snapshot, visit, topics, past)
            writer = both.create_task(_write(request, socket, start, subscription, anew, life_s))
            async for _ in socket:
                pass  # nothing a client says is read; this is how its leaving is noticed
            writer.cancel()
    finally:
        if subscription is not None:
            doors.feed.unsubscribe(subscription)
    return socket


async def _write(
    request: web.Request,
    socket: web.WebSocketResponse,
    start: Sequence[str],
    subscription: Subscription,
    snapshot: Callable[[], str],
    life_s: float | None,
) -> None:
    """Send until the client leaves, is too slow, its credentials expire or the server stops."""
    try:
        async with asyncio.timeout(life_s) as life:
            for message in start:
                await _send(request, socket, message)
            while (taken := await subscription.take()) is not None:
                match taken:
                    case Overflow():
                        await _send(request, socket, _resync(taken))
                    case Renewal():
                        await _send(request, socket, snapshot())
                    case message:
                        await _send(request, socket, message)
        await socket.close(code=WSCloseCode.GOING_AWAY, message=b"server is shutting down")
    except TimeoutError:
        if life.expired():
            await socket.close(code=CREDENTIALS_EXPIRED, message=b"credentials have expired")
    except (ConnectionError, _TooSlow):
        pass


class _TooSlow(Exception):
    """The client did not take a message within SEND_DEADLINE_S; its connection is gone already."""


async def _send(request: web.Request, socket: web.WebSocketResponse, message: str) -> None:
    try:
        async with asyncio.timeout(SEND_DEADLINE_S):
            await socket.send_str(message)
    except TimeoutError:
        log.warning("live feed client too slow", extra={"action": "feed_client_cut"})
        if request.transport is not None:
            request.transport.abort()  # a polite close would wait for the same client
        raise _TooSlow from None


def _resync(overflow: Overflow) -> str:
    return msgspec.json.encode({"type": "resync", "data": {"dropped": overflow.dropped}}).decode()


@dataclass(slots=True)
class _Past:
    """Calls asked for by id that do not run on this node (any more), as they are on record."""

    views: dict[str, CallView] = field(default_factory=dict)
    events: dict[str, list[Envelope]] = field(default_factory=dict)  # for the start only
    last_seq: dict[str, int] = field(default_factory=dict)


async def _start(visit: Visit, topics: Topics, since: int | None) -> tuple[list[str], _Past, Subscription]:
    """The first messages and the place in the feed that continues them without a gap.

    What is on record is read first; then snapshot, replay and subscription are made in one step of the
    event loop. A call that ended in between is looked up again.
    """
    desk, past = visit.doors.desk, _Past()
    while missing := [
        call_id
        for call_id in topics.call_ids
        if call_id not in past.events and desk.live_call(call_id) is None
    ]:
        for call_id in missing:
            await _look_up(visit, call_id, past)
    past.last_seq = {call_id: _last(_events(visit, call_id, past)) for call_id in topics.call_ids}
    single = topics.single_call
    replay: list[Envelope] = []
    if since is not None and single is not None:
        replay = [
            event for event in _events(visit, single, past) if event.seq is not None and event.seq > since
        ]
    messages = [_snapshot(visit, topics, past), *(encode(envelope).decode() for envelope in replay)]
    past.events.clear()
    return messages, past, visit.doors.feed.subscribe(topics)


async def _look_up(visit: Visit, call_id: str, past: _Past) -> None:
    """Unknown calls and an archive that is down leave the call out of the snapshot."""
    record = Record.of(visit.doors)
    past.events[call_id] = []
    try:
        past.views[call_id] = await record.call(call_id)
        after = -1
        while events := await record.events(call_id, after=after, limit=_PAGE):
            past.events[call_id] += events
            after = events[-1].seq if events[-1].seq is not None else after
            if len(events) < _PAGE:
                break
    except UnknownCall:
        pass
    except Problem:
        log.warning("record unavailable for a snapshot", extra={"action": "snapshot_incomplete"})


def _events(visit: Visit, call_id: str, past: _Past) -> list[Envelope]:
    """All events of one call up to the first that this node does not have."""
    live = visit.doors.desk.live_events(call_id, -1)
    if live is not None:
        return live
    heard = visit.doors.others.events_after(call_id, -1)
    return unbroken(merged(past.events.get(call_id, []), heard), after=-1, now=datetime.now(UTC))


def _snapshot(visit: Visit, topics: Topics, past: _Past) -> str:
    """Calls asked for by id are shown whether they run or are over; the lists hold running calls only."""
    record = Record.of(visit.doors)
    running = record.running_calls()
    shown = {view.id: view for view in running if topics.all_calls}
    for call_id in sorted(topics.call_ids):
        view = record.call_in_memory(call_id) or past.views.get(call_id)
        if view is not None:
            shown[call_id] = view
    handoffs = [
        {"call_id": view.id, **msgspec.to_builtins(view.handoff)}
        for view in running
        if view.handoff is not None and (topics.handoffs or view.id in shown)
    ]
    last_seq = {call_id: _last_seq(visit, call_id, past) for call_id in shown}
    data = {"calls": list(shown.values()), "handoffs": handoffs, "last_seq": last_seq}
    return msgspec.json.encode({"type": "snapshot", "data": data}).decode()


def _last_seq(visit: Visit, call_id: str, past: _Past) -> int:
    """Up to here this node has all of the call; what comes after it is sent as it happens."""
    if visit.doors.desk.live_call(call_id) is not None:
        running = visit.doors.feed.last_seq([call_id])[
            call_id
        ]  # cheaper than the journals of a thousand calls
        return running if running >= 0 else _last(visit.doors.desk.live_events(call_id, -1) or [])
    return max(visit.doors.others.last_seq(call_id), past.last_seq.get(call_id, -1))


def _last(events: Sequence[Envelope]) -> int:
    return max((event.seq for event in events if event.seq is not None), default=-1)


def _call_asked_for(request: web.Request) -> str | None:
    """For the resume token's check only; what is wrong with the topics is said after admission."""
    try:
        return parse_topics(request.query.get("topics", EVERYTHING)).single_call
    except Problem:
        return None


ROUTES = (
    Route(
        method="GET",
        path="/v1/events",
        handler=live_events,
        access=Access(roles=STAFF, own_call=True),
        call_of=_call_asked_for,
        summary="The live feed, a WebSocket; its messages are described in /asyncapi.json",
        tag="live",
        query=(
            Query(
                name="topics",
                description="calls, handoffs, call:ID, separated by commas; default both lists.",
            ),
            Query(
                name="since",
                description="The last seq already known; only with exactly one call:ID topic.",
                schema={"type": "integer"},
            ),
            Query(name="ticket", description="A resume token, where no Authorization header can be sent."),
        ),
        answers={101: Answer(description="The feed: a snapshot first, then events.", media_types=())},
        problems=(400, 401, 403),
    ),
)
