-- Who may sign in with a name and a password: operators and admins. Programs keep to their tokens.

CREATE TABLE people (
    tenant        text NOT NULL DEFAULT 'default',
    id            text NOT NULL CHECK (id ~ '^[a-z0-9][a-z0-9._-]{0,63}$'),  -- what is typed to sign in
    name          text NOT NULL,                  -- what others see
    role          text NOT NULL CHECK (role IN ('operator', 'admin')),
    queues        text[] NOT NULL DEFAULT '{*}', -- whose handoffs may ring here; '*': all
    language      text,                           -- of the pages; null: the browser's
    password_hash text NOT NULL,                  -- argon2id, with its own salt and costs in it
    created_at    timestamptz NOT NULL DEFAULT now(),
    changed_at    timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (tenant, id)
);
