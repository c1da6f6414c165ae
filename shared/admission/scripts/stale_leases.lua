-- Which requests of this shard have not been heard of for too long? Only a hint: sweep looks again.
-- KEYS leases | ARGV older_than_ms, limit
return redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', now_ms() - ARGV[1], 'LIMIT', 0, ARGV[2])
