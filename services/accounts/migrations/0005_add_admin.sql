-- What the operator did, and the browsers in which the operator is signed in.

-- Written before an action begins and completed after it: one that was cut short has no outcome. No address of a
-- person stands here, so that erasing an account erases nothing of the record.
CREATE TABLE admin_actions (
    action_id uuid PRIMARY KEY,
    begun_at timestamptz NOT NULL,
    signed_in_by text NOT NULL CONSTRAINT door_is_known CHECK (signed_in_by IN ('key', 'session')),
    client_address text NOT NULL,
    action text NOT NULL,
    account_id text,
    what jsonb NOT NULL,
    before jsonb NOT NULL,
    outcome text CONSTRAINT outcome_is_known CHECK (outcome IN ('done', 'refused', 'failed')),
    after jsonb
);
CREATE INDEX admin_actions_by_time ON admin_actions (begun_at);
CREATE INDEX admin_actions_of_account ON admin_actions (account_id, begun_at);

CREATE TABLE admin_sessions (
    digest text CONSTRAINT admin_session_digest_is_sha256 CHECK (digest ~ '^[0-9a-f]{64}$') PRIMARY KEY,
    key_digest text NOT NULL,  -- another ADMIN_KEY ends every session
    created_at timestamptz NOT NULL,
    expires_at timestamptz NOT NULL
);

GRANT SELECT, INSERT, UPDATE (outcome, after) ON admin_actions TO accounts;
GRANT SELECT, INSERT, DELETE ON admin_sessions TO accounts;
