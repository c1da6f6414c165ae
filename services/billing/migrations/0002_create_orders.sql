-- Orders and what providers said about them. No card, no address: who bought is an account's handle, and what a
-- provider knows of the payer stays there. Webhook bodies are not kept either: an event is only a hint.

-- What is booked (`state` to `is_frozen`) changes only together with `version`, which numbers the order's events.
CREATE TABLE orders (
    order_id uuid PRIMARY KEY,
    account_id text NOT NULL,
    pack text NOT NULL,
    tokens bigint NOT NULL,
    amount_cents bigint NOT NULL,
    currency text NOT NULL,
    method text NOT NULL,
    seller text NOT NULL,
    created_at timestamptz NOT NULL,
    provider_id text,
    provider_url text,
    version bigint NOT NULL DEFAULT 1,
    state text NOT NULL DEFAULT 'open',
    tokens_credited bigint NOT NULL DEFAULT 0,
    tokens_reversed bigint NOT NULL DEFAULT 0,
    reversed_for text,
    is_frozen boolean NOT NULL DEFAULT false,
    paid_at timestamptz,
    changed_at timestamptz NOT NULL,
    next_check_at timestamptz,
    refund_announced_at timestamptz,
    ledger_checked_at timestamptz,
    ledger_agreed_version bigint NOT NULL DEFAULT 0,
    ledger_told_again_at timestamptz,
    CONSTRAINT orders_account_is_a_handle CHECK (account_id ~ '^[0-9A-Za-z]{8}$'),
    CONSTRAINT orders_are_for_something CHECK (tokens > 0 AND amount_cents > 0),
    CONSTRAINT orders_method_is_known CHECK (method IN ('stripe', 'btcpay')),
    CONSTRAINT orders_state_is_known CHECK (state IN (
        'open', 'processing', 'paid', 'partially_refunded', 'refunded', 'disputed', 'dispute_lost', 'review',
        'failed', 'expired'
    )),
    CONSTRAINT orders_have_one_checkout_each UNIQUE (method, provider_id),
    CONSTRAINT orders_checkout_has_its_address CHECK ((provider_id IS NULL) = (provider_url IS NULL)),
    CONSTRAINT orders_credit_is_within_the_order CHECK (tokens_credited BETWEEN 0 AND tokens),
    CONSTRAINT orders_reversal_is_within_the_credit CHECK (tokens_reversed BETWEEN 0 AND tokens_credited),
    CONSTRAINT orders_reversal_has_a_reason CHECK (
        (tokens_reversed > 0) = (reversed_for IS NOT NULL) AND reversed_for IN ('refunded', 'dispute_lost')
    ),
    CONSTRAINT orders_credited_were_paid CHECK ((tokens_credited > 0) = (paid_at IS NOT NULL)),
    CONSTRAINT orders_frozen_are_credited CHECK (NOT is_frozen OR tokens_credited > tokens_reversed)
);

CREATE INDEX orders_of_account ON orders (account_id, created_at DESC);
CREATE INDEX orders_to_check ON orders (next_check_at) WHERE next_check_at IS NOT NULL;
CREATE INDEX orders_credited ON orders (ledger_checked_at NULLS FIRST) WHERE tokens_credited > 0;
CREATE INDEX orders_by_state ON orders (state, order_id);

-- One attempt at opening a checkout, written before the provider is asked: its key makes the provider's repetition
-- harmless. The one whose checkout the order took is the one the customer was sent to.
CREATE TABLE attempts (
    order_id uuid NOT NULL REFERENCES orders,
    attempt integer NOT NULL,
    idempotency_key text NOT NULL,
    started_at timestamptz NOT NULL,
    CONSTRAINT attempts_are_numbered PRIMARY KEY (order_id, attempt),
    CONSTRAINT attempts_have_a_key_each UNIQUE (idempotency_key),
    CONSTRAINT attempts_are_few CHECK (attempt BETWEEN 1 AND 20)
);

-- Events as they were acknowledged. `next_attempt_at` is also the lease of the worker that has it in hand.
CREATE TABLE webhook_events (
    method text NOT NULL,
    event_id text NOT NULL,
    event_type text NOT NULL,
    subject text NOT NULL,
    subject_id text NOT NULL,
    occurred_at timestamptz,
    received_at timestamptz NOT NULL,
    next_attempt_at timestamptz NOT NULL,
    attempts integer NOT NULL DEFAULT 0,
    processed_at timestamptz,
    CONSTRAINT webhook_events_are_taken_once PRIMARY KEY (method, event_id),
    CONSTRAINT webhook_events_method_is_known CHECK (method IN ('stripe', 'btcpay'))
);

CREATE INDEX webhook_events_waiting ON webhook_events (next_attempt_at) WHERE processed_at IS NULL;
CREATE INDEX webhook_events_done ON webhook_events (processed_at) WHERE processed_at IS NOT NULL;

-- What a human is asked, and what was decided. The same question about an order is asked once.
CREATE TABLE reviews (
    review_id uuid PRIMARY KEY,
    order_id uuid NOT NULL REFERENCES orders,
    reason text NOT NULL,
    evidence text NOT NULL,
    created_at timestamptz NOT NULL,
    decision text,
    decided_by text,
    decided_at timestamptz,
    CONSTRAINT reviews_ask_once UNIQUE (order_id, reason, evidence),
    CONSTRAINT reviews_decided_say_by_whom CHECK (
        (decision IS NULL) = (decided_at IS NULL) AND (decision IS NULL) = (decided_by IS NULL)
    )
);

CREATE INDEX reviews_open ON reviews (created_at) WHERE decided_at IS NULL;

-- The counter is moved and the number used in one statement, in the transaction of the credit: what rolls back
-- leaves no gap.
CREATE TABLE receipt_years (
    year integer PRIMARY KEY,
    last_number integer NOT NULL,
    CONSTRAINT receipt_years_count_up CHECK (last_number > 0)
);

CREATE TABLE receipts (
    year integer NOT NULL,
    number integer NOT NULL,
    order_id uuid NOT NULL REFERENCES orders,
    issued_at timestamptz NOT NULL,
    CONSTRAINT receipts_are_numbered PRIMARY KEY (year, number),
    CONSTRAINT receipts_are_issued_once UNIQUE (order_id)
);

CREATE TABLE deleted_accounts (
    account_id text PRIMARY KEY,
    deleted_at timestamptz NOT NULL
);

GRANT SELECT, INSERT ON orders, attempts, webhook_events, reviews, receipt_years, receipts, deleted_accounts TO billing;
GRANT UPDATE (
    provider_id, provider_url, version, state, tokens_credited, tokens_reversed, reversed_for, is_frozen,
    paid_at, changed_at, next_check_at, refund_announced_at, ledger_checked_at, ledger_agreed_version,
    ledger_told_again_at
) ON orders TO billing;
GRANT UPDATE (processed_at, attempts, next_attempt_at) ON webhook_events TO billing;
GRANT DELETE ON webhook_events TO billing;
GRANT UPDATE (decision, decided_by, decided_at) ON reviews TO billing;
GRANT UPDATE (last_number) ON receipt_years TO billing;
