"""The statements with which the first release writes the record: what a worker that has not been replaced yet goes
on using after the tables have been changed. Captured, and never brought up to date."""

from __future__ import annotations

import re

SAVE_EVENTS = """
INSERT INTO events (call_id, seq, tenant, type, at, data)
SELECT call_id, seq, tenant, type, at, data::jsonb
FROM unnest($1::uuid[], $2::bigint[], $3::text[], $4::text[], $5::timestamptz[], $6::text[])
     AS new (call_id, seq, tenant, type, at, data)
ON CONFLICT (call_id, seq) DO NOTHING
"""

SAVE_CALLS = """
INSERT INTO call_sessions AS old
       (call_id, tenant, last_seq, state, owner, state_seq, direction, agent, agent_version, caller, called,
        media, node, started_at, answered_at, ended_at, end_reason, duration_ms, outcome, outcome_seq)
SELECT *
FROM unnest($1::uuid[], $2::text[], $3::bigint[], $4::text[], $5::text[], $6::bigint[], $7::text[],
            $8::text[], $9::text[], $10::text[], $11::text[], $12::text[], $13::text[], $14::timestamptz[],
            $15::timestamptz[], $16::timestamptz[], $17::text[], $18::bigint[], $19::text[], $20::bigint[])
     AS new (call_id, tenant, last_seq, state, owner, state_seq, direction, agent, agent_version, caller,
             called, media, node, started_at, answered_at, ended_at, end_reason, duration_ms, outcome,
             outcome_seq)
ORDER BY call_id
ON CONFLICT (call_id) DO UPDATE
SET last_seq = greatest(excluded.last_seq, old.last_seq),
    state = CASE WHEN excluded.state_seq > old.state_seq THEN excluded.state ELSE old.state END,
    owner = CASE WHEN excluded.state_seq > old.state_seq THEN excluded.owner ELSE old.owner END,
    state_seq = greatest(excluded.state_seq, old.state_seq),
    direction = coalesce(excluded.direction, old.direction),
    agent = coalesce(excluded.agent, old.agent),
    agent_version = coalesce(excluded.agent_version, old.agent_version),
    caller = coalesce(excluded.caller, old.caller),
    called = coalesce(excluded.called, old.called),
    media = coalesce(excluded.media, old.media),
    node = coalesce(excluded.node, old.node),
    started_at = coalesce(excluded.started_at, old.started_at),
    answered_at = coalesce(excluded.answered_at, old.answered_at),
    ended_at = coalesce(excluded.ended_at, old.ended_at),
    end_reason = coalesce(excluded.end_reason, old.end_reason),
    duration_ms = coalesce(excluded.duration_ms, old.duration_ms),
    outcome = CASE WHEN excluded.outcome_seq > old.outcome_seq THEN excluded.outcome ELSE old.outcome END,
    outcome_seq = greatest(excluded.outcome_seq, old.outcome_seq)
"""

SAVE_TRANSCRIPTS = """
INSERT INTO transcripts AS old
       (call_id, item_id, position, speaker, text, heard_text, heard_ms, started_at, interrupted, seq)
SELECT *
FROM unnest($1::uuid[], $2::text[], $3::integer[], $4::text[], $5::text[], $6::text[], $7::bigint[],
            $8::timestamptz[], $9::boolean[], $10::bigint[])
     AS new (call_id, item_id, position, speaker, text, heard_text, heard_ms, started_at, interrupted, seq)
ORDER BY call_id, item_id
ON CONFLICT (call_id, item_id) DO UPDATE
SET position = excluded.position, speaker = excluded.speaker, text = excluded.text,
    heard_text = excluded.heard_text, heard_ms = excluded.heard_ms, started_at = excluded.started_at,
    interrupted = excluded.interrupted, seq = excluded.seq
WHERE old.seq < excluded.seq
"""

