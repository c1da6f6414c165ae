-- Several keys per account (with a name and an end), dashboard sessions, accounts that are blocked or erased.

ALTER TABLE accounts
    ALTER COLUMN email DROP NOT NULL,
    ADD COLUMN has_trial boolean NOT NULL DEFAULT false,
    ADD COLUMN blocked_at timestamptz,
    ADD COLUMN deleted_at timestamptz,
    ADD CONSTRAINT deleted_accounts_have_no_address CHECK ((email IS NULL) = (deleted_at IS NOT NULL));
CREATE INDEX accounts_in_order ON accounts (account_id COLLATE "C");

-- Both were written with the instant of their one transaction.
UPDATE accounts SET has_trial = true FROM trials_taken WHERE taken_at = created_at;

-- The role may erase an address; nobody can give an account another one.
CREATE FUNCTION refuse_another_address() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'an address is erased, never changed' USING ERRCODE = 'check_violation';
END
$$;
CREATE TRIGGER addresses_are_only_erased BEFORE UPDATE OF email ON accounts
    FOR EACH ROW WHEN (NEW.email IS NOT NULL AND NEW.email IS DISTINCT FROM OLD.email)
    EXECUTE FUNCTION refuse_another_address();

ALTER TABLE api_keys
    ADD COLUMN name text NOT NULL DEFAULT '' CONSTRAINT name_is_short CHECK (char_length(name) <= 60),
    ADD COLUMN expires_at timestamptz;
CREATE INDEX api_keys_to_expire ON api_keys (expires_at) WHERE state = 'active' AND expires_at IS NOT NULL;

-- A key as the gateways are to know it: those of a blocked account are refused, and work again after it.
CREATE VIEW key_records AS
    SELECT key_id, account_id, digest, version, mirrored_version,
           CASE WHEN blocked_at IS NULL THEN state ELSE 'revoked' END AS state
    FROM api_keys JOIN accounts USING (account_id);

-- A signed-in browser. Its token is nowhere, only the digest; it ends with the key that opened it.
CREATE TABLE sessions (
    digest text CONSTRAINT session_digest_is_sha256 CHECK (digest ~ '^[0-9a-f]{64}$') PRIMARY KEY,
    account_id text NOT NULL REFERENCES accounts,
    key_id uuid NOT NULL REFERENCES api_keys,
    created_at timestamptz NOT NULL,
    expires_at timestamptz NOT NULL
);
CREATE INDEX sessions_of_account ON sessions (account_id, created_at);
CREATE INDEX sessions_to_end ON sessions (expires_at);

GRANT UPDATE (email, has_trial, blocked_at, deleted_at) ON accounts TO accounts;
GRANT UPDATE (name, expires_at) ON api_keys TO accounts;
GRANT SELECT ON key_records TO accounts;
GRANT SELECT, INSERT, DELETE ON sessions TO accounts;
