-- Which batches of usage are posted, so that an account that Redis has lost opens again only when the ledger
-- contains everything that was published before the loss.

-- When Redis was first told of the account. Set before it is: who finds it set takes an account that is not
-- in Redis for lost. Of the accounts before this column nobody knows.
ALTER TABLE accounts ADD COLUMN opened_at timestamptz;
UPDATE accounts SET opened_at = created_at;

-- Inserted by the transaction that posts the batch; folded into gateways.posted a moment later. Two tables, so
-- that the batches of one gateway do not wait for each other.
CREATE TABLE posted_batches (
    gateway text NOT NULL,
    sequence bigint NOT NULL,
    PRIMARY KEY (gateway, sequence)
);

-- `announced`: the last batch that the gateway said it had published. `gap_from`: the first of those that is not
-- posted, missing since `gap_since`, when `gap_through` was announced.
CREATE TABLE gateways (
    gateway text PRIMARY KEY,
    announced bigint NOT NULL DEFAULT 0,
    posted int8multirange NOT NULL DEFAULT '{}',
    gap_from bigint,
    gap_through bigint,
    gap_since timestamptz,
    gap_is_reported boolean NOT NULL DEFAULT false,
    seen_at timestamptz NOT NULL,
    CONSTRAINT gateways_gap_is_whole_or_none CHECK (num_nulls(gap_from, gap_through, gap_since) IN (0, 3))
);

GRANT UPDATE (opened_at) ON accounts TO metering;
GRANT SELECT, INSERT, DELETE ON posted_batches TO metering;
GRANT SELECT, INSERT, UPDATE, DELETE ON gateways TO metering;
