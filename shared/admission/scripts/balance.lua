-- The account's record and the time it is to be read at; nothing when it is unknown here.
-- KEYS account
if not read_of_this_epoch(KEYS[1]) then return false end
return {now_ms(), redis.call('HGETALL', KEYS[1])}
