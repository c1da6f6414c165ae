"""Every account there ever was, page by page, without addresses: for the audit."""

from dataclasses import dataclass

from services.accounts.adapters import accounts_postgres as accounts
from services.accounts.adapters.accounts_postgres import AccountSeen
from shared.postgres import Pool


@dataclass(frozen=True, slots=True)
class ListAccounts:
    pool: Pool

    async def __call__(self, *, after: str, limit: int) -> tuple[list[AccountSeen], str | None]:
        """By account id; with the id to go on after, None at the end."""
        found = await accounts.list_accounts(self.pool, after=after, limit=limit + 1)
        shown = found[:limit]
        return shown, shown[-1].account_id if len(found) > limit else None
