-- Still alive, and this far: the heartbeat and counts of some open requests of one shard. Counts only
-- grow, so that a late message takes nothing back. Answers three lists of places: requests that were swept,
-- whose key is revoked, whose key is not known here.
-- KEYS leases, then account, holds, done, key of each
-- ARGV account_id, request_id, prompt, completion, tokens held, admitted_at, rest of the hold of each
local KEYS_EACH, ARGS_EACH = 4, 7
local leases, now = KEYS[1], now_ms()
local swept, revoked, key_missing = {}, {}, {}

-- Where an account is not open, a missing hold was lost with the Redis before: its gateway brings it back.
-- On an open account, or after its end, it was taken away.
local function was_lost(account, done)
  return state_of(account) ~= 'open' and redis.call('EXISTS', done) == 0
end

local function check_key(place, name)
  local key = read_of_this_epoch(name)
  if not key then
    table.insert(key_missing, place)
  elseif has_ended(key, now) then
    table.insert(revoked, place)
  end
end

for place = 0, (#KEYS - 1) / KEYS_EACH - 1 do
  local k, a = 1 + place * KEYS_EACH, place * ARGS_EACH
  local account, holds, done = KEYS[k + 1], KEYS[k + 2], KEYS[k + 3]
  local account_id, request_id = ARGV[a + 1], ARGV[a + 2]
  if not find_hold(holds, request_id) and was_lost(account, done) then
    begin_hold(account, holds, leases, account_id, request_id, {
      tokens = tonumber(ARGV[a + 5]), admitted_at = tonumber(ARGV[a + 6]), heartbeat_at = now,
      prompt = 0, completion = 0, rest = ARGV[a + 7],
    })
  end
  local hold = find_hold(holds, request_id)
  if hold then
    hold.heartbeat_at = now
    hold.prompt = math.max(hold.prompt, tonumber(ARGV[a + 3]))
    hold.completion = math.max(hold.completion, tonumber(ARGV[a + 4]))
    redis.call('HSET', holds, request_id, pack_hold(hold))
    redis.call('ZADD', leases, now, account_id .. '/' .. request_id)
  else
    table.insert(swept, place)
  end
  check_key(place, KEYS[k + 4])
end
return {swept, revoked, key_missing}
