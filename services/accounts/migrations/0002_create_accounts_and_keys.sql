-- People and their API keys. A key itself is nowhere: only its keyed digest and what may be shown of it.

CREATE TABLE accounts (
    account_id text CONSTRAINT account_id_is_a_handle CHECK (account_id ~ '^[0-9A-Za-z]{8}$') PRIMARY KEY,
    user_id bigint GENERATED ALWAYS AS IDENTITY CONSTRAINT user_id_is_unique UNIQUE,
    email text NOT NULL CONSTRAINT one_account_per_address UNIQUE,
    created_at timestamptz NOT NULL,
    registered_at timestamptz NOT NULL  -- the last time the form was sent for this address
);

CREATE TABLE api_keys (
    key_id uuid PRIMARY KEY,
    account_id text NOT NULL REFERENCES accounts,
    digest text NOT NULL CONSTRAINT digest_is_unique UNIQUE,
    display text NOT NULL,
    kind text NOT NULL CONSTRAINT kind_is_known CHECK (kind IN ('mailed', 'dashboard')),
    state text NOT NULL CONSTRAINT state_is_known CHECK (state IN ('active', 'revoked')),
    version bigint NOT NULL CONSTRAINT version_is_positive CHECK (version > 0),
    mirrored_version bigint NOT NULL DEFAULT 0,  -- what Redis has been told
    created_at timestamptz NOT NULL,
    revoked_at timestamptz,
    CONSTRAINT digest_is_hmac_sha256 CHECK (digest ~ '^[0-9a-f]{64}$'),
    CONSTRAINT mirror_is_not_ahead CHECK (mirrored_version BETWEEN 0 AND version),
    CONSTRAINT revoked_keys_have_a_date CHECK ((state = 'revoked') = (revoked_at IS NOT NULL))
);
CREATE UNIQUE INDEX one_active_mailed_key_per_account
    ON api_keys (account_id) WHERE kind = 'mailed' AND state = 'active';
CREATE INDEX api_keys_of_account ON api_keys (account_id);
CREATE INDEX api_keys_to_mirror ON api_keys (key_id) WHERE mirrored_version < version;

-- Remembers, without the address, who had a trial; outlives the account.
CREATE TABLE trials_taken (
    address_hash text CONSTRAINT address_hash_is_hmac_sha256 CHECK (address_hash ~ '^[0-9a-f]{64}$') PRIMARY KEY,
    taken_at timestamptz NOT NULL
);

GRANT SELECT, INSERT, UPDATE (registered_at) ON accounts TO accounts;
GRANT SELECT, INSERT, UPDATE (state, version, mirrored_version, revoked_at) ON api_keys TO accounts;
GRANT SELECT, INSERT ON trials_taken TO accounts;
