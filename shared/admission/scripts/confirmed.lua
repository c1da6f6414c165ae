-- Which of these settlements does the ledger have? Those that this Redis has heard of (`done`) and that have
-- left the journal. While the account is not open, nothing is certain.
-- KEYS account, journal, then done of each | ARGV revision, then request_id of each. Answers places.
local revision, confirmed = tonumber(ARGV[1]), {}
if state_of(KEYS[1]) ~= 'open' then return confirmed end
for i = 2, #ARGV do
  local heard_of = tonumber(redis.call('GET', KEYS[i + 1]) or 0) >= revision
  if heard_of and redis.call('HEXISTS', KEYS[2], ARGV[i]) == 0 then table.insert(confirmed, i - 2) end
end
return confirmed
