-- The account's record and the time it is to be read at; nothing when it is unknown here, or closed: then it
-- does not know yet all that was spent.
-- KEYS account
if state_of(KEYS[1]) ~= 'open' then return false end
return {now_ms(), redis.call('HGETALL', KEYS[1])}
