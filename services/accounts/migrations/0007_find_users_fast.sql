-- The operator's list and search read what they show, however many users there are. `email IS NOT NULL` is who is
-- not erased. The trigrams come from pg_trgm, which the bootstrap puts into this schema.
CREATE INDEX accounts_of_people ON accounts (user_id) WHERE email IS NOT NULL;
CREATE INDEX accounts_by_part_of_address ON accounts USING gin (email gin_trgm_ops);
