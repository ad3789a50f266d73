-- How long calls are kept, and calls that were erased.

-- What every agent's document says, told by the media servers: the worker does not read documents from files.
CREATE TABLE agent_retention (
    tenant text NOT NULL,
    agent  text NOT NULL,
    days   integer CHECK (days > 0),               -- null: for good
    set_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (tenant, agent)
);

-- A call that was erased stays erased: events of it that turn up later are dropped and acknowledged, and a media
-- server that was down finds here what it has to forget. An id alone says nothing about anybody.
CREATE TABLE erasures (
    call_id   uuid PRIMARY KEY,
    tenant    text NOT NULL,
    erased_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX erasures_by_time ON erasures (erased_at);

-- A refusal is on record with what was asked for, and that may be somebody's number. Rows of the audit log are
-- never changed otherwise, so this has its owner's rights, and does one thing: the refusal stays, the words go.
CREATE INDEX audit_log_of_calls ON audit_log (actor) WHERE actor LIKE 'call:%';

CREATE FUNCTION forget_in_audit(call_ids uuid[]) RETURNS bigint
LANGUAGE sql SECURITY DEFINER AS $$
    WITH forgotten AS (
        UPDATE audit_log SET subject = NULL, data = data - 'tool'
        WHERE actor LIKE 'call:%' AND actor IN (SELECT 'call:' || id FROM unnest(call_ids) AS id)
          AND action = 'tool.refused' AND (subject IS NOT NULL OR data ? 'tool')
        RETURNING 1
    )
    SELECT count(*) FROM forgotten
$$;

DO $$
BEGIN
    EXECUTE format('ALTER FUNCTION forget_in_audit(uuid[]) SET search_path = %I, pg_temp', current_schema());
    REVOKE ALL ON FUNCTION forget_in_audit(uuid[]) FROM PUBLIC;
END
$$;
