-- Everything that is said of all accounts together is summed up in the background: with 100,000 accounts even the
-- order by balance takes longer to find than anybody should wait.

DROP TABLE usage_ranks;

-- `available` as domain/balances.py has it, `tokens_used` in the last 30 days; closed accounts have no rank.
CREATE TABLE account_ranks (
    account_id text PRIMARY KEY REFERENCES accounts,
    available bigint NOT NULL,
    debt bigint NOT NULL,
    tokens_used bigint NOT NULL,
    CONSTRAINT account_ranks_are_not_negative CHECK (available >= 0 AND debt >= 0 AND tokens_used >= 0)
);

CREATE INDEX account_ranks_by_balance ON account_ranks (available, account_id);
CREATE INDEX account_ranks_by_usage ON account_ranks (tokens_used, account_id);

CREATE TABLE system_sums (
    is_only boolean PRIMARY KEY DEFAULT true,
    accounts bigint NOT NULL,
    tokens_available bigint NOT NULL,
    tokens_debt bigint NOT NULL,
    CONSTRAINT system_sums_is_one_row CHECK (is_only)
);

INSERT INTO system_sums (accounts, tokens_available, tokens_debt) VALUES (0, 0, 0);

GRANT SELECT, INSERT, DELETE, UPDATE (available, debt, tokens_used) ON account_ranks TO metering;
GRANT SELECT, UPDATE (accounts, tokens_available, tokens_debt) ON system_sums TO metering;
