-- What audits keep: notes of the entries they have seen, a reading of the model servers' counters, and results.
-- Notes can be added and read, never changed, by the running service.

-- Digests of the entries first_id to last_id, as they were when every transaction that could add one of them had
-- ended. `chain` is over the note before and this one.
CREATE TABLE entry_notes (
    first_id bigint PRIMARY KEY,
    last_id bigint NOT NULL UNIQUE,
    ids bigint[] NOT NULL,
    digests bigint[] NOT NULL,
    chain text NOT NULL,
    noted_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT entry_notes_are_ranges CHECK (first_id <= last_id),
    CONSTRAINT entry_notes_have_a_digest_each CHECK (cardinality(ids) = cardinality(digests))
);

-- What is noted of an entry: all that it says, as text that no setting of a session changes.
CREATE FUNCTION entry_digest(entry entries) RETURNS bigint
    LANGUAGE sql STABLE PARALLEL SAFE
    RETURN ('x' || left(md5(concat_ws('|',
        entry.entry_id, entry.account_id, entry.grant_id, entry.kind, entry.tokens,
        coalesce(entry.request_id::text, '-'), coalesce(entry.revision, 0),
        coalesce(entry.purchase_id, '-'), coalesce(entry.reason, '-'),
        (extract(epoch FROM entry.created_at) * 1000000)::bigint
    )), 16))::bit(64)::bigint;

-- One row: since when what is posted is compared with what the model servers count, and their last reading.
CREATE TABLE counter_readings (
    is_only boolean PRIMARY KEY DEFAULT true,
    since_at timestamptz NOT NULL,
    since_prompt bigint NOT NULL,
    since_completion bigint NOT NULL,
    last_prompt bigint NOT NULL,
    last_completion bigint NOT NULL,
    CONSTRAINT counter_readings_is_one_row CHECK (is_only)
);

-- The scheduled audits and their results, for all replicas to show.
CREATE TABLE audits (
    audit_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    began_at timestamptz NOT NULL,
    ended_at timestamptz NOT NULL,
    results jsonb NOT NULL
);

GRANT SELECT, INSERT ON entry_notes TO metering;
GRANT SELECT, INSERT, UPDATE ON counter_readings TO metering;
GRANT SELECT, INSERT, DELETE ON audits TO metering;
GRANT EXECUTE ON FUNCTION entry_digest TO metering;
