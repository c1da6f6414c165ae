-- Before the ledger lowers a balance: may these tokens be taken, all of them? Then they are held under the
-- lowering's own id, until a mirror pass whose balance is lower ends the hold. Nobody sweeps it: its lease is
-- far in the future.
-- KEYS account, holds, leases, done | ARGV account_id, lowering_id, tokens
local account_name, holds, leases, done = unpack(KEYS)
local account_id, lowering_id, tokens = ARGV[1], ARGV[2], tonumber(ARGV[3])
local NEVER_STALE_MS = 1e13
local now = now_ms()

if redis.call('EXISTS', done) == 1 then return {'ended'} end
if find_hold(holds, lowering_id) then return {'held'} end
local account = read_of_this_epoch(account_name)
if not account or account.state ~= 'open' then return {'unknown'} end
local unused = unused_paid_of(account, holds, now)
if tokens > unused then return {'refused', math.max(unused, 0)} end
begin_hold(account_name, holds, leases, account_id, lowering_id, {
  tokens = tokens, admitted_at = now, heartbeat_at = now + NEVER_STALE_MS, prompt = 0, completion = 0,
  rest = LOWERING,
})
return {'held'}
