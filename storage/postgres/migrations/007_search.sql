-- Search in what was heard. The worker computes both columns (storage/search.py): Postgres alone neither folds
-- case in every locale nor knows pairs of letters. Rows from before this file have null in them until the
-- worker's duty has filled them; programs from before this file leave null, and the duty fills those too.
ALTER TABLE transcripts
    ADD COLUMN search_text  text,      -- heard_text, normalised
    ADD COLUMN search_grams tsvector;  -- its pairs of neighbouring characters

CREATE INDEX transcripts_by_grams ON transcripts USING gin (search_grams);
CREATE INDEX transcripts_unsearchable ON transcripts (call_id) WHERE search_grams IS NULL;

-- Calls of one number: a filter of the list, and what is asked when a person wants to be forgotten.
CREATE INDEX call_sessions_by_caller ON call_sessions (tenant, caller, call_id DESC) WHERE caller IS NOT NULL;
