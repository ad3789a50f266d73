"""What was said, one row an utterance."""

from __future__ import annotations

from collections.abc import Iterable

from storage.envelope import rfc3339
from storage.postgres.columns import columns
from storage.postgres.pool import Connection
from storage.projection import TranscriptEntry
from storage.records import TranscriptRow
from storage.search import normalise, packed_bigrams

_UPSERT = """
INSERT INTO transcripts AS old
       (call_id, item_id, position, speaker, text, heard_text, heard_ms, started_at, interrupted, seq,
        search_text, search_grams)
SELECT call_id, item_id, position, speaker, text, heard_text, heard_ms, started_at, interrupted, seq,
       search_text, array_to_tsvector(string_to_array(grams, E'\\x1f'))
FROM unnest($1::uuid[], $2::text[], $3::integer[], $4::text[], $5::text[], $6::text[], $7::bigint[],
            $8::timestamptz[], $9::boolean[], $10::bigint[], $11::text[], $12::text[])
     AS new (call_id, item_id, position, speaker, text, heard_text, heard_ms, started_at, interrupted, seq,
             search_text, grams)
ORDER BY call_id, item_id
ON CONFLICT (call_id, item_id) DO UPDATE
SET position = excluded.position, speaker = excluded.speaker, text = excluded.text,
    heard_text = excluded.heard_text, heard_ms = excluded.heard_ms, started_at = excluded.started_at,
    interrupted = excluded.interrupted, seq = excluded.seq,
    search_text = excluded.search_text, search_grams = excluded.search_grams
WHERE old.seq < excluded.seq
"""

_OF_CALL = """
SELECT item_id, position, speaker, text, heard_text, heard_ms, started_at, interrupted
FROM transcripts WHERE call_id = $1 ORDER BY position, item_id
"""

_NAMES = (
    "call_id",
    "item_id",
    "position",
    "speaker",
    "text",
    "heard_text",
    "heard_ms",
    "started_at",
    "interrupted",
    "seq",
)


async def save_transcripts(connection: Connection, rows: Iterable[TranscriptRow]) -> None:
    """Add, or replace what an earlier event said about the same item; searchable at once by what was heard."""
    taken = list(rows)
    normalised = [normalise(row.heard_text) for row in taken]
    grams = [packed_bigrams(text) for text in normalised]
    await connection.execute(_UPSERT, *columns(taken, _NAMES), normalised, grams)


async def transcript_of(connection: Connection, call_id: str) -> list[TranscriptEntry]:
    """The utterances in the order they were spoken."""
    return [
        TranscriptEntry(**{**row, "started_at": rfc3339(row["started_at"])})
        for row in await connection.fetch(_OF_CALL, call_id)
    ]
