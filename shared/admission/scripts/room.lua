-- As of which version of the account, how many of its paid tokens does nobody need? Nothing when it is not open.
-- KEYS account, holds
local account = read_of_this_epoch(KEYS[1])
if not account or account.state ~= 'open' then return false end
return {tonumber(account.version), unused_paid_of(account, KEYS[2], now_ms())}
