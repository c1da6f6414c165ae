"""Everything of one user for the operator: ledger, purchases, keys, events, mails. What is away is named."""

import asyncio
from dataclasses import dataclass

from services.accounts.adapters import admin_actions_postgres as actions
from services.accounts.adapters import events_postgres as events
from services.accounts.adapters import key_list_postgres as key_list
from services.accounts.adapters import users_postgres as users
from services.accounts.adapters.ledger_http import Ledger
from services.accounts.adapters.mails_http import Mails
from services.accounts.adapters.sales_http import Sales
from services.accounts.domain.dashboard import Balance, UsageDay
from services.accounts.domain.keys import Key
from services.accounts.domain.operators import ActionSeen
from services.accounts.domain.user_page import EventSeen
from services.accounts.domain.users import User
from services.accounts.use_cases.partly import or_none
from shared.contracts.internal.billing import Purchase
from shared.contracts.internal.metering import EntrySeen, GrantSeen
from shared.contracts.internal.notifier import MailSeen
from shared.errors import Kind, PromptlyError
from shared.postgres import Pool

ROWS_MAX = 50
DAYS_SHOWN = 30


class NoSuchUser(PromptlyError):
    """Nobody has this number or address; perhaps no more."""

    kind = Kind.NOT_FOUND
    code = "user_not_found"


@dataclass(frozen=True, slots=True)
class UserPage:
    """What is None could not be asked; `missing` says whose answer it is."""

    user: User
    keys: tuple[Key, ...]
    events: tuple[EventSeen, ...]
    actions: tuple[ActionSeen, ...]
    balance: Balance | None
    usage: tuple[UsageDay, ...] | None
    grants: tuple[GrantSeen, ...] | None
    entries: tuple[EntrySeen, ...] | None
    purchases: tuple[Purchase, ...] | None
    mails: tuple[MailSeen, ...] | None

    @property
    def missing(self) -> tuple[str, ...]:
        parts = {"the ledger": self.entries, "purchases": self.purchases, "mails": self.mails}
        return tuple(name for name, answer in parts.items() if answer is None)


@dataclass(frozen=True, slots=True)
class ReadUser:
    pool: Pool
    ledger: Ledger
    sales: Sales
    mails: Mails

    async def by_number(self, user_id: int) -> User:
        """Raises NoSuchUser."""
        return _existing(await users.find_by_number(self.pool, user_id))

    async def by_address(self, email: str) -> User:
        return _existing(await users.find_by_address(self.pool, email))

    async def page(self, user: User) -> UserPage:
        account_id = user.account_id
        own, ledger, others = await asyncio.gather(
            asyncio.gather(
                key_list.list_keys(self.pool, account_id),
                events.list_events(self.pool, account_id, limit=ROWS_MAX),
                actions.list_actions_on(self.pool, account_id, limit=ROWS_MAX),
            ),
            asyncio.gather(
                or_none(self.ledger.find_balance(account_id)),
                or_none(self.ledger.find_usage(account_id, days=DAYS_SHOWN)),
                or_none(self.ledger.list_grants(account_id)),
                or_none(self.ledger.list_entries(account_id, limit=ROWS_MAX)),
            ),
            asyncio.gather(
                or_none(self.sales.list_purchases(account_id)), or_none(self.mails.list_of(account_id))
            ),
        )
        keys, seen, done = own
        return UserPage(user, tuple(keys), tuple(seen), tuple(done), *ledger, *others)


def _existing(user: User | None) -> User:
    if user is None:
        raise NoSuchUser("There is no such user.")
    return user
