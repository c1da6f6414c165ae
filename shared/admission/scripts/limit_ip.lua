-- May this address ask at all? Before authentication, so in a slot of its own.
-- KEYS window | ARGV request_id, limit, window_ms
local request_id, limit, window_ms = ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3])
local now = now_ms()

local window = read_window(KEYS[1], request_id, limit, window_ms, now)
if window.full then return refused('ip_rate', window.retry_ms, window) end
enter_window(KEYS[1], window, request_id, window_ms, now)
return {'passed', window.limit, window.remaining, window.reset_ms}
