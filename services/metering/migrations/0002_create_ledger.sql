-- The ledger. Integers only: a token is the unit. What is posted is never changed: the runtime role may insert
-- entries and usage and read them, nothing else; what is a sum of them (balance, remaining, daily totals) is
-- updated in the transaction that inserts them.

-- `version` counts the transactions that named the account; `mirrored_version` is the last one of which
-- Redis is known to have heard.
CREATE TABLE accounts (
    account_id text PRIMARY KEY,
    balance bigint NOT NULL DEFAULT 0,
    version bigint NOT NULL DEFAULT 1,
    mirrored_version bigint NOT NULL DEFAULT 0,
    created_at timestamptz NOT NULL,
    closed_at timestamptz,
    CONSTRAINT accounts_id_is_a_handle CHECK (account_id ~ '^[0-9A-Za-z]{8}$'),
    CONSTRAINT accounts_balance_is_not_negative CHECK (balance >= 0),
    CONSTRAINT accounts_mirror_follows_the_ledger CHECK (mirrored_version <= version)
);

CREATE INDEX accounts_to_mirror ON accounts (account_id) WHERE mirrored_version < version;

-- `source` names what the tokens were given for (trial:<account>, purchase:<id>), so that nothing gives twice.
-- A grant starts empty; its `grant` entry fills it.
CREATE TABLE grants (
    grant_id uuid PRIMARY KEY,
    account_id text NOT NULL REFERENCES accounts,
    kind text NOT NULL,
    source text NOT NULL,
    tokens bigint NOT NULL,
    remaining bigint NOT NULL DEFAULT 0,
    expires_at timestamptz,
    created_at timestamptz NOT NULL,
    closed_at timestamptz,
    CONSTRAINT grants_source_gives_once UNIQUE (source),
    CONSTRAINT grants_belong_to_one_account UNIQUE (grant_id, account_id),
    CONSTRAINT grants_kind_is_known CHECK (kind IN ('trial', 'purchase', 'adjustment')),
    CONSTRAINT grants_tokens_are_positive CHECK (tokens > 0),
    CONSTRAINT grants_remaining_is_within_tokens CHECK (remaining BETWEEN 0 AND tokens),
    CONSTRAINT grants_trial_ends CHECK (kind <> 'trial' OR expires_at IS NOT NULL),
    CONSTRAINT grants_closed_is_empty CHECK (closed_at IS NULL OR remaining = 0)
);

CREATE INDEX grants_open ON grants (account_id) WHERE closed_at IS NULL;

CREATE TABLE entries (
    entry_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    account_id text NOT NULL,
    grant_id uuid NOT NULL,
    kind text NOT NULL,
    tokens bigint NOT NULL,
    request_id uuid,
    revision integer,
    created_at timestamptz NOT NULL,
    CONSTRAINT entries_stay_within_the_account
        FOREIGN KEY (grant_id, account_id) REFERENCES grants (grant_id, account_id),
    CONSTRAINT entries_are_posted_once UNIQUE (request_id, revision, grant_id),
    CONSTRAINT entries_sign_follows_kind CHECK (
        CASE kind
            WHEN 'grant' THEN tokens > 0
            WHEN 'usage' THEN tokens < 0
            WHEN 'expiry' THEN tokens < 0
            WHEN 'reversal' THEN tokens < 0
            WHEN 'adjustment' THEN tokens <> 0
            WHEN 'correction' THEN tokens <> 0
            ELSE false
        END
    ),
    CONSTRAINT entries_of_requests_name_them CHECK (
        (kind IN ('usage', 'correction')) = (request_id IS NOT NULL)
        AND (request_id IS NULL) = (revision IS NULL)
    )
);

CREATE UNIQUE INDEX entries_grant_is_filled_once ON entries (grant_id) WHERE kind = 'grant';

-- One row per request and revision; the latest revision is the request's count. `tokens_uncollected` is what
-- no grant could pay. Partitioned by the time inside the request id (UUIDv7): a unique key cannot span
-- partitions by any other column.
CREATE TABLE usage (
    request_id uuid NOT NULL,
    revision integer NOT NULL,
    account_id text NOT NULL REFERENCES accounts,
    key_id text NOT NULL,
    endpoint text NOT NULL,
    model text NOT NULL,
    tokens_prompt bigint NOT NULL,
    tokens_completion bigint NOT NULL,
    tokens_cached bigint NOT NULL,
    tokens_uncollected bigint NOT NULL,
    outcome text NOT NULL,
    estimated boolean NOT NULL,
    admitted_at timestamptz NOT NULL,
    ended_at timestamptz NOT NULL,
    posted_at timestamptz NOT NULL,
    CONSTRAINT usage_is_posted_once PRIMARY KEY (request_id, revision),
    CONSTRAINT usage_revision_is_positive CHECK (revision > 0),
    CONSTRAINT usage_tokens_are_not_negative
        CHECK (tokens_prompt >= 0 AND tokens_completion >= 0 AND tokens_cached >= 0),
    CONSTRAINT usage_uncollected_is_within_the_charge
        CHECK (tokens_uncollected BETWEEN 0 AND tokens_prompt + tokens_completion)
) PARTITION BY RANGE (request_id);

-- The first 48 bits of a UUIDv7 are milliseconds (RFC 9562): the smallest id of an instant bounds a month.
CREATE FUNCTION first_request_id(instant timestamptz) RETURNS uuid
    LANGUAGE sql STABLE STRICT PARALLEL SAFE
    RETURN rpad(lpad(to_hex((extract(epoch FROM instant) * 1000)::bigint), 12, '0'), 32, '0')::uuid;

-- Two years of months, from last month on. Whatever lies outside is kept all the same, in usage_other.
CREATE TABLE usage_other PARTITION OF usage DEFAULT;

DO $$
DECLARE
    month timestamp := date_trunc('month', now() AT TIME ZONE 'UTC') - interval '1 month';
BEGIN
    FOR _ IN 1..25 LOOP
        EXECUTE format(
            'CREATE TABLE %I PARTITION OF usage FOR VALUES FROM (%L) TO (%L)',
            'usage_' || to_char(month, 'YYYY_MM'),
            first_request_id(month AT TIME ZONE 'UTC'),
            first_request_id((month + interval '1 month') AT TIME ZONE 'UTC')
        );
        month := month + interval '1 month';
    END LOOP;
END
$$;

-- UTC days, by admission; corrected with the usage they sum up.
CREATE TABLE daily_usage (
    account_id text NOT NULL REFERENCES accounts,
    day date NOT NULL,
    requests bigint NOT NULL,
    tokens_prompt bigint NOT NULL,
    tokens_completion bigint NOT NULL,
    PRIMARY KEY (account_id, day),
    CONSTRAINT daily_usage_is_not_negative
        CHECK (requests >= 0 AND tokens_prompt >= 0 AND tokens_completion >= 0)
);

GRANT SELECT, INSERT ON accounts, grants, entries, usage, daily_usage TO metering;
GRANT UPDATE (balance, version, mirrored_version, closed_at) ON accounts TO metering;
GRANT UPDATE (remaining, closed_at) ON grants TO metering;
GRANT UPDATE (requests, tokens_prompt, tokens_completion) ON daily_usage TO metering;
