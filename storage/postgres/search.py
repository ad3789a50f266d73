"""Search in the transcripts: hits of one tenant, newest call first, page by page.

What was heard is searched, not what was said: words of the agent that an interruption cut off reached nobody.
The index (pairs of letters) finds rows that may match, `strpos` decides.
"""

from __future__ import annotations

from datetime import datetime, timedelta

import asyncpg

from storage.postgres.pool import Connection
from storage.search import Hit, Place, Query, SearchTooSlow, normalise, packed_bigrams

LONGEST_CALL = timedelta(days=1)
"""How long before an utterance its call can have begun: partitions older than the window are not read."""
FREQUENT = 2_000
"""Hits, of which fetching and sorting takes 20 ms; a word with more is found faster by going through the newest
utterances one by one."""
ANSWER_WITHIN_MS = 5_000
"""A search that takes longer holds up others; a narrower one is the remedy."""

_SEARCH = """
SELECT said.call_id::text AS call_id, said.item_id, said.position, said.speaker, said.started_at,
       said.heard_text, calls.agent, calls.outcome
FROM transcripts AS said JOIN call_sessions AS calls ON calls.call_id = said.call_id
WHERE said.search_grams @@ $1::tsquery
  AND (SELECT bool_and(strpos(said.search_text, term) > 0) FROM unnest($2::text[]) AS term)
  AND said.call_id >= uuid7_floor($3) AND said.call_id < uuid7_floor($4)
  AND calls.call_id >= uuid7_floor($3) AND calls.call_id < uuid7_floor($4)
  AND said.started_at >= $5 AND said.started_at < $6
  AND calls.tenant = $7
  AND ($8::text IS NULL OR calls.agent = $8)
  AND ($9::text IS NULL OR said.speaker = $9)
  AND ($10::text IS NULL OR calls.outcome = $10)
  AND ($11::uuid IS NULL OR (said.call_id, said.position, said.item_id) < ($11, $12::integer, $13::text))
ORDER BY said.call_id DESC, said.position DESC, said.item_id DESC
LIMIT $14
"""

_COUNT = """
SELECT count(*) FROM (
    SELECT FROM transcripts
    WHERE search_grams @@ $1::tsquery AND call_id >= uuid7_floor($2) AND call_id < uuid7_floor($3) LIMIT $4
) AS few
"""

_UNSEARCHABLE = """
SELECT call_id::text AS call_id, item_id, heard_text
FROM transcripts WHERE search_grams IS NULL ORDER BY call_id LIMIT $1 FOR UPDATE SKIP LOCKED
"""

_FILL = """
UPDATE transcripts AS old
SET search_text = new.search_text, search_grams = array_to_tsvector(string_to_array(new.grams, E'\\x1f'))
FROM unnest($1::uuid[], $2::text[], $3::text[], $4::text[]) AS new (call_id, item_id, search_text, grams)
WHERE old.call_id = new.call_id AND old.item_id = new.item_id
"""


async def find(
    connection: Connection,
    tenant: str,
    query: Query,
    *,
    since: datetime,
    until: datetime,
    agent: str | None = None,
    speaker: str | None = None,
    outcome: str | None = None,
    after: Place | None = None,
    limit: int,
) -> list[Hit]:
    """Utterances that began in [since, until), newest call first, the last word of a call first.

    Raises SearchTooSlow.
    """
    place = (None, None, None) if after is None else (after.call_id, after.position, after.item_id)
    try:
        async with connection.transaction(readonly=True):
            # How common a pair of letters is decides how to look for it: each query is planned for itself.
            await connection.execute(
                f"SET LOCAL plan_cache_mode = force_custom_plan; SET LOCAL statement_timeout = {ANSWER_WITHIN_MS}"
            )
            window = (since - LONGEST_CALL, until)
            if (
                query.pairs > 2
                and await connection.fetchval(_COUNT, query.tsquery, *window, FREQUENT) == FREQUENT
            ):
                # Postgres takes pairs for independent of one another, so a long word for rare: it would fetch
                # and sort every hit there is. From the newest backwards the page is full soon.
                await connection.execute("SET LOCAL enable_bitmapscan = off; SET LOCAL enable_seqscan = off")
            rows = await connection.fetch(
                _SEARCH, query.tsquery, list(query.terms), *window, since, until,
                tenant, agent, speaker, outcome, *place, limit,
            )  # fmt: skip
    except asyncpg.QueryCanceledError as error:
        raise SearchTooSlow(f"no answer within {ANSWER_WITHIN_MS} ms") from error
    return [Hit(**row) for row in rows]


async def make_searchable(connection: Connection, limit: int = 500) -> int:
    """Fill the search columns of rows that have none, at most `limit`; returns how many there were.

    Run it again while it returns `limit`. Several may run at once. Needs a transaction of its own.
    """
    async with connection.transaction():
        rows = await connection.fetch(_UNSEARCHABLE, limit)
        if rows:
            normalised = [normalise(row["heard_text"]) for row in rows]
            await connection.execute(
                _FILL,
                [row["call_id"] for row in rows],
                [row["item_id"] for row in rows],
                normalised,
                [packed_bigrams(text) for text in normalised],
            )
    return len(rows)
