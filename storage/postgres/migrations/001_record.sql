-- The record of calls. Everything about a call is a projection of its events; only `events` is the truth.
-- Rows of one call may arrive in any order and more than once, so no table refers to another with a key, and
-- every column that may change carries the seq of the event that set it.

CREATE TABLE call_sessions (
    call_id       uuid PRIMARY KEY,               -- UUIDv7: sorting by it is sorting by start
    tenant        text NOT NULL,
    state         text NOT NULL,                  -- ringing, ai, waiting, human, ended
    owner         text,                           -- agent, operator; null once the call is over
    state_seq     bigint NOT NULL,                -- event that set state and owner; -1: none yet
    direction     text,
    agent         text,
    agent_version text,
    caller        text,
    called        text,
    media         text,
    node          text,
    started_at    timestamptz,
    answered_at   timestamptz,
    ended_at      timestamptz,
    end_reason    text,
    duration_ms   bigint,
    outcome       text,
    outcome_seq   bigint NOT NULL,                -- event that set outcome; -1: none yet
    last_seq      bigint NOT NULL,                -- highest seq seen
    stored_at     timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX call_sessions_by_tenant ON call_sessions (tenant, call_id DESC);
CREATE INDEX call_sessions_by_agent ON call_sessions (tenant, agent, call_id DESC);
CREATE INDEX call_sessions_live ON call_sessions (tenant, call_id DESC) WHERE state <> 'ended';

CREATE TABLE events (
    call_id uuid NOT NULL,
    seq     bigint NOT NULL,
    tenant  text NOT NULL,
    type    text NOT NULL,
    at      timestamptz NOT NULL,
    data    jsonb NOT NULL,
    PRIMARY KEY (call_id, seq)
);
CREATE INDEX events_by_time ON events (at);

CREATE TABLE transcripts (
    call_id     uuid NOT NULL,
    item_id     text NOT NULL,
    position    integer NOT NULL,                 -- order of speaking
    speaker     text NOT NULL,
    text        text NOT NULL,
    heard_text  text NOT NULL,
    heard_ms    bigint,
    started_at  timestamptz NOT NULL,
    interrupted boolean NOT NULL,
    seq         bigint NOT NULL,
    PRIMARY KEY (call_id, item_id)
);

CREATE TABLE tool_calls (
    call_id      uuid NOT NULL,
    call_item_id text NOT NULL,
    name         text NOT NULL,
    arguments    jsonb,
    called_at    timestamptz,
    finished_at  timestamptz,
    ok           boolean,                         -- null while it runs, or if it never finished
    duration_ms  bigint,
    output       jsonb,
    error        text,
    PRIMARY KEY (call_id, call_item_id)
);

CREATE TABLE slots (
    call_id   uuid NOT NULL,
    goal      text NOT NULL,
    slot      text NOT NULL,
    value     jsonb,
    confirmed boolean NOT NULL,
    set_at    timestamptz NOT NULL,
    seq       bigint NOT NULL,
    PRIMARY KEY (call_id, goal, slot)
);

CREATE TABLE handoffs (
    call_id      uuid NOT NULL,
    handoff_id   text NOT NULL,
    state        text NOT NULL,                   -- second half of the last event's name
    reason       text,
    summary      text,
    method       text,
    requested_at timestamptz,
    changed_at   timestamptz NOT NULL,
    seq          bigint NOT NULL,
    PRIMARY KEY (call_id, handoff_id)
);

CREATE TABLE call_metrics (
    call_id        uuid PRIMARY KEY,
    turns          integer,
    interruptions  integer,
    latency_p50_ms integer,
    latency_p95_ms integer,
    data           jsonb NOT NULL                 -- all of what call.ended carried
);

CREATE TABLE dead_letters (
    id       bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    at       timestamptz NOT NULL DEFAULT now(),
    stream   text NOT NULL,
    entry_id text NOT NULL,
    reason   text NOT NULL,
    raw      bytea NOT NULL                       -- as it came, so that it can be put right and sent again
);
CREATE UNIQUE INDEX dead_letters_once ON dead_letters (stream, entry_id, md5(raw));

CREATE TABLE audit_log (
    id      bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    at      timestamptz NOT NULL DEFAULT now(),
    tenant  text NOT NULL,
    actor   text NOT NULL,
    action  text NOT NULL,
    subject text,
    data    jsonb NOT NULL DEFAULT '{}'
);
CREATE INDEX audit_log_by_time ON audit_log (tenant, at);
