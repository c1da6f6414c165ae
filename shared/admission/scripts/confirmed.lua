-- Which of these settlements does the ledger have? Those that this Redis has heard of (`done`) and that have
-- left the journal: only a mirror pass takes them out. What was lost with another Redis was not heard of.
-- KEYS journal, then done of each | ARGV revision, then request_id of each. Answers places.
local revision, confirmed = tonumber(ARGV[1]), {}
for i = 2, #ARGV do
  local heard_of = tonumber(redis.call('GET', KEYS[i]) or 0) >= revision
  if heard_of and redis.call('HEXISTS', KEYS[1], ARGV[i]) == 0 then table.insert(confirmed, i - 2) end
end
return confirmed
