-- May this request run, and for how many tokens? Key, limits and money in one step, because any of
-- them may change between two steps. A refusal leaves nothing behind; a repeat answers the same hold.
-- KEYS account, holds, leases, done, key, rate
-- ARGV account_id, request_id, window_ms, endpoint, model, kind, prompt, prompt_count, completion
local account_name, holds, leases, done, key_name, rate = unpack(KEYS)
local account_id, request_id, window_ms = ARGV[1], ARGV[2], tonumber(ARGV[3])
local endpoint, model, kind = ARGV[4], ARGV[5], ARGV[6]
local prompt, prompt_count, completion = tonumber(ARGV[7]), ARGV[8], tonumber(ARGV[9])
local TRY_AGAIN_MS = 1000 -- until another request's end changes the answer: nobody knows when that is
local now = now_ms()

local function admitted(key, tokens, admitted_at, window)
  return {'admitted', key.key_id, tokens, math.max(tokens - prompt, 0), admitted_at,
    window.limit, window.remaining, window.reset_ms}
end

-- Not decided yet; whatever comes of it, the client is told its rate.
local function unanswered(reply, window)
  for _, figure in ipairs({window.limit, window.remaining, window.reset_ms}) do table.insert(reply, figure) end
  return reply
end

-- Posted and not expired, less what is settled but not yet in the posted balance.
local function spendable_of(account)
  local spendable = tonumber(account.posted) - tonumber(account.journalled)
  for field, value in pairs(account) do
    if string.sub(field, 1, 6) == 'grant:' then
      local tokens, expires_at = string.match(value, '^(%d+):(%d+)$')
      if tonumber(expires_at) > now then spendable = spendable + tokens end
    end
  end
  return spendable
end

-- What to hold; or nil and the answer. Only what is gone for good (spendable) clamps or refuses: what
-- other requests hold may come back.
local function price(account, window)
  local spendable = spendable_of(account)
  local free = spendable - tonumber(account.held)
  local want = prompt + completion
  if want <= free then return want end
  local least = math.min(completion, 1) -- beside a prompt, which has a token at least: below that, why count?
  if spendable < 1 + least then return nil, refused('balance_exhausted', 0, window) end
  if want > spendable and prompt_count == 'bound' then return nil, unanswered({'count_needed'}, window) end
  if spendable < prompt + least then return nil, refused('balance_exhausted', 0, window) end
  want = math.min(want, spendable)
  if want <= free then return want end
  return nil, refused('balance_held', TRY_AGAIN_MS, window)
end

local key = read_of_this_epoch(key_name)
if not key or key.account ~= account_id then return {'unknown', 'key'} end
local window = read_window(rate, request_id, tonumber(key.limit_per_minute), window_ms, now)

if redis.call('EXISTS', done) == 1 then return refused('ended', 0) end
local earlier = find_hold(holds, request_id)
if earlier then return admitted(key, earlier.tokens, earlier.admitted_at, window) end

if has_ended(key, now) then return refused('key_revoked', 0) end
if window.full then return refused('key_rate', window.retry_ms, window) end
local account = read_of_this_epoch(account_name)
if not account or account.state ~= 'open' then
  return unanswered({'unknown', 'account'}, window)
end
if tonumber(account['running:' .. key.key_id] or 0) >= tonumber(key.limit_concurrent) then
  return refused('key_concurrency', TRY_AGAIN_MS, window)
end
local tokens, answer = price(account, window)
if not tokens then return answer end

enter_window(rate, window, request_id, window_ms, now)
begin_hold(account_name, holds, leases, account_id, request_id, {
  tokens = tokens, admitted_at = now, heartbeat_at = now, prompt = 0, completion = 0,
  rest = table.concat({kind, key.key_id, endpoint, model}, '|'),
})
return admitted(key, tokens, now, window)
