-- Forget entries that every group has acknowledged: the old ones, and of the oldest as many as are too many.
-- XTRIM itself would also remove entries that were never delivered or never acknowledged, so the oldest of
-- those is the limit.
-- Readers that are gone go, too: each start of a gateway is a reader of its own.
-- KEYS settled | ARGV older_than_ms, entries to keep per thousand, readers silent for ms
local function before(a, b)
  local a_ms, a_seq = string.match(a, '^(%d+)-(%d+)$')
  local b_ms, b_seq = string.match(b, '^(%d+)-(%d+)$')
  if a_ms ~= b_ms then return tonumber(a_ms) < tonumber(b_ms) end
  return tonumber(a_seq) < tonumber(b_seq)
end

local function fields_of(flat)
  local fields = {}
  for i = 1, #flat, 2 do fields[flat[i]] = flat[i + 1] end
  return fields
end

-- Of one that has not acknowledged everything, another takes it over first.
local function forget_readers(group)
  for _, flat in ipairs(redis.call('XINFO', 'CONSUMERS', KEYS[1], group)) do
    local reader = fields_of(flat)
    if reader.pending == 0 and reader.idle > tonumber(ARGV[3]) then
      redis.call('XGROUP', 'DELCONSUMER', KEYS[1], group, reader.name)
    end
  end
end

if redis.call('EXISTS', KEYS[1]) == 0 then return 0 end
local groups = redis.call('XINFO', 'GROUPS', KEYS[1])
if #groups == 0 then return 0 end

local needed_from, keep_from = nil, string.format('%d-0', now_ms() - ARGV[1])
for _, flat in ipairs(groups) do
  local group = fields_of(flat)
  forget_readers(group.name)
  local oldest_pending = redis.call('XPENDING', KEYS[1], group.name)[2]
  for _, needed in ipairs({group['last-delivered-id'], oldest_pending or nil}) do
    if not needed_from or before(needed, needed_from) then needed_from = needed end
  end
end

local entries = redis.call('XLEN', KEYS[1])
local too_many = entries - math.floor(entries * ARGV[2] / 1000)
local trimmed = redis.call('XTRIM', KEYS[1], 'MINID', before(needed_from, keep_from) and needed_from or keep_from)
if too_many > trimmed then -- in whole nodes of about a hundred entries: LIMIT goes with ~ only
  trimmed = trimmed + redis.call('XTRIM', KEYS[1], 'MINID', '~', needed_from, 'LIMIT', too_many - trimmed)
end
return trimmed
