-- Is there room in a window? Counts nothing: for who is counted only for what goes wrong.
-- KEYS window | ARGV request_id, limit, window_ms
local limit, window_ms = tonumber(ARGV[2]), tonumber(ARGV[3])

local window = read_window(KEYS[1], ARGV[1], limit, window_ms, now_ms())
if window.full then return refused('ip_rate', window.retry_ms, window) end
return {'passed', window.limit, window.remaining, window.reset_ms}
