-- Which life of this Redis is it? The run_id changes with a restart; the marker also when the data went
-- (whoever finds none writes one). `since`: from when on it has answered without a pause.
-- KEYS marker | ARGV marker to write if there is none, pause_ms
local now = now_ms()
local run_id, marker, since, seen = unpack(redis.call('HMGET', KEYS[1], 'run_id', 'marker', 'since', 'seen'))
if run_id ~= EPOCH then
  marker, since = ARGV[1], now
elseif now - seen > tonumber(ARGV[2]) then
  since = now
end
redis.call('HSET', KEYS[1], 'run_id', EPOCH, 'marker', marker, 'since', since, 'seen', now)
return {EPOCH, marker, now - since}
