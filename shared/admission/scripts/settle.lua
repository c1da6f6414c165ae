-- A request has ended: its hold becomes a charge and its record goes into the outbox, together.
-- KEYS account, holds, leases, done, journal, settled
-- ARGV account_id, request_id, revision, tokens, record, remember_ms
local keys = {account = KEYS[1], holds = KEYS[2], leases = KEYS[3], done = KEYS[4],
  journal = KEYS[5], settled = KEYS[6]}
local revision, tokens, remember_ms = tonumber(ARGV[3]), tonumber(ARGV[4]), tonumber(ARGV[6])

return settle(keys, ARGV[1], ARGV[2], revision, tokens, ARGV[5], remember_ms)
