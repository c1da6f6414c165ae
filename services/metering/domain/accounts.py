"""An account that the ledger has never heard of, or that is deleted."""

from typing import ClassVar

from shared.errors import Kind, PromptlyError
from shared.ids import AccountId


class AccountUnknown(PromptlyError):
    """The ledger does not know this account (yet)."""

    kind: ClassVar[Kind] = Kind.NOT_FOUND
    code: ClassVar[str] = "account_unknown"

    def __init__(self, account_id: AccountId) -> None:
        super().__init__(f"The ledger does not know the account {account_id}.")


class AccountDeletedBefore(PromptlyError):
    """It has nothing to spend any more, and gets nothing."""

    kind: ClassVar[Kind] = Kind.NOT_FOUND
    code: ClassVar[str] = "account_deleted"

    def __init__(self, account_id: AccountId) -> None:
        super().__init__(f"The account {account_id} is deleted: nothing of it changes any more.")
