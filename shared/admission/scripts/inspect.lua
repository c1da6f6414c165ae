-- All that is known here of one account's money, in one step: for whoever checks it. Changes nothing.
-- KEYS account, holds, journal, leases | ARGV account_id
local holds, unleased = redis.call('HGETALL', KEYS[2]), {}
for i = 1, #holds, 2 do
  if not redis.call('ZSCORE', KEYS[4], ARGV[1] .. '/' .. holds[i]) then table.insert(unleased, holds[i]) end
end
return {state_of(KEYS[1]), now_ms(), redis.call('HGETALL', KEYS[1]), holds, redis.call('HGETALL', KEYS[3]), unleased}
