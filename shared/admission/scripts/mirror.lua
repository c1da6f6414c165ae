-- What the ledger says now, and which of the open requests it contains: those leave journal and holds
-- in the same instant in which `posted` contains them. A request that settled since its id was read is
-- not among them and stays. An older write is dropped. Answers the state the account is in afterwards.
-- KEYS account, holds, leases, journal, then done of each posted id
-- ARGV account_id, version, posted, remember_ms, wait_ms, opening, opening_ms, drain, number of grants,
--      (grant id, tokens, expires_at_ms) of each grant, (request_id, revision) of each posted id
local account, holds, leases, journal = KEYS[1], KEYS[2], KEYS[3], KEYS[4]
local account_id, version, posted, remember_ms = ARGV[1], tonumber(ARGV[2]), ARGV[3], ARGV[4]
local wait_ms, opening, opening_ms, drain = tonumber(ARGV[5]), ARGV[6], tonumber(ARGV[7]), ARGV[8]
local GRANTS_AT = 10
local IDS_AT = GRANTS_AT + tonumber(ARGV[9]) * 3
local now = now_ms()

-- -> open at once, when Redis had never had it a moment ago (opening_ms); otherwise absent -> closed, and
-- -> open by a pass that began after this very closing had lasted long enough (opening_ms is its end).
local function next_state()
  local state = state_of(account)
  if opening == 'first' and now - opening_ms < wait_ms then return 'open' end
  if state == 'absent' then
    redis.call('HDEL', account, 'drain')
    redis.call('HSET', account, 'opens_at', now + wait_ms)
    return 'closed'
  end
  if state == 'closed' and tonumber(redis.call('HGET', account, 'opens_at')) == opening_ms then
    if opening == 'drained' then return 'open' end
    if opening == 'draining' then redis.call('HSETNX', account, 'drain', drain) end
  end
  return state
end

local function write_balance()
  for _, field in ipairs(redis.call('HKEYS', account)) do
    if string.sub(field, 1, 6) == 'grant:' then redis.call('HDEL', account, field) end
  end
  for i = GRANTS_AT, IDS_AT - 1, 3 do
    redis.call('HSET', account, 'grant:' .. ARGV[i], ARGV[i + 1] .. ':' .. ARGV[i + 2])
  end
  redis.call('HSET', account, 'version', version, 'posted', posted)
  redis.call('HINCRBY', account, 'held', 0)
  redis.call('HINCRBY', account, 'journalled', 0)
end

-- `posted` contains it: it is owed no longer, and its end is remembered for who asks or repeats.
local function drop(request_id, posted_revision, done)
  local revision, tokens = read_journal(journal, request_id)
  if revision > 0 and posted_revision >= revision then
    redis.call('HDEL', journal, request_id)
    redis.call('HINCRBY', account, 'journalled', 0 - tokens) -- of zero tokens, -tokens is "-0"
  end
  end_hold(account, holds, leases, account_id, request_id)
  remember(done, posted_revision, remember_ms)
end

if tonumber(redis.call('HGET', account, 'version') or 0) > version then return {'dropped'} end
local state = next_state()
write_balance()
redis.call('HSET', account, 'state', state, 'epoch', EPOCH)
for i = IDS_AT, #ARGV, 2 do
  drop(ARGV[i], tonumber(ARGV[i + 1]), KEYS[5 + (i - IDS_AT) / 2])
end
if state == 'open' then return {'open'} end
return {'closed', math.max(tonumber(redis.call('HGET', account, 'opens_at')) - now, 0)}
