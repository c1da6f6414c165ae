"""What the operator does to an account: tokens given or taken, blocked, a new key, erased. Each is in the audit log."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import timedelta

from services.accounts.adapters.ledger_http import Ledger
from services.accounts.domain.dashboard import Balance
from services.accounts.domain.operators import Action, Facts
from services.accounts.domain.users import User
from services.accounts.use_cases.audit import Audit
from services.accounts.use_cases.close_accounts import CloseAccounts
from services.accounts.use_cases.partly import or_none
from services.accounts.use_cases.replace_key import ReplaceKey
from shared.clock import utc_now
from shared.errors import Kind, PromptlyError
from shared.ids import KeyId

KNOWN_ATTEMPTS_MAX = 12
KNOWN_POLL_SECONDS = 0.25


class NotInTheLedger(PromptlyError):
    """The ledger has not heard of the account yet: it registered a moment ago."""

    kind = Kind.UNAVAILABLE
    code = "not_in_the_ledger"


@dataclass(frozen=True, slots=True)
class ChangeUsers:
    """Each returns False when this very action was done before."""

    audit: Audit
    ledger: Ledger
    close_accounts: CloseAccounts
    replace_key: ReplaceKey

    async def adjust(self, action: Action, user: User, *, delta: int, reason: str) -> bool:
        async def work() -> Facts:
            return _facts_of(
                await _once_known(
                    lambda: self.ledger.adjust(
                        user.account_id, adjustment_id=action.action_id, delta=delta, reason=reason
                    )
                )
            )

        return await self.audit(action, work, before=await self._balance_of(user))

    async def grant(self, action: Action, user: User, *, tokens: int, days: int, reason: str) -> bool:
        expires_at = utc_now() + timedelta(days=days)

        async def work() -> Facts:
            return _facts_of(
                await _once_known(
                    lambda: self.ledger.grant(
                        user.account_id,
                        grant_id=action.action_id,
                        tokens=tokens,
                        expires_at=expires_at,
                        reason=reason,
                    )
                )
            )

        return await self.audit(action, work, before=await self._balance_of(user))

    async def erase(self, action: Action, user: User) -> bool:
        async def work() -> Facts:
            await self.close_accounts.erase(user.account_id)
            return {"erased": True}

        return await self.audit(action, work, before=await self._balance_of(user))

    async def block(self, action: Action, user: User) -> bool:
        async def work() -> Facts:
            await self.close_accounts.block(user.account_id)
            return {"blocked": True}

        return await self.audit(action, work, before={"blocked": user.blocked_at is not None})

    async def unblock(self, action: Action, user: User) -> bool:
        async def work() -> Facts:
            await self.close_accounts.unblock(user.account_id)
            return {"blocked": False}

        return await self.audit(action, work, before={"blocked": user.blocked_at is not None})

    async def mail_key(self, action: Action, user: User) -> bool:
        """The key has the action's id, which makes it once only, also when a form is sent twice at once."""
        key_id, is_new = KeyId(str(action.action_id)), False

        async def work() -> Facts:
            nonlocal is_new
            is_new = await self.replace_key.by_mail(user.account_id, user.email, key_id)
            return {"key_id": key_id}

        await self.audit(action, work)
        return is_new

    async def show_key(self, action: Action, user: User) -> str | None:
        """The key, once; None when this very action was done before. As with `mail_key`."""
        key_id, shown = KeyId(str(action.action_id)), None

        async def work() -> Facts:
            nonlocal shown
            shown = await self.replace_key.by_hand(user.account_id, key_id)
            return {"key_id": key_id}

        await self.audit(action, work)
        return shown.text if shown else None

    async def _balance_of(self, user: User) -> Facts:
        balance = await or_none(self.ledger.find_balance(user.account_id))
        return {} if balance is None else _facts_of(balance)


async def _once_known(ask: Callable[[], Awaitable[Balance | None]]) -> Balance:
    """An account that registered a moment ago is on its way to the ledger: a short wait, then NotInTheLedger."""
    for _ in range(KNOWN_ATTEMPTS_MAX):
        balance = await ask()
        if balance is not None:
            return balance
        await asyncio.sleep(KNOWN_POLL_SECONDS)
    raise NotInTheLedger(
        "The ledger does not know this account yet. Please try again in a moment.", retry_after_seconds=1
    )


def _facts_of(balance: Balance) -> Facts:
    return {
        "available": balance.available,
        "paid": balance.paid,
        "trial": balance.trial,
        "debt": balance.debt,
    }
