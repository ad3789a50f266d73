-- Who took a call that was handed over, and how long the caller had waited.

ALTER TABLE handoffs
    ADD COLUMN queue        text,
    ADD COLUMN attempts     integer,              -- offers made
    ADD COLUMN operator     text,                 -- who had the call last; null: nobody
    ADD COLUMN operator_seq bigint,               -- event that set operator
    ADD COLUMN waited_ms    bigint;               -- from the request until operator and caller heard each other first

CREATE INDEX handoffs_by_operator ON handoffs (operator, call_id DESC) WHERE operator IS NOT NULL;
