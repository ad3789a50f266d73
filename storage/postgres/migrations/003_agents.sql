-- Who answers the telephone: what is being written (drafts) and what takes calls (versions).
-- These rows come from the HTTP API, not from events; their history is audit_log.

CREATE TABLE agents (
    tenant            text NOT NULL,
    id                text NOT NULL,
    draft_revision    bigint NOT NULL,    -- the draft that a save must have seen
    published_version integer,            -- the one that takes new calls; always the newest; null: none yet
    created_by        text NOT NULL,
    created_at        timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (tenant, id)
);

-- The newest of an agent is its draft; older ones stay for a while, to say who changed what.
CREATE TABLE agent_drafts (
    tenant   text NOT NULL,
    agent_id text NOT NULL,
    revision bigint NOT NULL,
    document jsonb NOT NULL,
    saved_by text NOT NULL,
    saved_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (tenant, agent_id, revision),
    FOREIGN KEY (tenant, agent_id) REFERENCES agents (tenant, id)
);

CREATE TABLE agent_versions (
    tenant       text NOT NULL,
    agent_id     text NOT NULL,
    version      integer NOT NULL,        -- 1, 2, 3, …; a call carries it as "v3"
    document     jsonb NOT NULL,
    note         text NOT NULL,
    published_by text NOT NULL,
    published_at timestamptz NOT NULL DEFAULT now(),
    restores     integer,                 -- the older version that a rollback brought back
    PRIMARY KEY (tenant, agent_id, version),
    FOREIGN KEY (tenant, agent_id) REFERENCES agents (tenant, id)
);

-- What a call was answered with must be readable for as long as the call is.
CREATE FUNCTION agent_versions_are_final() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'a published version of an agent is never changed; publish a new one'
        USING ERRCODE = 'integrity_constraint_violation';
END
$$;
CREATE TRIGGER agent_versions_are_final BEFORE UPDATE OR DELETE ON agent_versions
    FOR EACH ROW EXECUTE FUNCTION agent_versions_are_final();
