-- What all accounts used together, by UTC day: renewed in the background like the ranks, because the sum over
-- 100,000 accounts and a month takes a second, and a row that every posting changed would be a queue for all.
CREATE TABLE system_days (
    day date PRIMARY KEY,
    requests bigint NOT NULL,
    tokens_prompt bigint NOT NULL,
    tokens_completion bigint NOT NULL
);

INSERT INTO system_days (day, requests, tokens_prompt, tokens_completion)
SELECT day, sum(requests), sum(tokens_prompt), sum(tokens_completion) FROM daily_usage GROUP BY day;

GRANT SELECT, INSERT, UPDATE (requests, tokens_prompt, tokens_completion) ON system_days TO metering;
