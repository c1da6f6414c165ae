-- What accounts says of a key. An older write is dropped, so that a late one cannot undo a revocation.
-- KEYS key | ARGV version, account, key_id, state, limit_per_minute, limit_concurrent, expires_at (0: never)
local version = tonumber(ARGV[1])

if tonumber(redis.call('HGET', KEYS[1], 'version') or 0) > version then return 0 end
redis.call('HSET', KEYS[1], 'version', version, 'account', ARGV[2], 'key_id', ARGV[3], 'state', ARGV[4],
  'limit_per_minute', ARGV[5], 'limit_concurrent', ARGV[6], 'expires_at', ARGV[7], 'epoch', EPOCH)
return 1
