-- Is this key good, and within its rate? For what costs no tokens.
-- KEYS key, rate | ARGV account_id, request_id, window_ms
local account_id, request_id, window_ms = ARGV[1], ARGV[2], tonumber(ARGV[3])
local now = now_ms()

local key = read_of_this_epoch(KEYS[1])
if not key or key.account ~= account_id then return {'unknown', 'key'} end
if has_ended(key, now) then return refused('key_revoked', 0) end

local window = read_window(KEYS[2], request_id, tonumber(key.limit_per_minute), window_ms, now)
if window.full then return refused('key_rate', window.retry_ms, window) end
enter_window(KEYS[2], window, request_id, window_ms, now)
return {'authenticated', key.key_id, window.limit, window.remaining, window.reset_ms}
