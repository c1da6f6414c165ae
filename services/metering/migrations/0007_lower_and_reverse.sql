-- What lowers a balance other than usage and expiry: an operator's deduction and the reversal of a purchase.

-- `reason`: what an operator wrote. A reversal names the purchase that it reverses, whatever grant pays for it; it
-- is positive where a reversal is taken back (a refund that failed).
ALTER TABLE entries
    ADD COLUMN reason text,
    ADD COLUMN purchase_id text,
    DROP CONSTRAINT entries_sign_follows_kind,
    ADD CONSTRAINT entries_sign_follows_kind CHECK (
        CASE kind
            WHEN 'grant' THEN tokens > 0
            WHEN 'usage' THEN tokens < 0
            WHEN 'expiry' THEN tokens < 0
            WHEN 'reversal' THEN tokens <> 0
            WHEN 'adjustment' THEN tokens < 0
            WHEN 'correction' THEN tokens <> 0
            ELSE false
        END
    ),
    ADD CONSTRAINT entries_of_reversals_name_the_purchase
        CHECK ((kind = 'reversal') = (purchase_id IS NOT NULL));

CREATE INDEX entries_of_reversals ON entries (purchase_id) WHERE kind = 'reversal';

-- A frozen grant is in dispute: nothing of it can be spent, and what is running already takes it last.
ALTER TABLE grants
    ADD COLUMN is_frozen boolean NOT NULL DEFAULT false,
    ADD CONSTRAINT grants_frozen_is_a_purchase CHECK (NOT is_frozen OR kind = 'purchase');

CREATE INDEX grants_to_expire ON grants (expires_at) WHERE expires_at IS NOT NULL AND remaining > 0;

-- What billing says of a purchase, each of the two things as of its latest revision; no grant until it is paid.
-- What is to be reversed and is not yet is owed: it comes off what the account may spend at once, and is taken from
-- its paid tokens when nobody is using them any more.
CREATE TABLE purchases (
    purchase_id text PRIMARY KEY,
    account_id text NOT NULL REFERENCES accounts,
    grant_id uuid CONSTRAINT purchases_have_their_own_grant UNIQUE,
    tokens_to_reverse bigint NOT NULL DEFAULT 0,
    reversal_revision bigint NOT NULL DEFAULT 0,
    tokens_reversed bigint NOT NULL DEFAULT 0,
    is_frozen boolean NOT NULL DEFAULT false,
    freeze_revision bigint NOT NULL DEFAULT 0,
    CONSTRAINT purchases_grant_is_the_accounts
        FOREIGN KEY (grant_id, account_id) REFERENCES grants (grant_id, account_id),
    CONSTRAINT purchases_reversed_is_not_negative CHECK (tokens_to_reverse >= 0 AND tokens_reversed >= 0),
    CONSTRAINT purchases_reversed_has_a_grant CHECK (grant_id IS NOT NULL OR tokens_reversed = 0)
);

CREATE INDEX purchases_owing ON purchases (account_id)
    WHERE grant_id IS NOT NULL AND tokens_reversed < tokens_to_reverse;

-- What operators changed, each id once.
CREATE TABLE adjustments (
    adjustment_id uuid PRIMARY KEY,
    account_id text NOT NULL REFERENCES accounts,
    delta bigint NOT NULL,
    reason text NOT NULL,
    created_at timestamptz NOT NULL,
    CONSTRAINT adjustments_change_something CHECK (delta <> 0)
);

-- A deduction on its way: `lowering_id` is its hold in Redis. Written before the hold, so that every hold is known;
-- open until it is posted, or given up because it took too long or Redis lost it. Of an adjustment, one at a time.
CREATE TABLE lowerings (
    lowering_id uuid PRIMARY KEY,
    account_id text NOT NULL REFERENCES accounts,
    adjustment_id uuid NOT NULL,
    tokens bigint NOT NULL,
    state text NOT NULL,
    began_at timestamptz NOT NULL,
    CONSTRAINT lowerings_take_something CHECK (tokens > 0),
    CONSTRAINT lowerings_state_is_known CHECK (state IN ('open', 'posted', 'given_up'))
);

CREATE UNIQUE INDEX lowerings_are_open_once ON lowerings (adjustment_id) WHERE state = 'open';
CREATE INDEX lowerings_open ON lowerings (account_id, began_at) WHERE state = 'open';

GRANT UPDATE (is_frozen) ON grants TO metering;
GRANT SELECT, INSERT ON purchases, adjustments, lowerings TO metering;
GRANT UPDATE (
    grant_id, tokens_to_reverse, reversal_revision, tokens_reversed, is_frozen, freeze_revision
) ON purchases TO metering;
GRANT UPDATE (state) ON lowerings TO metering;
