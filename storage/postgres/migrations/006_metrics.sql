-- Figures of all calls, by the hour and by the day, kept up to date by whoever stores a call's last event.
-- Only sums are kept: counters, and histograms with fixed borders, from which percentiles are read. Both can be
-- added up over agents, hours and databases, and what a call had added can be taken away again.

ALTER TABLE call_metrics
    ADD COLUMN tenant        text,
    ADD COLUMN agent         text,
    ADD COLUMN agent_version text,
    ADD COLUMN hour          timestamptz,             -- the full hour in which the call began, UTC
    ADD COLUMN contributed   jsonb;                   -- what the call has added to its hour; null: nothing yet
CREATE INDEX call_metrics_by_hour ON call_metrics (hour, tenant, agent, agent_version);

-- Which calls began on a day: the nightly recomputation reads them again.
CREATE INDEX call_sessions_by_start ON call_sessions (started_at);

-- Position by position; the shorter one is taken to go on with noughts.
CREATE FUNCTION added_up(one bigint[], other bigint[]) RETURNS bigint[]
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT coalesce(array_agg(coalesce(a, 0) + coalesce(b, 0) ORDER BY position), '{}')
    FROM unnest(one, other) WITH ORDINALITY AS each (a, b, position)
$$;

CREATE TABLE metrics_hourly (
    tenant                text NOT NULL,
    agent                 text NOT NULL,
    agent_version         text NOT NULL,
    hour                  timestamptz NOT NULL,
    counters              bigint[] NOT NULL,          -- positions: storage/contribution.py, COUNTERS
    response_ms           bigint[] NOT NULL,          -- histograms: storage/histogram.py
    response_with_tool_ms bigint[] NOT NULL,
    first_packet_ms       bigint[] NOT NULL,
    yield_ms              bigint[] NOT NULL,
    gap_ms                bigint[] NOT NULL,
    handoff_wait_ms       bigint[] NOT NULL,
    duration_ms           bigint[] NOT NULL,
    jitter_us             bigint[] NOT NULL,
    rtt_us                bigint[] NOT NULL,
    PRIMARY KEY (tenant, agent, agent_version, hour)
);
CREATE INDEX metrics_hourly_by_time ON metrics_hourly (tenant, hour);

-- The same by the day (its first hour, UTC): a year of it is read in milliseconds.
CREATE TABLE metrics_daily (LIKE metrics_hourly INCLUDING ALL);
