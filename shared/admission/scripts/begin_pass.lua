-- What a mirror pass must know before it reads the ledger: the state of the account, and which requests are
-- held or journalled. In one step, so that the ids are those of that state.
-- KEYS account, holds, journal
local opens_at, drain = unpack(redis.call('HMGET', KEYS[1], 'opens_at', 'drain'))
return {state_of(KEYS[1]), now_ms(), tonumber(opens_at or 0), drain,
  redis.call('HKEYS', KEYS[2]), redis.call('HKEYS', KEYS[3])}
