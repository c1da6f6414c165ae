-- The gateways are told when a key ends, so that it ends also while accounts is away.
CREATE OR REPLACE VIEW key_records AS
    SELECT key_id, account_id, digest, version, mirrored_version,
           CASE WHEN blocked_at IS NULL THEN state ELSE 'revoked' END AS state, expires_at
    FROM api_keys JOIN accounts USING (account_id);

-- What an erased account has left in the outbox is looked for every few seconds: by its erasing, then by its name.
CREATE INDEX accounts_erased ON accounts (deleted_at) WHERE deleted_at IS NOT NULL;
CREATE INDEX outbox_of_subject ON outbox (subject, id);
