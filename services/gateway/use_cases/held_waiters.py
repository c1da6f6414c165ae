"""How many requests may wait, before the queue, until money that only running requests hold is free again."""

from collections import Counter
from typing import Self

from services.gateway.use_cases.measure import HELD_WAITING
from shared.ids import AccountId

HELD_WAITERS_MAX = 256
"""Each asks Redis five times a second, and keeps its body in memory. Who comes later hears 429 at once."""
HELD_WAITERS_OF_ACCOUNT_MAX = 64
"""One account alone takes the places of no other."""


class Place:
    """One request's, taken when it has to wait for the first time."""

    def __init__(self, waiters: "HeldWaiters", account_id: AccountId) -> None:
        self._waiters = waiters
        self.account_id = account_id
        self.is_taken = False

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        """Given back."""
        if self.is_taken:
            self._waiters.leave(self.account_id)

    def take(self) -> bool:
        """False when there is none left. Again is no second one."""
        if not self.is_taken and self._waiters.have_room_for(self.account_id):
            self.is_taken = True
            self._waiters.enter(self.account_id)
        return self.is_taken


class HeldWaiters:
    def __init__(self) -> None:
        self._by_account: Counter[AccountId] = Counter()

    def place(self, account_id: AccountId) -> Place:
        """`with` it."""
        return Place(self, account_id)

    def have_room_for(self, account_id: AccountId) -> bool:
        if self._by_account.total() >= HELD_WAITERS_MAX:
            return False
        return self._by_account.get(account_id, 0) < HELD_WAITERS_OF_ACCOUNT_MAX

    def enter(self, account_id: AccountId) -> None:
        self._by_account[account_id] += 1
        HELD_WAITING.inc()

    def leave(self, account_id: AccountId) -> None:
        self._by_account[account_id] -= 1
        if not self._by_account[account_id]:
            del self._by_account[account_id]
        HELD_WAITING.dec()
