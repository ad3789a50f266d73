-- What was recorded of a call and where the file is. Written by the media servers, not from events: a file may be
-- finished long after its call, by a server that was started again.
-- A row stays when its file is deleted, and says why; it holds nothing personal.

CREATE TABLE recordings (
    call_id         uuid PRIMARY KEY,
    tenant          text NOT NULL,
    node            text NOT NULL,         -- whose folder the file is or was in
    in_store        boolean NOT NULL DEFAULT false,  -- confirmed by the object store; the folder's copy is gone
    bytes           bigint,                -- null: deleted before it was finished
    duration_ms     integer,
    lost_ms         integer,               -- silence because the disk did not keep up
    finished_at     timestamptz,
    deleted_at      timestamptz,           -- wanted away: nobody is given it from now on
    deleted_because text CHECK (deleted_because IN ('refused', 'erased', 'expired')),
    removed_at      timestamptz,           -- the file is gone
    CHECK ((deleted_at IS NULL) = (deleted_because IS NULL))
);

-- Each server asks every few seconds what it has to remove.
CREATE INDEX recordings_to_remove ON recordings (node) WHERE deleted_at IS NOT NULL AND removed_at IS NULL;
