-- Partitions of usage are made ahead and dropped when they are old, by the running service. It has no DDL: these
-- two functions of the owner are all that it may do, and they do nothing else. Several replicas may call them at
-- once. They wait for a lock no longer than 1 s, because every posting would wait behind them.

-- Months from this one on, `months_ahead` of them after it; those that were not there.
CREATE FUNCTION make_usage_partitions(months_ahead integer) RETURNS SETOF text
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = metering, pg_temp SET lock_timeout = '1s'
AS $$
DECLARE
    month timestamp := date_trunc('month', now() AT TIME ZONE 'UTC');
    partition text;
BEGIN
    IF months_ahead NOT BETWEEN 1 AND 60 THEN
        RAISE EXCEPTION 'between 1 and 60 months are made ahead, not %', months_ahead;
    END IF;
    PERFORM pg_advisory_xact_lock(hashtext('metering.partitions'));
    FOR _ IN 0..months_ahead LOOP
        partition := 'usage_' || to_char(month, 'YYYY_MM');
        IF to_regclass(partition) IS NULL THEN
            EXECUTE format(
                'CREATE TABLE %I PARTITION OF usage FOR VALUES FROM (%L) TO (%L)',
                partition,
                first_request_id(month AT TIME ZONE 'UTC'),
                first_request_id((month + interval '1 month') AT TIME ZONE 'UTC')
            );
            RETURN NEXT partition;
        END IF;
        month := month + interval '1 month';
    END LOOP;
END
$$;

-- Months that ended longer ago than `kept`. Nothing that is younger than 90 days is ever dropped: who holds the
-- running service's password cannot make the recent past disappear. Entries and daily totals stay.
CREATE FUNCTION drop_old_usage(kept interval) RETURNS SETOF text
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = metering, pg_temp SET lock_timeout = '1s'
AS $$
DECLARE
    partition text;
BEGIN
    IF kept < interval '90 days' THEN
        RAISE EXCEPTION 'usage is kept for at least 90 days, not %', kept;
    END IF;
    PERFORM pg_advisory_xact_lock(hashtext('metering.partitions'));
    FOR partition IN
        SELECT child.relname FROM pg_inherits
        JOIN pg_class AS child ON child.oid = pg_inherits.inhrelid
        WHERE pg_inherits.inhparent = 'usage'::regclass AND child.relname ~ '^usage_[0-9]{4}_[0-9]{2}$'
            AND to_date(right(child.relname, 7), 'YYYY_MM') + interval '1 month'
                <= (now() - kept) AT TIME ZONE 'UTC'
        ORDER BY child.relname
    LOOP
        EXECUTE format('DROP TABLE %I', partition);
        RETURN NEXT partition;
    END LOOP;
END
$$;

REVOKE ALL ON FUNCTION make_usage_partitions, drop_old_usage FROM PUBLIC;
GRANT EXECUTE ON FUNCTION make_usage_partitions, drop_old_usage TO metering;
