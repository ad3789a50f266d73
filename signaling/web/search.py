"""Search in what was heard on calls."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import get_args

from aiohttp import web

from signaling.errors import BadRequest
from signaling.web.auth import STAFF, Access
from signaling.web.parameters import moment, one_of, whole_number
from signaling.web.record import from_archive
from signaling.web.routing import Answer, Query, Route, Visit, json_answer
from signaling.web.shapes import SearchHit, SearchPage, Span
from storage.envelope import rfc3339
from storage.events import Speaker
from storage.search import (
    LONGEST_QUERY,
    Hit,
    QueryTooLong,
    QueryTooShort,
    SearchTooSlow,
    parse_query,
    snippet,
)

WINDOW = timedelta(days=90)
"""Where `from` is not given: a quarter, which is what is looked at; an open window reads all partitions."""
SPEAKERS = frozenset(get_args(Speaker))


async def search(visit: Visit) -> web.Response:
    request = visit.request
    try:
        query = parse_query(request.query.get("q", ""))
    except QueryTooShort:
        raise BadRequest(
            "q= needs at least two characters.",
            code="query_too_short",
            fix="Add the character before or after it; a single Chinese character is enough.",
        ) from None
    except QueryTooLong:
        raise BadRequest(f"q= has at most {LONGEST_QUERY} characters.", code="query_too_long") from None
    until = moment(request, "to") or datetime.fromtimestamp(visit.doors.keeper.now(), UTC) + timedelta(
        minutes=1
    )
    since = moment(request, "from") or until - WINDOW
    if since >= until:
        raise BadRequest("from= must be before to=.")
    asked = visit.doors.archive.search(
        query,
        since=since,
        until=until,
        agent=request.query.get("agent"),
        speaker=one_of(request, "speaker", SPEAKERS),
        outcome=request.query.get("outcome"),
        cursor=request.query.get("cursor"),
        limit=whole_number(request, "limit", default=50, least=1, most=200),
    )
    try:
        page = await from_archive(asked)
    except SearchTooSlow:
        raise BadRequest(
            "This search takes too long.",
            code="search_too_wide",
            fix="Narrow it: a longer q=, or a shorter time from= to=.",
        ) from None
    except ValueError:
        raise BadRequest("cursor= is none that this search gave out.") from None
    return json_answer(SearchPage(items=[_shown(hit, query.terms) for hit in page.items], next=page.next))


def _shown(hit: Hit, terms: tuple[str, ...]) -> SearchHit:
    piece = snippet(hit.heard_text, terms)
    return SearchHit(
        call_id=hit.call_id,
        item_id=hit.item_id,
        position=hit.position,
        speaker=hit.speaker,
        started_at=rfc3339(hit.started_at),
        snippet=piece.text,
        matches=[Span(start=start, end=end) for start, end in piece.matches],
        agent=hit.agent,
        outcome=hit.outcome,
    )


ROUTES = (
    Route(
        method="GET",
        path="/v1/search",
        handler=search,
        access=Access(roles=STAFF),
        summary="Utterances that hold all words of q=, in any language, newest call first",
        tag="quality",
        query=(
            Query(
                name="q",
                description="Words or parts of words, found wherever they stand in what was heard; case and "
                "width do not matter, no character is special.",
                required=True,
                schema={"type": "string", "minLength": 1, "maxLength": LONGEST_QUERY},
            ),
            Query(name="agent", description="Only calls of this agent."),
            Query(
                name="speaker",
                description="Only what this side said.",
                schema={"type": "string", "enum": sorted(SPEAKERS)},
            ),
            Query(
                name="outcome", description="Only calls that ended as this, an id of the agent's outcomes."
            ),
            Query(
                name="from",
                description="Said at this date or time (UTC unless it has a zone) or later; default 90 days "
                "before `to`.",
            ),
            Query(name="to", description="Said before this date or time; default now."),
            Query(name="cursor", description="`next` of the page before."),
            Query(name="limit", description="1 to 200, default 50.", schema={"type": "integer"}),
        ),
        answers={200: Answer(description="One page of hits.", shape=SearchPage)},
        problems=(400, 401, 403, 503),
    ),
)
