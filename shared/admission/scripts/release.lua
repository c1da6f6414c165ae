-- A request was refused after its admission: nothing is charged and no usage is recorded. An admission
-- that arrives after this (its reply was lost, it was late) finds the request ended.
-- KEYS account, holds, leases, done, [rate: give the place in the window back, too]
-- ARGV account_id, request_id, remember_ms
end_hold(KEYS[1], KEYS[2], KEYS[3], ARGV[1], ARGV[2])
redis.call('SET', KEYS[4], 0, 'PX', ARGV[3], 'NX')
if KEYS[5] then redis.call('ZREM', KEYS[5], ARGV[2]) end
return 1