SAVE_TOOL_CALLS = """
INSERT INTO tool_calls AS old
       (call_id, call_item_id, name, arguments, called_at, finished_at, ok, duration_ms, output, error)
SELECT call_id, call_item_id, name, arguments::jsonb, called_at, finished_at, ok, duration_ms, output::jsonb,
       error
FROM unnest($1::uuid[], $2::text[], $3::text[], $4::text[], $5::timestamptz[], $6::timestamptz[],
            $7::boolean[], $8::bigint[], $9::text[], $10::text[])
     AS new (call_id, call_item_id, name, arguments, called_at, finished_at, ok, duration_ms, output, error)
ORDER BY call_id, call_item_id
ON CONFLICT (call_id, call_item_id) DO UPDATE
SET arguments = coalesce(excluded.arguments, old.arguments),
    called_at = coalesce(excluded.called_at, old.called_at),
    finished_at = coalesce(excluded.finished_at, old.finished_at),
    ok = coalesce(excluded.ok, old.ok),
    duration_ms = coalesce(excluded.duration_ms, old.duration_ms),
    output = coalesce(excluded.output, old.output),
    error = coalesce(excluded.error, old.error)
"""

SAVE_SLOTS = """
INSERT INTO slots AS old (call_id, goal, slot, value, confirmed, set_at, seq)
SELECT call_id, goal, slot, value::jsonb, confirmed, set_at, seq
FROM unnest($1::uuid[], $2::text[], $3::text[], $4::text[], $5::boolean[], $6::timestamptz[], $7::bigint[])
     AS new (call_id, goal, slot, value, confirmed, set_at, seq)
ORDER BY call_id, goal, slot
ON CONFLICT (call_id, goal, slot) DO UPDATE
SET value = excluded.value, confirmed = excluded.confirmed, set_at = excluded.set_at, seq = excluded.seq
WHERE old.seq < excluded.seq
"""

SAVE_HANDOFFS = """
INSERT INTO handoffs AS old
       (call_id, handoff_id, state, reason, summary, method, requested_at, changed_at, seq)
SELECT *
FROM unnest($1::uuid[], $2::text[], $3::text[], $4::text[], $5::text[], $6::text[], $7::timestamptz[],
            $8::timestamptz[], $9::bigint[])
     AS new (call_id, handoff_id, state, reason, summary, method, requested_at, changed_at, seq)
ORDER BY call_id, handoff_id
ON CONFLICT (call_id, handoff_id) DO UPDATE
SET reason = coalesce(excluded.reason, old.reason),
    summary = coalesce(excluded.summary, old.summary),
    method = coalesce(excluded.method, old.method),
    requested_at = coalesce(excluded.requested_at, old.requested_at),
    state = CASE WHEN excluded.seq > old.seq THEN excluded.state ELSE old.state END,
    changed_at = CASE WHEN excluded.seq > old.seq THEN excluded.changed_at ELSE old.changed_at END,
    seq = greatest(excluded.seq, old.seq)
"""

SAVE_CALL_METRICS = """
INSERT INTO call_metrics (call_id, turns, interruptions, latency_p50_ms, latency_p95_ms, data)
SELECT call_id, turns, interruptions, latency_p50_ms, latency_p95_ms, data::jsonb
FROM unnest($1::uuid[], $2::integer[], $3::integer[], $4::integer[], $5::integer[], $6::text[])
     AS new (call_id, turns, interruptions, latency_p50_ms, latency_p95_ms, data)
ON CONFLICT (call_id) DO NOTHING
"""

SAVE_DEAD_LETTERS = """
INSERT INTO dead_letters (stream, entry_id, reason, raw) VALUES ($1, $2, $3, $4)
ON CONFLICT DO NOTHING
"""

# What stood under "AS new (…)" is what each row's values were called.
TABLES = {
    "events": (SAVE_EVENTS, ("data",)),
    "call_sessions": (SAVE_CALLS, ()),
    "transcripts": (SAVE_TRANSCRIPTS, ()),
    "tool_calls": (SAVE_TOOL_CALLS, ("arguments", "output")),
    "slots": (SAVE_SLOTS, ("value",)),
    "handoffs": (SAVE_HANDOFFS, ()),
    "call_metrics": (SAVE_CALL_METRICS, ("data",)),
}


def names_in(statement: str) -> tuple[str, ...]:
    """The values that a statement takes, in order."""
    listed = re.search(r"AS new \((.*?)\)", statement, re.DOTALL)
    assert listed is not None
    return tuple(name.strip() for name in listed[1].split(","))
