-- Stands above every script, after `local EPOCH`, the run_id of the very Redis that runs it.
-- Numbers are integers below 2^53. They enter strings through %d only: Lua's `..` keeps 14 digits.

local function now_ms()
  local time = redis.call('TIME')
  return time[1] * 1000 + math.floor(time[2] / 1000)
end

-- The fields of a hash, or nil when it is missing or was written under another Redis: one that was
-- restarted from an older file may remember balances and keys that are no longer true.
local function read_of_this_epoch(name)
  local flat = redis.call('HGETALL', name)
  local fields = {}
  for i = 1, #flat, 2 do fields[flat[i]] = flat[i + 1] end
  if fields.epoch ~= EPOCH then return nil end
  return fields
end

-- Its holder or the operator ended it, or its time has come: by this clock, whoever else is away.
local function has_ended(key, now)
  local expires_at = tonumber(key.expires_at or 0)
  return key.state ~= 'active' or (expires_at > 0 and expires_at <= now)
end

-- Closed: written again after a loss, and nobody is admitted until it is certain that all that was held,
-- settled or published before is known here. A record of another Redis is as good as absent.
local function state_of(account)
  local epoch, state = unpack(redis.call('HMGET', account, 'epoch', 'state'))
  return epoch == EPOCH and state or 'absent'
end

-- A hold is "tokens|admitted_at|heartbeat_at|prompt|completion|kind|key_id|endpoint|model"; the model
-- comes last, so that it may contain anything.
local function pack_hold(hold)
  return string.format('%d|%d|%d|%d|%d|', hold.tokens, hold.admitted_at, hold.heartbeat_at,
    hold.prompt, hold.completion) .. hold.rest
end

local function find_hold(holds, request_id)
  local packed = redis.call('HGET', holds, request_id)
  if not packed then return nil end
  local tokens, admitted_at, heartbeat_at, prompt, completion, rest =
    string.match(packed, '^(%d+)|(%d+)|(%d+)|(%d+)|(%d+)|(.*)$')
  return {
    tokens = tonumber(tokens), admitted_at = tonumber(admitted_at),
    heartbeat_at = tonumber(heartbeat_at), prompt = tonumber(prompt),
    completion = tonumber(completion), rest = rest,
  }
end

local function running_of(hold)
  return 'running:' .. string.match(hold.rest, '^%a+|([^|]*)|')
end

-- The only way a hold begins, and the only way it leaves: hash, `held`, `running` and lease change together.
local function begin_hold(account, holds, leases, account_id, request_id, hold)
  redis.call('HSET', holds, request_id, pack_hold(hold))
  redis.call('HINCRBY', account, 'held', hold.tokens)
  redis.call('HINCRBY', account, running_of(hold), 1)
  redis.call('ZADD', leases, hold.heartbeat_at, account_id .. '/' .. request_id)
end

local function end_hold(account, holds, leases, account_id, request_id)
  local hold = find_hold(holds, request_id)
  if not hold then return nil end
  redis.call('HDEL', holds, request_id)
  redis.call('HINCRBY', account, 'held', 0 - hold.tokens) -- not -x: Lua has a -0, which is no integer
  local running = running_of(hold)
  if redis.call('HINCRBY', account, running, -1) <= 0 then redis.call('HDEL', account, running) end
  redis.call('ZREM', leases, account_id .. '/' .. request_id)
  return hold
end

-- A lowering's hold: of no key, and never without a heartbeat.
local LOWERING = 'whole||lower|'

-- Of what never ends, what nobody needs: a running request is taken to use first what ends, a lowering may not.
-- Below zero while requests use what was since taken out of `posted`.
local function unused_paid_of(account, holds, now)
  local lowered, ending = 0, 0
  for _, packed in ipairs(redis.call('HVALS', holds)) do
    if string.sub(packed, -#LOWERING) == LOWERING then lowered = lowered + string.match(packed, '^%d+') end
  end
  for field, value in pairs(account) do
    if string.sub(field, 1, 6) == 'grant:' then
      local left, expires_at = string.match(value, '^(%d+):(%d+)$')
      if tonumber(expires_at) > now then ending = ending + left end
    end
  end
  local running = tonumber(account.held) + tonumber(account.journalled) - lowered
  return tonumber(account.posted) - lowered - math.max(running - ending, 0)
end

local function read_journal(journal, request_id)
  local revision, tokens = string.match(redis.call('HGET', journal, request_id) or '', '^(%d+):(%d+)$')
  return tonumber(revision) or 0, tonumber(tokens) or 0
end

-- The end of a request, at the highest revision heard of: what comes later about it changes nothing.
local function remember(done, revision, remember_ms)
  redis.call('SET', done, math.max(revision, tonumber(redis.call('GET', done) or 0)), 'PX', remember_ms)
end

-- Hold -> journal, and the record into the shard's stream. Answers the charge, or nil when this revision
-- (or a later one) is there already. A hold that is gone (swept, Redis emptied) changes nothing in what is
-- owed; one that is there is the most that can be owed.
local function settle(keys, account_id, request_id, revision, tokens, record, remember_ms)
  local hold = end_hold(keys.account, keys.holds, keys.leases, account_id, request_id)
  local journalled_revision, journalled_tokens = read_journal(keys.journal, request_id)
  local done_revision = tonumber(redis.call('GET', keys.done) or 0)
  if math.max(journalled_revision, done_revision) >= revision then return nil end
  if hold then tokens = math.min(tokens, hold.tokens) end
  redis.call('HSET', keys.journal, request_id, string.format('%d:%d', revision, tokens))
  redis.call('HINCRBY', keys.account, 'journalled', tokens - journalled_tokens)
  remember(keys.done, revision, remember_ms)
  redis.call('XADD', keys.settled, '*', 'r', record)
  return tokens
end

-- An exact sliding window. An entry leaves when more than `window_ms` have passed since it, so that no
-- window of that length, wherever it begins, ever holds more than the limit.
local function read_window(name, request_id, limit, window_ms, now)
  redis.call('ZREMRANGEBYSCORE', name, '-inf', string.format('(%d', now - window_ms))
  local used = redis.call('ZCARD', name)
  local newest = redis.call('ZRANGE', name, -1, -1, 'WITHSCORES')
  local window = {
    limit = limit, remaining = math.max(limit - used, 0),
    reset_ms = newest[2] and newest[2] + window_ms + 1 - now or 0,
    counted = redis.call('ZSCORE', name, request_id),
  }
  window.full = used >= limit and not window.counted
  if window.full then -- until so many have left that one more fits
    local blocking = redis.call('ZRANGE', name, used - limit, used - limit, 'WITHSCORES')
    window.retry_ms = (blocking[2] or now) + window_ms + 1 - now
  end
  return window
end

-- Counts this request, once.
local function enter_window(name, window, request_id, window_ms, now)
  if window.counted then return end
  redis.call('ZADD', name, now, request_id)
  redis.call('PEXPIRE', name, window_ms + 1)
  window.remaining = window.remaining - 1
  window.reset_ms = window_ms + 1
end

local function refused(reason, retry_ms, window)
  if not window then return {'refused', reason, retry_ms} end
  return {'refused', reason, retry_ms, window.limit, window.remaining, window.reset_ms}
end
