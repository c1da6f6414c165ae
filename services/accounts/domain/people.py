"""Who is meant: a person with an account, and somebody who showed one of its keys."""

from dataclasses import dataclass, field

from shared.ids import AccountId, KeyId


@dataclass(frozen=True, slots=True)
class Person:
    """An account with its address, and the number by which the operator knows it."""

    account_id: AccountId
    user_id: int
    email: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Holder:
    """Somebody with an active key of an account that is neither blocked nor erased."""

    account_id: AccountId
    email: str = field(repr=False)
    key_id: KeyId
    key_display: str
