-- Links by which the holder of a known address asks for a new key (KEY_RECOVERY=confirm). The link is nowhere.

CREATE TABLE recoveries (
    digest text CONSTRAINT recovery_digest_is_sha256 CHECK (digest ~ '^[0-9a-f]{64}$') PRIMARY KEY,
    account_id text NOT NULL REFERENCES accounts,
    expires_at timestamptz NOT NULL
);
CREATE INDEX recoveries_of_account ON recoveries (account_id);
CREATE INDEX recoveries_to_end ON recoveries (expires_at);

GRANT SELECT, INSERT, DELETE ON recoveries TO accounts;
