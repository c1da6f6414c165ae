-- Still alive, and this far: the heartbeat and counts of some open requests of one shard. Counts only
-- grow, so that a late message takes nothing back. Answers the places of those that have no hold.
-- KEYS leases, then the holds of each | ARGV account_id, request_id, prompt, completion of each
local now = now_ms()
local without_hold = {}

for i = 2, #KEYS do
  local at = (i - 2) * 4
  local account_id, request_id = ARGV[at + 1], ARGV[at + 2]
  local hold = find_hold(KEYS[i], request_id)
  if hold then
    hold.heartbeat_at = now
    hold.prompt = math.max(hold.prompt, tonumber(ARGV[at + 3]))
    hold.completion = math.max(hold.completion, tonumber(ARGV[at + 4]))
    redis.call('HSET', KEYS[i], request_id, pack_hold(hold))
    redis.call('ZADD', KEYS[1], now, account_id .. '/' .. request_id)
  else
    table.insert(without_hold, i - 2)
  end
end
return without_hold
