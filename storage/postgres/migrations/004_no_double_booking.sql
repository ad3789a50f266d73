-- Two appointments of one tenant cannot overlap, whoever writes them. PostgreSQL has no exclusion over a text
-- and a range without an extension, but a range of texts is a range: one tenant's name, and nothing else.
CREATE TYPE tenant_span AS RANGE (subtype = text, collation = "C");

-- Appointments from before this rule that overlap an earlier one stay as they are; new ones never may.
ALTER TABLE appointments ADD COLUMN tolerated boolean NOT NULL DEFAULT false;

UPDATE appointments AS later SET tolerated = true
WHERE cancelled_at IS NULL AND EXISTS (
    SELECT 1 FROM appointments AS earlier
    WHERE earlier.tenant = later.tenant AND earlier.cancelled_at IS NULL AND earlier.id < later.id
      AND earlier.starts_at < later.ends_at AND earlier.ends_at > later.starts_at
);

ALTER TABLE appointments ADD CONSTRAINT appointments_do_not_overlap EXCLUDE USING gist (
    tenant_span(tenant, tenant, '[]') WITH &&,
    tstzrange(starts_at, ends_at) WITH &&
) WHERE (cancelled_at IS NULL AND NOT tolerated);
