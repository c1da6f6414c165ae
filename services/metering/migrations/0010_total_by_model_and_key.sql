-- Daily totals are kept per model and key, so that a page by day, model or key reads a few rows however many
-- requests they sum up. The requests there are already are summed up anew.

ALTER TABLE daily_usage
    ADD COLUMN model text NOT NULL DEFAULT '',
    ADD COLUMN key_id text NOT NULL DEFAULT '',
    ADD COLUMN tokens_cached bigint NOT NULL DEFAULT 0,
    ADD CONSTRAINT daily_usage_cached_is_not_negative CHECK (tokens_cached >= 0),
    DROP CONSTRAINT daily_usage_pkey,
    ADD PRIMARY KEY (account_id, day, model, key_id);

DELETE FROM daily_usage;
INSERT INTO daily_usage (
    account_id, day, model, key_id, requests, tokens_prompt, tokens_completion, tokens_cached
)
SELECT account_id, (admitted_at AT TIME ZONE 'UTC')::date, model, key_id, count(*),
    sum(tokens_prompt), sum(tokens_completion), sum(tokens_cached)
FROM (
    SELECT DISTINCT ON (request_id)
        account_id, admitted_at, model, key_id, tokens_prompt, tokens_completion, tokens_cached
    FROM usage ORDER BY request_id, revision DESC
) AS latest
GROUP BY 1, 2, 3, 4;

GRANT UPDATE (tokens_cached) ON daily_usage TO metering;

-- What a page lists of one account, and what the audit reads of a range of accounts.
CREATE INDEX usage_of_account ON usage (account_id, request_id, revision);
CREATE INDEX entries_of_account ON entries (account_id, entry_id);
CREATE INDEX grants_of_account ON grants (account_id, created_at);

-- What all accounts used on some days. Not with the totals in it: those change with every posting.
CREATE INDEX daily_usage_of_day ON daily_usage (day);

-- The order of accounts by what they used in the last 30 days, renewed in the background.
CREATE TABLE usage_ranks (
    account_id text PRIMARY KEY REFERENCES accounts,
    tokens_used bigint NOT NULL,
    CONSTRAINT usage_ranks_are_not_negative CHECK (tokens_used >= 0)
);

CREATE INDEX usage_ranks_in_order ON usage_ranks (tokens_used, account_id);

GRANT SELECT, INSERT, DELETE, UPDATE (tokens_used) ON usage_ranks TO metering;
