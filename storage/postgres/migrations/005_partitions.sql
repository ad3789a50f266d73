-- The record by months. Every table about calls becomes RANGE-partitioned by call_id: a UUIDv7 begins with the
-- time, so a month of calls is a range of ids. (call_id, seq) stays unique over all partitions, a query that
-- names the call reads one partition, and an old month goes by dropping it.
--
-- The tables keep their names, columns, keys and indices: programs from before this file work on them unchanged.

-- The lowest id that a UUIDv7 of this millisecond or later can have (RFC 9562, 5.7: 48 bits of Unix time in ms).
CREATE FUNCTION uuid7_floor(at timestamptz) RETURNS uuid
LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE AS $$
    SELECT (lpad(to_hex(greatest(floor(extract(epoch FROM at) * 1000), 0)::bigint), 12, '0')
            || '00000000000000000000')::uuid
$$;

-- When a UUIDv7 was made; nonsense for another kind of UUID.
CREATE FUNCTION uuid7_time(id uuid) RETURNS timestamptz
LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE AS $$
    SELECT to_timestamp(('x' || lpad(left(replace(id::text, '-', ''), 12), 16, '0'))::bit(64)::bigint / 1000.0)
$$;

-- The tables that are kept by months: all that are partitioned by call_id, those of later files too.
CREATE FUNCTION monthly_tables() RETURNS SETOF name
LANGUAGE sql STABLE AS $$
    SELECT c.relname
    FROM pg_partitioned_table AS p
         JOIN pg_class AS c ON c.oid = p.partrelid
         JOIN pg_attribute AS a ON a.attrelid = c.oid AND a.attnum = ANY (p.partattrs::int2[])
    WHERE c.relnamespace = current_schema()::regnamespace AND a.attname = 'call_id' AND p.partstrat = 'r'
    ORDER BY c.relname
$$;

-- Make the partitions of `months` months from the one of `first` on, where they are missing; returns their names.
-- Rows that have come too early lie in the DEFAULT partition and are moved. It runs with its owner's rights, so
-- that the worker can have partitions without being able to change tables. The lock_timeout is below the
-- server's deadlock_timeout (1 s): in a crosswise wait with a reader this gives up, not the reader.
CREATE FUNCTION make_months(first date, months integer) RETURNS SETOF text
LANGUAGE plpgsql SECURITY DEFINER SET timezone = 'UTC' SET lock_timeout = '500ms' AS $$
DECLARE
    parent name;
    part text;
    month timestamptz;
    lower_id uuid;
    upper_id uuid;
BEGIN
    IF months > 120 THEN
        RAISE EXCEPTION 'make_months: % months are more than ten years', months;
    END IF;
    PERFORM pg_advisory_xact_lock(hashtextextended('cordboard.months', 0)); -- one at a time
    FOR i IN 0 .. months - 1 LOOP
        month := date_trunc('month', first::timestamptz) + make_interval(months => i);
        lower_id := uuid7_floor(month);
        upper_id := uuid7_floor(month + interval '1 month');
        FOR parent IN SELECT monthly_tables() LOOP
            part := parent || to_char(month, '_YYYY_MM');
            CONTINUE WHEN to_regclass(quote_ident(part)) IS NOT NULL;
            EXECUTE format('CREATE TABLE %I (LIKE %I INCLUDING ALL)', part, parent);
            IF to_regclass(quote_ident(parent || '_default')) IS NOT NULL THEN
                -- Nobody may add to it between the move and the attaching, which looks through it.
                EXECUTE format('LOCK TABLE %I IN ACCESS EXCLUSIVE MODE', parent || '_default');
                EXECUTE format(
                    'WITH moved AS (DELETE FROM %I WHERE call_id >= %L AND call_id < %L RETURNING *) '
                    'INSERT INTO %I SELECT * FROM moved', parent || '_default', lower_id, upper_id, part);
            END IF;
            EXECUTE format('ALTER TABLE %I ATTACH PARTITION %I FOR VALUES FROM (%L) TO (%L)',
                           parent, part, lower_id, upper_id);
            RETURN NEXT part;
        END LOOP;
    END LOOP;
END
$$;

-- How many rows lie in the DEFAULT partitions, counted up to a thousand each: it should be none.
CREATE FUNCTION stray_rows() RETURNS TABLE (table_name text, strays bigint)
LANGUAGE plpgsql SECURITY DEFINER AS $$
DECLARE
    parent name;
BEGIN
    FOR parent IN SELECT monthly_tables() LOOP
        table_name := parent;
        EXECUTE format('SELECT count(*) FROM (SELECT FROM %I LIMIT 1000) AS few', parent || '_default') INTO strays;
        RETURN NEXT;
    END LOOP;
END
$$;

-- Drop the months before the one of `first_kept`, in every monthly table but those named; returns what was
-- dropped. The month that is running, and those to come, cannot be named.
CREATE FUNCTION drop_months_before(first_kept date, kept_tables text[] DEFAULT '{}') RETURNS SETOF text
LANGUAGE plpgsql SECURITY DEFINER SET timezone = 'UTC' SET lock_timeout = '500ms' AS $$
DECLARE
    part record;
    border text := to_char(date_trunc('month', first_kept::timestamptz), 'YYYY_MM');
