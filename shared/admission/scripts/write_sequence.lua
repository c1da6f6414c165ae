-- The last batch that a gateway has published, and how many settlements it has yet to tell this Redis again, as
-- "sequence:at_ms:untold". The sequence never goes back; a gateway not heard of for too long is forgotten.
-- KEYS sequences | ARGV gateway, sequence, untold, forget_after_ms
local gateway, sequence, untold, forget_before = ARGV[1], tonumber(ARGV[2]), ARGV[3], now_ms() - ARGV[4]

local flat = redis.call('HGETALL', KEYS[1])
for i = 1, #flat, 2 do
  local known, at = string.match(flat[i + 1], '^(%d+):(%d+)')
  if flat[i] == gateway then sequence = math.max(sequence, tonumber(known)) end
  if tonumber(at) < forget_before then redis.call('HDEL', KEYS[1], flat[i]) end
end
redis.call('HSET', KEYS[1], gateway, string.format('%d:%d:%d', sequence, now_ms(), untold))
return 1
