-- Nobody has heard of this request: settle it from its last checkpoint. The record was built from the
-- hold as read a moment ago, so it counts only if the hold is still that one, byte for byte.
-- KEYS account, holds, leases, done, journal, settled
-- ARGV account_id, request_id, revision, tokens, record, remember_ms, hold as read, older_than_ms
local keys = {account = KEYS[1], holds = KEYS[2], leases = KEYS[3], done = KEYS[4],
  journal = KEYS[5], settled = KEYS[6]}
local account_id, request_id = ARGV[1], ARGV[2]

if redis.call('HGET', keys.holds, request_id) ~= ARGV[7] then return nil end
if find_hold(keys.holds, request_id).heartbeat_at > now_ms() - ARGV[8] then return nil end
return settle(keys, account_id, request_id, tonumber(ARGV[3]), tonumber(ARGV[4]), ARGV[5], tonumber(ARGV[6]))
