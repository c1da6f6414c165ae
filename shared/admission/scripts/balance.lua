-- The account's record and the time it is to be read at; nothing when it is unknown here.
-- KEYS account
if redis.call('HGET', KEYS[1], 'epoch') ~= EPOCH then return false end
return {now_ms(), redis.call('HGETALL', KEYS[1])}
