-- What the ledger says now, and which of the open requests it contains: those leave journal and holds
-- in the same instant in which `posted` contains them. A request that settled since its id was read is
-- not among them and stays. An older write is dropped. This also opens an account.
-- KEYS account, holds, leases, journal
-- ARGV account_id, version, posted, number of grants,
--      (grant id, tokens, expires_at_ms) of each grant, (request_id, revision) of each posted id
local account, holds, leases, journal = unpack(KEYS)
local account_id, version, posted, grants = ARGV[1], tonumber(ARGV[2]), ARGV[3], tonumber(ARGV[4])

if tonumber(redis.call('HGET', account, 'version') or 0) > version then return 0 end

for _, field in ipairs(redis.call('HKEYS', account)) do
  if string.sub(field, 1, 6) == 'grant:' then redis.call('HDEL', account, field) end
end
for i = 5, 4 + grants * 3, 3 do
  redis.call('HSET', account, 'grant:' .. ARGV[i], ARGV[i + 1] .. ':' .. ARGV[i + 2])
end
redis.call('HSET', account, 'version', version, 'posted', posted, 'epoch', EPOCH)
redis.call('HINCRBY', account, 'held', 0)
redis.call('HINCRBY', account, 'journalled', 0)

for i = 5 + grants * 3, #ARGV, 2 do
  local request_id, posted_revision = ARGV[i], tonumber(ARGV[i + 1])
  local revision, tokens = read_journal(journal, request_id)
  if revision > 0 and posted_revision >= revision then
    redis.call('HDEL', journal, request_id)
    redis.call('HINCRBY', account, 'journalled', 0 - tokens) -- of zero tokens, -tokens is "-0"
  end
  end_hold(account, holds, leases, account_id, request_id)
end
return 1
