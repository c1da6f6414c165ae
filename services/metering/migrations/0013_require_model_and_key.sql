-- Every total names its model and key: what posts them does, and nothing else may be forgotten.
ALTER TABLE daily_usage
    ALTER COLUMN model DROP DEFAULT,
    ALTER COLUMN key_id DROP DEFAULT,
    ALTER COLUMN tokens_cached DROP DEFAULT;
