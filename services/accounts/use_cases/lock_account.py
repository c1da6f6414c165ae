"""Who changes the keys of an account does it alone, and not of one that was erased meanwhile."""

from services.accounts.adapters import accounts_postgres as accounts
from shared.errors import Kind, PromptlyError
from shared.ids import AccountId
from shared.postgres import Connection


class AccountErased(PromptlyError):
    """It was erased between the question and the change: no key may come after that."""

    kind = Kind.NOT_FOUND
    code = "account_erased"


async def lock_account(connection: Connection, account_id: AccountId) -> None:
    """Until the transaction ends. Raises AccountErased."""
    if not await accounts.lock(connection, account_id):
        raise AccountErased("This account was deleted.")
