-- For operators who prefer SQL: people, balances and usage across the services' schemas, and a way to give tokens.
-- Owned by the superuser and used by nobody else: the services' roles do not even see the schema. Made anew
-- after the migrations of all services; nothing is stored in it.

DROP SCHEMA IF EXISTS operator CASCADE;
CREATE SCHEMA operator;

CREATE VIEW operator.users AS
SELECT user_id, email, account_id, created_at, blocked_at, deleted_at,
    (
        SELECT count(*) FROM accounts.api_keys
        WHERE api_keys.account_id = accounts.account_id AND state = 'active'
            AND (expires_at IS NULL OR expires_at > now())
    ) AS keys_active
FROM accounts.accounts;

-- Posted tokens; what is being used right now only Redis knows. `paid` and `trial` can be spent, `frozen` is in
-- dispute, `debt` was reversed after it was spent.
CREATE VIEW operator.balances AS
SELECT user_id, email, account_id,
    CASE WHEN closed_at IS NULL THEN greatest(paid + trial - owed, 0) ELSE 0 END AS available,
    greatest(paid - owed, 0) AS paid, trial, trial_expires_at, frozen, greatest(owed - paid, 0) AS debt
FROM metering.accounts
LEFT JOIN accounts.accounts AS people USING (account_id)
CROSS JOIN LATERAL (
    SELECT coalesce(sum(remaining) FILTER (WHERE expires_at IS NULL AND NOT is_frozen), 0)::bigint AS paid,
        coalesce(sum(remaining) FILTER (WHERE expires_at > now()), 0)::bigint AS trial,
        min(expires_at) FILTER (WHERE expires_at > now()) AS trial_expires_at,
        coalesce(sum(remaining) FILTER (WHERE is_frozen), 0)::bigint AS frozen
    FROM metering.grants
    WHERE grants.account_id = accounts.account_id AND grants.closed_at IS NULL AND remaining > 0
) AS remaining
CROSS JOIN LATERAL (
    SELECT coalesce(sum(least(tokens_to_reverse, tokens) - tokens_reversed), 0)::bigint AS owed
    FROM metering.purchases JOIN metering.grants USING (grant_id)
    WHERE purchases.account_id = accounts.account_id AND tokens_reversed < tokens_to_reverse
) AS debts;

-- By UTC day and model, newest first.
CREATE VIEW operator.usage AS
SELECT day, email, account_id, model, sum(requests)::bigint AS requests,
    sum(tokens_prompt)::bigint AS tokens_prompt, sum(tokens_completion)::bigint AS tokens_completion,
    sum(tokens_cached)::bigint AS tokens_cached
FROM metering.daily_usage LEFT JOIN accounts.accounts AS people USING (account_id)
GROUP BY day, email, account_id, model
ORDER BY day DESC, email, model;

-- Every change of a balance but usage, newest first: also what operators gave and why.
CREATE VIEW operator.entries AS
SELECT entries.created_at, email, account_id, entries.kind, grants.source, entries.tokens, reason
FROM metering.entries
JOIN metering.grants USING (grant_id, account_id)
LEFT JOIN accounts.accounts AS people USING (account_id)
WHERE entries.kind NOT IN ('usage', 'correction')
ORDER BY entry_id DESC;

-- Gives paid tokens: a grant and its entry, like `adjust` in the panel. The account's new version is what the
-- mirror looks for twice a second. Answers what is available then.
CREATE FUNCTION operator.credit(email text, tokens bigint, reason text) RETURNS bigint
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    address CONSTANT text := substring(email FROM '^(.*)@') || '@' || lower(substring(email FROM '@([^@]*)$'));
    given CONSTANT uuid := gen_random_uuid();
    tokens_max CONSTANT bigint := 100000000000000;
    holder text;
BEGIN
    IF tokens IS NULL OR tokens NOT BETWEEN 1 AND tokens_max THEN
        RAISE EXCEPTION 'give between 1 and % tokens', tokens_max USING ERRCODE = 'invalid_parameter_value';
    END IF;
    IF coalesce(btrim(reason), '') = '' THEN
        RAISE EXCEPTION 'say why: the reason is kept with the entry' USING ERRCODE = 'invalid_parameter_value';
    END IF;

    SELECT account_id INTO holder FROM accounts.accounts AS people
    WHERE people.email = address AND people.deleted_at IS NULL;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'nobody is registered with the address %', coalesce(email, '(none)')
            USING ERRCODE = 'no_data_found', HINT = 'SELECT email FROM operator.users lists them.';
    END IF;
    PERFORM FROM metering.accounts
    WHERE account_id = holder AND closed_at IS NULL FOR NO KEY UPDATE;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'the ledger does not know % yet', email
            USING ERRCODE = 'no_data_found', HINT = 'Try again in a moment: its registration is on its way.';
    END IF;

    INSERT INTO metering.grants (grant_id, account_id, kind, source, tokens, created_at)
    VALUES (given, holder, 'adjustment', 'credit:' || given, tokens, now());
    WITH posted AS (
        INSERT INTO metering.entries (account_id, grant_id, kind, tokens, reason, created_at)
        VALUES (holder, given, 'grant', credit.tokens, credit.reason, now())
    ), filled AS (
        UPDATE metering.grants SET remaining = credit.tokens WHERE grant_id = given
    )
    UPDATE metering.accounts SET balance = balance + credit.tokens, version = version + 1
    WHERE account_id = holder;
    RETURN (SELECT available FROM operator.balances WHERE balances.account_id = holder);
END
$$;

REVOKE ALL ON FUNCTION operator.credit FROM PUBLIC;
