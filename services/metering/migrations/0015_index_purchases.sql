-- What the audit reads of 200 accounts at a time, and an account's page: without it, the whole table each time.
CREATE INDEX purchases_of_account ON purchases (account_id);
