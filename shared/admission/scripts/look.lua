-- What is left of a key's rate, counting nothing: for who asks for what is not there.
-- KEYS key, rate | ARGV account_id, request_id, window_ms
local account_id, request_id, window_ms = ARGV[1], ARGV[2], tonumber(ARGV[3])
local now = now_ms()

local key = read_of_this_epoch(KEYS[1])
if not key or key.account ~= account_id or has_ended(key, now) then return {'unknown'} end

local window = read_window(KEYS[2], request_id, tonumber(key.limit_per_minute), window_ms, now)
return {'known', window.limit, window.remaining, window.reset_ms}
