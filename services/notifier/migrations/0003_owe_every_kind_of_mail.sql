-- Not only keys: a mail has facts of its kind (no secret, no address), and some have a sealed secret.
ALTER TABLE mails RENAME COLUMN sealed_key TO sealed_secret;
ALTER TABLE mails RENAME CONSTRAINT sent_mail_has_no_key TO sent_mail_has_no_secret;
ALTER TABLE mails ADD COLUMN facts jsonb NOT NULL DEFAULT '{}';
ALTER TABLE mails DROP COLUMN key_display;

-- "resend" asks for it anew: the day after which it is given up, and the growing pauses, begin again.
ALTER TABLE mails ADD COLUMN requested_at timestamptz;
UPDATE mails SET requested_at = created_at;
ALTER TABLE mails ALTER COLUMN requested_at SET NOT NULL;
ALTER TABLE mails ADD COLUMN attempts_before integer NOT NULL DEFAULT 0;
-- How many attempts never told their outcome: each may have delivered a copy.
ALTER TABLE mails ADD COLUMN interruptions integer NOT NULL DEFAULT 0;

-- Somebody waits for a key; the others can wait a moment.
DROP INDEX mails_owed;
CREATE INDEX mails_owed ON mails ((sealed_secret IS NULL), next_attempt_at) WHERE state IN ('pending', 'sending');
CREATE INDEX mails_ended_badly ON mails (created_at DESC) WHERE state IN ('refused', 'given_up');
CREATE INDEX mails_ended ON mails (created_at) WHERE state IN ('sent', 'refused', 'given_up');

-- Where an account's mails go: the address as accounts stored it. Only the deletion of the account erases it.
CREATE TABLE addressees (
    account_id text PRIMARY KEY,
    address text NOT NULL
);
INSERT INTO addressees (account_id, address)
SELECT DISTINCT ON (account_id) account_id, recipient FROM mails
WHERE recipient IS NOT NULL ORDER BY account_id, created_at DESC;

GRANT UPDATE (requested_at, attempts_before, interruptions) ON mails TO notifier;
GRANT SELECT, INSERT, DELETE ON addressees TO notifier;
GRANT UPDATE (address) ON addressees TO notifier;
