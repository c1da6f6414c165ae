-- What people were told of their balance, so that each crossing is told once, whatever runs twice or dies.

-- `announced_version`: the version that was last looked at. Told until seen above: an account that never had tokens
-- is not told that they are gone.
ALTER TABLE accounts
    ADD COLUMN announced_version bigint NOT NULL DEFAULT 0,
    ADD COLUMN is_told_low boolean NOT NULL DEFAULT true,
    ADD COLUMN is_told_exhausted boolean NOT NULL DEFAULT true;

CREATE INDEX accounts_to_announce ON accounts (account_id) WHERE announced_version < version;

ALTER TABLE grants ADD COLUMN ending_told_at timestamptz;

GRANT UPDATE (announced_version, is_told_low, is_told_exhausted) ON accounts TO metering;
GRANT UPDATE (ending_told_at) ON grants TO metering;
