-- One row per mail that is owed; the event that asked for it is its name for ever.
CREATE TABLE mails (
    event_id uuid PRIMARY KEY,
    account_id text NOT NULL,
    recipient text,
    kind text NOT NULL,
    state text NOT NULL DEFAULT 'pending',
    sealed_key text,
    key_display text NOT NULL,
    request_id text,
    attempts integer NOT NULL DEFAULT 0,
    -- pending: not before this; sending: the lease of the attempt, after which another one may take over.
    next_attempt_at timestamptz NOT NULL,
    last_code integer,
    created_at timestamptz NOT NULL,
    sent_at timestamptz,
    CONSTRAINT mail_state_is_known CHECK (state IN ('pending', 'sending', 'sent', 'refused', 'given_up')),
    CONSTRAINT owed_mail_has_its_recipient CHECK (state NOT IN ('pending', 'sending') OR recipient IS NOT NULL),
    CONSTRAINT sent_mail_has_no_key CHECK (state <> 'sent' OR sealed_key IS NULL),
    CONSTRAINT sent_mail_has_its_time CHECK ((state = 'sent') = (sent_at IS NOT NULL))
);

CREATE INDEX mails_owed ON mails (next_attempt_at) WHERE state IN ('pending', 'sending');
CREATE INDEX mails_of_account ON mails (account_id);

-- Accounts that were deleted: a mail asked for late, by a delayed event, must not bring the address back.
CREATE TABLE forgotten_accounts (
    account_id text PRIMARY KEY,
    forgotten_at timestamptz NOT NULL DEFAULT now()
);

GRANT SELECT, INSERT, DELETE ON mails TO notifier;
GRANT UPDATE (recipient, state, sealed_key, attempts, next_attempt_at, last_code, sent_at) ON mails TO notifier;
GRANT SELECT, INSERT ON forgotten_accounts TO notifier;
