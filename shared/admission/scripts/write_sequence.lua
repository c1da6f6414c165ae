-- The last batch that a gateway has published, as "sequence:at_ms". It never goes back; a gateway that has
-- not been heard of for too long is forgotten.
-- KEYS sequences | ARGV gateway, sequence, forget_after_ms
local gateway, sequence, forget_before = ARGV[1], tonumber(ARGV[2]), now_ms() - ARGV[3]

local flat = redis.call('HGETALL', KEYS[1])
for i = 1, #flat, 2 do
  local known, at = string.match(flat[i + 1], '^(%d+):(%d+)$')
  if flat[i] == gateway then sequence = math.max(sequence, tonumber(known)) end
  if tonumber(at) < forget_before then redis.call('HDEL', KEYS[1], flat[i]) end
end
redis.call('HSET', KEYS[1], gateway, string.format('%d:%d', sequence, now_ms()))
return 1
