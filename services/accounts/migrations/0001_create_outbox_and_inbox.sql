-- Events leave through the outbox and enter through the inbox, in the transaction of their fact or effect
-- (shared/outbox.py, shared/inbox.py). The same in every service that has a schema; its runtime role is
-- named after the schema.

CREATE TABLE outbox (
    id uuid PRIMARY KEY,
    type text NOT NULL,
    subject text,
    body text NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    published_at timestamptz
);

CREATE INDEX outbox_unpublished ON outbox (id) WHERE published_at IS NULL;
CREATE INDEX outbox_published ON outbox (published_at) WHERE published_at IS NOT NULL;

CREATE TABLE inbox (
    event_id uuid PRIMARY KEY,
    received_at timestamptz NOT NULL DEFAULT now()
);

DO $$
BEGIN
    EXECUTE format('GRANT SELECT, INSERT, DELETE ON outbox, inbox TO %I', current_schema());
    EXECUTE format('GRANT UPDATE (published_at) ON outbox TO %I', current_schema());
END
$$;
