-- The business behind the phone number: whom it knows, and when they come.

CREATE TABLE customers (
    id     bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    tenant text NOT NULL DEFAULT 'default',
    phone  text NOT NULL CHECK (phone ~ '^\+[1-9][0-9]{6,14}$'), -- E.164
    name   text NOT NULL,
    email  text,
    notes  text,
    UNIQUE (tenant, phone)
);

CREATE TABLE appointments (
    id              bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    tenant          text NOT NULL DEFAULT 'default',
    starts_at       timestamptz NOT NULL,
    ends_at         timestamptz NOT NULL CHECK (ends_at > starts_at),
    name            text NOT NULL,
    reason          text,
    customer_id     bigint REFERENCES customers (id),
    call_id         uuid,                          -- the call it was made in; null: made otherwise
    idempotency_key text NOT NULL,
    booked_at       timestamptz NOT NULL DEFAULT now(),
    cancelled_at    timestamptz,
    UNIQUE (tenant, idempotency_key)
);
CREATE INDEX appointments_by_time ON appointments (tenant, starts_at) WHERE cancelled_at IS NULL;
CREATE INDEX appointments_by_customer ON appointments (customer_id, starts_at);
CREATE INDEX appointments_by_call ON appointments (call_id);