BEGIN
    IF first_kept > date_trunc('month', now()) THEN
        RAISE EXCEPTION 'drop_months_before: % would drop the month that is running', first_kept;
    END IF;
    PERFORM pg_advisory_xact_lock(hashtextextended('cordboard.months', 0));
    FOR part IN
        SELECT child.relname AS name, right(child.relname, 7) AS month
        FROM pg_inherits AS i
             JOIN pg_class AS child ON child.oid = i.inhrelid
             JOIN pg_class AS parent ON parent.oid = i.inhparent
        WHERE parent.relnamespace = current_schema()::regnamespace
          AND parent.relname IN (SELECT monthly_tables())
          AND parent.relname <> ALL (kept_tables::name[])
          AND child.relname ~ ('^' || parent.relname || '_\d{4}_\d{2}$')
        ORDER BY 2, 1
    LOOP
        CONTINUE WHEN part.month COLLATE "C" >= border COLLATE "C";
        EXECUTE format('DROP TABLE %I', part.name);
        RETURN NEXT part.name;
    END LOOP;
END
$$;

-- Functions that run with their owner's rights must find our tables and nobody else's of the same name; and
-- nobody has them who was not given them.
DO $$
DECLARE
    signature text;
BEGIN
    FOREACH signature IN ARRAY ARRAY['monthly_tables()', 'make_months(date, integer)', 'stray_rows()',
                                     'drop_months_before(date, text[])'] LOOP
        EXECUTE format('ALTER FUNCTION %s SET search_path = %I, pg_temp', signature, current_schema());
        EXECUTE format('REVOKE ALL ON FUNCTION %s FROM PUBLIC', signature);
    END LOOP;
END
$$;

-- The tables of 001, with what is in them. In the order in which the worker writes them, so that a batch that
-- is being stored ends first and nothing waits crosswise.
LOCK TABLE events, call_sessions, transcripts, tool_calls, slots, handoffs, call_metrics IN ACCESS EXCLUSIVE MODE;

DO $$
DECLARE
    tables text[] := ARRAY['events', 'call_sessions', 'transcripts', 'tool_calls', 'slots', 'handoffs',
                           'call_metrics'];
    one text;
    whole text;
    oldest timestamptz;
    first_id_at timestamptz;
    this_month timestamptz := date_trunc('month', now() AT TIME ZONE 'UTC') AT TIME ZONE 'UTC';
BEGIN
    oldest := this_month;
    FOREACH one IN ARRAY tables LOOP
        whole := one || '_whole';
        EXECUTE format('ALTER TABLE %I RENAME TO %I', one, whole);
        EXECUTE format('CREATE TABLE %I (LIKE %I INCLUDING DEFAULTS) PARTITION BY RANGE (call_id)', one, whole);
        EXECUTE format('CREATE TABLE %I PARTITION OF %I DEFAULT', one || '_default', one);
        -- Ids that are no UUIDv7, or from before there was a cordboard, stay in DEFAULT.
        EXECUTE format('SELECT uuid7_time(call_id) FROM %I WHERE call_id >= %L ORDER BY call_id LIMIT 1', whole,
                       uuid7_floor('2026-01-01 00:00:00Z')) INTO first_id_at;
        oldest := least(oldest, first_id_at);
    END LOOP;
    oldest := date_trunc('month', oldest AT TIME ZONE 'UTC') AT TIME ZONE 'UTC';
    PERFORM make_months(
        (oldest AT TIME ZONE 'UTC')::date,
        -- up to this month, and three more
        (extract(year FROM age(this_month AT TIME ZONE 'UTC', oldest AT TIME ZONE 'UTC')) * 12
         + extract(month FROM age(this_month AT TIME ZONE 'UTC', oldest AT TIME ZONE 'UTC')))::integer + 4);
    FOREACH one IN ARRAY tables LOOP
        whole := one || '_whole';
        EXECUTE format('INSERT INTO %I SELECT * FROM %I', one, whole);
        EXECUTE format('DROP TABLE %I', whole);
    END LOOP;
END
$$;

-- After the rows: an index is made faster than it is kept.
ALTER TABLE call_sessions ADD PRIMARY KEY (call_id);
CREATE INDEX call_sessions_by_tenant ON call_sessions (tenant, call_id DESC);
CREATE INDEX call_sessions_by_agent ON call_sessions (tenant, agent, call_id DESC);
CREATE INDEX call_sessions_live ON call_sessions (tenant, call_id DESC) WHERE state <> 'ended';
ALTER TABLE events ADD PRIMARY KEY (call_id, seq);
CREATE INDEX events_by_time ON events (at);
ALTER TABLE transcripts ADD PRIMARY KEY (call_id, item_id);
ALTER TABLE tool_calls ADD PRIMARY KEY (call_id, call_item_id);
ALTER TABLE slots ADD PRIMARY KEY (call_id, goal, slot);
ALTER TABLE handoffs ADD PRIMARY KEY (call_id, handoff_id);
ALTER TABLE call_metrics ADD PRIMARY KEY (call_id);
