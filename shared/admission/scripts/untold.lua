-- How many settlements have gateways yet to tell again, after a loss? As they said with their last tick; who
-- is not heard of any more tells nothing.
-- KEYS sequences | ARGV heard_within_ms
local heard_since, untold = now_ms() - ARGV[1], 0

for _, said in ipairs(redis.call('HVALS', KEYS[1])) do
  local at, left = string.match(said, '^%d+:(%d+):(%d+)$')
  if at and tonumber(at) > heard_since then untold = untold + tonumber(left) end
end
return untold
