-- Forget old entries that every group has acknowledged. XTRIM itself would also remove entries that
-- were never delivered or never acknowledged, so the oldest of those is the limit.
-- KEYS settled | ARGV older_than_ms
local function before(a, b)
  local a_ms, a_seq = string.match(a, '^(%d+)-(%d+)$')
  local b_ms, b_seq = string.match(b, '^(%d+)-(%d+)$')
  if a_ms ~= b_ms then return tonumber(a_ms) < tonumber(b_ms) end
  return tonumber(a_seq) < tonumber(b_seq)
end

if redis.call('EXISTS', KEYS[1]) == 0 then return 0 end
local groups = redis.call('XINFO', 'GROUPS', KEYS[1])
if #groups == 0 then return 0 end

local keep_from = string.format('%d-0', now_ms() - ARGV[1])
for _, flat in ipairs(groups) do
  local group = {}
  for i = 1, #flat, 2 do group[flat[i]] = flat[i + 1] end
  local oldest_pending = redis.call('XPENDING', KEYS[1], group.name)[2]
  for _, needed in ipairs({group['last-delivered-id'], oldest_pending or keep_from}) do
    if before(needed, keep_from) then keep_from = needed end
  end
end
return redis.call('XTRIM', KEYS[1], 'MINID', keep_from)
